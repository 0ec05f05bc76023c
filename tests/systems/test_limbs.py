"""The limbs' transforms, masks and warp against NumPy in float64, written from the equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.measure import grid_points_in_poly

from pnr_jax.systems import limbs

RNG = np.random.default_rng(0)
transforms, warp = jax.jit(limbs.transforms), jax.jit(limbs.warp)
masks_of = jax.jit(limbs.masks, static_argnums=1)
SIZE = (64, 32)
RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, LEFT_HIP = 2, 5, 8, 11
TORSO = [RIGHT_HIP, LEFT_HIP, RIGHT_SHOULDER, LEFT_SHOULDER]
HEAD = [0, 14, 15, 16, 17]
# Thighs, calves, upper arms, forearms; right before left.
LIMBS = [(8, 9), (11, 12), (9, 10), (12, 13), (2, 3), (5, 6), (3, 4), (6, 7)]
REACH = [0.1, 0.1, 0.3, 0.3, 0.1, 0.1, 0.3, 0.3]
MASK_REACH = [0.1, 0.1, 0.5, 0.5, 0.1, 0.1, 0.5, 0.5]
STANDING = np.array([
    (10, 16), (16, 16), (17, 22), (27, 25), (36, 27), (17, 10), (28, 8), (37, 6), (36, 20),
    (47, 21), (58, 22), (36, 12), (48, 11), (59, 10), (9, 17), (9, 15), (10, 19), (10, 13),
])  # fmt: skip


def a_pose(missing=(), whole=True):
    pose = STANDING + RNG.integers(-2, 3, STANDING.shape)
    if not whole:
        pose = pose + RNG.uniform(-0.5, 0.5, pose.shape)
    pose[list(missing)] = -1
    return pose


def xy(pose):
    return pose[:, ::-1].astype(float)


def there(pose, joints):
    return all((pose[joint] != -1).all() for joint in joints)


def size(p):
    return np.sqrt((np.sum((p[8] - p[2]) ** 2) + np.sum((p[11] - p[5]) ** 2)) / 2)


def quadrilateral(p, limb, e):
    a, b = p[limb[0]], p[limb[1]]
    near = a + 0.1 * (a - b)
    far = b + e * (b - near)
    dx, dy = near - far
    n = 0.2 * size(p) * np.array([-dy, dx]) / np.hypot(dx, dy)
    return np.array([near + n, near - n, far - n, far + n])


def fitted(target, source):
    """Affine least squares from target to source points, [2, 3]."""
    rows = np.column_stack([target, np.ones(len(target))])
    return np.linalg.lstsq(rows, source, rcond=None)[0].T


def total(target, source):
    """The same by total least squares of normalised points, as scikit-image fits them."""

    def normalised(points):
        centred = points - points.mean(axis=0)
        scale = np.sqrt(2) / np.sqrt(np.mean(np.sum(centred**2, axis=1)))
        matrix = np.array([[scale, 0, 0], [0, scale, 0], [0, 0, 1.0]])
        matrix[:2, 2] = -scale * points.mean(axis=0)
        return centred * scale, matrix

    (t, T), (s, S) = normalised(target), normalised(source)
    rows = []
    for (x, y), (X, Y) in zip(t, s, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -X], [0, 0, 0, x, y, 1, -Y]]
    v = np.linalg.svd(np.array(rows))[2][-1]
    matrix = np.vstack([(v[:6] / v[6]).reshape(2, 3), [0, 0, 1]])
    return (np.linalg.inv(S) @ matrix @ T)[:2]


def expected_transforms(source, target):
    """None for a part that reads nothing."""
    s, t = xy(source), xy(target)
    found = [fitted(t[TORSO], s[TORSO])]
    faces = [j for j in HEAD if there(source, [j]) and there(target, [j])]
    joints = [*faces, RIGHT_SHOULDER, LEFT_SHOULDER]
    found.append(fitted(t[joints], s[joints]) if faces else None)
    for i, limb in enumerate(LIMBS):
        from_limb = limb if there(source, limb) else LIMBS[i + (1 if i % 2 == 0 else -1)]
        if there(target, limb) and there(source, from_limb):
            corners = [quadrilateral(p, l, REACH[i]) for p, l in ((t, limb), (s, from_limb))]
            found.append(fitted(*corners))
        else:
            found.append(None)
    return found


def expected_masks(target):
    p = xy(target)
    found = np.zeros((10, *SIZE), bool)
    found[0] = True
    faces = p[[j for j in HEAD if there(target, [j])]]
    if len(faces):
        x, y = faces.mean(axis=0).astype(int)
        half = int(0.4 * size(p))
        found[1, max(0, y - half) : y + half, max(0, x - half) : x + half] = True
    for i, limb in enumerate(LIMBS):
        if there(target, limb):
            corners = quadrilateral(p, limb, MASK_REACH[i])
            found[2 + i] = grid_points_in_poly(SIZE, corners[:, ::-1])
    return found


def expected_warp(features, maps, masks):
    h, w, C = features.shape
    ratio = masks.shape[1] // h
    drawn = np.zeros((h, w, C))
    for y, x in np.ndindex(h, w):
        parts = []
        for A, mask in zip(maps, masks, strict=True):
            value = np.zeros(C)
            if A is not None and mask[ratio * y, ratio * x]:
                read = A[:, :2] @ (x, y) + A[:, 2] / ratio
                X, Y = (int(np.sign(c) * np.floor(abs(c) + 0.5)) for c in read)
                if 0 <= X < w and 0 <= Y < h:
                    value = features[Y, X]
            parts.append(value)
        drawn[y, x] = np.max(parts, axis=0)
    return drawn


# In the source, in the target.
MISSING = [
    ((), ()),
    ((9,), ()),  # The right thigh and calf come from the left ones.
    ((3, 6), ()),  # Neither arm.
    ((), (4, 12)),
    ((0, 14, 15, 16), (17,)),  # No joint of the head is in both.
    ((0, 14), (16,)),
    ((), (0, 14, 15, 16, 17)),
]


def test_transforms_are_the_fits_of_their_points():
    pairs = [(a_pose(s), a_pose(t)) for s, t in MISSING]
    found = transforms(*map(jnp.asarray, map(np.stack, zip(*pairs, strict=True))))
    for maps, pair in zip(found, pairs, strict=True):
        for part, wanted in zip(np.asarray(maps), expected_transforms(*pair), strict=True):
            if wanted is None:
                assert (part[:, 2] > 1000).all()
            else:
                corners = np.array([[0, 0, 1], [31, 0, 1], [0, 63, 1]])
                np.testing.assert_allclose(corners @ part.T, corners @ wanted.T, atol=0.02)


def test_least_squares_agrees_with_total_least_squares_of_a_broad_torso():
    for _ in range(20):
        t = xy(a_pose())[TORSO]
        s = t @ RNG.uniform(0.5, 1.5, (2, 2)) + RNG.normal(size=(4, 2)) / 5
        found = limbs.fit(jnp.asarray(t), jnp.asarray(s), jnp.ones(4))
        rows = np.column_stack([t, np.ones(4)])
        np.testing.assert_allclose(rows @ np.asarray(found).T, rows @ total(t, s).T, atol=0.1)


def test_masks_are_squares_and_rectangles():
    poses = [a_pose(t, whole=False) for _, t in MISSING]
    found = np.asarray(masks_of(jnp.asarray(np.stack(poses)), SIZE))
    for masks, pose in zip(found, poses, strict=True):
        differ = masks != expected_masks(pose)
        assert differ[:2].sum() == 0
        assert differ.sum() <= 3  # Pixels on an edge, by rounding.
    assert 0 < found[0, 2:].sum() < found[0, 2:].size / 4


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_warp_keeps_the_largest_of_what_each_part_reads(level):
    h, w = (side // 2**level for side in SIZE)
    for missing in MISSING[:5]:
        # Fractions, since a tie is rounded by its last bit.
        source, target = (a_pose(joints, whole=False) for joints in missing)
        features = RNG.normal(size=(h, w, 3)).astype(np.float32)
        maps = transforms(jnp.asarray(source[None]), jnp.asarray(target[None]))
        masks = masks_of(jnp.asarray(target[None]), SIZE)
        moved = np.asarray(warp(jnp.asarray(features[None]), maps, masks))[0]
        wanted = expected_warp(features, expected_transforms(source, target), np.asarray(masks)[0])
        differ = (np.abs(moved - wanted) > 1e-6).any(axis=-1)
        assert differ.sum() <= 1


def test_equal_poses_keep_what_is_positive():
    pose = jnp.asarray(STANDING[None])
    features = jnp.asarray(RNG.normal(size=(1, *SIZE, 2)), jnp.float32)
    maps, masks = transforms(pose, pose), masks_of(pose, SIZE)
    np.testing.assert_array_equal(warp(features, maps, masks), jnp.maximum(features, 0))


def test_a_shifted_pose_reads_the_source_shifted():
    target = jnp.asarray(STANDING[None] + (3, -2))
    features = jnp.asarray(np.abs(RNG.normal(size=(1, *SIZE, 2))), jnp.float32)
    maps = transforms(jnp.asarray(STANDING[None]), target)
    moved = warp(features, maps, masks_of(target, SIZE))
    wanted = np.zeros_like(features)
    wanted[:, 3:, :-2] = features[:, :-3, 2:]
    np.testing.assert_array_equal(moved, wanted)


def test_halves_are_rounded_away_from_zero():
    features = jnp.arange(1.0, 9.0).reshape(1, 2, 4, 1)
    maps = jnp.broadcast_to(jnp.array([[1, 0, 0.5], [0, 1, 0]]), (1, 10, 2, 3))
    moved = warp(features, maps, jnp.ones((1, 10, 2, 4), bool))
    np.testing.assert_array_equal(moved[0, 0, :, 0], [2, 3, 4, 0])
    maps = maps.at[..., 0, 2].set(-0.5)
    moved = warp(features, maps, jnp.ones((1, 10, 2, 4), bool))
    np.testing.assert_array_equal(moved[0, 0, :, 0], [0, 2, 3, 4])


@pytest.mark.parametrize("joint", TORSO)
@pytest.mark.parametrize("which", [0, 1])
def test_without_a_torso_the_image_stays(joint, which):
    poses = [STANDING.copy(), STANDING + 1]
    poses[which][joint] = -1
    maps = np.asarray(transforms(*(jnp.asarray(pose[None]) for pose in poses)))[0]
    np.testing.assert_array_equal(maps[0], [[1, 0, 0], [0, 1, 0]])
    assert (maps[1:, :, 2] > 1000).all()


@pytest.mark.parametrize("where", ["source", "target"])
@pytest.mark.parametrize("how", ["a point", "a line"])
def test_what_cannot_be_solved_or_inverted_reads_nothing(where, how):
    flat = STANDING.copy()
    flat[:] = (20, 10)
    if how == "a line":
        flat += np.arange(18)[:, None]
    poses = (flat, STANDING) if where == "source" else (STANDING, flat)
    maps = np.asarray(transforms(*(jnp.asarray(pose[None]) for pose in poses)))[0]
    assert np.isfinite(maps).all()
    collinear = maps if how == "a point" else maps[:2]
    assert (collinear[..., 2] > 1000).all()
    assert np.asarray(masks_of(jnp.asarray(flat[None]), SIZE))[0, 2:].any() == (how == "a line")


def test_lines_in_any_direction_are_not_solved():
    along = RNG.normal(size=(200, 1, 2)) * np.arange(4)[:, None]
    target = 20 + along + RNG.normal(size=(200, 1, 2))
    source = RNG.uniform(0, 64, (200, 4, 2))
    found = limbs.fit(*(jnp.asarray(x, jnp.float32) for x in (target, source)), jnp.ones(4))
    assert (np.asarray(found)[..., 2] > 1000).all()


def test_a_limb_lies_in_a_rectangle_as_wide_as_the_torso_says():
    pose = a_pose()
    found = np.asarray(limbs.quadrilaterals(jnp.float32(xy(pose)[None]), np.float32(REACH)))[0]
    wanted = [quadrilateral(xy(pose), limb, e) for limb, e in zip(LIMBS, REACH, strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
