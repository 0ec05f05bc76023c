"""What several of the studio's tests start from: a small untrained model, and files of photos."""

import functools
import io

import jax
import numpy as np
from PIL import Image

from pnr_jax.config import Config

SIZE = (32, 32)


def small_config(p):
    config = Config()
    config = config.replace(image_size=SIZE)
    config = config.replace(
        model={
            "width": 4,
            "blocks": 1,
            "d": 4,
            "sigma": 2.0,
            "iterations": 2,
            "ridge": 1e-3,
            "p": p,
        }
    )
    return config


@functools.cache
def variables():
    """Of every `small_config`: p is no parameter."""
    inputs = (
        np.zeros((1, 1, *SIZE, 3), np.uint8),
        np.zeros((1, 1, 18, 2), np.int32),
        np.ones((1, 1), bool),
        np.zeros((1, 18, 2), np.int32),
    )
    initial = jax.jit(small_config(2.0).build_system().network.init)(jax.random.key(1), *inputs)
    # Initial kernels are so small that every image is grey.
    return jax.tree.map(lambda x: np.asarray(10 * x if x.ndim == 4 else x), initial)


def encoded(image, kind="PNG", **options):
    """The bytes of a file of uint8 [H, W, 3]."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()
