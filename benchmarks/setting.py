"""The flags, configuration and synthetic examples that the benchmarks of the model share."""

import argparse

import numpy as np

from pnr_jax import config_files
from pnr_jax.config import Config
from pnr_jax.data.images import Images
from pnr_jax.examples import Examples


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with the common flags, to which a benchmark adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", default="market1501_supervised_lad")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--width", type=int, help="of all networks, for a rehearsal")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--peer", action="store_true", help="the same in PyTorch beside it")
    return parser


def configuration(flags: argparse.Namespace) -> Config:
    """Returns the configuration that the common flags describe."""
    config = config_files.find_config(flags.config).replace(batch_size=flags.batch_size)
    if flags.width:
        width = {"width": flags.width}
        config = config.replace(model=width, discriminator=width)
    return config


def made_examples(config: Config, count: int = 64) -> Examples:
    """Returns noise with random joints: a step's cost does not depend on the image content."""
    rng = np.random.default_rng(0)
    H, W = config.image_size
    images = rng.integers(0, 256, (count, H, W, 3)).astype(np.uint8)
    keypoints = rng.integers(0, (H, W), (count, 18, 2)).astype(np.int32)
    tuples = rng.integers(0, count, (4 * count, config.sources + 1)).astype(np.int32)
    return Examples(Images(images, keypoints, [str(i) for i in range(count)]), tuples)
