"""The quickstart's drawn people and budget, drawn by a narrow fusion of up to three sources.

    python launch/train.py --config=quickstart_fusion --workdir=runs/quickstart_fusion
    python launch/evaluate.py --workdir=runs/quickstart --compare=runs/quickstart_fusion

By its nearest-neighbour loss, without a discriminator.
"""

from pnr_jax import config_files
from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return config_files.find_config("quickstart").replace(
        sources=3,
        vary_sources=True,
        system={"name": "fusion"},
        model={"width": 16, "sigma": 3.0},
        loss={"gan": 0.0},
    )
