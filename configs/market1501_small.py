"""Market-1501 at 128×64 with narrow networks and the L1 loss alone, for CPUs.

    python launch/train.py --config=configs/market1501_small.py --data_dir=DATA \
        --workdir=runs/market1501_small
    python launch/evaluate.py --workdir=runs/market1501_small --limit=2000

On 2 busy CPU cores, 36 minutes (13 images/s); first 2,000 test pairs, SSIM / masked SSIM / L1:
0.2239 / 0.7893 / 0.2793, against 0.1521 / 0.7127 / 0.3876 for copying the source and
0.0782 / 0.7226 / 0.3399 for the mean image. (That run was stopped and resumed twice and kept the
constant learning rate for 100 steps longer than this file says.)
"""

from ml_collections import ConfigDict

from pnr_jax.config import default_config


def get_config() -> ConfigDict:
    """The configuration."""
    config = default_config()
    config.steps = 3_600
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
