"""Whatever is killed, whenever: the resumed run is the uninterrupted run.

`make test-faults` kills 30 times; `make test` three times.
"""

import os
import random
import signal

import pytest

KILLS = int(os.environ.get("PNR_JAX_KILLS", "3"))

pytestmark = pytest.mark.xdist_group("faults")


def test_two_runs_are_equal_to_the_bit(training, uninterrupted, assert_same):
    again = training()
    code, output = again.finish()
    assert code == 0, output
    assert_same(again, uninterrupted)


def test_killed_anywhere_it_ends_as_if_it_had_not_been(training, uninterrupted, assert_same):
    run, moments = training(), random.Random(0)
    killed = 0
    while killed < KILLS:
        code, output = run.stop(signal.SIGKILL, moments.uniform(0, 1.5))
        assert code in (0, -signal.SIGKILL), output
        killed += code != 0
        if code == 0:  # It had ended before: begin anew, so that every kill meets a running run.
            assert_same(run, uninterrupted)
            for path in sorted(run.workdir.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
    code, output = run.finish()
    assert code == 0, output
    assert_same(run, uninterrupted)


def test_sigterm_saves_and_ends_well(training, uninterrupted, assert_same):
    run = training()
    code, output = run.stop(signal.SIGTERM, 0.3)
    assert code == 0, output
    assert "stopped by SIGTERM" in output
    code, output = run.finish()
    assert code == 0, output
    assert "resuming at step" in output
    assert_same(run, uninterrupted)
