"""Every part of training switched on, at the smallest size, with a checkpoint every few steps."""

from pnr_jax.config import Config


def get_config() -> Config:
    config = Config()
    config = config.replace(
        steps=60, batch_size=2, image_size=(32, 32), pool_size=3, ema=0.9, log_every=2
    )
    config = config.replace(checkpoint_every=4, sample_every=20, keep_checkpoints=2)
    config = config.replace(
        model={"width": 4, "blocks": 1, "d": 4, "sigma": 2.0, "iterations": 2, "dropout": 0.1}
    )
    config = config.replace(discriminator={"width": 4, "blocks": 1})
    config = config.replace(loss={"perceptual": 0.0})
    config = config.replace(
        data={
            "name": "people",
            "train_identities": 3,
            "test_identities": 2,
            "views": 8,
            "test_tuples": 6,
        }
    )
    return config
