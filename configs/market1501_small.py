"""Market-1501 at 128×64 with narrow networks, for CPUs; the perceptual loss where VGG19 is given.

    python launch/train.py --config=configs/market1501_small.py --data_dir=DATA \
        --vgg19=VGG19_FILE --workdir=runs/market1501_small

Hardware, time and score: not yet run.
"""

from ml_collections import ConfigDict

from pnr_jax.config import default_config


def get_config() -> ConfigDict:
    """The configuration."""
    config = default_config()
    config.steps = 4_500
    config.batch_size = 8
    config.learning_rate = 1e-3
    config.decay_from = 0.5
    config.model.update(width=16, blocks=2, norm="instance", up_kernel=4)
    config.loss.update(l1=1.0, perceptual=0.0, gan_image=0.0, gan_pose=0.0)
    config.loss.perceptual_required = False
    config.log_every = 50
    config.checkpoint_every = 500
    config.sample_every = 500
    return config
