"""Market-1501 at 128×64 with narrow networks, without discriminators, for CPUs.

    python launch/train.py --config=configs/market1501_small.py --data_dir=DATA \
        --workdir=runs/market1501_small
    python launch/evaluate.py --workdir=runs/market1501_small --limit=2000 --sources=1

By the L1 loss alone, as it was in version 0.1, 50 minutes on 2 busy CPU cores (7 to 27 images/s);
the perceptual loss makes it longer. First 2,000 test pairs, SSIM / masked SSIM / L1:
0.2233 / 0.7926 / 0.2790, against 0.1524 / 0.7141 / 0.3881 for copying the source and
0.0786 / 0.7241 / 0.3402 for the mean image. Instance norm, a rate of 0.001 and no ridge scored the
same: 0.2239 / 0.7893 / 0.2793.
"""

from pnr_jax.config import Config, cpu_config


def get_config() -> Config:
    """Returns the configuration."""
    return cpu_config()
