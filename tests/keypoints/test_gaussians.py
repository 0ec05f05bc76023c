"""Heatmaps against the Gaussian in float64 NumPy."""

import jax
import numpy as np
import pytest

from pnr_jax.keypoints import heatmaps


@pytest.mark.parametrize("size,sigma", [((128, 64), 6.0), ((20, 31), 2.5)])
def test_heatmaps_are_the_gaussians(random_keypoints, size, sigma):
    keypoints = random_keypoints(0, 3, size)
    maps = np.asarray(heatmaps(keypoints, size, sigma))
    assert maps.dtype == np.float32
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    for image in range(3):
        for joint, (row, column) in enumerate(keypoints[image]):
            expected = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2))
            expected *= (row, column) != (-1, -1)
            np.testing.assert_allclose(maps[image, ..., joint], expected, rtol=1e-5, atol=1e-30)


def test_heatmaps_take_any_leading_axes_and_jit(random_keypoints):
    keypoints = random_keypoints(1, 6).reshape(2, 3, 18, 2)
    maps = jax.jit(heatmaps)(keypoints)
    assert maps.shape == (2, 3, 128, 64, 18)
    np.testing.assert_array_equal(maps[1, 2], heatmaps(keypoints[1, 2]))


@pytest.mark.parametrize("place", [(-1, 5), (5, -1), (-1, -1)])
def test_heatmap_of_half_a_joint_is_zero(only, place):
    assert not np.any(heatmaps(only(nose=place)))


def test_a_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"\[17, 2\]"):
        heatmaps(np.zeros((17, 2)))
