"""Ten parts of a body, and how each moves from one pose to another: Def-GAN's deformable skips.

A part has an affine map from the target's pixels to the source's, found from joints, and a mask in
the target. Points are (x, y) here.

It differs from Def-GAN's code: maps are fitted by ordinary, not total least squares, which matters
where a torso is nearly a line; and a pose without a whole torso, which the code never sees, leaves
the image in place.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.keypoints import JOINTS

_TORSO = np.array([JOINTS.index(f"{side}_{joint}") for joint in ("shoulder", "hip")
                   for side in ("right", "left")])  # fmt: skip
_HEAD = np.array([JOINTS.index("nose"), *range(JOINTS.index("right_eye"), len(JOINTS))])
# Right and left by turns, so that i ^ 1 is the limb of the other side.
_LIMBS = np.array([
    [JOINTS.index(f"{side}_{joint}") for joint in limb]
    for limb in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
    for side in ("right", "left")
])  # fmt: skip
# How far a limb reaches beyond its end, as a share of its length: for the maps, and for the masks.
_REACH = np.array([0.1, 0.1, 0.3, 0.3, 0.1, 0.1, 0.3, 0.3], np.float32)
_MASK_REACH = np.where(_REACH > 0.2, 0.5, _REACH).astype(np.float32)
_SINGULAR = 1e-6  # Least determinant of a map, or of what it is solved from, against its size.
_NOWHERE = np.array([[1, 0, 1e6], [0, 1, 1e6]], np.float32)  # Reads outside of every image.
_STAY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
# The default of accelerators is too coarse for coordinates.
_einsum = partial(jnp.einsum, precision="highest")


def transforms(source: jax.Array, target: jax.Array) -> jax.Array:
    """Returns the affine map of each part from the target's pixels to the source's.

    A limb that the target lacks reads nothing; one that the source lacks is taken from its other
    side. So does a part whose map would be singular.

    Args:
      source: [B, 18, 2], (y, x) pixels, -1 where missing.
      target: [B, 18, 2].

    Returns:
      float32 [B, 10, 2, 3].
    """
    (points_s, seen_s), (points_t, seen_t) = _points(source), _points(target)
    whole = jnp.all((seen_s & seen_t)[:, _TORSO], axis=-1)
    torso = fit(points_t[:, _TORSO], points_s[:, _TORSO], jnp.ones(len(_TORSO)))
    torso = jnp.where(whole[:, None, None], torso, _STAY)

    faces = (seen_s & seen_t)[:, _HEAD]
    joints = np.concatenate([_HEAD, _TORSO[:2]])
    weights = jnp.concatenate([faces, jnp.ones_like(faces[:, :2])], axis=-1)
    head = fit(points_t[:, joints], points_s[:, joints], weights.astype(jnp.float32))
    head = jnp.where((whole & faces.any(axis=-1))[:, None, None], head, _NOWHERE)

    has_s, has_t = (jnp.all(seen[:, _LIMBS], axis=-1) for seen in (seen_s, seen_t))
    other_side = np.arange(len(_LIMBS)) ^ 1
    own = quadrilaterals(points_s, _REACH)
    from_s = jnp.where(has_s[..., None, None], own, own[:, other_side])
    limbs = fit(quadrilaterals(points_t, _REACH), from_s, jnp.ones(4))
    found = whole[:, None] & has_t & (has_s | has_s[:, other_side])
    limbs = jnp.where(found[..., None, None], limbs, _NOWHERE)
    return jnp.concatenate([torso[:, None], head[:, None], limbs], axis=1)


def masks(target: jax.Array, image_size: tuple[int, int]) -> jax.Array:
    """Returns where each part lies in the target; the torso is everywhere, with the background.

    Args:
      target: [B, 18, 2], (y, x) pixels, -1 where missing.
      image_size: (H, W), pixels.

    Returns:
      bool [B, 10, H, W].
    """
    points, seen = _points(target)
    grid = jnp.stack(jnp.meshgrid(*map(jnp.arange, image_size[::-1])), axis=-1)  # [H, W, (x, y)]
    torso = jnp.ones((target.shape[0], 1, *image_size), bool)
    head = _head_mask(points, seen, grid)[:, None]
    near, far, _ = _limb_ends(points, _MASK_REACH)
    along = far - near
    offsets = grid - near[..., None, None, :]
    ahead = _einsum("bphwc,bpc->bphw", offsets, along)
    aside = _einsum("bphwc,bpc->bphw", offsets, _turned(along))
    squared = jnp.sum(along**2, axis=-1)[..., None, None]
    half = 0.2 * _size(points)[:, None, None, None] * jnp.sqrt(squared)
    limbs = (ahead >= 0) & (ahead <= squared) & (jnp.abs(aside) <= half) & (squared > 0)
    limbs &= jnp.all(seen[:, _LIMBS], axis=-1)[..., None, None]
    return jnp.concatenate([torso, head, limbs], axis=1)


def quadrilaterals(points: jax.Array, reach: np.ndarray) -> jax.Array:
    """Returns the corners of a rectangle around each limb.

    Args:
      points: float [B, 18, 2].
      reach: [8], how far each reaches beyond its end.

    Returns:
      float [B, 8, 4, 2]; those of a limb without length coincide.
    """
    near, far, normal = _limb_ends(points, reach)
    side = 0.2 * _size(points)[:, None, None] * normal
    return jnp.stack([near + side, near - side, far - side, far + side], axis=-2)


def fit(target: jax.Array, source: jax.Array, weights: jax.Array) -> jax.Array:
    """Returns the affine maps that bring target points to source points by least squares.

    Args:
      target: float [..., K, 2].
      source: float [..., K, 2].
      weights: float [..., K], weights of the points; not all 0.

    Returns:
      float [..., 2, 3]; what cannot be solved or inverted reads outside of every image.
    """
    weights = jnp.broadcast_to(weights, target.shape[:-1])
    shares = (weights / weights.sum(axis=-1, keepdims=True))[..., None]
    centre_t, centre_s = (jnp.sum(shares * x, axis=-2, keepdims=True) for x in (target, source))
    t, s = target - centre_t, source - centre_s
    normal, mixed = (_einsum("...ki,...kj->...ij", shares * x, t) for x in (t, s))
    trace = normal[..., 0, 0] + normal[..., 1, 1]
    solvable = _determinant(normal) > _SINGULAR * trace**2
    normal = jnp.where(solvable[..., None, None], normal, jnp.eye(2))
    a, b, c, d = (normal[..., i, j] for i in (0, 1) for j in (0, 1))
    adjugate = jnp.stack([jnp.stack([d, -b], -1), jnp.stack([-c, a], -1)], -2)
    linear = _einsum("...ij,...jk->...ik", mixed, adjugate)
    linear /= _determinant(normal)[..., None, None]
    squared = jnp.sum(linear**2, axis=(-2, -1))
    invertible = jnp.abs(_determinant(linear)) > _SINGULAR * squared
    shift = centre_s - _einsum("...ij,...kj->...ki", linear, centre_t)
    maps = jnp.concatenate([linear, jnp.swapaxes(shift, -1, -2)], axis=-1)
    return jnp.where((solvable & invertible)[..., None, None], maps, _NOWHERE)


def warp(features: jax.Array, maps: jax.Array, masks: jax.Array) -> jax.Array:
    """Moves features part by part and keeps the maximum; features outside a mask count as 0.

    Args:
      features: float [B, h, w, C], the source's.
      maps: [B, 10, 2, 3], what `transforms` returned, in pixels of the image.
      masks: bool [B, 10, H, W], what `masks` returned, H and W multiples of h and w.

    Returns:
      float [B, h, w, C], each the nearest source pixel, 0 outside.
    """
    B, h, w, C = features.shape
    ratio = masks.shape[2] // h
    masks = masks[:, :, ::ratio, ::ratio]
    grid = jnp.stack(jnp.meshgrid(jnp.arange(w), jnp.arange(h)), axis=-1)  # [h, w, (x, y)]
    flat = features.reshape(B, h * w, C)

    @jax.checkpoint  # Otherwise the gradient would keep all ten.
    def larger(most: jax.Array, part: tuple[jax.Array, jax.Array]) -> jax.Array:
        maps, mask = part
        read = _einsum("hwj,bij->bhwi", grid, maps[..., :2])
        x, y = jnp.moveaxis(_rounded(read + maps[:, None, None, :, 2] / ratio), -1, 0)
        inside = mask & (x >= 0) & (x < w) & (y >= 0) & (y < h)
        # float32 holds these whole numbers exactly; a place outside is filled with 0.
        place = jnp.where(inside, y * w + x, h * w).astype(jnp.int32).reshape(B, h * w)
        moved = jax.vmap(lambda f, i: f.at[i].get(mode="fill", fill_value=0))(flat, place)
        return jnp.maximum(most, moved.reshape(features.shape))

    start = jnp.full_like(features, -jnp.inf)
    parts = jnp.moveaxis(maps, 1, 0), jnp.moveaxis(masks, 1, 0)
    return jax.lax.scan(lambda most, part: (larger(most, part), None), start, parts)[0]


def _points(keypoints: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns float32 (x, y) of joints, and whether each is there."""
    keypoints = jnp.asarray(keypoints)
    return keypoints[..., ::-1].astype(jnp.float32), jnp.all(keypoints != -1, axis=-1)


def _size(points: jax.Array) -> jax.Array:
    """Returns the length of the torso, [B], to which all widths are in proportion."""
    sides = points[:, _TORSO[:2]] - points[:, _TORSO[2:]]
    return jnp.sqrt(jnp.mean(jnp.sum(sides**2, axis=-1), axis=-1))


def _limb_ends(points: jax.Array, reach: np.ndarray) -> tuple[jax.Array, ...]:
    """Returns both ends of limbs, drawn out, and unit vectors across: [B, 8, 2] each."""
    start, end = points[:, _LIMBS[:, 0]], points[:, _LIMBS[:, 1]]
    near = start + 0.1 * (start - end)
    far = end + reach[:, None] * (end - near)
    along = near - far
    length = jnp.linalg.norm(along, axis=-1, keepdims=True)
    return near, far, _turned(along) / jnp.maximum(length, 1e-6)


def _head_mask(points: jax.Array, seen: jax.Array, grid: jax.Array) -> jax.Array:
    """Marks a square around the head's joints, its end left out: bool [B, H, W]."""
    faces = seen[:, _HEAD].astype(jnp.float32)[..., None]
    count = jnp.maximum(faces.sum(axis=1), 1)
    centre = jnp.floor(jnp.sum(points[:, _HEAD] * faces, axis=1) / count)[:, None, None]
    half = jnp.floor(0.4 * _size(points))[:, None, None, None]
    inside = jnp.all((grid >= centre - half) & (grid < centre + half), axis=-1)
    return inside & faces.any(axis=(1, 2))[:, None, None]


def _turned(vectors: jax.Array) -> jax.Array:
    """Turns vectors [..., 2] by a right angle: (x, y) to (-y, x)."""
    return jnp.stack([-vectors[..., 1], vectors[..., 0]], axis=-1)


def _determinant(matrices: jax.Array) -> jax.Array:
    return matrices[..., 0, 0] * matrices[..., 1, 1] - matrices[..., 0, 1] * matrices[..., 1, 0]


def _rounded(x: jax.Array) -> jax.Array:
    """Rounds halves away from zero."""
    return jnp.sign(x) * jnp.floor(jnp.abs(x) + 0.5)
