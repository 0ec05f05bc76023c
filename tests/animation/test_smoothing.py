"""Smoothed poses: bridged, without what is off in one frame, even, and nothing made up."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, median_filter

from pnr_jax.animation import smooth


def walk(T=40):
    """Poses of joints that each move evenly, at speeds and places of their own."""
    rng = np.random.default_rng(0)
    start, speed = rng.uniform(100, 200, (18, 2)), rng.uniform(-2, 2, (18, 2))
    return start + np.arange(T)[:, None, None] * speed


def test_whole_poses_are_scipys_median_and_gaussian():
    poses = walk() + np.random.default_rng(1).normal(size=(40, 18, 2))
    medians = median_filter(poses, (3, 1, 1))
    medians[[0, -1]] = poses[[0, -1]]
    expected = gaussian_filter1d(medians, 1.5, axis=0, truncate=10 / 3, radius=5)
    # Where the window reaches beyond neither end.
    np.testing.assert_allclose(smooth(poses, sigma=1.5)[5:-5], expected[5:-5], atol=1e-9)


def test_even_motion_stays_and_trembling_goes():
    still, noise = walk(), np.random.default_rng(1).normal(scale=2, size=(40, 18, 2))
    np.testing.assert_allclose(smooth(still, sigma=1), still, atol=1e-9)  # At the ends too.
    left = smooth(still + noise, sigma=2) - still
    assert np.std(left[6:-6]) < 0.5 * np.std(noise)


def test_one_frame_of_the_wrong_side_goes():
    poses = walk()
    wrong = poses.copy()
    wrong[20, [4, 7]] = poses[20, [7, 4]]
    assert np.abs(wrong - poses).max() > 20
    assert np.abs(smooth(wrong, sigma=1) - poses)[3:-3].max() < 2


def test_short_gaps_are_bridged_and_long_ones_and_ends_are_not():
    poses = walk()
    gappy = poses.copy()
    gappy[10:15, 3] = -1
    gappy[20:26, 4] = np.nan
    gappy[:2, 5], gappy[30:, 6], gappy[:, 7] = -1, -1, -1
    placed = smooth(gappy, sigma=0, bridge=5)
    np.testing.assert_allclose(placed[:, 3], poses[:, 3])
    missing = np.isnan(placed).any(axis=-1)
    expected = np.zeros((40, 18), bool)
    expected[20:26, 4] = expected[:2, 5] = expected[30:, 6] = expected[:, 7] = True
    np.testing.assert_array_equal(missing, expected)
    np.testing.assert_array_equal(np.isnan(smooth(gappy, bridge=5)).any(axis=-1), expected)
    assert np.abs(smooth(gappy)[:, 3] - poses[:, 3]).max() < 1e-9
    assert np.nanmax(np.abs(smooth(gappy)[:, 4] - poses[:, 4])) < 1e-9  # Nor do gaps bend it.


def test_what_is_seen_in_one_frame_alone_goes():
    poses = walk()
    poses[:, 2] = -1
    poses[17, 2] = 50, 60
    poses[:, 3] = -1
    poses[17:19, 3] = 50, 60
    smoothed = smooth(poses)
    assert np.isnan(smoothed[:, 2]).all()
    np.testing.assert_allclose(smoothed[17:19, 3], [(50, 60)] * 2)


def test_a_frame_alone_and_wrong_shapes():
    pose = walk(1)
    np.testing.assert_allclose(smooth(pose), pose)
    with pytest.raises(ValueError, match=r"poses must be \[T, 18, 2\], .* got \[18, 2\]"):
        smooth(pose[0])
    with pytest.raises(ValueError, match="-1"):
        smooth(pose, sigma=-1)
