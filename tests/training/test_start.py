"""A run that begins with another one's weights, told apart from one that goes on."""

import json

import jax
import numpy as np
import pytest

from pnr_jax import config as config_lib
from pnr_jax import sharding
from pnr_jax.checkpoints import export_model, load_model, open_checkpoints
from pnr_jax.errors import UserError
from pnr_jax.training.loop import train
from pnr_jax.training.start import start_from
from pnr_jax.training.state import init_state


@pytest.fixture
def other(small_config, tmp_path):
    """A trained run, and its networks."""
    folder, state = tmp_path / "other", init_state(small_config.replace(seed=5))
    state = state.replace(step=state.step + 7)
    config_lib.write_config(small_config.replace(seed=5), folder)
    with open_checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(7, state, score=0.0)
    return folder, state


def assert_equal(one, two):
    jax.tree.map(np.testing.assert_array_equal, one, two)


def begun(config, name):
    said, state = [], init_state(config)
    counts = config.build_system().counts
    return start_from(str(name), state, counts, sharding.make_mesh(), said.append), state, said


def test_all_networks_are_taken_over_and_the_rest_begins_anew(small_config, other):
    folder, theirs = other
    before = sorted(folder.rglob("*"))
    begins, own, said = begun(small_config.replace(ema=0.9, image_size=(64, 32)), folder)
    for networks in (begins.variables, begins.ema):
        assert_equal(networks, theirs.variables)
    assert_equal(begins.discriminators, theirs.discriminators)
    assert_equal(begins.opt_state, own.opt_state)
    assert int(begins.step) == 0
    assert len(said) == 1
    assert "arrays fit" in said[0]
    assert sorted(folder.rglob("*")) == before


def test_the_count_of_steps_begins_anew(small_config, tmp_path):
    config = small_config.replace(
        system={"name": "pg2"},
        model={"width": 4, "code": 8, "radius": 2},
        discriminator={"width": 4},
        loss={},
    )
    state, folder = init_state(config), tmp_path / "other"
    variables = state.variables | {"steps": {"done": state.variables["steps"]["done"] + 9}}
    config_lib.write_config(config, folder)
    export_model(folder, variables)
    begins, _, _ = begun(config.replace(seed=1), folder)
    assert float(begins.variables["steps"]["done"]) == 0
    assert_equal(begins.variables["params"], variables["params"])


def test_a_layer_that_does_not_fit_is_named_and_keeps_its_start(small_config, other):
    folder, theirs = other
    begins, own, said = begun(small_config.replace(model={"d": 6}), folder)
    taken, kept, parts = (
        jax.tree.leaves(state.variables["params"]) for state in (begins, own, theirs)
    )
    misfits = 0
    for new, mine, his in zip(taken, kept, parts, strict=True):
        np.testing.assert_array_equal(new, his if mine.shape == his.shape else mine)
        misfits += mine.shape != his.shape
    assert misfits
    named = [line for line in said[1:] if "begins anew" in line and " there and " in line]
    assert 0 < len(named) == len(said) - 1 <= misfits


def test_layers_that_only_one_of_them_has_are_named(small_config, other):
    begun_with_more = begun(small_config.replace(model={"blocks": 2}), other[0])[2]
    assert any("is not there" in line for line in begun_with_more)
    begun_with_less = begun(small_config.replace(model={"blocks": 0}), other[0])[2]
    assert any("is left out" in line for line in begun_with_less)


def test_a_discriminator_that_the_other_run_lacks_is_one_line():
    config = config_lib.read_config("people").replace(
        image_size=(64, 32),
        loss={"gan_image": 1.0, "gan_pose": 1.0},
        discriminator={"width": 4, "blocks": 1},
    )
    assert begun(config, "people")[2][1:] == [
        f"{name} discriminator: begins anew, there is none there" for name in ("image", "pose")
    ]


def test_a_model_of_which_nothing_fits_is_refused(small_config, other):
    system = small_config.replace(system={"name": "unet"}, model={"width": 5}, loss={"l1": 1.0})
    with pytest.raises(UserError, match=r"init_from=.*no layer fits"):
        begun(system, other[0])
    with pytest.raises(UserError, match="no run here"):
        begun(small_config, "nobody")


def test_the_model_in_the_box_is_called_by_its_name(small_config):
    config = config_lib.read_config("people").replace(image_size=(64, 32))
    begins, *_ = begun(config, "people")
    assert_equal(begins.variables, load_model("people"))


def test_a_run_that_began_with_another_is_told_from_one_that_goes_on(small_config, other, tmp_path):
    workdir, said = tmp_path / "mine", []
    config = small_config.replace(steps=2, init_from=str(other[0]))
    assert train(config, workdir, said.append)
    assert any(line.startswith("starting from") for line in said)
    assert not any("resuming" in line for line in said)
    steps = [
        json.loads(line)["step"] for line in (workdir / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == [1, 2]
    assert config_lib.read_config(workdir).init_from == str(other[0])

    said.clear()
    (other[0] / "config.json").unlink()  # It is not asked again.
    assert train(config.replace(steps=3), workdir, said.append)
    assert any("resuming at step 2" in line for line in said)
    assert not any(line.startswith("starting from") for line in said)
    with pytest.raises(UserError, match="holds a run with init_from="):
        train(config.replace(init_from=""), workdir, said.append)
