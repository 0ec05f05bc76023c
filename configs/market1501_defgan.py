"""Def-GAN on Market-1501 as its public code trains the full model.

    python launch/train.py --config=market1501_defgan --data_dir=DATA --workdir=runs/defgan

90,000 steps of batch 4, Adam at a constant 2e-4, no pool of past fakes. The paper's scores on the
12,000 pairs (published): SSIM 0.290, masked SSIM 0.805.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(steps=90_000, batch_size=4, learning_rate=2e-4, pool_size=0).replace(
        system={"name": "defgan"}
    )
