"""Two runs on one workdir, damaged checkpoints, no room on the disk."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.faults.conftest import flip_a_bit

pytestmark = pytest.mark.xdist_group("faults")


def test_a_second_run_on_a_workdir_is_refused(training, uninterrupted):
    from pnr_jax.locks import locked

    run = training("--config.steps=4")
    with locked(run.workdir / ".lock.0", "held"):
        code, output = run.finish()
    assert code == 2
    assert "another run is training here" in output
    assert not (run.workdir / "config.json").exists()


def test_a_workdir_that_cannot_be_written_to_is_one_line(training):
    run = training()
    run.workdir.mkdir(mode=0o500)
    if os.geteuid() == 0:  # Whom modes do not stop, unless he gives that right away.
        run.command = ["setpriv", "--bounding-set=-dac_override", *run.command]
    code, output = run.finish()
    assert code == 2
    assert output.splitlines()[-1].startswith(f"error: {run.workdir}: cannot be written to (Permis")
    assert "Traceback" not in output
    assert not list(run.workdir.iterdir())


def test_a_file_in_place_of_the_workdir_is_one_line(training):
    run = training()
    run.workdir.write_text("mine")
    code, output = run.finish()
    assert code == 2
    assert output.splitlines()[-1].startswith(f"error: {run.workdir}: cannot be written to (")
    assert "Traceback" not in output
    assert run.workdir.read_text() == "mine"


def test_any_file_that_the_system_refuses_is_one_line():
    program = "from pnr_jax import cli; cli.run(lambda: open('/dev/null/x', 'w'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: [Errno 20] Not a directory: '/dev/null/x'\n"


def test_a_damaged_checkpoint_is_set_aside_and_the_run_goes_on(
    training, uninterrupted, assert_same
):
    run = training()
    shutil.copytree(uninterrupted.workdir, run.workdir)
    newest = run.workdir / "checkpoints" / "60"
    flip_a_bit(newest)
    code, output = run.finish()
    assert code == 0, output
    assert "checkpoints/60" in output
    assert "step 56 takes its place" in output
    assert (run.workdir / "damaged" / "60").is_dir()
    assert_same(run, uninterrupted)


def test_where_no_checkpoint_is_sound_nothing_is_deleted(training, uninterrupted):
    run = training()
    shutil.copytree(uninterrupted.workdir, run.workdir)
    folders = [path for path in (run.workdir / "checkpoints").iterdir() if path.name.isdigit()]
    for folder in folders:
        shutil.rmtree(folder / "state")
    code, output = run.finish()
    assert code == 2
    assert "cannot be restored" in output
    assert "Traceback" not in output
    assert all(folder.is_dir() for folder in folders)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with little room."""
    folder = tmp_path / "run"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_room_mends_it(
    small_disk, training, uninterrupted, assert_same
):
    run = training()
    code, output = run.finish()
    assert code == 2, output
    assert "No space left" in output or "make room" in output, output
    assert "Traceback" not in output
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    code, output = run.finish()
    assert code == 0, output
    assert_same(run, uninterrupted)
