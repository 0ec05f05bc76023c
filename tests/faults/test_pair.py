"""Two processes, of which one is killed or told to stop: run again, they are the unbroken pair."""

import signal
import time

import pytest

from pnr_jax.distributed import LOST
from tests.faults.conftest import Training, ends, flip_a_bit

pytestmark = pytest.mark.xdist_group("faults")


@pytest.fixture
def pair(tmp_path, cache, monkeypatch):
    """A function name -> a `Training` of 20 steps in a workdir of that name."""
    # On few cores one thread for each device: two that wait for each other starve XLA's pool.
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    # Without discriminators, which take most of the compilation: the loop sees no difference.
    flags = ("--config.steps=20", "--config.loss.gan_image=0", "--config.loss.gan_pose=0")
    return lambda name: Training(tmp_path / name, cache, *flags)


def interrupt(run, which, number):
    """Sends one process of a pair a signal after the next checkpoint: (exit codes, outputs)."""
    began, processes = run.latest, run.start_pair()
    while run.latest == began:
        assert all(process.poll() is None for process in processes), ends(processes)
        time.sleep(0.01)
    processes[which].send_signal(number)
    return ends(processes)


def test_a_pair_with_one_killed_and_one_stopped_goes_on_as_if_nothing_had_been(pair, assert_same):
    run, unbroken = pair("run"), pair("unbroken")
    codes, outputs = interrupt(run, 1, signal.SIGKILL)
    assert codes[1] == -signal.SIGKILL, outputs
    # JAX may notice first, see `with_partners`.
    assert codes[0] in (LOST, -signal.SIGABRT), outputs
    assert any(x in outputs[0] for x in ("process of this run is gone", "another task died")), (
        outputs
    )
    before = run.latest
    codes, outputs = interrupt(run, 1, signal.SIGTERM)
    assert codes == [0, 0], outputs
    assert f"resuming at step {before}" in outputs[0]
    assert f"stopped by SIGTERM at step {run.latest}:" in outputs[0]
    damaged = run.latest
    assert before < damaged < 20
    flip_a_bit(run.workdir / "checkpoints" / str(damaged))
    for training in (run, unbroken):
        codes, outputs = training.finish_pair()
        assert codes == [0, 0], outputs
        assert training.latest == 20
        assert [line["step"] for line in training.metrics()] == list(range(2, 21, 2))
    assert_same(run, unbroken)
    assert (run.workdir / "damaged" / str(damaged)).is_dir()


def test_a_pair_with_other_flags_is_refused(pair):
    run = pair("run")
    codes, outputs = ends(run.start_pair("--config.batch_size=4"))
    assert codes == [2, 2], outputs
    for output in outputs:
        assert "error: --config: differs between the processes" in output
    assert not run.workdir.exists()
