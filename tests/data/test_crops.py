"""People are framed as Market-1501 frames them, and joints stay on what they were on."""

import numpy as np
import pytest

from pnr_jax.data.crops import crop_person, person_box
from pnr_jax.data.synthetic import draw_people
from pnr_jax.keypoints import JOINTS

SIZE = (128, 64)
# Somebody standing whose joints are 105 high in a frame of 128×64, as Market-1501's median.
FIGURE = np.full((18, 2), -1)
for joint, place in {
    "nose": (14, 32), "right_eye": (10, 30), "neck": (26, 32), "right_shoulder": (26, 24),
    "left_shoulder": (26, 40), "right_hip": (63, 27), "left_hip": (63, 37),
    "right_knee": (90, 27), "left_knee": (90, 37), "right_ankle": (115, 27),
    "left_ankle": (115, 37),
}.items():  # fmt: skip
    FIGURE[JOINTS.index(joint)] = place


def missing(*parts):
    keypoints = FIGURE.copy()
    keypoints[[j for j, name in enumerate(JOINTS) if name.endswith(parts)]] = -1
    return keypoints


def test_the_median_person_is_framed_as_it_is():
    np.testing.assert_allclose(person_box(FIGURE, SIZE), [(0, 0), (128, 64)], atol=1)


@pytest.mark.parametrize("parts", [("nose", "eye"), ("ankle",), ("ankle", "knee", "nose", "eye")])
def test_the_torso_says_where_missing_ends_are(parts):
    np.testing.assert_allclose(person_box(missing(*parts), SIZE), [(0, 0), (128, 64)], atol=3)


def test_a_cut_person_ends_where_the_image_does():
    legless = missing("ankle", "knee")
    (top, _), (bottom, _) = person_box(legless, (80, 64))
    joints = 79 - 10  # From the eye to the image's last row.
    assert bottom - top == pytest.approx(joints / 0.82, abs=0.5)
    headless = missing("nose", "eye") - (20, 0) * (missing("nose", "eye") != -1)
    (top, _), _ = person_box(headless, SIZE)
    assert top == pytest.approx(0 - 10 / 128 * 95 / 0.82, abs=1)  # From row 0 to the ankles.


def test_the_box_moves_and_grows_with_the_person():
    moved = np.where(FIGURE == -1, -1, 3 * FIGURE + (100, 250))
    box, original = person_box(moved, (900, 900)), person_box(FIGURE, SIZE)
    np.testing.assert_allclose(box - 0.5, 3 * (original - 0.5) + (100, 250), atol=1e-9)


def test_wide_arms_fit():
    wide = FIGURE.copy()
    wide[JOINTS.index("right_wrist")], wide[JOINTS.index("left_wrist")] = (30, -30), (30, 94)
    wide += 60 * (wide != -1)
    (top, left), (bottom, right) = person_box(wide, (300, 300))
    assert left < 30 and right > 154
    assert (bottom - top) == pytest.approx(2 * (right - left))
    assert pytest.approx((top + bottom) / 2, abs=5) == 60 + 62.5


@pytest.mark.parametrize("height", [64, 128])
def test_joints_stay_on_what_they_were_on(height):
    """Each joint is a bright dot on a dark ground in turn; its centre of mass is the joint."""
    keypoints = np.where(FIGURE == -1, -1, 5 * FIGURE + (40, 130))
    rows, columns = np.mgrid[:height, : height // 2]
    for joint in np.flatnonzero(keypoints[:, 0] >= 0):
        y, x = keypoints[joint]
        image = np.zeros((700, 600, 3), np.uint8)
        image[y - 8 : y + 9, x - 8 : x + 9] = 255
        cropped, moved = crop_person(image, keypoints, height)
        assert cropped.shape == (height, height // 2, 3)
        assert ((moved >= 0) == (FIGURE >= 0)).all()
        mass = cropped[..., 0] / cropped[..., 0].sum(dtype=float)
        centre = (rows * mass).sum(), (columns * mass).sum()
        assert np.abs(centre - moved[joint]).max() <= 0.6  # Half a pixel of rounding.


def test_beyond_the_image_is_its_edge():
    image = np.zeros((60, 40, 3), np.uint8)
    image[:, :20] = 200
    keypoints = np.where(FIGURE == -1, -1, np.clip(FIGURE - (30, 10), 0, (59, 39)))
    cropped, moved = crop_person(image, keypoints, 128)
    assert (cropped[:, 0] == 200).all() and (cropped[:, -1] == 0).all()
    assert ((moved >= 0) == (FIGURE >= 0)).all()


def test_drawn_people_keep_their_frame():
    people = draw_people(range(1, 9), views=4)
    torso = [JOINTS.index(f"{side}_{part}") for side in ("left", "right") for part in
             ("shoulder", "hip")]  # fmt: skip
    usable = (people.keypoints[:, torso] != -1).all(axis=(1, 2))
    heights = [np.ptp(person_box(k, SIZE)[:, 0]) for k in people.keypoints[usable]]
    assert 90 < np.median(heights) < 160
