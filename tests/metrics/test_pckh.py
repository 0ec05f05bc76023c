"""PCKh by hand and against a loop of the published rule."""

import numpy as np
import pytest

from pnr_jax.metrics import pckh, pckh_counts


def person(**places):
    """Keypoints [1, 18, 2] from joint_INDEX=(y, x); the rest is missing."""
    keypoints = np.full((1, 18, 2), -1)
    for name, place in places.items():
        keypoints[0, int(name.removeprefix("joint_"))] = place
    return keypoints


# A head 8 wide (x 10..18) and 20 high (y 4..24): the tolerance is 4 and 10, exclusive.
HEAD = {"joint_0": (4, 10), "joint_1": (24, 18)}


@pytest.mark.parametrize(
    "dy,dx,right",
    [(0, 0, True), (9, 3, True), (-9, -3, True), (10, 0, False), (0, 4, False), (0, -4, False)],
)
def test_tolerance_by_hand(dy, dx, right):
    target = person(**HEAD, joint_9=(90, 30))
    predicted = person(**HEAD, joint_9=(90 + dy, 30 + dx))
    assert pckh(predicted, target) == pytest.approx((2 + right) / 3)


def test_alpha_scales_the_tolerance():
    target = person(**HEAD, joint_9=(90, 30))
    predicted = person(**HEAD, joint_9=(90, 35))
    assert pckh(predicted, target) == pytest.approx(2 / 3)
    assert pckh(predicted, target, alpha=1.0) == 1.0


def test_missing_prediction_is_wrong_and_missing_target_is_not_counted():
    target = person(**HEAD, joint_9=(90, 30), joint_10=(110, -1))
    predicted = person(joint_0=(4, 10), joint_1=(24, 18), joint_10=(110, 31), joint_9=(90, -1))
    assert pckh(predicted, target) == pytest.approx(2 / 3)


def test_missing_prediction_near_the_corner_is_wrong():
    target = person(**HEAD, joint_9=(1, 1))
    assert pckh(person(**HEAD), target) == pytest.approx(2 / 3)


def test_people_without_a_head_are_left_out():
    headless = person(joint_0=(4, 10), joint_9=(90, 30))
    whole = person(**HEAD, joint_9=(90, 30))
    target = np.concatenate([headless, whole])
    predicted = np.concatenate([headless, person(**HEAD)])
    assert pckh(predicted, target) == pytest.approx(2 / 3)
    assert pckh(headless, headless) == 0.0
    assert pckh(headless[:0], headless[:0]) == 0.0


def test_flat_head_makes_its_person_wrong():
    target = person(joint_0=(4, 10), joint_1=(24, 10))
    assert pckh(target, target) == 0.0


def test_against_the_published_rule():
    rng = np.random.default_rng(0)
    target = rng.integers(0, (128, 64), (50, 18, 2))
    predicted = target + rng.integers(-20, 21, target.shape)
    target[rng.random((50, 18)) < 0.4] = -1
    predicted[rng.random((50, 18)) < 0.2] = -1
    right = count = 0
    for p, t in zip(predicted, target, strict=True):
        head = [t[j] for j in (0, 1, 14, 15, 16, 17) if t[j, 0] != -1]
        if len(head) < 2:
            continue
        height, width = np.ptp(head, axis=0)
        for (py, px), (ty, tx) in zip(p, t, strict=True):
            if ty == -1:
                continue
            count += 1
            missing = -1 in (py, px)
            right += not missing and abs(py - ty) < height / 2 and abs(px - tx) < width / 2
    assert 0 < right < count
    assert pckh(predicted, target) == pytest.approx(right / count)
    assert pckh(predicted.reshape(5, 10, 18, 2), target.reshape(5, 10, 18, 2)) == pytest.approx(
        right / count
    )


def test_counts_are_each_persons():
    headless, whole = person(joint_0=(4, 10), joint_9=(90, 30)), person(**HEAD, joint_9=(90, 30))
    target = np.concatenate([headless, whole, whole])
    predicted = np.concatenate([headless, person(**HEAD), whole])
    right, visible = pckh_counts(predicted, target)
    assert (right.tolist(), visible.tolist()) == ([0, 2, 3], [0, 3, 3])


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"\[1, 18, 2\].*\[2, 18, 2\]"):
        pckh(np.zeros((1, 18, 2)), np.zeros((2, 18, 2)))
    with pytest.raises(ValueError, match=r"\[17, 2\]"):
        pckh(np.zeros((17, 2)), np.zeros((17, 2)))


def test_joints_that_are_nan_are_missing():
    pose = np.arange(36.0).reshape(18, 2)
    for odd in (np.nan, (np.nan, 3), np.inf, (-1, 3)):
        pose[5] = odd
        assert pckh(pose, pose) == 1
        whole = np.arange(36.0).reshape(18, 2)
        assert pckh(pose, whole) == 17 / 18
