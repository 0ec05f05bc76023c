"""A run in a bucket: killed, refused, damaged, in two processes, it ends as one on a disk."""

import random
import signal

import pytest

from pnr_jax.locks import locked
from pnr_jax.paths import to_path
from tests.faults.conftest import Training, ends
from tests.faults.test_kill import KILLS
from tests.object_store import Object

pytestmark = pytest.mark.xdist_group("faults")

WORKDIR = "gs://pnr-test/run"


@pytest.fixture
def training(bucket, cache):
    return Training(WORKDIR, cache)


@pytest.fixture
def fetched(bucket, tmp_path, cache):
    """A function -> the run as a `Training` on this disk, as a copy of the bucket would be."""

    def fetch():
        for name in bucket.names("run/"):
            path = tmp_path / "copy" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bucket.objects[name].data)
        return Training(tmp_path / "copy" / "run", cache)

    return fetch


@pytest.fixture
def copied(bucket, uninterrupted):
    """The whole run of the disk, copied to the bucket."""
    for path in uninterrupted.workdir.rglob("*"):
        if path.is_file():
            name = path.relative_to(uninterrupted.workdir).as_posix()
            bucket.put(f"run/{name}", path.read_bytes(), {})


def finish(run):
    code, output = run.finish()
    assert code == 0, output
    return output


def test_killed_anywhere_it_ends_as_a_run_on_a_disk(
    training, fetched, bucket, uninterrupted, assert_same
):
    moments, killed = random.Random(0), 0
    while killed < KILLS:
        code, output = training.stop(signal.SIGKILL, moments.uniform(0, 4))
        assert code in (0, -signal.SIGKILL), output
        killed += code != 0
        if code == 0:  # It had ended before: begin anew.
            bucket.objects.clear()
        else:
            assert "run/.lock.0.lease" in bucket.objects
    finish(training)
    assert_same(fetched(), uninterrupted)
    assert not [name for name in bucket.names() if "lock" in name]
    assert len(bucket.names("run/samples/")) == 3


def test_sigterm_saves_and_ends_well(training, fetched, uninterrupted, assert_same):
    code, output = training.stop(signal.SIGTERM, 0.3)
    assert code == 0, output
    assert "stopped by SIGTERM" in output
    assert "resuming at step" in finish(training)
    assert_same(fetched(), uninterrupted)


def test_a_second_run_on_a_workdir_is_refused(training, bucket):
    with locked(to_path(WORKDIR) / ".lock.0", "held"):
        code, output = training.finish()
    assert code == 2
    assert f"--workdir={WORKDIR}: another run is training here" in output
    assert "Traceback" not in output
    assert not bucket.objects


def test_a_damaged_checkpoint_is_set_aside(
    training, copied, fetched, bucket, uninterrupted, assert_same
):
    names = bucket.names("run/checkpoints/60/")
    name = max(names, key=lambda name: len(bucket.objects[name].data))
    data = bytearray(bucket.objects[name].data)
    data[len(data) // 2] ^= 1
    bucket.objects[name] = Object(bytes(data), 1)
    assert "step 56 takes its place" in finish(training)
    assert {name.replace("checkpoints", "damaged") for name in names} == set(
        bucket.names("run/damaged/")
    )
    assert_same(fetched(), uninterrupted)


def test_a_bucket_that_cannot_be_written_to_is_one_line(training, bucket, monkeypatch):
    monkeypatch.setattr(bucket, "refused", 403)
    code, output = training.finish()
    assert code == 2
    assert output.splitlines()[-1].startswith(f"error: {WORKDIR}: cannot be written to (Forbidden")
    assert "Traceback" not in output


def test_two_processes_share_a_bucket(bucket, cache, fetched, tmp_path, monkeypatch, assert_same):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    flags = ("--config.steps=8", "--config.loss.gan_image=0", "--config.loss.gan_pose=0")
    here, there = (Training(place, cache, *flags) for place in (tmp_path / "run", WORKDIR))
    for run in (here, there):
        codes, outputs = ends(run.start_pair())
        assert codes == [0, 0], outputs
    assert_same(fetched(), here)
