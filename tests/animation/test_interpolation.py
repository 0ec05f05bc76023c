"""Poses in between by hand-computed circles."""

import numpy as np
import pytest

from pnr_jax.animation import interpolate
from pnr_jax.keypoints import JOINTS

SIZE = (128, 128)
MISSING = (-1, -1)


def poses(**joints):
    """Poses [K, 18, 2] from one (y, x) a pose for each joint; the others are missing."""
    K = len(next(iter(joints.values())))
    made = np.full((K, 18, 2), -1)
    for name, positions in joints.items():
        made[:, JOINTS.index(name)] = positions
    return made


def path(sequence, name):
    return [tuple(yx) for yx in sequence[:, JOINTS.index(name)].tolist()]


def test_a_limb_swings_on_a_circle_while_its_length_changes_evenly():
    # The elbow points left (length 40), then down (length 20): at 45 degrees its length is 30.
    arm = poses(left_shoulder=[(60, 60)] * 2, left_elbow=[(60, 20), (80, 60)])
    half = 30 / np.sqrt(2)
    expected = [(60, 20), (round(60 + half), round(60 - half)), (80, 60)]
    assert path(interpolate(arm, 2, SIZE), "left_elbow") == expected


def test_the_shorter_way_round_is_taken():
    # From 100 to -110 degrees: 150 on, not 210 back.
    angles = np.deg2rad([100, -110])
    wrist = [(60 + 30 * np.sin(a), 60 + 30 * np.cos(a)) for a in angles]
    arm = poses(right_elbow=[(60, 60)] * 2, right_wrist=np.rint(wrist).astype(int))
    y, x = path(interpolate(arm, 2, SIZE), "right_wrist")[1]
    middle = np.deg2rad(100 + 150 / 2)
    np.testing.assert_allclose((y, x), (60 + 30 * np.sin(middle), 60 + 30 * np.cos(middle)), atol=1)


def test_children_ride_with_their_parents():
    # The hip swings a knee that keeps its own angle; the ankle follows both.
    leg = poses(
        neck=[(10, 64), (10, 84)],
        right_hip=[(50, 64), (50, 84)],
        right_knee=[(80, 64), (50, 114)],
        right_ankle=[(100, 64), (70, 114)],
    )
    frames = interpolate(leg, 2, SIZE)
    assert path(frames, "neck")[1] == (10, 74)
    assert path(frames, "right_hip")[1] == (50, 74)
    knee = 50 + 30 / np.sqrt(2), 74 + 30 / np.sqrt(2)
    assert path(frames, "right_knee")[1] == tuple(np.rint(knee))
    assert path(frames, "right_ankle")[1] == tuple(np.rint([knee[0] + 20, knee[1]]))


def test_a_body_that_turns_round_narrows_instead_of_going_over_its_own_head():
    body = poses(
        neck=[(30, 60)] * 2,
        right_shoulder=[(32, 40), (32, 80)],
        right_elbow=[(50, 40), (50, 80)],
    )
    frames = interpolate(body, 4, SIZE)
    assert path(frames, "right_shoulder") == [(32, x) for x in (40, 50, 60, 70, 80)]
    assert path(frames, "right_elbow") == [(50, x) for x in (40, 50, 60, 70, 80)]


def test_given_poses_come_back_in_their_places():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 128, (4, 18, 2))
    np.testing.assert_array_equal(interpolate(keys, 5, SIZE)[::5], keys)
    looped = interpolate(keys, 5, SIZE, loop=True)
    assert looped.shape == (20, 18, 2)
    assert looped.dtype == np.int32
    np.testing.assert_array_equal(looped[::5], keys)
    back = interpolate(keys[[3, 0]], 5, SIZE)
    np.testing.assert_array_equal(looped[15:], back[:5])
    np.testing.assert_array_equal(interpolate(keys[:1], 5, SIZE), keys[:1])


def test_a_joint_missing_between_two_poses_is_filled_in():
    # The shoulder moves on evenly; the elbow, given first and last, swings by 90 degrees.
    arm = poses(
        right_shoulder=[(50, 40), (50, 50), (50, 60)],
        right_elbow=[(50, 20), MISSING, (70, 60)],
    )
    half = 20 / np.sqrt(2)
    frames = interpolate(arm, 1, SIZE)
    assert path(frames, "right_elbow") == [(50, 20), (round(50 + half), round(50 - half)), (70, 60)]


def test_a_pose_that_was_lost_altogether_is_filled_in():
    lost = poses(neck=[(20, 60), MISSING, (20, 80)], nose=[(10, 60), MISSING, (10, 80)])
    frames = interpolate(lost, 1, SIZE)
    assert path(frames, "neck")[1] == (20, 70)
    assert path(frames, "nose")[1] == (10, 70)


def test_the_face_of_a_person_seen_from_behind_is_not_filled_in():
    seen = {
        "neck": [(30, 60)] * 3,
        "right_shoulder": [(30, 50)] * 3,
        "left_shoulder": [(30, 70)] * 3,
    }
    behind = poses(
        **seen, nose=[(20, 60), MISSING, (20, 60)], right_ear=[(20, 55), MISSING, (20, 55)]
    )
    frames = interpolate(behind, 1, SIZE)
    assert path(frames, "nose")[1] == MISSING
    assert path(frames, "right_ear")[1] == (20, 55)
    # An eye says that the nose was only lost.
    lost = poses(**seen, nose=[(20, 60), MISSING, (20, 60)], left_eye=[(18, 62), (18, 62), MISSING])
    assert path(interpolate(lost, 1, SIZE), "nose")[1] == (20, 60)


def test_a_joint_that_only_the_first_pose_has_goes_half_way_with_its_parent():
    arm = poses(
        right_elbow=[(40, 40), (40, 60)],
        right_wrist=[(60, 40), MISSING],
        left_wrist=[MISSING, (9, 9)],
    )
    frames = interpolate(arm, 4, SIZE)
    assert path(frames, "right_wrist") == [(60, 40), (60, 45), MISSING, MISSING, MISSING]
    assert path(frames, "left_wrist") == [MISSING, MISSING, (9, 9), (9, 9), (9, 9)]
    assert (frames[:, JOINTS.index("neck")] == -1).all()


@pytest.mark.parametrize(
    ("elbow", "start", "end"),
    [((15, 60), (14, 30), (14, 90)), ((60, 80), (90, 81), (30, 81))],
    ids=["over the top", "past the right side"],
)
def test_a_joint_outside_the_image_is_missing_there(elbow, start, end):
    arm = poses(right_elbow=[elbow] * 2, right_wrist=[start, end])
    frames = interpolate(arm, 2, (128, 100))
    assert path(frames, "right_wrist") == [start, MISSING, end]


def test_a_limb_without_length_grows_straight():
    arm = poses(right_elbow=[(60, 60)] * 2, right_wrist=[(60, 60), (80, 60)])
    assert path(interpolate(arm, 2, SIZE), "right_wrist")[1] == (70, 60)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"\(2, 17, 2\), 3"):
        interpolate(np.zeros((2, 17, 2), int), 3, SIZE)
    with pytest.raises(ValueError, match=r"\(0, 18, 2\)"):
        interpolate(np.zeros((0, 18, 2), int), 3, SIZE)
    with pytest.raises(ValueError, match="0"):
        interpolate(np.zeros((2, 18, 2), int), 0, SIZE)
