"""PG2's discs and mask against loops over pixels."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.morphology import dilation, erosion

from pnr_jax.systems.discs import limb_mask, pose_discs

RNG = np.random.default_rng(0)
SEGMENTS = [
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12),
    (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (1, 16), (1, 17), (8, 11), (11, 5),
    (8, 2), (16, 17),
]  # fmt: skip


def paint(canvas, y, x, radius):
    for i, j in np.ndindex(canvas.shape):
        if (i - int(y)) ** 2 + (j - int(x)) ** 2 <= radius**2:
            canvas[i, j] = True


def a_pose(size, missing):
    pose = np.stack([RNG.integers(0, side, 18) for side in size], axis=-1)
    pose[RNG.random(18) < missing] = -1
    return pose


@pytest.mark.parametrize("radius", [2, 4])
def test_a_joint_is_a_disc_of_ones_among_minus_ones(radius):
    size = (32, 16)
    poses = np.stack([a_pose(size, 0.3) for _ in range(3)])
    found = np.asarray(pose_discs(jnp.asarray(poses), size, radius))
    for b, joint in np.ndindex(3, 18):
        wanted = np.zeros(size, bool)
        if poses[b, joint, 0] != -1:
            paint(wanted, *poses[b, joint], radius)
        np.testing.assert_array_equal(found[b, ..., joint], np.where(wanted, 1, -1))


def test_a_disc_of_the_published_radius_has_49_pixels():
    pose = np.full((1, 18, 2), -1)
    pose[0, 3] = 64, 32
    found = np.asarray(pose_discs(jnp.asarray(pose), (128, 64), 4))
    assert (found == 1).sum() == 49
    assert not limb_mask(jnp.asarray(pose), (128, 64), 4).any()  # A joint without a limb.


@pytest.mark.parametrize(("size", "radius"), [((128, 64), 4), ((64, 32), 2)])
def test_the_mask_is_discs_along_limbs_with_gaps_closed(size, radius):
    poses = np.stack([a_pose(size, missing) for missing in (0.0, 0.3, 0.7, 1.0)])
    poses[0, 2] = poses[0, 1]  # A limb without length.
    found = np.asarray(limb_mask(jnp.asarray(poses), size, radius))
    for mask, pose in zip(found, poses, strict=True):
        wanted = np.zeros(size, bool)
        for a, b in SEGMENTS:
            if pose[a, 0] == -1 or pose[b, 0] == -1:
                continue
            steps = max(1, int(np.hypot(*(pose[b] - pose[a])) / radius))
            for k in range(steps + 1):
                paint(wanted, *(pose[a] + (pose[b] - pose[a]) * k / steps), radius)
        square = np.ones((5, 5), bool)
        np.testing.assert_array_equal(mask, erosion(dilation(wanted, square), square))


@pytest.mark.parametrize(
    ("limb", "inside"),
    [
        (((40, 66), (90, 72)), (36, 67, 61, 64)),  # Discs of radius 4 reach in.
        (((-6, 5), (-3, 50)), (0, 2, 1, 55)),
        (((40, 80), (90, 90)), None),
        (((-300, 30), (300, 30)), (0, 128, 26, 35)),  # Longer than the image's diagonal.
    ],
)
def test_a_limb_outside_of_the_image_marks_only_what_reaches_in(limb, inside):
    pose = np.full((1, 18, 2), -1)
    pose[0, [2, 3]] = limb
    mask = np.asarray(limb_mask(jnp.asarray(pose), (128, 64), 4))[0]
    if inside is None:
        assert not mask.any()
        return
    top, bottom, left, right = inside
    assert mask.any()
    rows, columns = np.nonzero(mask)
    assert top <= rows.min() <= rows.max() < bottom
    assert left <= columns.min() <= columns.max() < right
    if bottom == 128:
        assert mask[:, 30].mean() > 0.5  # The whole way, if in gaps.
