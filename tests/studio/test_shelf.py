"""The shelf's poses are those of people before a camera."""

import numpy as np
import pytest

from pnr_jax.keypoints import JOINTS
from pnr_jax.studio import shelf

AT = {name: i for i, name in enumerate(JOINTS)}


def across(pose, joint):
    return pose[AT[joint], 1]


@pytest.mark.parametrize("size", [(128, 64), (64, 32)])
def test_joints_lie_in_the_picture_and_trunks_are_whole(size):
    poses = list(shelf.poses(size).values())
    poses += [pose for motion in shelf.motions(size).values() for pose in motion]
    for pose in poses:
        seen = (pose != -1).all(axis=1)
        assert ((pose[seen] >= 0) & (pose[seen] <= np.array(size) - 1)).all()
        assert seen[1:14].all()  # All but the face.
        assert pose[AT["neck"], 0] < pose[AT["right_hip"], 0] < pose[AT["right_knee"], 0]
        assert not np.isclose(pose[seen], -1).any()


def test_sides_are_the_persons_own():
    poses = shelf.poses((128, 64))
    assert across(poses["Stand"], "right_wrist") < across(poses["Stand"], "left_wrist")
    assert across(poses["Back"], "right_wrist") > across(poses["Back"], "left_wrist")
    assert across(poses["Right"], "nose") > across(poses["Right"], "neck")
    assert across(poses["Left"], "nose") < across(poses["Left"], "neck")
    wave = poses["Wave"]
    assert wave[AT["right_wrist"], 0] < wave[AT["neck"], 0] < wave[AT["left_wrist"], 0]


def test_what_looks_away_is_missing():
    poses = shelf.poses((128, 64))
    missing = {
        name: {JOINTS[i] for i in np.flatnonzero((pose == -1).all(axis=1))}
        for name, pose in poses.items()
    }
    assert missing["Stand"] == set()
    assert missing["Back"] == {"nose", "right_eye", "left_eye"}
    assert missing["Right"] == {"left_eye", "left_ear"}
    assert missing["Left"] == {"right_eye", "right_ear"}
