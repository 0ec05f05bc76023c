"""Scalars of a run, before and after it is killed."""

import json

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from pnr_jax.paths import to_path
from pnr_jax.training.logger import MetricWriter


def write(workdir, start, stop):
    """A run from step `start` + 1 to `stop`."""
    writer = MetricWriter(workdir, start)
    for step in range(start + 1, stop + 1):
        writer.scalars(step, {"loss": np.float32(step / 2), "rate": 0.25})
    writer.close()


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_one_object_a_line(tmp_path):
    write(tmp_path, 0, 3)
    assert lines(tmp_path) == [{"step": step, "loss": step / 2, "rate": 0.25} for step in (1, 2, 3)]
    assert (tmp_path / "metrics.jsonl").read_text().endswith("}\n")


def test_lines_are_there_as_soon_as_they_are_written(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    writer.scalars(1, {"loss": 0.5})
    assert lines(tmp_path) == [{"step": 1, "loss": 0.5}]
    writer.close()


def test_a_resumed_run_writes_the_lost_steps_again(tmp_path):
    write(tmp_path, 0, 5)
    writer = MetricWriter(tmp_path, 3)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3]
    writer.scalars(4, {"loss": 9.0})
    writer.close()
    assert lines(tmp_path)[2:] == [{"step": 3, "loss": 1.5, "rate": 0.25}, {"step": 4, "loss": 9.0}]


def test_in_a_bucket_lines_are_there_as_soon_as_they_are_flushed(bucket):
    workdir = to_path("gs://pnr-test/run")
    write(workdir, 0, 5)
    assert [line["step"] for line in lines(workdir)] == [1, 2, 3, 4, 5]
    writer = MetricWriter(workdir, 3)
    writer.scalars(4, {"loss": 9.0})
    assert [line["step"] for line in lines(workdir)] == [1, 2, 3, 4, 5]
    writer.flush()
    assert lines(workdir)[2:] == [{"step": 3, "loss": 1.5, "rate": 0.25}, {"step": 4, "loss": 9.0}]
    writer.close()
    assert 4 in [event.step for event in events(workdir) if event.HasField("summary")]


@pytest.mark.parametrize("torn", ['{"step": 3, "lo', '{"step": 3', "{", '{"loss": 1.0}', "7"])
def test_a_torn_line_is_dropped(torn, tmp_path):
    write(tmp_path, 0, 2)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(torn)
    write(tmp_path, 2, 3)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3]


def events(workdir):
    """The records of TensorBoard's files: length, its CRC, data, its CRC."""
    found = []
    for path in sorted((workdir / "tensorboard").iterdir()):
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def test_tensorboard_holds_the_same_numbers_and_the_image(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    writer.scalars(1, {"loss": 0.5})
    writer.scalars(2, {"loss": 0.25, "rate": 2.0})
    writer.image(2, "samples", np.zeros((4, 6, 3), np.uint8))
    writer.close()
    values = [(event.step, value) for event in events(tmp_path) for value in event.summary.value]
    scalars = [(step, v.tag, v.simple_value) for step, v in values if not v.HasField("image")]
    assert scalars == [(1, "loss", 0.5), (2, "loss", 0.25), (2, "rate", 2.0)]
    images = [(step, v.tag, v.image.height, v.image.width) for step, v in values if v.image.height]
    assert images == [(2, "samples", 4, 6)]


def test_tensorboard_forgets_the_steps_that_a_resumed_run_writes_again(tmp_path):
    write(tmp_path, 0, 5)
    write(tmp_path, 3, 4)
    purges = [event.step for event in events(tmp_path) if event.HasField("session_log")]
    assert purges[-1] == 4
