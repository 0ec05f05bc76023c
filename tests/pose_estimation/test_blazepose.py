"""MediaPipe's 33 landmarks as our 18 joints, with a hand-made landmarker in its place."""

import sys

import numpy as np
import pytest

from pnr_jax import pose_estimation
from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.pose_estimation.blazepose import MediaPipe, to_joints

# Which landmark each joint is, by MediaPipe's own names of them.
NAMES = [
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
]


def landmarks(seed=0, centre=0.5, spread=0.25):
    marks = np.ones((33, 3))
    places = np.random.default_rng(seed).uniform(-spread, spread, (33, 2)) + centre
    marks[:, :2] = places
    return marks


def test_each_joint_is_the_landmark_of_its_name():
    marks = landmarks()
    places, visible = to_joints(marks)
    assert len(NAMES) == 33
    for joint, name in enumerate(JOINTS):
        if name != "neck":
            np.testing.assert_array_equal(places[joint], marks[NAMES.index(name), 1::-1])
    assert visible.tolist() == [1] * 18


def test_the_neck_is_the_middle_of_the_shoulders():
    marks = landmarks()
    left, right = (NAMES.index(f"{side}_shoulder") for side in ("left", "right"))
    marks[left], marks[right] = (0.6, 0.3, 0.9), (0.2, 0.4, 0.7)
    places, visible = to_joints(marks)
    np.testing.assert_allclose(places[JOINTS.index("neck")], (0.35, 0.4))
    assert visible[JOINTS.index("neck")] == 0.7


def test_pixels_and_missing_joints():
    marks = landmarks()
    nose, wrist, ankle = (NAMES.index(name) for name in ("nose", "left_wrist", "right_ankle"))
    # x and y are shares of the image with its border of 25 pixels: 130 columns and 150 rows.
    marks[nose] = (20.9 + 25) / 130, (50.9 + 25) / 150, 0.9
    marks[wrist, 2] = 0.3  # not visible
    marks[ankle, :2] = 0.5, 0.9  # below the image
    marks[NAMES.index("left_shoulder"), 2] = 0.2
    shown = []
    finder = MediaPipe(lambda images: shown.extend(images) or [marks[None]])
    image = np.arange(100, dtype=np.uint8)[:, None, None] * np.ones((1, 80, 3), np.uint8)
    poses = finder.detect([image])
    np.testing.assert_array_equal(shown[0][25:125, 25:105], image)
    assert (shown[0][:25] == 0).all() and (shown[0][125:] == 99).all()
    found = dict(zip(JOINTS, poses.keypoints[0].tolist(), strict=True))
    assert found["nose"] == [50, 20]
    for name in ("left_wrist", "right_ankle", "left_shoulder", "neck"):
        assert found[name] == [-1, -1]
    assert poses.scores[0, JOINTS.index("nose")] == np.float32(0.9)
    assert poses.scores[0, JOINTS.index("left_wrist")] == 0


def test_the_largest_of_several_people_and_nobody():
    small, large = landmarks(1, 0.4, 0.1), landmarks(2)
    answers = [np.stack([small, large]), np.zeros((0, 33, 3)), np.stack([large, small])]
    images = np.zeros((3, 100, 80, 3), np.uint8)
    poses = MediaPipe(lambda images: answers).detect(images)
    assert poses.people.tolist() == [2, 0, 2]
    assert (poses.keypoints[1] == -1).all()
    np.testing.assert_array_equal(poses.keypoints[0], poses.keypoints[2])
    assert np.abs(poses.keypoints[0, 0] - (large[0, 1::-1] * (150, 130) - 25)).max() <= 1
    again = MediaPipe(lambda images: [large[None]])
    np.testing.assert_array_equal(again.estimate(images[:1]), poses.keypoints[:1])


def test_other_landmarks_are_refused():
    with pytest.raises(ValueError, match=r"must be \[33, 3\], not \[17, 3\]"):
        to_joints(np.zeros((17, 3)))


def test_a_missing_package_or_model_is_named(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"pose model not found: .*none\.task"):
        pose_estimation.load_estimator(tmp_path / "none.task")
    (tmp_path / "a.task").write_bytes(b"hello")
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UserError, match=r"a\.task: needs the package mediapipe .*pip install"):
        pose_estimation.load_estimator(tmp_path / "a.task")
