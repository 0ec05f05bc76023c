"""Poses that the tests of keypoints share."""

import numpy as np
import pytest

from pnr_jax.keypoints import JOINTS


@pytest.fixture(scope="session")
def random_keypoints():
    """A function (seed, count, size) -> poses [count, 18, 2], a joint in five missing."""

    def make(seed, count, size=(128, 64)):
        rng = np.random.default_rng(seed)
        keypoints = rng.integers(0, size, (count, 18, 2))
        keypoints[rng.random((count, 18)) < 0.2] = -1
        return keypoints

    return make


@pytest.fixture(scope="session")
def only():
    """A function (joint=(y, x), ...) -> a pose [18, 2] of these joints alone."""

    def make(**joints):
        keypoints = np.full((18, 2), -1)
        for name, place in joints.items():
            keypoints[JOINTS.index(name)] = place
        return keypoints

    return make
