"""What the benchmarks of the model share: their flags, the configuration, made examples."""

import argparse
import runpy

import numpy as np
from ml_collections import ConfigDict

from pnr_jax.data.images import Images
from pnr_jax.data.sources import Examples


def parser(description: str) -> argparse.ArgumentParser:
    """The common flags, to which a benchmark adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", default="configs/market1501_supervised_lad.py")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--width", type=int, help="of all networks, for a rehearsal")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--peer", action="store_true", help="the same in PyTorch beside it")
    return parser


def configuration(flags: argparse.Namespace) -> ConfigDict:
    """The configuration that the common flags describe."""
    config = runpy.run_path(flags.config)["get_config"]()
    config.batch_size = flags.batch_size
    if flags.width:
        config.model.width = config.discriminator.width = flags.width
    return config


def made_examples(config: ConfigDict, count: int = 64) -> Examples:
    """Noise with joints anywhere: nothing in a step's cost depends on what an image shows."""
    rng = np.random.default_rng(0)
    H, W = config.image_size
    images = rng.integers(0, 256, (count, H, W, 3)).astype(np.uint8)
    keypoints = rng.integers(0, (H, W), (count, 18, 2)).astype(np.int32)
    tuples = rng.integers(0, count, (4 * count, config.sources + 1)).astype(np.int32)
    return Examples(Images(images, keypoints, [str(i) for i in range(count)]), tuples)
