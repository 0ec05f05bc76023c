"""A run that was never trained, with everything that an export reads."""

import jax
import numpy as np
import pytest

from pnr_jax import config as config_lib
from pnr_jax.checkpoints import export_model


@pytest.fixture
def run(small_config, make_batch, tmp_path):
    """(workdir, config, variables) of the small configuration, with random weights."""
    small_config = small_config.replace(image_size=(64, 32))
    batch = make_batch(size=(64, 32))
    del batch["target_image"]
    shapes = jax.eval_shape(small_config.build_system().network.init, jax.random.key(0), **batch)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(x.dtype) / 3, shapes)
    variables["batch_stats"] = jax.tree.map(np.square, variables["batch_stats"])
    workdir = tmp_path / "run"
    small_config = small_config.replace(
        data_dir="/home/somebody/data", vgg19="/home/somebody/vgg19.npz"
    )
    config_lib.write_config(small_config, workdir)
    export_model(workdir, variables)
    return workdir, small_config, variables
