"""PG2 on Market-1501 in the paper's two stages.

    python launch/train.py --config=market1501_pg2 --data_dir=DATA --workdir=runs/pg2

22,000 steps of G1, 14,000 of G2 against the discriminator, batch 16, Adam at a constant 2e-5, half
of the pairs mirrored, no pool of past fakes. The pairs are the field's 263,632, of its own 439,420.
The paper's scores (published): SSIM 0.253, masked SSIM 0.792, by an SSIM with a uniform window.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(steps=36_000, batch_size=16, learning_rate=2e-5, pool_size=0).replace(
        system={"name": "pg2"}, augment={"mirror": 0.5}
    )
