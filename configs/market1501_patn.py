"""PATN on Market-1501 as its public code trains it.

    python launch/train.py --config=market1501_patn --data_dir=DATA --workdir=runs/patn

2.8 million samples, batch 32, Adam at 2e-4 that falls linearly to 0 over the last 201 of 700 epochs
of 125 steps. The paper's scores on the 12,000 pairs (published): SSIM 0.311, masked SSIM 0.811.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(learning_rate=2e-4, decay_from=499 / 700).replace(system={"name": "patn"})
