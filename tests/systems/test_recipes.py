"""The configurations of the peers that share a form: the published steps, rates and weights."""

import pytest

from pnr_jax import config_files

PATNS = {"gan_image": 2.5, "gan_pose": 2.5}


@pytest.mark.parametrize(
    ("name", "steps", "batch_size", "constant", "pool_size", "loss"),
    [
        ("patn", 87_500, 32, 62_375, 50, {"l1": 10.0, "perceptual": 10.0, **PATNS}),
        ("xinggan", 87_500, 32, 62_375, 50, {"l1": 50.0, "perceptual": 50.0, **PATNS}),
        ("supervised_lad_patn", 87_500, 32, 62_375, 50, {"l1": 10.0, "perceptual": 10.0, **PATNS}),
        ("defgan", 90_000, 4, 90_000, 0, {"gan": 1.0, "neighbour": 0.01}),
    ],
)
def test_the_recipe_is_the_published_one(name, steps, batch_size, constant, pool_size, loss):
    config = config_files.find_config(f"market1501_{name}")
    assert (config.steps, config.batch_size, config.sources) == (steps, batch_size, 1)
    assert (config.learning_rate, config.adam_b1, config.adam_b2) == (2e-4, 0.5, 0.999)
    assert int(config.decay_from * config.steps) == constant
    assert config.pool_size == pool_size
    assert config.loss.flat() == loss
