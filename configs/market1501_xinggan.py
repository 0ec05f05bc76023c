"""XingGAN on Market-1501 as its public code trains it.

    python launch/train.py --config=market1501_xinggan --data_dir=DATA --workdir=runs/xinggan

PATN's 2.8 million samples, batch 32 and rate; L1 and perceptual losses weigh 50 in place of 10. The
paper's scores on the 12,000 pairs (published): SSIM 0.313, masked SSIM 0.816.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(learning_rate=2e-4, decay_from=499 / 700).replace(system={"name": "xinggan"})
