"""Settings for every test: CPU, quiet TensorFlow, and the small configuration that they share."""

import os
import signal
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling takes most of the time: do little of it, and what several tests and the programs that
# they start have in common once. A folder for each worker, since writing to one is not atomic.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    str(
        Path(__file__).parents[1]
        / ".pytest_cache/jax"
        / os.environ.get("PYTEST_XDIST_WORKER", "main")
    ),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import pytest

from pnr_jax.config import Config

# A shell starts what it runs in the background with Ctrl-C ignored, and programs inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def small_config() -> Config:
    """Every part of training switched on, at the smallest size."""
    return Config(
        steps=4, batch_size=2, image_size=(32, 32), pool_size=3, log_every=1
    ).replace(
        model={"width": 4, "blocks": 1, "d": 4, "sigma": 2.0, "iterations": 2},
        discriminator={"width": 4, "blocks": 1},
        loss={"perceptual": 0.0},
        data={"name": "people", "train_identities": 3, "test_identities": 2, "views": 8,
              "test_tuples": 6},
    )  # fmt: skip


@pytest.fixture
def make_batch():
    """A function (B, M, size, seed) -> a random batch of the schema."""

    def make(B: int = 2, M: int = 1, size: tuple[int, int] = (32, 32), seed: int = 0):
        rng = np.random.default_rng(seed)
        keypoints = rng.integers(0, min(size), (B, M + 1, 18, 2)).astype(np.int32)
        images = rng.integers(0, 256, (B, M + 1, *size, 3)).astype(np.uint8)
        return {
            "source_images": images[:, :M],
            "source_keypoints": keypoints[:, :M],
            "source_valid": np.ones((B, M), bool),
            "target_image": images[:, M],
            "target_keypoints": keypoints[:, M],
        }

    return make
