"""The skeleton, and poses moved to another image size, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnr_jax.keypoints import JOINTS, LIMBS, resize_keypoints

SIZE = (128, 64)


def test_skeleton():
    assert len(set(JOINTS)) == 18
    assert len(LIMBS) == len(set(LIMBS)) == 19
    assert {joint for limb in LIMBS for joint in limb} == set(range(18))
    # No limb crosses sides: the neck and the nose are in the middle.
    for limb in LIMBS:
        sides = {JOINTS[joint].split("_")[0] for joint in limb} & {"right", "left"}
        assert len(sides) <= 1, limb
    assert LIMBS[-2:] == ((2, 16), (5, 17))


def test_resize_keypoints_by_hand(only):
    resized = resize_keypoints(only(nose=(0, 63), neck=(127, 0)), SIZE, (64, 32))
    expected = only(nose=(0, 31), neck=(63, 0))
    np.testing.assert_array_equal(resized, expected)
    assert resized.dtype == np.int32
    np.testing.assert_array_equal(resize_keypoints(only(nose=(-1, 3)), SIZE, SIZE), only())


def test_resizing_keeps_a_joint_outside_there_and_one_inside_in(only):
    resized = resize_keypoints(only(nose=(-30, 70), neck=(-2, 3), left_ear=(127, 63)), SIZE, SIZE)
    np.testing.assert_array_equal(resized, only(nose=(-30, 70), neck=(-2, 3), left_ear=(127, 63)))
    small = resize_keypoints(only(nose=(-30, 70), neck=(-2, 3)), SIZE, (64, 32))
    np.testing.assert_array_equal(small, only(nose=(-15, 35), neck=(0, 1)))  # -1 means missing.


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5))
def test_resize_keypoints_and_back(random_keypoints, seed, factor):
    keypoints = random_keypoints(seed, 4)
    large = (128 * factor, 64 * factor)
    resized = resize_keypoints(keypoints, SIZE, large)
    assert np.all(resized >= -1) and np.all(resized < large)
    np.testing.assert_array_equal(resize_keypoints(resized, large, SIZE), keypoints)


def test_a_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"\[17, 2\]"):
        resize_keypoints(np.zeros((17, 2)), SIZE, SIZE)
