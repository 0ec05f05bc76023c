"""Trains a configuration; run again with the same --workdir, it goes on where it stopped.

python launch/train.py --config=configs/quickstart.py --workdir=runs/quickstart
"""

from pathlib import Path

from absl import flags
from ml_collections import config_flags

from pnr_jax import cli
from pnr_jax.training.loop import train

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Configuration file; fields are overridden as --config.steps=20."
)
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the prepared data set.")
VGG19 = flags.DEFINE_string("vgg19", None, "VGG19 weights for the perceptual loss.")
flags.mark_flags_as_required(["config", "workdir"])


def main() -> None:
    """Trains."""
    config = CONFIG.value
    for name, flag in (("data_dir", DATA_DIR), ("vgg19", VGG19)):
        if flag.value is not None:
            config[name] = str(Path(flag.value).resolve())
    train(config, Path(WORKDIR.value))


if __name__ == "__main__":
    cli.run(main)
