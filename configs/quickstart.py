"""Quickstart: the embedded people, small enough to train in minutes on two CPU cores.

    make quickstart

Hardware, time and score: not yet run.
"""

from ml_collections import ConfigDict

from pnr_jax.config import default_config


def get_config() -> ConfigDict:
    """The configuration."""
    config = default_config()
    config.steps = 4_200
    config.batch_size = 8
    config.image_size = (64, 32)
    config.learning_rate = 3e-3
    config.decay_from = 0.3
    config.model.update(width=16, blocks=2, ridge=0.01, sigma=3.0, up_kernel=4)
    config.loss.update(l1=1.0, perceptual=0.0, gan_image=0.0, gan_pose=0.0)
    config.loss.perceptual_required = False
    config.data.update(
        name="people", train_identities=400, test_identities=40, views=10, test_tuples=400
    )
    config.log_every = 50
    config.checkpoint_every = 500
    config.sample_every = 500
    return config
