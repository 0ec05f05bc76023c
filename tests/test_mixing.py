"""People mixed from two by their F, and by regions of their sources."""

import numpy as np
import pytest

from pnr_jax import box
from pnr_jax.data.synthetic import draw_people
from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.mixing import blend, dress
from pnr_jax.transfer import PoseTransfer

HIPS = [JOINTS.index("right_hip"), JOINTS.index("left_hip")]


@pytest.fixture(scope="module")
def transfer():
    return PoseTransfer.load(box.find("people"))


@pytest.fixture(scope="module")
def people():
    """Two people of the box's test set, two views each, hips visible: images and keypoints."""
    drawn = draw_people([2103, 2105], views=6)
    images = drawn.images.reshape(2, 6, 128, 64, 3)
    keypoints = drawn.keypoints.reshape(2, 6, 18, 2)
    whole = (keypoints[:, :, HIPS] != -1).all(axis=(2, 3)).all(axis=0)
    assert whole.sum() >= 2
    return images[:, whole][:, :2], keypoints[:, whole][:, :2]


@pytest.fixture(scope="module")
def F(transfer, people):
    return np.asarray(transfer.encode(*people))


def test_weights_of_one_are_the_people_themselves(F):
    np.testing.assert_array_equal(blend(F, np.eye(2)[::-1]), F[::-1])
    halves = blend(F, np.array([[0.25, 0.75], [2, -1]]))
    np.testing.assert_allclose(halves[0], 0.25 * F[0] + 0.75 * F[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(halves[1], 2 * F[0] - F[1], rtol=1e-5, atol=1e-5)
    assert halves.dtype == np.float32


def test_a_blend_comes_nearer_to_the_other_picture_by_picture(transfer, people, F):
    poses = np.repeat(people[1][0, :1], 5, axis=0)
    share = np.linspace(0, 1, 5)
    images = transfer.render(blend(F, np.stack([1 - share, share], axis=1)), poses).astype(float)
    from_first, to_last = (np.abs(images - images[i]).mean(axis=(1, 2, 3)) for i in (0, -1))
    assert (np.diff(from_first) > 0).all() and (np.diff(to_last) < 0).all()
    assert from_first[-1] > 2


def test_one_person_above_and_below_is_that_person(transfer, people, F):
    images, keypoints = (array[0] for array in people)
    same = np.asarray(dress(transfer, images, keypoints, images, keypoints))
    np.testing.assert_allclose(same[0], F[0], rtol=0, atol=1e-3 * np.abs(F[0]).max())


def test_the_upper_half_is_one_persons_and_the_lower_the_others(transfer, people, F):
    images, keypoints = people
    pose = keypoints[0, :1]
    mixed = dress(transfer, images[0], keypoints[0], images[1], keypoints[1])
    drawn = transfer.render(mixed, pose)[0].astype(float)
    one, other = transfer.render(F, np.repeat(pose, 2, axis=0)).astype(float)
    hips = int(pose[0, HIPS, 0].mean())
    for rows, mine, theirs in (
        (slice(0, hips - 8), one, other), (slice(hips + 8, None), other, one),
    ):  # fmt: skip
        near, far = (np.abs(drawn[rows] - image[rows]).mean() for image in (mine, theirs))
        assert near < 0.5 * far


def test_what_cannot_be_mixed_is_named(transfer, people, F):
    images, keypoints = people
    hidden = keypoints[1].copy()
    hidden[1, HIPS] = -1
    with pytest.raises(UserError, match="the lower person's source 2 shows no hip"):
        dress(transfer, images[0], keypoints[0], images[1], hidden)
    with pytest.raises(ValueError, match=r"weights must be \[T, 2\] for 2 people, not \(1, 3\)"):
        blend(F, np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"F must be \[K, d, D\]; a system without a regression"):
        blend({"images": F}, np.eye(2))
