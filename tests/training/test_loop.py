"""What the loop does beside stepping: stopping, counting, naming what went wrong."""

import json

import jax
import pytest

from pnr_jax.checkpoints import open_checkpoints
from pnr_jax.errors import UserError
from pnr_jax.training.logger import RunLogger
from pnr_jax.training.loop import train
from pnr_jax.training.state import init_state


@pytest.fixture
def small_config(small_config):
    """Without discriminators, which take most of the compilation: the loop sees no difference."""
    return small_config.replace(loss={"gan_image": 0.0, "gan_pose": 0.0})


def test_a_run_that_is_no_longer_finite_stops_with_the_batch_and_the_state(small_config, tmp_path):
    small_config = small_config.replace(
        steps=40, learning_rate=1e36, max_skipped=3, sample_every=40
    )
    small_config = small_config.replace(decay_from=0.0)
    with pytest.raises(UserError, match="not finite") as caught:
        train(small_config, tmp_path, log=lambda line: None)
    report = json.loads((tmp_path / "not_finite.json").read_text())
    assert len(report["batch"]) == small_config.batch_size
    assert str(tmp_path / "not_finite.json") in str(caught.value)
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["loss"] is None
    assert last["skipped_steps"] > small_config.max_skipped
    taken = last["step"] - last["skipped_steps"]  # The rate has fallen by so many steps alone.
    assert last["learning_rate"] == pytest.approx(1e36 * (1 - taken / 40), rel=1e-5)
    assert (tmp_path / "checkpoints" / str(last["step"])).is_dir()


def test_a_run_between_two_calls_of_several_steps_is_refused(small_config, tmp_path):
    state = init_state(small_config)
    with open_checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(3, state.replace(step=state.step + 3), score=0.0)
    small_config = small_config.replace(steps_per_call=2, log_every=2)
    with pytest.raises(UserError, match="steps_per_call=2`: the run goes on from step 3"):
        train(small_config, tmp_path)


def test_debug_nans_finds_the_operation(small_config, tmp_path):
    small_config = small_config.replace(steps=40, learning_rate=1e36)
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        train(small_config, tmp_path, log=lambda line: None)


def test_a_batch_that_the_devices_do_not_divide_is_refused(small_config, tmp_path, monkeypatch):
    from pnr_jax import sharding

    class Mesh:
        size = 3

    monkeypatch.setattr(sharding, "make_mesh", lambda: Mesh())
    with pytest.raises(UserError, match="multiple of 3"):
        train(small_config, tmp_path)


def test_the_perceptual_loss_needs_no_file_and_the_number_of_sources_may_vary(
    small_config, tmp_path
):
    small_config = small_config.replace(sources=3, vary_sources=True, vgg19="")
    small_config = small_config.replace(loss={"perceptual": 5.0})
    assert train(small_config, tmp_path, log=lambda line: None)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(line["perceptual"] > 0 for line in lines)


def test_a_profile_is_a_trace_of_the_steps_after_the_first(small_config, tmp_path):
    said = []
    assert train(small_config, tmp_path, log=said.append, profile=2)
    assert f"steps 2 to 3, traced: {tmp_path / 'profile'}" in said
    (trace,) = (tmp_path / "profile").rglob("*.xplane.pb")
    data = jax.profiler.ProfileData.from_file(str(trace))
    events = [event for plane in data.planes for line in plane.lines for event in line.events]
    steps = {dict(event.stats)["step_num"] for event in events if event.name == "train"}
    assert steps == {2, 3}


def test_a_profile_ends_with_the_run(small_config, tmp_path):
    said, config = [], small_config.replace(steps=2)
    assert train(config, tmp_path, log=said.append, profile=10)
    assert len(list((tmp_path / "profile").rglob("*.xplane.pb"))) == 1
    assert "no steps are left to trace" not in said
    assert train(config.replace(steps=3), tmp_path, log=said.append, profile=10)
    assert said.count("no steps are left to trace") == 1


def test_a_log_that_cannot_be_written_does_not_cost_the_checkpoint(
    small_config, tmp_path, monkeypatch
):
    def flush(self):
        raise OSError("the bucket does not answer")

    monkeypatch.setattr(RunLogger, "flush", flush)
    with pytest.raises(OSError, match="does not answer"):
        train(small_config.replace(steps=1), tmp_path, log=lambda line: None)
    with open_checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 1
