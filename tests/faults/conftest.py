"""Real training programs, started, killed and started again."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

ROOT = Path(__file__).parents[2]
STEPS = 60
CLOCK = {"images_per_second", "step_seconds"}  # What two equal runs may differ in.


class Training:
    """The command of a run, its process, and what it left in its workdir."""

    def __init__(self, workdir, cache, *flags):
        self.workdir = workdir
        self.command = [
            sys.executable,
            ROOT / "launch" / "train.py",
            f"--config={Path(__file__).with_name('config.py')}",
            f"--workdir={workdir}",
            *flags,
        ]
        # Compiled once for all runs: most of a run's time is compiling otherwise.
        self._environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, *flags):
        return subprocess.Popen(
            [*self.command, *flags],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self):
        """Runs to the end: (exit code, what was printed)."""
        process = self.start()
        output, _ = process.communicate(timeout=600)
        return process.returncode, output

    def stop(self, signal, seconds):
        """Sends a signal some seconds after the first step could run: (exit code, output)."""
        process, lines = self.start(), []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("compiled"):
                break
        time.sleep(seconds)
        process.send_signal(signal)
        rest, _ = process.communicate(timeout=600)
        return process.returncode, "".join(lines) + rest

    def start_pair(self, *others):
        """The run as two processes of one device; the second has other flags too."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            where = f"--coordinator=127.0.0.1:{listener.getsockname()[1]}"
        return [
            self.start(where, "--num_processes=2", f"--process_id={i}", *(others if i else ()))
            for i in range(2)
        ]

    def finish_pair(self):
        """Runs as two processes to the end: (exit codes, what was printed)."""
        return ends(self.start_pair())

    @property
    def latest(self):
        """The step of the last checkpoint, 0 where there is none."""
        paths = (self.workdir / "checkpoints").glob("*")
        return max((int(path.name) for path in paths if path.name.isdigit()), default=0)

    def state(self):
        """The arrays of the last checkpoint."""
        path = self.workdir / "checkpoints" / str(self.latest)
        saved = ocp.metadata(path, checkpointable_name="state").metadata
        like = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), saved)  # On no device.
        return ocp.load(path, like, checkpointable_name="state")

    def metrics(self):
        """The lines of metrics.jsonl without what a clock wrote."""
        lines = (self.workdir / "metrics.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k not in CLOCK} for line in lines]


def flip_a_bit(checkpoint):
    """Damages the arrays of a checkpoint."""
    data = max((path for path in checkpoint.rglob("*") if path.is_file()), key=os.path.getsize)
    damaged = bytearray(data.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    data.write_bytes(damaged)


def ends(processes):
    """(exit codes, outputs) of processes, once they have ended."""
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    return [process.returncode for process in processes], outputs


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory, cache):
    training = Training(tmp_path_factory.mktemp("whole") / "run", cache)
    code, output = training.finish()
    assert code == 0, output
    assert training.latest == STEPS
    return training


@pytest.fixture
def training(tmp_path, cache):
    """A function flags -> a `Training` in a workdir of its own."""
    return lambda *flags: Training(tmp_path / "run", cache, *flags)


@pytest.fixture(scope="session")
def assert_same():
    """A function that compares two finished runs bit for bit."""

    def check(one, other):
        assert one.latest == other.latest
        a, b = jax.tree.leaves_with_path(one.state()), jax.tree.leaves_with_path(other.state())
        assert [path for path, _ in a] == [path for path, _ in b]
        for (path, x), (_, y) in zip(a, b, strict=True):
            np.testing.assert_array_equal(np.asarray(x), np.asarray(y), err_msg=str(path))
        assert one.metrics() == other.metrics()

    return check
