"""Keypoints against float64 NumPy, scikit-image's drawing and hand-computed cases."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import disk, polygon
from skimage.morphology import dilation, erosion

from pnr_jax.keypoints import (
    JOINTS,
    LIMBS,
    body_mask,
    draw_skeleton,
    heatmaps,
    resize_keypoints,
)

SIZE = (128, 64)
NOBODY = np.full((18, 2), -1)

# The published evaluation's limbs, by name.
MASK_LIMBS = """
    neck-right_shoulder neck-left_shoulder right_shoulder-right_elbow right_elbow-right_wrist
    left_shoulder-left_elbow left_elbow-left_wrist neck-right_hip right_hip-right_knee
    right_knee-right_ankle neck-left_hip left_hip-left_knee left_knee-left_ankle neck-nose
    nose-right_eye right_eye-right_ear nose-left_eye left_eye-left_ear neck-right_ear
    neck-left_ear right_hip-left_hip left_hip-left_shoulder right_shoulder-right_hip
    right_ear-left_ear
"""


def random_keypoints(seed, count, size=SIZE, missing=0.2):
    rng = np.random.default_rng(seed)
    keypoints = rng.integers(0, size, (count, 18, 2))
    keypoints[rng.random((count, 18)) < missing] = -1
    return keypoints


def draw_mask(keypoints, size=SIZE, radius=4):
    """The published rule drawn by scikit-image."""
    mask = np.zeros(size, bool)
    for limb in MASK_LIMBS.split():
        start, end = (keypoints[JOINTS.index(name)] for name in limb.split("-"))
        if -1 in (*start, *end) or np.array_equal(start, end):
            continue
        side = radius * np.array([end[1] - start[1], start[0] - end[0]])
        side = side / np.linalg.norm(end - start)
        vertices = np.array([start + side, start - side, end - side, end + side])
        mask[polygon(*vertices.T, shape=size)] = True
    for joint in keypoints:
        if -1 not in joint:
            mask[disk(joint, radius, shape=size)] = True
    square = np.ones((5, 5), bool)
    return erosion(dilation(mask, square), square)


def only(**joints):
    keypoints = NOBODY.copy()
    for name, place in joints.items():
        keypoints[JOINTS.index(name)] = place
    return keypoints


def test_skeleton():
    assert len(set(JOINTS)) == 18
    assert len(LIMBS) == len(set(LIMBS)) == 19
    assert {joint for limb in LIMBS for joint in limb} == set(range(18))
    # No limb crosses sides: the neck and the nose are in the middle.
    for limb in LIMBS:
        sides = {JOINTS[joint].split("_")[0] for joint in limb} & {"right", "left"}
        assert len(sides) <= 1, limb
    assert LIMBS[-2:] == ((2, 16), (5, 17))


@pytest.mark.parametrize("size,sigma", [((128, 64), 6.0), ((20, 31), 2.5)])
def test_heatmaps_are_the_gaussians(size, sigma):
    keypoints = random_keypoints(0, 3, size)
    maps = np.asarray(heatmaps(keypoints, size, sigma))
    assert maps.dtype == np.float32
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    for image in range(3):
        for joint, (row, column) in enumerate(keypoints[image]):
            expected = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2))
            expected *= (row, column) != (-1, -1)
            np.testing.assert_allclose(maps[image, ..., joint], expected, rtol=1e-5, atol=1e-30)


def test_heatmaps_take_any_leading_axes_and_jit():
    keypoints = random_keypoints(1, 6).reshape(2, 3, 18, 2)
    maps = jax.jit(heatmaps)(keypoints)
    assert maps.shape == (2, 3, 128, 64, 18)
    np.testing.assert_array_equal(maps[1, 2], heatmaps(keypoints[1, 2]))


@pytest.mark.parametrize("place", [(-1, 5), (5, -1), (-1, -1)])
def test_heatmap_of_half_a_joint_is_zero(place):
    assert not np.any(heatmaps(only(nose=place)))


def test_mask_is_the_published_one():
    keypoints = np.concatenate([random_keypoints(2, 60), random_keypoints(3, 60, (40, 20))])
    expected = np.stack([draw_mask(person) for person in keypoints])
    np.testing.assert_array_equal(body_mask(keypoints), expected)


def test_mask_of_limbs_whose_edges_run_through_pixels():
    # Limbs of an integer length: which of the pixels on their edges count is a matter of rounding.
    steps = [(3, 4), (-3, 4), (36, -15), (30, 16), (-12, 9), (-16, -12), (20, 21), (8, 15)]
    people = [
        only(right_knee=(y, x), right_ankle=(y + dy, x + dx))
        for (dy, dx) in steps
        for (y, x) in [(60, 30), (61, 28), (55, 33), (49, 40)]
    ]
    expected = np.stack([draw_mask(person) for person in people])
    np.testing.assert_array_equal(body_mask(np.stack(people)), expected)


@pytest.mark.parametrize("size,radius", [((256, 128), 8), ((100, 50), 3), ((20, 10), 1)])
def test_mask_radius_follows_the_height(size, radius):
    keypoints = random_keypoints(5, 10, size)
    expected = np.stack([draw_mask(person, size, radius) for person in keypoints])
    np.testing.assert_array_equal(body_mask(keypoints, size), expected)


def test_mask_of_one_joint_is_an_open_disc():
    mask = body_mask(only(nose=(50, 30)))
    y, x = np.mgrid[:128, :64]
    distance = np.hypot(y - 50, x - 30)
    np.testing.assert_array_equal(mask, distance < 4)


def test_mask_of_a_vertical_limb_is_a_closed_rectangle():
    mask = body_mask(only(right_hip=(60, 30), right_knee=(90, 30)))
    assert mask[60:91, 26:35].all()
    assert not mask[:, 25].any() and not mask[:, 35].any()
    assert mask[57:94, 30].all() and not mask[56, 30] and not mask[94, 30]


def test_mask_of_coincident_joints_is_their_disc():
    together = body_mask(only(neck=(40, 20), nose=(40, 20)))
    np.testing.assert_array_equal(together, body_mask(only(neck=(40, 20))))


@pytest.mark.parametrize("place", [(0, 0), (127, 63), (0, 63)])
def test_mask_of_a_border_joint_stays_inside(place):
    keypoints = only(left_knee=(64, 32), left_ankle=place)
    np.testing.assert_array_equal(body_mask(keypoints), draw_mask(keypoints))


def test_mask_of_nobody_is_empty():
    assert not body_mask(NOBODY).any()
    assert not body_mask(only(nose=(-1, 7), neck=(7, -1))).any()
    assert body_mask(NOBODY[None][:0]).shape == (0, 128, 64)


def test_masks_in_chunks_equal_single_masks():
    keypoints = random_keypoints(6, 70).reshape(2, 35, 18, 2)
    masks = body_mask(keypoints)
    assert masks.shape == (2, 35, 128, 64) and masks.dtype == bool
    for index in [(0, 0), (1, 28), (1, 29), (1, 34)]:
        np.testing.assert_array_equal(masks[index], body_mask(keypoints[index]))


def test_resize_keypoints_by_hand():
    resized = resize_keypoints(only(nose=(0, 63), neck=(127, 0)), SIZE, (64, 32))
    expected = only(nose=(0, 31), neck=(63, 0))
    np.testing.assert_array_equal(resized, expected)
    assert resized.dtype == np.int32
    np.testing.assert_array_equal(resize_keypoints(only(nose=(-1, 3)), SIZE, SIZE), NOBODY)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5))
def test_resize_keypoints_and_back(seed, factor):
    keypoints = random_keypoints(seed, 4)
    large = (128 * factor, 64 * factor)
    resized = resize_keypoints(keypoints, SIZE, large)
    assert np.all(resized >= -1) and np.all(resized < large)
    np.testing.assert_array_equal(resize_keypoints(resized, large, SIZE), keypoints)


def test_drawn_skeleton_marks_the_joints():
    keypoints = only(nose=(20, 32), right_hip=(70, 20), right_knee=(90, 20))
    image = draw_skeleton(SIZE, keypoints)
    assert image.shape == (128, 64, 3) and image.dtype == np.uint8
    ground = image[0, 0]
    assert ground.max() < 50
    changed = np.any(image != ground, axis=-1)
    assert changed[20, 32] and changed[80, 20]
    assert not changed[45, 26]  # the nose has no limb to the hip
    assert image[20, 32].tolist() == [255, 0, 0]
    assert not (draw_skeleton(SIZE, NOBODY) != ground).any()


def test_wrong_shapes_are_named():
    for function in (heatmaps, body_mask, lambda k: resize_keypoints(k, SIZE, SIZE)):
        with pytest.raises(ValueError, match=r"\[17, 2\]"):
            function(NOBODY[1:])
    with pytest.raises(ValueError, match=r"\[1, 18, 2\]"):
        draw_skeleton(SIZE, NOBODY[None])
    with pytest.raises(ValueError, match="float64"):
        body_mask(NOBODY.astype(float))
