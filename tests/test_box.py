"""The bundled models: what their cards say is what they are."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from pnr_jax import box, examples
from pnr_jax import config as config_lib
from pnr_jax.checkpoints import load_model
from pnr_jax.errors import UserError
from pnr_jax.metrics import ssim
from pnr_jax.transfer import PoseTransfer

ROOT = Path(__file__).parents[1]
NAMES = box.names()


def card(name):
    return (box.MODELS / name / "README.md").read_text(encoding="utf-8")


def test_the_people_are_in_the_box():
    assert "people" in NAMES


def test_a_name_may_be_written_as_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        box.find("people") == box.find("people/") == box.find("./people") == box.MODELS / "people"
    )
    (tmp_path / "people").mkdir()
    assert box.find("people") == Path("people")


def test_what_belongs_to_others_is_not_written_to(tmp_path):
    assert box.is_shared(box.MODELS / "people")
    assert box.is_shared(tmp_path / "models--somebody--people" / "snapshots" / "0123")
    assert not box.is_shared(tmp_path / "snapshots" / "lad")


@pytest.mark.parametrize("name", NAMES)
def test_the_card_has_the_hash_of_the_file(name):
    bytes_ = (box.MODELS / name / box.WEIGHTS).read_bytes()
    assert f"`{hashlib.sha256(bytes_).hexdigest()}`" in card(name)
    assert len(bytes_) <= 4_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_those_of_the_configuration(name):
    system = config_lib.read_config(name).build_system()
    wanted = jax.eval_shape(lambda: system.init(jax.random.key(0))[0])
    found = load_model(Path(name))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), wanted) == jax.tree.map(
        lambda x: (x.shape, x.dtype), found
    )


def test_people_it_never_saw_are_drawn_as_well_as_the_card_says():
    images, tuples = examples.load_test(config_lib.read_config("people"))
    rows = {}
    for row in tuples:
        rows.setdefault(images.names[row[-1]].split("_")[0], row)
    rows = np.array([rows[identity] for identity in sorted(rows)[:12]])
    drawn = PoseTransfer.load("people").transfer(
        images.images[rows[:, :1]], images.keypoints[rows[:, :1]], images.keypoints[rows[:, -1]]
    )
    (claimed,) = re.findall(r"twelve test identities, one source \| (-?[\d.]+) \|", card("people"))
    assert np.mean(ssim(images.images[rows[:, -1]], drawn)) > float(claimed) - 0.01


def test_a_folder_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert box.find("people") == box.MODELS / "people"
    (tmp_path / "people").mkdir()
    assert box.find("people") == Path("people")
    with pytest.raises(UserError, match=r"people: no run here"):
        config_lib.read_config("people")


def test_weights_come_back_rounded_to_bfloat16(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    box.save_weights(
        tmp_path / "w", {"params": {"Conv_0": {"kernel": x}}, "batch_stats": {"m": x[0]}}
    )
    back = box.load_weights(tmp_path / "w")
    assert set(back) == {"params", "batch_stats"}
    kernel = back["params"]["Conv_0"]["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel, x, rtol=2.0**-8)
    assert (kernel.view(np.uint32) & 0xFFFF == 0).all()


def test_scores_do_not_go_into_the_package():
    command = [sys.executable, ROOT / "launch" / "evaluate.py", "--workdir=people"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("say --output=FOLDER too")


def test_make_studio_opens_the_model_in_the_box():
    command = ["make", "--dry-run", "studio"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "launch/studio.py --workdir=people" in done.stdout
