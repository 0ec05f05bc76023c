"""The SavedModel of `render`, run by TensorFlow alone."""

import subprocess
import sys

import numpy as np
import pytest

from pnr_jax.errors import UserError
from pnr_jax.export import export_run
from pnr_jax.transfer import PoseTransfer

SERVE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pnr_jax", "jax"):
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf

model = tf.saved_model.load("saved_model").signatures["render"]
with np.load("inputs.npz") as inputs:
    F, poses = tf.constant(inputs["F"]), tf.constant(inputs["poses"])
np.save("images.npy", model(F=F, target_keypoints=poses)["images"])
"""


def test_tensorflow_draws_what_the_run_draws(run, make_batch, tmp_path):
    workdir, _, _ = run
    output = tmp_path / "out"
    export_run(workdir, output, tensorflow=True)
    assert "| `saved_model/` | `render` for TensorFlow" in (output / "README.md").read_text()
    saved = (output / "saved_model" / "saved_model.pb").read_bytes()
    assert b"pnr_jax" not in saved
    batch = make_batch(B=3, size=(64, 32))
    transfer = PoseTransfer.load(workdir)
    F = np.asarray(transfer.encode(batch["source_images"], batch["source_keypoints"]))
    np.savez(output / "inputs.npz", F=F, poses=batch["target_keypoints"])
    subprocess.run([sys.executable, "-I", "-c", SERVE], cwd=output, check=True, timeout=300)
    images = np.load(output / "images.npy").astype(int)
    difference = np.abs(images - transfer.render(F, batch["target_keypoints"]))
    assert images.std() > 5
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_a_system_of_one_piece_has_no_half_to_write(run, tmp_path, monkeypatch):
    workdir, config, _ = run
    monkeypatch.setattr(type(config.build_system()), "encodes", False)
    with pytest.raises(UserError, match=r"^`tensorflow`: .* has no `render` half"):
        export_run(workdir, tmp_path / "out", tensorflow=True)
