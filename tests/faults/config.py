"""Every part of training switched on, at the smallest size, with a checkpoint every few steps."""

from ml_collections import ConfigDict

from pnr_jax.config import default_config


def get_config() -> ConfigDict:
    config = default_config()
    config.update(steps=60, batch_size=2, image_size=(32, 32), pool_size=3, ema=0.9, log_every=2)
    config.update(checkpoint_every=4, sample_every=20, keep_checkpoints=2)
    config.model.update(width=4, blocks=1, d=4, sigma=2.0, iterations=2, dropout=0.1)
    config.discriminator.update(width=4, blocks=1)
    config.loss.perceptual = 0.0
    config.data.update(name="people", train_identities=3, test_identities=2, views=8, test_tuples=6)
    return config
