"""The drawn people at 128×64, for the model that comes with the package.

python launch/train.py --config=people --workdir=runs/people
"""

from pnr_jax.config import Config, cpu_config


def get_config() -> Config:
    """Returns the configuration."""
    return cpu_config().replace(
        steps=6_000,
        ema=0.999,
        data={"name": "people", "train_identities": 1_000},
    )
