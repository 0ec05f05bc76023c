"""The quickstart's drawn people and budget, drawn by a narrow Def-GAN without a discriminator.

python launch/train.py --config=quickstart_defgan --workdir=runs/quickstart_defgan
python launch/evaluate.py --workdir=runs/quickstart --compare=runs/quickstart_defgan
"""

from pnr_jax import config_files
from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return config_files.find_config("quickstart").replace(
        system={"name": "defgan"}, model={"width": 16, "sigma": 3.0}, loss={"gan": 0.0}
    )
