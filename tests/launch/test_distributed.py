"""Two processes of two devices: the numbers of one, checkpoints for any mesh, a clear end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from pnr_jax import distributed
from pnr_jax.distributed import LOST, join
from pnr_jax.errors import UserError

SHRUNK = [
    "--config.steps=6",
    "--config.batch_size=4",
    "--config.image_size=(32,32)",
    "--config.learning_rate=1e-6",  # At which rounding does not grow: docs/scaling.md.
    "--config.model.width=4",
    "--config.model.blocks=1",
    "--config.data.train_identities=3",
    "--config.data.test_identities=2",
    "--config.data.views=8",
    "--config.data.test_tuples=5",
    "--config.loss.perceptual=0",  # Rounding grows with it.
    "--config.log_every=1",
    "--config.checkpoint_every=3",
    "--config.sample_every=6",
]
pytestmark = pytest.mark.xdist_group("distributed")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def train(start):
    """A function (workdir, devices, *flags) -> the process of a short run."""

    def train(workdir, devices, *flags, **environment):
        return start(
            *("train.py", "--config=configs/quickstart.py", f"--workdir={workdir}"),
            *SHRUNK,
            *flags,
            stderr=subprocess.STDOUT,
            JAX_NUM_CPU_DEVICES=str(devices),
            PYTHONUNBUFFERED="1",
            **environment,
        )

    return train


@pytest.fixture
def train_pair(train):
    """A function (workdir, *flags) -> two processes of one run, joined by flags."""

    def train_pair(workdir, *flags):
        where = (f"--coordinator=127.0.0.1:{free_port()}", "--num_processes=2")
        return [train(workdir, 2, *where, f"--process_id={i}", *flags) for i in range(2)]

    return train_pair


def finish(*processes):
    """(exit codes, outputs)"""
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    return [process.returncode for process in processes], outputs


def losses(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return {line["step"]: line["loss"] for line in map(json.loads, lines)}


@pytest.fixture(scope="module")
def alone(train, tmp_path_factory):
    """The run of one process with one device."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    codes, outputs = finish(train(workdir, 1))
    assert codes == [0], outputs
    return workdir


def test_two_processes_train_as_one_and_one_goes_on(train, train_pair, alone, tmp_path):
    workdir = tmp_path / "run"
    codes, outputs = finish(*train_pair(workdir, "--config.steps=3", "--config.input=host"))
    assert codes == [0, 0], outputs
    assert "4 devices in 2 processes" in outputs[0]
    assert "parameters" not in outputs[1]  # One process speaks.
    codes, outputs = finish(train(workdir, 1))
    assert codes == [0], outputs
    assert "resuming at step 3" in outputs[0]
    together, expected = losses(workdir), losses(alone)
    assert list(together) == list(expected) == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(list(together.values()), list(expected.values()), rtol=1e-4)


def test_slurm_says_who_is_who(train, tmp_path):
    """The variables of `srun` on one node, as Slurm sets them for each task."""
    processes = [
        train(
            tmp_path / "run", 1, "--distributed", "--config.steps=1",
            SLURM_JOB_ID=str(os.getpid()), SLURM_STEP_NODELIST="127.0.0.1", SLURM_NTASKS="2",
            SLURM_PROCID=str(i), SLURM_LOCALID=str(i), SLURM_STEP_NUM_TASKS="2",
        )
        for i in range(2)
    ]  # fmt: skip
    codes, outputs = finish(*processes)
    assert codes == [0, 0], outputs
    assert "2 devices in 2 processes" in outputs[0]


def test_when_one_process_dies_the_other_says_so(train_pair, tmp_path):
    first, second = train_pair(tmp_path / "run", "--config.steps=100000")
    while "compiled" not in first.stdout.readline():
        assert first.poll() is None
    time.sleep(1)
    second.send_signal(signal.SIGKILL)
    finish(second)
    codes, outputs = finish(first)
    assert codes[0] == LOST, outputs
    assert "another process of this run is gone" in outputs[0]


@pytest.mark.parametrize(
    "flags", [(None, 2, 0), ("host:1", None, 0), ("host:1", 2, None), ("host:1", 2, 2)]
)
def test_contradicting_flags_are_refused(flags):
    with pytest.raises(UserError, match="process_id"):
        join(*flags)


def test_without_a_cluster_the_flags_are_named():
    with pytest.raises(UserError, match="coordinator"):
        join()


@pytest.mark.parametrize(
    "address",
    ["host", "host:", "host:port", ":1234", "host:0", "host:65536", "host:１２", "host:-1"],
)
def test_an_address_without_a_port_is_named(address):
    with pytest.raises(UserError, match=r"expected HOST:PORT"):
        join(address, 2, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "no-such-host.invalid"])
def test_a_coordinator_that_does_not_answer_is_named(host, monkeypatch):
    monkeypatch.setattr(distributed, "REACH", 1)
    address = f"{host}:{free_port()}"
    with pytest.raises(UserError, match=r"does not answer .* start process 0") as caught:
        join(address, 2, 1)
    assert address in str(caught.value) and "\n" not in str(caught.value)


def test_a_port_that_is_taken_is_named():
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        with pytest.raises(UserError, match="the port cannot be used"):
            join(f"127.0.0.1:{other.getsockname()[1]}", 2, 0)


ALONE = """
import sys
from pnr_jax import distributed
distributed.GATHER = 3
distributed.join(sys.argv[1], 2, int(sys.argv[2]))
"""


@pytest.mark.parametrize("process_id", [0, 1])
def test_who_waits_for_others_in_vain_says_so(process_id):
    with socket.socket() as other:  # Listens, but is no coordinator of ours.
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1] if process_id else free_port()
        command = [sys.executable, "-c", ALONE, f"127.0.0.1:{port}", str(process_id)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "error: not all processes have joined within 3 seconds" in done.stderr
