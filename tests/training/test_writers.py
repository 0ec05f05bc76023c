"""Logs beside the workdir, read back from the files that they leave offline."""

import json
import os
import sys

import numpy as np
import pytest

from pnr_jax import config as config_lib
from pnr_jax.data.images import read_image
from pnr_jax.errors import UserError
from pnr_jax.training import writers
from pnr_jax.training.logger import RunLogger
from pnr_jax.training.loop import train
from pnr_jax.training.state import Skipped

BLOCK, HEADER = 32_768, 7  # Of the log format of LevelDB, which .wandb files have.


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """W&B as on a machine without network and without an account."""
    wandb = pytest.importorskip("wandb", reason="needs [wandb]")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    wandb.teardown()  # It reads the environment once.
    yield
    wandb.teardown()


def records(path):
    """The protocol buffers of a .wandb file, whose own header is seven bytes too."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole = path.read_bytes(), HEADER, b""
    while place < len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        whole += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # A whole record, or the last part of one.
            yield Record.FromString(whole)
            whole = b""


def starts(workdir):
    """(run, its lines) for each time that a run was started."""
    found = []
    for path in sorted(workdir.glob("wandb/offline-run-*/*.wandb")):
        all_records = list(records(path))
        (run,) = [record.run for record in all_records if record.HasField("run")]
        lines = [
            {item.key or item.nested_key[0]: json.loads(item.value_json) for item in line}
            for line in (r.history.item for r in all_records if r.HasField("history"))
        ]
        found.append((run, lines))
    return found


def log(config, workdir, start, stop):
    """The log of a run from step `start` + 1 to `stop`; returns its sheet of samples."""
    logger = RunLogger(config, workdir, start, lambda line: None, ["wandb"])
    for step in range(start + 1, stop + 1):
        losses = {"l1": np.float32(step / 8), "loss": np.float32(step)}
        logger.scalars(step, losses, Skipped(0, 0, -1))
    sheet = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    logger.samples(stop, sheet)
    logger.close()
    return sheet


def test_a_run_and_its_resumption_are_one_run_of_weights_and_biases(
    offline, small_config, tmp_path
):
    workdir = tmp_path / "lad"
    config_lib.write_config(small_config, workdir)
    sheet = log(small_config, workdir, 0, 2)
    log(small_config, workdir, 2, 4)
    (first, lines), (second, more) = starts(workdir)
    assert first.run_id == second.run_id == (workdir / "wandb_id").read_text()
    assert (first.project, first.display_name) == ("pnr_jax", "lad")
    configured = {item.key: json.loads(item.value_json) for item in first.config.update}
    saved = json.loads((workdir / "config.json").read_text())
    assert {name: configured[name] for name in saved} == saved

    sent = {line["_step"]: line for line in [*lines, *more]}
    written = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert sorted(sent) == [1, 2, 3, 4]
    for values in written:
        step = values.pop("step")
        assert {name: sent[step][name] for name in values} == pytest.approx(values)
    assert [step for step, line in sent.items() if "samples" in line] == [2, 4]
    (path,) = workdir.glob("wandb/*/files/media/images/samples_2_*.png")
    np.testing.assert_array_equal(read_image(path), sheet)


def test_training_gives_a_writer_what_the_workdir_has(small_config, tmp_path, monkeypatch):
    given = []

    class Writer:
        def __init__(self, config, workdir):
            assert (config.steps, workdir) == (1, tmp_path)

        def scalars(self, step, values):
            given.append((step, set(values)))

        def image(self, step, name, image):
            given.append((step, name, image.dtype))

        def flush(self):
            given.append("flushed")

        def close(self):
            given.append("closed")

    monkeypatch.setitem(writers.WRITERS, "json", Writer)
    config = small_config.replace(steps=1, loss={"gan_image": 0.0, "gan_pose": 0.0})
    assert train(config, tmp_path, lambda line: None, loggers=["json"])
    (line,) = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert given == [(1, line.keys() - {"step"}), (1, "samples", np.uint8), "flushed", "closed"]


def test_without_the_package_a_line_says_what_to_install(small_config, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"^`logger=wandb`: .*pip install 'pnr-jax\[wandb\]'$"):
        train(small_config, tmp_path / "run", loggers=["wandb"])
    assert not (tmp_path / "run").exists()


def test_a_name_that_nothing_has_is_one_line(small_config, tmp_path):
    with pytest.raises(UserError, match=r"^`logger=tensorbored`: expected wandb$"):
        train(small_config, tmp_path / "run", loggers=["tensorbored"])


def test_nobody_logged_in_is_one_line(offline, small_config, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(UserError, match=r"`logger=wandb`: No API key .*WANDB_MODE=offline"):
        writers.WeightsAndBiases(small_config, tmp_path)
