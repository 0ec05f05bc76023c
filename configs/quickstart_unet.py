"""The quickstart's drawn people and budget, drawn by a U-Net: what no regression reaches.

python launch/train.py --config=quickstart_unet --workdir=runs/quickstart_unet
python launch/evaluate.py --workdir=runs/quickstart --compare=runs/quickstart_unet
"""

from pnr_jax import config_files
from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return config_files.find_config("quickstart").replace(
        system={"name": "unet"},
        model={"width": 16, "sigma": 3.0},
        loss={"gan_image": 0.0, "gan_pose": 0.0},
    )
