"""Augmentation moves images, joints and masks alike: scipy's word, and mirrored heatmaps."""

from itertools import pairwise

import jax
import numpy as np
import pytest
from scipy import ndimage

from pnr_jax.data.warps import (
    Augment,
    augment,
    draw_warps,
    warp_images,
    warp_keypoints,
)
from pnr_jax.keypoints import JOINTS, body_mask, heatmaps
from pnr_jax.settings import SettingError

GFLA = Augment(rotation=5.0, shift=5.0, scale=0.05)
SIDES = [
    JOINTS.index(name.replace("right", "?").replace("left", "right")
                 .replace("?", "left"))
    for name in JOINTS
]  # fmt: skip


@pytest.fixture
def batch(make_batch):
    """Three examples of two sources, a joint missing in each image."""
    batch = make_batch(B=3, M=2, size=(32, 16))
    batch["source_keypoints"] %= 16
    batch["target_keypoints"] %= 16
    batch["source_keypoints"][:, :, 4] = batch["target_keypoints"][:, 7] = -1
    batch["source_valid"][1, 1] = False
    return batch


def run(batch, settings, together=False, seed=0):
    moved = jax.jit(augment, static_argnums=(2, 3))(batch, jax.random.key(seed), settings, together)
    return jax.tree.map(np.asarray, moved)


def assert_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, dict(other))


def test_a_mirrored_batch_has_the_mirrored_heatmaps_and_masks_with_sides_swapped(batch):
    mirrored = run(batch, Augment(mirror=1.0))
    for images, keypoints in (("source_images", "source_keypoints"),
                              ("target_image", "target_keypoints")):  # fmt: skip
        np.testing.assert_array_equal(mirrored[images], batch[images][..., ::-1, :])
        before, after = (heatmaps(x[keypoints], (32, 16), 2.0) for x in (batch, mirrored))
        np.testing.assert_array_equal(after, np.asarray(before)[..., ::-1, :][..., SIDES])
        before, after = (body_mask(x[keypoints], (32, 16)) for x in (batch, mirrored))
        np.testing.assert_array_equal(after, before[..., ::-1])
    np.testing.assert_array_equal(mirrored["source_valid"], batch["source_valid"])
    assert_equal(run(mirrored, Augment(mirror=1.0)), batch)


def test_half_of_the_examples_are_mirrored_each_whole(make_batch):
    batch = make_batch(B=200, M=2, size=(8, 8))
    mirrored = run(batch, Augment(mirror=0.5))
    turned = (mirrored["target_image"] != batch["target_image"]).any(axis=(1, 2, 3))
    sources = (mirrored["source_images"] != batch["source_images"]).any(axis=(2, 3, 4))
    np.testing.assert_array_equal(sources, turned[:, None].repeat(2, axis=1))
    assert 75 < turned.sum() < 125
    rest = mirrored["target_keypoints"][~turned]
    np.testing.assert_array_equal(rest, batch["target_keypoints"][~turned])


def test_images_are_moved_as_scipy_moves_them():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 24, 16, 3)).astype(np.uint8)
    warps = draw_warps(jax.random.key(1), (4,), Augment(rotation=40.0, shift=3.0, scale=0.3))
    moved = np.asarray(warp_images(images, warps)).astype(float)
    for image, matrix, shift, found in zip(images, *map(np.asarray, warps), moved, strict=True):
        middle, back = np.array([11.5, 7.5]), np.linalg.inv(matrix.astype(float))
        offset = middle - back @ (middle + shift)
        for channel in range(3):
            expected = ndimage.affine_transform(
                image[..., channel].astype(float), back, offset, order=1, mode="nearest"
            )
            assert np.abs(found[..., channel] - expected).max() < 0.51


def test_joints_go_where_their_pixels_go():
    """A bright pixel at each joint of a large image is found again by its brightest place."""
    warps = draw_warps(jax.random.key(2), (6,), Augment(rotation=30.0, shift=8.0, scale=0.2))
    rng = np.random.default_rng(0)
    keypoints = np.full((6, 18, 2), -1, np.int32)
    keypoints[:, 3] = rng.integers(30, 50, (6, 2))
    images = np.zeros((6, 80, 80, 3), np.uint8)
    for image, (y, x) in zip(images, keypoints[:, 3], strict=True):
        image[y - 1 : y + 2, x - 1 : x + 2] = 250
    moved = np.asarray(warp_images(images, warps))[..., 0].astype(float)
    found = np.asarray(warp_keypoints(keypoints, warps, (80, 80)))
    middles = [ndimage.center_of_mass(image) for image in moved]
    assert np.abs(found[:, 3] - np.array(middles)).max() < 0.75
    assert (np.delete(found, 3, axis=1) == -1).all()


def test_a_joint_may_leave_the_image_and_never_becomes_a_missing_one():
    keypoints = np.full((400, 18, 2), -1, np.int32)
    keypoints[:, 0] = 1, 1
    warps = draw_warps(jax.random.key(0), (400,), Augment(shift=6.0))
    moved = np.asarray(warp_keypoints(keypoints, warps, (32, 32)))[:, 0]
    assert moved.min() < -2
    assert (moved != -1).all()


def test_the_draws_are_uniform_within_the_limits():
    warps = jax.tree.map(np.asarray, draw_warps(jax.random.key(0), (20_000,), GFLA))
    scale = np.sqrt(np.linalg.det(warps.matrix))
    angle = np.rad2deg(np.arctan2(warps.matrix[:, 1, 0], warps.matrix[:, 0, 0]))
    values = ((angle, 5.0), (scale - 1, 0.05), *((warps.shift[:, i], 5.0) for i in range(2)))
    for drawn, limit in values:
        assert np.abs(drawn).max() <= limit * (1 + 1e-3)
        np.testing.assert_allclose(drawn.std(), limit / np.sqrt(3), rtol=0.02)
        assert abs(drawn.mean()) < 0.02 * limit
    every = np.stack([drawn for drawn, _ in values])
    assert np.abs(np.corrcoef(every) - np.eye(4)).max() < 0.03


def test_images_move_by_themselves_or_together(make_batch):
    batch = make_batch(B=2, M=1, size=(24, 24))
    batch["target_image"] = batch["source_images"][:, 0]
    batch["target_keypoints"] = batch["source_keypoints"][:, 0]
    settings = Augment(mirror=0.5, rotation=20.0, shift=5.0, scale=0.1)
    alike = run(batch, settings, together=True)
    np.testing.assert_array_equal(alike["target_image"], alike["source_images"][:, 0])
    np.testing.assert_array_equal(alike["target_keypoints"], alike["source_keypoints"][:, 0])
    apart = run(batch, settings)
    assert (apart["target_image"] != apart["source_images"][:, 0]).any()
    for one, other in pairwise(run(batch, settings, seed=seed) for seed in range(3)):
        assert (one["target_image"] != other["target_image"]).any()


@pytest.mark.parametrize(
    ("field", "value"),
    [("mirror", 1.5), ("mirror", -0.1), ("rotation", 181.0), ("shift", -1.0), ("scale", 1.0)],
)
def test_impossible_settings_are_refused(field, value):
    with pytest.raises(SettingError, match=rf"augment\.{field}="):
        Augment(**{field: value})
