"""Drawn skeletons, pixel by pixel."""

import numpy as np
import pytest

from pnr_jax.keypoints import draw_skeleton

SIZE = (128, 64)


def test_drawn_skeleton_marks_the_joints(only):
    keypoints = only(nose=(20, 32), right_hip=(70, 20), right_knee=(90, 20))
    image = draw_skeleton(SIZE, keypoints)
    assert image.shape == (128, 64, 3) and image.dtype == np.uint8
    ground = image[0, 0]
    assert ground.max() < 50
    changed = np.any(image != ground, axis=-1)
    assert changed[20, 32] and changed[80, 20]
    assert not changed[45, 26]  # the nose has no limb to the hip
    assert image[20, 32].tolist() == [255, 0, 0]
    assert not (draw_skeleton(SIZE, only()) != ground).any()


def test_many_are_drawn_as_each(only):
    poses = np.stack([only(nose=(20, 32)), only(), only(neck=(9, 9), nose=(5, 5))])
    drawn = draw_skeleton((64, 32), poses[:, None])
    assert drawn.shape == (3, 1, 64, 32, 3)
    for image, pose in zip(drawn[:, 0], poses, strict=True):
        np.testing.assert_array_equal(image, draw_skeleton((64, 32), pose))
    assert draw_skeleton((64, 32), poses[:0]).shape == (0, 64, 32, 3)


def test_a_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"\[17, 2\]"):
        draw_skeleton(SIZE, np.zeros((17, 2)))
