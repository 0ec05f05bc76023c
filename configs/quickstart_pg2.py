"""The quickstart's drawn people and budget, drawn by a narrow PG2 without a discriminator.

    python launch/train.py --config=quickstart_pg2 --workdir=runs/quickstart_pg2
    python launch/evaluate.py --workdir=runs/quickstart --compare=runs/quickstart_pg2

Three fifths of the steps are stage I, as in the paper.
"""

from pnr_jax import config_files
from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return config_files.find_config("quickstart").replace(
        learning_rate=1e-3,
        system={"name": "pg2"},
        model={"width": 16, "radius": 2, "first_steps": 1_800},
        loss={"gan": 0.0},
    )
