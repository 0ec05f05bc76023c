"""The body mask of the published evaluation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.keypoints.skeleton import check_shape

# fmt: off
# The mask has limbs of its own: they close the torso (hip to hip, hips to shoulders) and the head
# (neck to ears, ear to ear).
MASK_LIMBS = np.array([
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12),
    (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (1, 16), (1, 17), (8, 11), (11, 5),
    (8, 2), (16, 17),
])
# fmt: on

_MASKS_AT_ONCE = 64


def body_mask(keypoints: np.ndarray, image_size: tuple[int, int] = (128, 64)) -> np.ndarray:
    """Marks the body's pixels: the mask of masked SSIM and masked Inception Score.

    The union of a rectangle around each limb (pixels whose foot on the segment lies on it and
    whose distance is at most r) and an open disc of radius r around each joint, closed by a
    dilation and an erosion with a 5×5 square. r = 4 at height 128 and follows the height,
    r = max(1, round(4·height/128)); the square does not. A limb with a missing end is left out;
    of a limb whose ends coincide the discs remain.

    Args:
      keypoints: integer [..., 18, 2], (y, x) in pixels, -1 = missing.
      image_size: (height, width) in pixels.

    Returns:
      bool [..., height, width].

    Raises:
      ValueError: keypoints are not integer [..., 18, 2].

    References:
      ``produce_ma_mask`` of PATN (Zhu et al., "Progressive Pose Attention Transfer", CVPR 2019).
    """
    keypoints = np.asarray(keypoints)
    check_shape(keypoints.shape)
    if not np.issubdtype(keypoints.dtype, np.integer):
        raise ValueError(f"keypoints must be integer pixels, got {keypoints.dtype}")
    flat = keypoints.reshape(-1, 18, 2).astype(np.int32)
    masks = np.empty((len(flat), *image_size), bool)
    for start in range(0, len(flat), _MASKS_AT_ONCE):
        chunk = flat[start : start + _MASKS_AT_ONCE]
        # A ragged chunk is filled with missing joints: one program serves every count.
        padding = ((0, _MASKS_AT_ONCE - len(chunk)), (0, 0), (0, 0))
        shapes = _shapes(np.pad(chunk, padding, constant_values=-1), image_size)
        # Two programs: in one, XLA would draw anew for each of the 100 shifts of the closing.
        with jax.enable_x64(True):
            mask = _draw(*shapes, image_size)
        masks[start : start + len(chunk)] = close(mask)[: len(chunk)]
    return masks.reshape(*keypoints.shape[:-2], *image_size)


def _shapes(keypoints: np.ndarray, image_size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Discs (centre, r²) and rectangles (start, direction, half width, drawn or not)."""
    radius = max(1, round(4 * image_size[0] / 128))
    present = np.all(keypoints != -1, axis=-1)
    squared_radius = np.where(present, radius**2, 0)
    start, end = keypoints[:, MASK_LIMBS[:, 0]], keypoints[:, MASK_LIMBS[:, 1]]
    direction = end - start
    length = np.linalg.norm(direction, axis=-1)
    drawn = np.all(present[:, MASK_LIMBS], axis=-1) & (length > 0)
    normal = radius * direction[..., ::-1] * (1, -1)
    side = normal / np.where(drawn, length, 1)[..., None]
    return keypoints, squared_radius, start, direction, side, drawn


@partial(jax.jit, static_argnames="image_size")
def _draw(
    centre: jax.Array,
    squared_radius: jax.Array,
    start: jax.Array,
    direction: jax.Array,
    side: jax.Array,
    drawn: jax.Array,
    image_size: tuple[int, int],
) -> jax.Array:
    rows = jnp.arange(image_size[0])[:, None]
    columns = jnp.arange(image_size[1])[None, :]

    def offsets(points: jax.Array) -> tuple[jax.Array, jax.Array]:
        return points[:, 0, None, None] - rows, points[:, 1, None, None] - columns

    mask = jnp.zeros((len(centre), *image_size), bool)
    # Unrolled over the shapes: XLA fuses all of it into one pass over the pixels.
    for joint in range(centre.shape[1]):
        y, x = offsets(centre[:, joint])
        mask |= y * y + x * x < squared_radius[:, joint, None, None]
    for limb in range(start.shape[1]):
        f, d, s = start[:, limb], direction[:, limb], side[:, limb]
        # A pixel exactly on a long edge falls to either side by the last bit of the corners. As
        # in the published evaluation: float64, corners first. Products are compared, not
        # subtracted, lest a fused multiply-add round otherwise.
        (ay, ax), (by, bx) = offsets(f + s), offsets(f + d + s)
        inside = (ay * bx >= by * ax) & drawn[:, limb, None, None]
        (ay, ax), (by, bx) = offsets(f - s), offsets(f + d - s)
        inside &= ay * bx <= by * ax
        dy, dx = d[:, 0, None, None], d[:, 1, None, None]
        y, x = offsets(f)
        along = -(dy * y + dx * x)
        mask |= inside & (along >= 0) & (along <= dy * dy + dx * dx)
    return mask


@jax.jit
def close(mask: jax.Array) -> jax.Array:
    """Closes gaps: a dilation and an erosion of bool [B, H, W] with a 5×5 square."""
    # Erosion is the dilation of the complement.
    return ~_dilate(~_dilate(mask))


def _dilate(mask: jax.Array) -> jax.Array:
    """Dilates by a 5×5 square; what lies outside the image does not count."""
    for axis in (1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (2, 2)
        padded, length = jnp.pad(mask, padding), mask.shape[axis]
        for shift in range(5):
            mask |= jax.lax.slice_in_dim(padded, shift, shift + length, axis=axis)
    return mask
