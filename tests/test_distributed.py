"""Signals, lost partners and flags that differ, as one process sees them."""

import os
import signal
import threading

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from pnr_jax import distributed
from pnr_jax.errors import UserError


def test_sigterm_asks_for_the_last_step():
    with distributed.stop_requests() as stopped_at:
        assert not stopped_at(1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped_at(2)


def test_ctrl_c_lets_the_step_end_and_goes_on_afterwards():
    before, reached = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), distributed.stop_requests() as stopped_at:
        os.kill(os.getpid(), signal.SIGINT)
        reached.append(stopped_at(1))
    assert reached == [True]
    assert signal.getsignal(signal.SIGINT) is before


def test_where_ctrl_c_is_ignored_it_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with distributed.stop_requests() as stopped_at:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stopped_at(1)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_pressed_twice_ends_at_once():
    reached = []
    with pytest.raises(KeyboardInterrupt), distributed.stop_requests():
        os.kill(os.getpid(), signal.SIGINT)
        reached.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        reached.append(2)
    assert reached == [1]


def test_outside_of_the_main_thread_no_signal_is_waited_for():
    found = []

    def ask():
        with distributed.stop_requests() as stopped_at:
            found.append(stopped_at(1))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [False]


@pytest.mark.parametrize("lost", [True, False])
def test_only_a_lost_partner_ends_the_program(monkeypatch, capsys, lost):
    codes, message = [], "UNAVAILABLE: Connection reset" if lost else "RESOURCE_EXHAUSTED: 9 GB"
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(os, "_exit", codes.append)

    def fail():
        with distributed.with_partners():
            raise jax.errors.JaxRuntimeError(message)

    if lost:
        fail()
        assert "another process of this run is gone (UNAVAILABLE" in capsys.readouterr().err
    else:
        with pytest.raises(jax.errors.JaxRuntimeError, match="9 GB"):
            fail()
    assert codes == ([distributed.LOST] if lost else [])


def test_what_differs_between_processes_is_named(monkeypatch):
    distributed.check_same("steps: 3", "`config`")
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda x: np.stack([x, x[::-1]]))
    with pytest.raises(UserError, match=r"^`config`: differs between the processes"):
        distributed.check_same("steps: 3", "`config`")
