"""Market-1501 at 128×64 with narrow networks, without discriminators, for CPUs.

    python launch/train.py --config=configs/market1501_small.py --data_dir=DATA \
        --workdir=runs/market1501_small
    python launch/evaluate.py --workdir=runs/market1501_small --limit=2000 --sources=1

First 2,000 test pairs, SSIM / masked SSIM / L1: 0.2111 / 0.7907 / 0.2850 after half of the steps
(`--config.steps=1800`, 54 minutes on one core), 0.2170 / 0.7919 / 0.2818 with `--config.model.p=2`,
0.2185 / 0.7932 / 0.2818 with `--config.model.rowwise=True`, against 0.1524 / 0.7141 / 0.3881 for
copying the source and 0.0796 / 0.7245 / 0.3403 for the mean image. By the L1 loss alone, in version
0.1, all steps reached 0.2233 / 0.7926 / 0.2790; instance norm, a rate of 0.001 and no ridge scored
the same: 0.2239 / 0.7893 / 0.2793.
"""

from pnr_jax.config import Config, cpu_config


def get_config() -> Config:
    """Returns the configuration."""
    return cpu_config()
