"""The drawn people: reproducible, exact in their joints, different from front and back."""

import itertools
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skimage.metrics import structural_similarity

from pnr_jax.data import synthetic
from pnr_jax.data.synthetic import draw_people
from pnr_jax.data.synthetic.body import Arm, Body, Leg, Pose, draw_body, draw_pose, skeleton
from pnr_jax.data.synthetic.camera import Camera
from pnr_jax.data.synthetic.canvas import TEXELS, Canvas, Light, Profile, Texture, taper
from pnr_jax.data.synthetic.clothes import draw_outfit
from pnr_jax.data.synthetic.figure import draw_figure
from pnr_jax.data.synthetic.paint import paint_outfit
from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS

FRONT, RIGHT, BACK, LEFT = 0.0, math.pi / 2, math.pi, -math.pi / 2
TRUNK = [
    JOINTS.index(f"{side}_{part}") for side in ("right", "left") for part in ("shoulder", "hip")
]
STANDING = Pose(0.0, 0.0, (Arm(0.0, 0.2, 0.1, 0.0),) * 2, (Leg(0.0, 0.05, 0.05),) * 2)
RED, BLUE = np.array((210.0, 30, 30)), np.array((30.0, 30, 210))
FLAT = Light((0.0, 0.0, 1.0), np.ones(3, np.float32), np.ones(3, np.float32))


@pytest.fixture(scope="module")
def people():
    return draw_people(range(1, 31), views=6)


def portrait(yaw, **choices):
    """An unlit standing person without background; the picture and the joints as pixels."""
    rng = np.random.default_rng(4)
    plain = {"bag": "none", "hood": False, "haircut": "short", "hat": "none", "lower": "trousers"}
    colours = {"base": RED, "accent": BLUE, "lower_colour": np.array((90.0, 90, 90))}
    outfit = draw_outfit(rng)._replace(**(plain | colours | choices))
    paint = paint_outfit(np.random.default_rng(5), outfit)
    board = Canvas(256, 128, paint.atlas)
    camera = Camera(yaw, 0.0, 225.0, 64.0, 250.0)
    joints = draw_figure(board, Body(1.0, 1.0, 1.0, 1.0), STANDING, outfit, paint, camera)
    picture, _ = board.shade(FLAT, crease=1e6)
    return picture, dict(zip(JOINTS, joints, strict=True))


def bluish(picture):
    return int((picture[..., 2] > picture[..., 0] + 60).sum())


def test_shapes_types_and_names(people):
    assert people.images.shape == (180, 128, 64, 3) and people.images.dtype == np.uint8
    assert people.keypoints.shape == (180, 18, 2) and people.keypoints.dtype == np.int32
    assert people.names[:7:6] == ["0001_v000.png", "0002_v000.png"]
    assert len(set(people.names)) == 180


@pytest.mark.parametrize(("identities", "views"), [([9, 3], 6), (range(4, 6), 2)])
def test_a_subset_in_any_order_has_the_same_pixels(people, identities, views):
    part = draw_people(identities, views)
    at = [people.names.index(name) for name in part.names]
    np.testing.assert_array_equal(part.images, people.images[at])
    np.testing.assert_array_equal(part.keypoints, people.keypoints[at])


def test_seeds_identities_and_views_all_differ(people):
    other = draw_people([1], views=6, seed=1)
    pictures = {image.tobytes() for image in (*people.images, *other.images)}
    assert len(pictures) == 186


def test_no_two_identities_wear_the_same():
    outfits = [draw_outfit(np.random.default_rng((1, 0, identity))) for identity in range(1, 60)]
    colours = [np.concatenate((o.base, o.lower_colour, o.shoe, o.hair)) for o in outfits]
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(colours, 2)) > 10
    assert min(np.abs(o.base - o.lower_colour).sum() for o in outfits) > 100
    fronts_unlike_backs = sum(
        o.pattern in ("emblem", "number", "jacket") or o.bag == "backpack" for o in outfits
    )
    assert 0.35 < fronts_unlike_backs / len(outfits) < 0.75


def test_keypoints_are_in_the_picture_or_missing(people):
    missing = people.keypoints[..., 0] < 0
    assert (people.keypoints[missing] == -1).all()
    assert (people.keypoints[~missing] >= 0).all()
    assert (people.keypoints[~missing] < (128, 64)).all()
    assert missing.mean(0).max() < 0.6  # every joint is seen often,
    assert missing[:, JOINTS.index("left_wrist")].mean() > 0.1  # and an arm often hidden


def test_most_views_show_shoulders_and_hips_but_not_all(people):
    whole = (people.keypoints[:, TRUNK, 0] >= 0).all(1).mean()
    assert 0.85 < whole < 0.99


def test_visible_joints_lie_on_the_figure():
    for identity in range(1, 6):
        person = synthetic._draw_person(np.random.default_rng((1, 0, identity)))
        for view in range(6):
            rng = np.random.default_rng((2, 0, identity, view))
            _, keypoints, share = synthetic._draw_view(rng, person)
            y, x = keypoints[keypoints[:, 0] >= 0].T
            assert (share[y, x] > 0.2).all()


def test_the_figure_stands_out_from_its_background():
    person = synthetic._draw_person(np.random.default_rng((1, 0, 3)))
    image, _, share = synthetic._draw_view(np.random.default_rng((2, 0, 3, 0)), person)
    inside, outside = image[share[..., 0] == 1].std(0), image[share[..., 0] == 0].std(0)
    assert (inside > outside).all()


def test_right_is_the_persons_own_right():
    for part in ("shoulder", "elbow", "hip", "knee", "ankle", "ear"):
        front, back = portrait(FRONT)[1], portrait(BACK)[1]
        assert front[f"right_{part}"][1] < front[f"left_{part}"][1]
        assert back[f"right_{part}"][1] > back[f"left_{part}"][1]


def test_hidden_joints_are_missing():
    def seen(yaw):
        return {name for name, (_, _, visible) in portrait(yaw)[1].items() if visible}

    assert seen(FRONT) == set(JOINTS)
    assert set(JOINTS) - seen(BACK) == {"nose", "right_eye", "left_eye"}
    right, left = seen(RIGHT), seen(LEFT)
    assert {"nose", "right_eye", "right_ear", "right_elbow", "right_knee"} <= right
    assert not {"left_ear", "left_eye", "left_elbow", "left_knee"} & right
    assert {"nose", "left_eye", "left_ear", "left_elbow", "left_knee"} <= left
    assert not {"right_ear", "right_eye", "right_elbow", "right_knee"} & left


@pytest.mark.parametrize("pattern", ["emblem", "jacket"])
def test_what_is_on_the_chest_is_not_on_the_back(pattern):
    assert bluish(portrait(FRONT, pattern=pattern)[0]) > 200
    assert bluish(portrait(BACK, pattern=pattern)[0]) == 0


def test_a_number_is_on_the_back():
    # A small emblem may sit on the chest as well.
    back, front = (bluish(portrait(yaw, pattern="number")[0]) for yaw in (BACK, FRONT))
    assert back > 300 and front < back / 4


def test_an_emblem_moves_towards_where_the_chest_goes():
    def centre(yaw):
        blue = portrait(yaw, pattern="emblem")[0]
        return np.nonzero(blue[..., 2] > blue[..., 0] + 60)[1].mean()

    assert centre(-0.6) + 5 < centre(FRONT) == pytest.approx(64, abs=2)
    assert centre(0.6) > centre(FRONT) + 5


def test_hoops_go_round_the_body():
    for yaw in (FRONT, RIGHT, BACK, LEFT):
        picture, joints = portrait(yaw, pattern="hoops")
        column = picture[: int(joints["right_hip"][0]), 64]
        changes = np.diff((column[:, 2] > column[:, 0] + 60).astype(int))
        assert (changes > 0).sum() >= 3


def test_a_backpack_hides_the_back_alone():
    green = np.array((20.0, 200, 20))

    def greenish(yaw):
        picture = portrait(yaw, bag="backpack", bag_colour=green)[0]
        return int((picture[..., 1] > picture[..., 0] + 60).sum())

    assert greenish(BACK) > 3 * greenish(FRONT) > 0  # the straps


def test_bones_keep_their_lengths_and_feet_the_ground():
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = {k: np.array(p) for k, p in skeleton(draw_body(rng), draw_pose(rng)).items()}
        for side in ("right", "left"):
            for a, b, length in (
                ("shoulder", "elbow", 0.165),
                ("elbow", "wrist", 0.14),
                ("hip", "knee", 0.24),
                ("knee", "ankle", 0.235),
            ):
                bone = points[f"{side}_{a}"] - points[f"{side}_{b}"]
                assert np.linalg.norm(bone) == pytest.approx(length, rel=1e-9)
        feet = [points[f"{side}_{end}"][1] for side in ("right", "left") for end in ("heel", "toe")]
        assert min(feet) == pytest.approx(0.024)


def test_the_camera_is_a_rotation():
    rng = np.random.default_rng(1)
    yaw, pitch, point = 0.7, 0.15, rng.normal(size=3)
    turned = Rotation.from_euler("yx", (yaw, pitch)).apply(point)
    expected = np.array((10.0, 20.0, 0.0)) + 3.0 * turned * (1, -1, 1)
    np.testing.assert_allclose(Camera(yaw, pitch, 3.0, 10.0, 20.0)(tuple(point)), expected)


def test_a_limb_without_length_is_a_ball():
    board = Canvas(64, 64, np.ones((TEXELS, 3), np.float32))
    board.limb((32.0, 32.0, 5.0), (32.0, 32.0, 5.0), 20 * taper(1.0), Texture(0, TEXELS, 1))
    y, x = np.mgrid[:64, :64] + 0.5 - 32.0
    ball = 400.0 - x**2 - y**2
    np.testing.assert_array_equal(np.isfinite(board.depth), ball > 0)
    np.testing.assert_allclose(board.depth[ball > 1], 5 + np.sqrt(ball[ball > 1]), rtol=1e-4)


@pytest.mark.parametrize("yaw", [0.0, 0.4, 1.3, 2.9, -2.0])
def test_a_lathe_is_the_nearest_of_its_ellipse(yaw):
    side, front, columns = 24.0, 14.0, 720
    board = Canvas(20, 64, np.ones((columns, 3), np.float32))
    ones = np.ones(2)
    profile = Profile(np.array((0.0, 1.0)), side * ones, front * ones)
    board.lathe((32.0, 0.0, 0.0), (32.0, 20.0, 0.0), profile, yaw, Texture(0, 1, columns))
    # The oracle: walk around the ellipse and keep, in each pixel, the point nearest to the camera.
    phi = (np.arange(columns) + 0.5) / columns * 2 * np.pi - np.pi
    seen = np.stack((side * np.sin(phi), 0 * phi, front * np.cos(phi)), -1)
    x, _, z = Rotation.from_euler("y", yaw).apply(seen).T
    for pixel in range(64):
        near = np.nonzero(np.abs(x + 32.0 - (pixel + 0.5)) < 0.25)[0]
        if abs(pixel + 0.5 - 32.0) < 0.9 * np.abs(x).max():
            best = near[np.argmax(z[near])]
            assert board.depth[10, pixel] == pytest.approx(z[best], abs=0.8)
            assert abs((board.texel[10, pixel] - best + 360) % columns - 360) < 12
    assert np.isfinite(board.depth[10]).sum() == pytest.approx(2 * np.abs(x).max(), abs=1.5)


def test_the_nearer_part_hides_the_farther():
    board = Canvas(32, 32, np.array(((200.0, 0, 0), (0, 200, 0)), np.float32).repeat(TEXELS, 0))
    for z, start in ((10.0, 0), (-10.0, TEXELS)):  # red is nearer, and drawn first
        board.limb((16.0, 16.0, z), (16.0, 16.0, z), 8 * taper(1.0), Texture(start, TEXELS, 1))
    picture, _ = board.shade(FLAT, crease=1e6)
    np.testing.assert_array_equal(picture[16, 16], (200, 0, 0))


def test_copying_the_source_scores_low(people):
    rng, scores = np.random.default_rng(0), []
    for first in 6 * rng.integers(0, 30, 60):
        source, target = people.images[first + rng.choice(6, 2, replace=False)]
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        scores.append(
            structural_similarity(
                target, source, data_range=float(np.ptp(source)), channel_axis=2, **options
            )
        )
    assert 0.2 < np.mean(scores) < 0.5


@pytest.mark.parametrize(
    ("identities", "views", "seed"), [([0], 1, 0), ([1], 0, 0), ([1], 1, -1), (range(3), 1, 0)]
)
def test_counts_below_their_start_are_named(identities, views, seed):
    with pytest.raises(UserError, match="count from 1 and seeds from 0"):
        draw_people(identities, views, seed)
