"""Which examples stand for all of them."""

import numpy as np
import pytest

from pnr_jax.data.images import Images
from pnr_jax.examples import Examples
from pnr_jax.training import samples


@pytest.fixture
def examples():
    """Ten examples, of image i and the next one; image i is of grey level i."""
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((4, 4, 3), np.uint8)
    keypoints = np.zeros((10, 18, 2), np.int32)
    tuples = np.stack([np.arange(10), (np.arange(10) + 1) % 10], axis=-1)
    return Examples(Images(images, keypoints, [str(i) for i in range(10)]), tuples)


@pytest.mark.parametrize(
    ("count", "wanted"),
    [(4, [0, 2, 5, 7]), (10, range(10)), (15, [i * 10 // 15 for i in range(15)])],
)
def test_spread_examples_are_taken_from_everywhere(examples, count, wanted):
    batch = samples.spread(examples, count)
    assert batch["source_images"][:, 0, 0, 0, 0].tolist() == list(wanted)


def test_the_first_are_repeated_where_there_are_fewer(examples):
    batch = samples.first(examples, 12)
    assert batch["source_images"][:, 0, 0, 0, 0].tolist() == [*range(10), 0, 1]
