"""The quickstart's drawn people and budget, drawn by a narrow XingGAN without discriminators.

python launch/train.py --config=quickstart_xinggan --workdir=runs/quickstart_xinggan
python launch/evaluate.py --workdir=runs/quickstart --compare=runs/quickstart_xinggan
"""

from pnr_jax import config_files
from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return config_files.find_config("quickstart").replace(
        system={"name": "xinggan"},
        model={"width": 16, "blocks": 4, "sigma": 3.0},
        loss={"l1": 5.0, "perceptual": 5.0, "gan_image": 0.0, "gan_pose": 0.0},
    )
