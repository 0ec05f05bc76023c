"""What is saved comes back to the bit; damage is named; models restore without this package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pnr_jax.checkpoints import Checkpoints, export_model, load_model, open_checkpoints
from pnr_jax.errors import UserError
from pnr_jax.export import export_run


def make_state(seed):
    """A tree with all that a training state holds: tuples, scalars, empty and absent parts."""
    rng = np.random.default_rng(seed)
    params = {
        "conv": {"kernel": jnp.asarray(rng.normal(size=(3, 3, 2, 4)), jnp.float32)},
        "half": jnp.asarray(rng.normal(size=5), jnp.bfloat16),
    }
    return {
        "step": jnp.asarray(seed, jnp.int32),
        "params": params,
        "opt_state": optax.adam(1e-3).init(params),
        "images": jnp.asarray(rng.integers(0, 256, (2, 4, 4, 3)), jnp.uint8),
        "ema": {},
        "pool": None,
    }


def assert_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def steps(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir())


def test_a_new_workdir_has_no_checkpoint(tmp_path):
    with open_checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest is None
        assert checkpoints.restore_newest(make_state(0), print) is None
        assert checkpoints.restore_best(make_state(0), print) is None


def test_a_state_comes_back_to_the_bit(tmp_path):
    with open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(7, make_state(7), score=0.5)
        assert_equal(checkpoints.restore(7, like=make_state(0)), make_state(7))
    with open_checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 7
        assert_equal(checkpoints.restore(7, like=make_state(0)), make_state(7))


def test_keeps_the_latest_and_the_best(tmp_path):
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        for step, score in enumerate([0.4, 0.1, 0.3, 0.2], start=1):
            checkpoints.save(step, make_state(step), score)
        assert checkpoints.latest == 4
        assert_equal(checkpoints.restore_best(make_state(0), print), make_state(2))
    assert steps(tmp_path) == [2, 3, 4]
    with open_checkpoints(tmp_path, keep=2) as checkpoints:  # The scores are on disk too.
        assert_equal(checkpoints.restore_best(make_state(0), print), make_state(2))
        checkpoints.save(5, make_state(5), 0.05)
        assert_equal(checkpoints.restore_best(make_state(0), print), make_state(5))
    assert steps(tmp_path) == [4, 5]


def test_a_step_is_saved_once(tmp_path):
    with open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, make_state(3), 0.5)
        checkpoints.save(3, make_state(4), 0.4)
        assert_equal(checkpoints.restore(3, like=make_state(0)), make_state(3))


def test_a_save_that_was_cut_off_is_no_checkpoint(tmp_path):
    with open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, make_state(3), 0.5)
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / "3", folder / "9.orbax-checkpoint-tmp")
    with open_checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 3
        checkpoints.save(4, make_state(4), 0.6)
    assert steps(tmp_path) == [3, 4]


def refusal(restore):
    """The message of the `UserError`, one line."""
    with pytest.raises(UserError) as caught:
        restore()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def truncate_files(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove_contents(folder):
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("damage", [truncate_files, remove_contents])
def test_a_damaged_checkpoint_is_named(damage, tmp_path):
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, make_state(step), score=step)
        damage(tmp_path / "checkpoints" / "2")
        message = refusal(lambda: checkpoints.restore(2, like=make_state(0)))
        assert str(tmp_path / "checkpoints" / "2") in message
    shutil.rmtree(tmp_path / "checkpoints" / "2")  # The advice works.
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.latest == 1
        assert_equal(checkpoints.restore(1, like=make_state(0)), make_state(1))


def test_the_next_best_takes_the_place_of_a_damaged_best(tmp_path):
    said = []
    with open_checkpoints(tmp_path, keep=3) as checkpoints:
        for step, score in ((1, 0.2), (2, 0.1), (3, 0.3)):
            checkpoints.save(step, make_state(step), score)
        truncate_files(tmp_path / "checkpoints" / "2")
        assert_equal(checkpoints.restore_best(make_state(0), said.append), make_state(1))
        assert checkpoints.steps == [1, 3]
    assert len(said) == 1
    assert "step 1 takes its place" in said[0]
    assert (tmp_path / "damaged" / "2").is_dir()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x: x[..., :2], "conv/kernel was saved as (3, 3, 2, 4), here it is (3, 3, 2, 2)"),
        (lambda x: {"another": x}, "structures do not match"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(change, reason, tmp_path):
    with open_checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(1), score=0.5)
        like = make_state(0)
        like["params"]["conv"]["kernel"] = change(like["params"]["conv"]["kernel"])
        message = refusal(lambda: checkpoints.restore(1, like=like))
        assert str(tmp_path / "checkpoints" / "1") in message
        assert reason in message


def test_a_model_comes_back_as_a_plain_tree(tmp_path):
    first, second = make_state(1)["params"], make_state(2)["params"]
    assert export_model(tmp_path, first) == (tmp_path / "model").resolve()
    assert_equal(jax.tree.map(np.asarray, load_model(tmp_path)), jax.tree.map(np.asarray, first))
    export_model(tmp_path, second)  # Takes the place of the first.
    assert_equal(jax.tree.map(np.asarray, load_model(tmp_path)), jax.tree.map(np.asarray, second))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


PLAIN = """
import sys
from pathlib import Path
sys.modules["pnr_jax"] = None  # Importing it raises ImportError from here on.
import numpy as np
from orbax.checkpoint import v1 as ocp
tree = ocp.load(sys.argv[1])
np.savez(sys.argv[2], kernel=tree["params"]["conv"]["kernel"], keys=list(tree["params"]["conv"]))
"""


def test_a_model_restores_by_orbax_alone(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)
    path = export_model(tmp_path, {"params": {"conv": {"kernel": kernel}}, "batch_stats": {}})
    command = [sys.executable, "-c", PLAIN, str(path), str(tmp_path / "plain.npz")]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=60)
    with np.load(tmp_path / "plain.npz") as plain:
        np.testing.assert_array_equal(plain["kernel"], kernel)
        assert plain["kernel"].dtype == np.float32
        assert plain["keys"].tolist() == ["kernel"]


def test_says_that_there_is_no_model_yet(tmp_path):
    message = refusal(lambda: load_model(tmp_path))
    assert message.startswith(f"{tmp_path}: no trained model")


@pytest.mark.parametrize("damage", [truncate_files, remove_contents])
def test_a_damaged_model_is_named(damage, tmp_path):
    damage(export_model(tmp_path, make_state(1)["params"]))
    message = refusal(lambda: load_model(tmp_path))
    assert message.startswith(f"{tmp_path / 'model'}: cannot be restored")


def test_a_folder_of_other_bytes_is_refused_before_the_work(tmp_path):
    folder = tmp_path / os.fsdecode(b"m\xfcller")
    for use in (lambda: Checkpoints(folder, keep=1), lambda: load_model(folder)):
        with pytest.raises(UserError, match="not UTF-8; rename it or choose another"):
            use()
    with pytest.raises(UserError, match="not UTF-8"):
        export_run(Path("people"), folder)
    assert not list(tmp_path.iterdir())
