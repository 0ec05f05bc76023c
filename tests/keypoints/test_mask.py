"""The body mask against scikit-image's drawing and hand-computed cases."""

import numpy as np
import pytest
from skimage.draw import disk, polygon
from skimage.morphology import dilation, erosion

from pnr_jax.keypoints import JOINTS, body_mask

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


def test_mask_is_the_published_one(random_keypoints):
    keypoints = np.concatenate([random_keypoints(2, 60), random_keypoints(3, 60, (40, 20))])
    expected = np.stack([draw_mask(person) for person in keypoints])
    np.testing.assert_array_equal(body_mask(keypoints), expected)


def test_mask_of_limbs_whose_edges_run_through_pixels(only):
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
def test_mask_radius_follows_the_height(random_keypoints, size, radius):
    keypoints = random_keypoints(5, 10, size)
    expected = np.stack([draw_mask(person, size, radius) for person in keypoints])
    np.testing.assert_array_equal(body_mask(keypoints, size), expected)


def test_mask_of_one_joint_is_an_open_disc(only):
    mask = body_mask(only(nose=(50, 30)))
    y, x = np.mgrid[:128, :64]
    distance = np.hypot(y - 50, x - 30)
    np.testing.assert_array_equal(mask, distance < 4)


def test_mask_of_a_vertical_limb_is_a_closed_rectangle(only):
    mask = body_mask(only(right_hip=(60, 30), right_knee=(90, 30)))
    assert mask[60:91, 26:35].all()
    assert not mask[:, 25].any() and not mask[:, 35].any()
    assert mask[57:94, 30].all() and not mask[56, 30] and not mask[94, 30]


def test_mask_of_coincident_joints_is_their_disc(only):
    together = body_mask(only(neck=(40, 20), nose=(40, 20)))
    np.testing.assert_array_equal(together, body_mask(only(neck=(40, 20))))


@pytest.mark.parametrize("place", [(0, 0), (127, 63), (0, 63)])
def test_mask_of_a_border_joint_stays_inside(only, place):
    keypoints = only(left_knee=(64, 32), left_ankle=place)
    np.testing.assert_array_equal(body_mask(keypoints), draw_mask(keypoints))


def test_mask_of_nobody_is_empty(only):
    assert not body_mask(NOBODY).any()
    assert not body_mask(only(nose=(-1, 7), neck=(7, -1))).any()
    assert body_mask(NOBODY[None][:0]).shape == (0, 128, 64)


def test_masks_in_chunks_equal_single_masks(random_keypoints):
    keypoints = random_keypoints(6, 70).reshape(2, 35, 18, 2)
    masks = body_mask(keypoints)
    assert masks.shape == (2, 35, 128, 64) and masks.dtype == bool
    for index in [(0, 0), (1, 28), (1, 29), (1, 34)]:
        np.testing.assert_array_equal(masks[index], body_mask(keypoints[index]))


def test_what_no_keypoints_are_is_named():
    with pytest.raises(ValueError, match=r"\[17, 2\]"):
        body_mask(NOBODY[1:])
    with pytest.raises(ValueError, match="float64"):
        body_mask(NOBODY.astype(float))
