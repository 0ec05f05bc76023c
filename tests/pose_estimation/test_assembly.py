"""People are read off maps that were drawn for known joints."""

import numpy as np
import pytest
from scipy import ndimage

from pnr_jax.keypoints import JOINTS, LIMBS
from pnr_jax.pose_estimation import assembly

SIZE = (40, 48)


@pytest.fixture
def assembled(draw_maps):
    def assemble(*people, **settings):
        heatmaps, fields = draw_maps(people, SIZE, **settings)
        peaks = assembly.find_peaks(heatmaps)
        return peaks, assembly.assemble(peaks, fields)

    return assemble


def places(peaks, one):
    return np.where(one[:, None] >= 0, peaks.place[one], -1)


def test_peaks_are_the_local_maxima_of_a_noisy_map():
    heatmaps = np.random.default_rng(0).random((20, 30, 18)).astype(np.float32)
    peaks = assembly.find_peaks(heatmaps, threshold=0.5)
    highest = ndimage.maximum_filter(heatmaps, (3, 3, 1), mode="constant", cval=-np.inf)
    y, x, joint = np.nonzero((heatmaps == highest) & (heatmaps > 0.5))
    np.testing.assert_array_equal(peaks.joint, joint)
    np.testing.assert_array_equal(peaks.score, heatmaps[y, x, joint])
    assert np.abs(peaks.place - np.stack([y, x], -1)).max() <= 0.5


def test_a_plateau_is_one_peak():
    heatmaps = np.zeros((9, 9, 18))
    heatmaps[3:5, 4:6, 2] = 1
    heatmaps[0, 0, 3] = 1  # In the corner, where neighbours are missing.
    peaks = assembly.find_peaks(heatmaps)
    assert peaks.joint.tolist() == [3, 2]
    np.testing.assert_array_equal(peaks.place[0], [0, 0])


def test_a_peak_lies_at_the_top_of_the_parabola():
    y, x = np.mgrid[:9, :9]
    heatmaps = np.zeros((9, 9, 18))
    heatmaps[..., 7] = np.maximum(1 - 0.05 * (y - 4.3) ** 2 - 0.04 * (x - 3.8) ** 2, 0)
    peaks = assembly.find_peaks(heatmaps)
    np.testing.assert_allclose(peaks.place, [[4.3, 3.8]], atol=1e-6)


def test_a_person_is_found_to_a_fraction_of_a_cell(assembled, person):
    joints = person((6, 20), 26)
    peaks, people = assembled(joints)
    assert len(people) == 1
    assert np.abs(places(peaks, people[0]) - joints).max() < 0.2


def test_two_people_are_told_apart_where_their_boxes_overlap(assembled, person):
    left, right = person((5, 16), 28), person((9, 24), 24)
    peaks, people = assembled(left, right)
    found = sorted((places(peaks, one) for one in people), key=lambda p: p[:, 1].mean())
    assert len(found) == 2
    for one, joints in zip(found, (left, right), strict=True):
        assert np.abs(one - joints).max() < 0.3
    largest = max(people, key=lambda one: assembly.extent(one, peaks))
    assert np.abs(places(peaks, largest) - left).max() < 0.3


def test_fields_decide_which_wrist_belongs_to_whom(assembled):
    """Two forearms that cross: the nearer wrist is the other one's."""
    one, other = np.full((18, 2), -1.0), np.full((18, 2), -1.0)
    right = [JOINTS.index(name) for name in ("neck", "right_shoulder", "right_elbow")]
    wrist = JOINTS.index("right_wrist")
    one[right], other[right] = [(8, 10), (8, 14), (20, 14)], [(8, 34), (8, 30), (20, 30)]
    one[wrist], other[wrist] = (32, 27), (32, 17)
    peaks, people = assembled(one, other)
    assert len(people) == 2
    for found in people:
        joints = one if peaks.place[found[right[0]], 1] < 20 else other
        np.testing.assert_allclose(peaks.place[found[wrist]], joints[wrist], atol=0.3)


@pytest.mark.parametrize(("count", "people"), [(3, 0), (4, 1)])
def test_less_than_four_joints_are_nobody(assembled, count, people):
    joints = np.full((18, 2), -1.0)
    chain = [JOINTS.index(f"{n}") for n in ("neck", "right_hip", "right_knee", "right_ankle")]
    joints[chain[:count]] = [(5 + 8 * i, 20) for i in range(count)]
    assert len(assembled(joints)[1]) == people


def test_joints_without_a_field_between_them_are_nobody(assembled, person):
    assert len(assembled(person((6, 20), 26), limbs=False)[1]) == 0


def test_a_field_with_a_gap_joins_nothing(draw_maps):
    joints = np.full((18, 2), -1.0)
    chain = [JOINTS.index(f"{n}") for n in ("neck", "right_hip", "right_knee", "right_ankle")]
    joints[chain] = [(4 + 10 * i, 20) for i in range(4)]
    heatmaps, fields = draw_maps([joints], SIZE)
    peaks = assembly.find_peaks(heatmaps)
    assert len(assembly.assemble(peaks, fields)) == 1
    fields[17:22] = 0  # Of the ten rows between hip and knee.
    assert len(assembly.assemble(peaks, fields)) == 0


def test_people_who_both_have_a_joint_are_two(draw_maps, person):
    """A field from the one's shoulder to the other's ear does not make one of them."""
    ear, shoulder = JOINTS.index("right_ear"), JOINTS.index("right_shoulder")
    one, other = person((6, 12), 26), person((6, 36), 26)
    one[ear] = other[shoulder] = -1
    heatmaps, fields = draw_maps([one, other], SIZE)
    stray = np.full((18, 2), -1.0)
    stray[shoulder], stray[ear] = one[shoulder], other[ear]
    fields = np.where(fields == 0, draw_maps([stray], SIZE)[1], fields)
    assert len(assembly.assemble(assembly.find_peaks(heatmaps), fields)) == 2


def test_a_loose_joint_near_the_person_is_its_own_but_not_anothers(draw_maps, person):
    joints = person((6, 12), 26)
    ankle, wrist = JOINTS.index("right_ankle"), JOINTS.index("left_wrist")
    other = person((6, 36), 26)
    other[JOINTS.index("nose")] = -1
    loose = np.full((18, 2), -1.0)
    loose[ankle] = joints[ankle]
    partial = joints.copy()
    nose = JOINTS.index("nose")
    partial[[ankle, wrist, nose]] = -1
    loose[nose] = 3, 25  # Far from its box.
    heatmaps, fields = draw_maps([partial, other, loose], SIZE)
    peaks = assembly.find_peaks(heatmaps)
    people = assembly.assemble(peaks, fields)
    assert len(people) == 2
    mine = min(people, key=lambda one: peaks.place[one[1], 1])
    whole = assembly.add_loose(mine, people, peaks)
    assert mine[ankle] == -1
    np.testing.assert_allclose(peaks.place[whole[ankle]], joints[ankle], atol=0.3)
    assert whole[wrist] == -1  # The only left wrist is the other's.
    assert whole[nose] == -1


def test_limbs_join_every_joint():
    assert {joint for limb in LIMBS for joint in limb} == set(range(18))
