"""Training in several processes."""

import contextlib
import errno
import hashlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import jax
import numpy as np
from jax.experimental import multihost_utils

from pnr_jax.errors import UserError, first_line

LOST = 3  # Exit code when another process is gone.
SILENCE = 60  # Seconds without a heartbeat after which a process counts as dead.
REACH = 60  # Seconds in which the coordinator must answer at its port.
# Errors of a process itself, which running again does not mend.
_OWN = ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNIMPLEMENTED")
GATHER = 300  # Seconds in which all processes must have joined.


def join(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Joins the other processes of a run; to be called before any device is used.

    Args:
      coordinator: host:port of process 0; None asks Slurm, Open MPI, Kubernetes or the Cloud TPU.
      num_processes: how many there are, with `coordinator`.
      process_id: which one this is, from 0, with `coordinator`.

    Raises:
      UserError: the arguments contradict each other, no such environment was found, or the
        coordinator cannot be reached. If others do not join in time, the program ends with a
        message of one line.
    """
    if len({value is None for value in (coordinator, num_processes, process_id)}) == 2:
        raise UserError(
            "`coordinator`, `num_processes` and `process_id` go together: give all three, or "
            "`distributed` alone on Slurm, Open MPI, Kubernetes or a Cloud TPU"
        )
    if coordinator is not None and not _is_address(coordinator):
        raise UserError(f"`coordinator={coordinator}`: expected HOST:PORT, a port in 1 ... 65535")
    if process_id is not None and not 0 <= process_id < (num_processes or 0):
        raise UserError(f"`process_id={process_id}`: must be in 0 ... {num_processes} - 1")
    if coordinator is not None:
        (_reach if process_id else _check_port)(coordinator)
    try:
        with _gathering():
            jax.distributed.initialize(
                coordinator,
                num_processes,
                process_id,
                initialization_timeout=2 * GATHER,
                heartbeat_timeout_seconds=SILENCE,
            )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the processes could not be joined ({first_line(error)}); without a cluster manager "
            "give `coordinator=HOST:PORT` `num_processes=N` `process_id=I`"
        ) from None


def is_main_process() -> bool:
    """Returns whether this process writes the run's files and logs."""
    return jax.process_index() == 0


def check_same(text: str, what: str) -> None:
    """Compares a text among all processes, which otherwise would wait for each other for ever.

    Raises:
      UserError: in every process, if `what` is not the same in all.
    """
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    digests = np.reshape(multihost_utils.process_allgather(digest), (-1, len(digest)))
    if (digests != digest).any():
        raise UserError(f"{what}: differs between the processes; start the same command on each")


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535


def _check_port(coordinator: str) -> None:
    """Raises a `UserError` where process 0 cannot listen: JAX would wait for ever."""
    port = int(coordinator.rpartition(":")[2])
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise UserError(
                f"`coordinator={coordinator}`: the port cannot be used ({error.strerror}); "
                "choose another one, on all processes"
            ) from None


def _reach(coordinator: str) -> None:
    """Waits until process 0 listens; JAX itself would end with a stack dump."""
    host, _, port = coordinator.rpartition(":")
    end = time.monotonic() + REACH
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH).close()
            return
        except OSError as error:
            if time.monotonic() >= end:
                raise UserError(
                    f"`coordinator={coordinator}`: does not answer within {REACH} seconds "
                    f"({first_line(error)}); start process 0 on that host, with the same address"
                ) from None
        time.sleep(0.5)


@contextlib.contextmanager
def _gathering() -> Iterator[None]:
    """Ends the program, with a line and exit code 2, if others do not join while the block runs.

    By a thread, since nothing else interrupts JAX's waiting but its own end by SIGABRT.
    """

    def end() -> None:
        print(
            f"error: not all processes have joined within {GATHER} seconds; start the same command "
            "on each, as many as num_processes says",
            file=sys.stderr,
            flush=True,
        )
        os._exit(2)

    timer = threading.Timer(GATHER, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def with_partners() -> Iterator[None]:
    """Ends the program, with a line and exit code `LOST`, when another process is gone.

    At once: an orderly end would wait for the lost process in every barrier on its way. A partner
    that dies while both save is missed by its silence alone, and then JAX may end the program by
    SIGABRT first, with a message of its own.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or any(code in str(error) for code in _OWN):
            raise
        print(
            f"error: another process of this run is gone ({first_line(error)}); run the same "
            "command on all of them again, it goes on from the last checkpoint",
            file=sys.stderr,
            flush=True,
        )
        os._exit(LOST)


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Yields a function: is this step the last one, since SIGTERM or Ctrl-C came?

    With several processes JAX's preemption service carries SIGTERM to all of them, and they agree
    on the step; Ctrl-C ends them at once. Signals reach the main thread alone.

    Raises:
      KeyboardInterrupt: after the block if Ctrl-C came, at once if it came twice.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    if threading.current_thread() is not threading.main_thread():
        yield lambda _: False
        return
    came: list[int] = []

    def request(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in came:
            raise KeyboardInterrupt
        if number == signal.SIGINT:
            print(
                "\nCtrl-C: saving a checkpoint after this step; press it again to stop at once",
                file=sys.stderr,
                flush=True,
            )
        came.append(number)

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):  # As in the background.
        numbers.append(signal.SIGINT)
    previous = {number: signal.signal(number, request) for number in numbers}
    try:
        yield lambda _: bool(came)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if signal.SIGINT in came:
        raise KeyboardInterrupt
