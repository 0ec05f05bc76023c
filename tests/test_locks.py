"""One process holds a folder, on file systems with locks and without."""

import errno
import os
import platform
import subprocess
import sys
import threading
import time

import pytest

from pnr_jax import locks
from pnr_jax.errors import UserError
from pnr_jax.paths import to_path

HOLD = """
import sys, time
from pnr_jax import locks
from pnr_jax.paths import to_path
{hidden}
locks.RENEWED = 0.05
with locks.locked(to_path(sys.argv[1]), "taken", lambda line: None):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def no_flock(monkeypatch):
    """A file system without locks, and seconds that pass quickly."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    monkeypatch.setattr(locks, "RENEWED", 0.05)
    monkeypatch.setattr(locks, "WATCHED", 0.5)


def start(path, hidden=""):
    """Starts a process that wants to hold `path`."""
    program = HOLD.format(hidden=hidden)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )


def hold(path, hidden=""):
    """Starts a process that holds `path`."""
    process = start(path, hidden)
    assert process.stdout.readline() == "held\n"
    return process


def is_taken(path):
    """Whether another process holds `path`."""
    try:
        with locks.locked(path, "taken", lambda line: None):
            return False
    except UserError as error:
        return str(error) == "taken"


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_lock_is_held_until_its_process_dies(tmp_path):
    process = hold(tmp_path / "lock")
    try:
        assert is_taken(tmp_path / "lock")
    finally:
        end(process)
    with locks.locked(tmp_path / "lock", "taken"):
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_lease_stands_in_where_there_are_no_locks(no_flock, tmp_path):
    lines = []
    with locks.locked(tmp_path / "a" / "lock", "taken", lines.append):
        lease = tmp_path / "a" / "lock.lease"
        first = lease.read_text()
        assert first.startswith(f"{platform.node()}/")
        assert first.split()[1] == str(os.getpid())
        assert is_taken(tmp_path / "a" / "lock")
        assert lease.read_text() != first  # Written anew all the time.
    assert not lease.exists()
    assert "no file locks here (No locks available)" in lines[0]


def test_the_lease_of_a_killed_process_is_taken_over(no_flock, tmp_path):
    process = hold(tmp_path / "lock", hidden="locks.fcntl = None")
    assert (tmp_path / "lock.lease").exists()
    assert is_taken(tmp_path / "lock")
    end(process)
    with locks.locked(tmp_path / "lock", "taken", lambda line: None):
        assert (tmp_path / "lock.lease").read_text().split()[1] == str(os.getpid())


def test_the_lease_of_another_machine_is_watched_and_then_taken_over(no_flock, tmp_path):
    lease, lines = tmp_path / "lease", []
    lease.write_text("elsewhere 7 0.0 12")
    start = time.monotonic()
    with locks.leased(lease, "taken", lines.append):
        assert time.monotonic() - start >= 0.5
        assert lease.read_text().startswith(platform.node())
    assert "watching" in lines[0]

    lease.write_text("elsewhere 7 0.0 12")
    alive = threading.Timer(0.2, lambda: lease.write_text("elsewhere 7 0.0 13"))
    alive.start()
    with pytest.raises(UserError, match="taken"), locks.leased(lease, "taken", lines.append):
        pass
    alive.join()
    assert lease.read_text() == "elsewhere 7 0.0 13"


def test_the_lease_of_another_process_is_left_to_it(no_flock, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "RENEWED", 60.0)
    lease = tmp_path / "lock.lease"
    with locks.locked(tmp_path / "lock", "taken", lambda line: None):
        lease.write_text("another machine 1 2.0 3")
    assert lease.read_text() == "another machine 1 2.0 3"


def test_in_a_bucket_a_lease_is_all_there_is(bucket):
    path, lines = to_path("gs://pnr-test/run/.lock.0"), []
    with locks.locked(path, "taken", lines.append):
        assert bucket.names() == ["run/.lock.0.lease"]
        assert bucket.objects["run/.lock.0.lease"].data.split()[1] == str(os.getpid()).encode()
    assert not bucket.objects
    assert not lines


def test_a_lease_in_a_bucket_is_held_until_its_process_dies(bucket):
    path = to_path("gs://pnr-test/run/.lock.0")
    process = hold(path)
    try:
        assert is_taken(path)
    finally:
        end(process)
    assert bucket.names() == ["run/.lock.0.lease"]
    assert not is_taken(path)


def test_who_has_lost_its_lease_ends(bucket):
    process = hold(to_path("gs://pnr-test/run/.lock.0"))
    try:
        bucket.put("run/.lock.0.lease", b"elsewhere 7 0.0 1", {})
        assert process.wait(timeout=60) == locks.TAKEN
    finally:
        end(process)
    assert bucket.objects["run/.lock.0.lease"].data == b"elsewhere 7 0.0 1"


def test_of_two_that_begin_at_once_one_holds_the_lease(bucket):
    path = to_path("gs://pnr-test/run/.lock.0")
    processes = [start(path) for _ in range(2)]
    try:
        held = [process.stdout.readline() for process in processes]
        assert sorted(held) == ["", "held\n"]
    finally:
        for process in processes:
            end(process)


def test_a_bucket_that_cannot_be_written_to(bucket, monkeypatch):
    path = to_path("gs://pnr-test/run/.lock.0")
    monkeypatch.setattr(bucket, "refused", 403)
    with (
        pytest.raises(UserError, match=r"gs://pnr-test/run: cannot be written to .Forbidden"),
        locks.locked(path, "taken"),
    ):
        pass


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "lock"
    with pytest.raises(UserError, match="cannot be written to"), locks.locked(path, "taken"):
        pass


def test_the_package_is_imported_without_fcntl():
    program = (
        "import sys; sys.modules['fcntl'] = None\n"
        "import pnr_jax.training.loop, pnr_jax.evaluation, pnr_jax.transfer, pnr_jax.augmentation\n"
        "from pnr_jax import locks; assert locks.fcntl is None"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )
