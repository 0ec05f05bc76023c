"""Attention-based fusion on Market-1501 as its public code trains it, from three sources.

    python launch/train.py --config=market1501_fusion --data_dir=DATA --workdir=runs/fusion
    python launch/evaluate.py --workdir=runs/fusion --sources=1,3,5

12,000 steps of batch 4, Adam at a constant 2e-4, no pool of past fakes, M = 3. The paper's scores
(published), SSIM / masked SSIM: 0.270 / 0.771, 0.291 / 0.783, 0.306 / 0.788 with M = 1, 3, 5;
whether its tables were made by this recipe is not known, nor is how M = 1 was, and the masked ones
may be of the mask of a source.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(steps=12_000, batch_size=4, learning_rate=2e-4, pool_size=0, sources=3).replace(
        system={"name": "fusion"}
    )
