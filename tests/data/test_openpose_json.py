"""OpenPose's JSON in the form that OpenPose writes, and what is no such file."""

import json

import numpy as np
import pytest

from pnr_jax.data.openpose_json import read_keypoints, read_pose
from pnr_jax.data.photos import read_poses
from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS

# The names of BODY_25's joints, by OpenPose's documentation.
BODY_25 = [
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "mid_hip",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
    "left_big_toe",
    "left_small_toe",
    "left_heel",
    "right_big_toe",
    "right_small_toe",
    "right_heel",
]


def person(count=18, scale=3.0, missing=()):
    """x, y, confidence of joint j at (x, y) = (scale·j + 0.4, scale·j + 10.6)."""
    rows = [
        [0, 0, 0] if j in missing else [scale * j + 0.4, scale * j + 10.6, 0.5]
        for j in range(count)
    ]
    return {"person_id": [-1], "pose_keypoints_2d": np.ravel(rows).tolist()}


def write(path, *people):
    path.write_text(json.dumps({"version": 1.3, "people": list(people)}))
    return path


def test_joints_are_rounded_and_those_of_no_confidence_missing(tmp_path):
    pose = read_pose(write(tmp_path / "a.json", person(missing=(4,))))
    assert pose.dtype == np.int32
    assert pose[0].tolist() == [11, 0]
    assert pose[4].tolist() == [-1, -1]
    assert pose[5].tolist() == [26, 15]


def test_body_25_is_taken_by_its_joints_names(tmp_path):
    pose = read_pose(write(tmp_path / "a.json", person(25)))
    for joint, name in enumerate(JOINTS):
        there = 3 * BODY_25.index(name)
        assert pose[joint].tolist() == [there + 11, there], name


def test_of_several_people_the_largest_is_taken_and_of_nobody_nothing(tmp_path):
    pose = read_pose(write(tmp_path / "a.json", person(scale=1.0), person(), person(scale=2.0)))
    assert pose[17].tolist() == [62, 51]
    assert (read_pose(write(tmp_path / "b.json")) == -1).all()


def test_a_file_a_folder_and_a_csv_are_told_apart(tmp_path):
    folder = tmp_path / "json"
    folder.mkdir()
    for name in ("b", "a"):
        write(folder / f"{name}_keypoints.json", person())
    (folder / "notes.txt").write_text("no pose")
    assert list(read_keypoints(folder)) == ["a", "b"]
    assert list(read_keypoints(folder / "a_keypoints.json")) == ["a"]
    csv = tmp_path / "a.csv"
    csv.write_text(f"name:keypoints_y:keypoints_x\nc.jpg: {[1] * 18}: {[2] * 18}\n")
    assert list(read_keypoints(csv)) == ["c.jpg"]
    poses = read_poses([tmp_path / "b.jpg"], read_keypoints(folder), (80, 80), (80, 80), folder)
    np.testing.assert_array_equal(poses[0], read_pose(folder / "a_keypoints.json"))


def test_folders_inside_name_their_images_by_path(tmp_path):
    for file in ("ben/1_keypoints.json", "anna/1_keypoints.json", "anna/my.cat_keypoints.json"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        write(tmp_path / file, person())
    assert list(read_keypoints(tmp_path)) == ["anna/1", "anna/my.cat", "ben/1"]
    write(tmp_path / "anna" / "1.json", person())
    with pytest.raises(UserError, match="two files have the pose of anna/1; keep one"):
        read_keypoints(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "not OpenPose's JSON"),
        ("[]", "not OpenPose's JSON"),
        ('{"people": [{}]}', "not OpenPose's JSON"),
        (json.dumps({"people": [person(17)]}), "17 joints, expected 18"),
        (json.dumps({"people": [person(scale=0.01)]}).replace("10.", "0."), "keypoint_scale=0"),
    ],
)
def test_what_is_no_such_file_is_named(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=rf"a\.json: .*{message}"):
        read_keypoints(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"no \.json inside"):
        empty = tmp_path / "empty"
        empty.mkdir()
        read_keypoints(empty)


def test_a_byte_order_mark_is_no_mistake_and_another_encoding_is_named(tmp_path):
    text = json.dumps({"people": []})
    (tmp_path / "a.json").write_text(text, encoding="utf-8-sig")
    assert (read_pose(tmp_path / "a.json") == -1).all()
    (tmp_path / "a.json").write_text(text, encoding="utf-16")
    with pytest.raises(UserError, match=r"a\.json: is UTF-16 .* save it as UTF-8"):
        read_pose(tmp_path / "a.json")
