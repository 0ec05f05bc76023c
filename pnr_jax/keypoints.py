"""Human keypoints: the 18 joints, their limbs, heatmaps, body masks and drawings.

Keypoints are integer ``(y, x)`` pixels, ``[..., 18, 2]``; a joint is missing when either of its
coordinates is -1. Joints and limbs are those of OpenPose's COCO-18 skeleton (Cao et al., 2017).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

JOINTS = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
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
)

# fmt: off
# The last two, shoulder to ear, tell the sides of the head apart: 16 belongs to the right shoulder
# and 17 to the left one. They guide the estimator's assembly and are not drawn.
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12),
    (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
)

# The body mask of the published evaluation has limbs of its own: they close the torso
# (hip to hip, hips to shoulders) and the head (neck to ears, ear to ear).
_MASK_LIMBS = np.array([
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12),
    (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (1, 16), (1, 17), (8, 11), (11, 5),
    (8, 2), (16, 17),
])

_COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)
# fmt: on

_MASKS_AT_ONCE = 64


def heatmaps(
    keypoints: jax.Array | np.ndarray,
    image_size: tuple[int, int] = (128, 64),
    sigma: float = 6.0,
) -> jax.Array:
    """Draws a Gaussian of peak 1 around each joint, one channel a joint.

    ``map[y, x, j] = exp(-((y - y_j)² + (x - x_j)²) / (2σ²))``, as the product of its two factors:
    (H + W) exponentials a joint instead of H·W.

    Args:
      keypoints: [..., 18, 2], (y, x) in pixels, -1 = missing.
      image_size: (height, width) in pixels.
      sigma: standard deviation in pixels.

    Returns:
      float32 [..., height, width, 18]; a missing joint's channel is zero.

    Raises:
      ValueError: keypoints are not [..., 18, 2].

    >>> keypoints = np.full((18, 2), -1)
    >>> keypoints[JOINTS.index("nose")] = 20, 30
    >>> maps = heatmaps(keypoints)
    >>> maps.shape, float(maps[20, 30, 0]), float(maps[..., 1:].max())
    ((128, 64, 18), 1.0, 0.0)
    """
    rows, columns = heatmap_factors(keypoints, image_size, sigma)
    return rows[..., :, None, :] * columns[..., None, :, :]


def heatmap_factors(
    keypoints: jax.Array | np.ndarray,
    image_size: tuple[int, int] = (128, 64),
    sigma: float = 6.0,
) -> tuple[jax.Array, jax.Array]:
    """The two factors of `heatmaps`: ``map[y, x, j] = rows[y, j] columns[x, j]``.

    Args:
      keypoints: [..., 18, 2], (y, x) in pixels, -1 = missing.
      image_size: (height, width) in pixels.
      sigma: standard deviation in pixels.

    Returns:
      rows float32 [..., height, 18], zero for a missing joint, and columns [..., width, 18].

    Raises:
      ValueError: keypoints are not [..., 18, 2].
    """
    keypoints = jnp.asarray(keypoints)
    _check_shape(keypoints.shape)
    present = jnp.all(keypoints != -1, axis=-1)

    def gaussian(length: int, centre: jax.Array) -> jax.Array:
        distance = jnp.arange(length, dtype=jnp.float32)[:, None] - centre[..., None, :]
        return jnp.exp(-jnp.square(distance) / (2 * sigma**2))

    rows = gaussian(image_size[0], keypoints[..., 0]) * present[..., None, :]
    return rows, gaussian(image_size[1], keypoints[..., 1])


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
    _check_shape(keypoints.shape)
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
        masks[start : start + len(chunk)] = _close(mask)[: len(chunk)]
    return masks.reshape(*keypoints.shape[:-2], *image_size)


def _shapes(keypoints: np.ndarray, image_size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Discs (centre, r²) and rectangles (start, direction, half width, drawn or not)."""
    radius = max(1, round(4 * image_size[0] / 128))
    present = np.all(keypoints != -1, axis=-1)
    squared_radius = np.where(present, radius**2, 0)
    start, end = keypoints[:, _MASK_LIMBS[:, 0]], keypoints[:, _MASK_LIMBS[:, 1]]
    direction = end - start
    length = np.linalg.norm(direction, axis=-1)
    drawn = np.all(present[:, _MASK_LIMBS], axis=-1) & (length > 0)
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
def _close(mask: jax.Array) -> jax.Array:
    # Erosion is the dilation of the complement.
    return ~_dilate(~_dilate(mask))


def _dilate(mask: jax.Array) -> jax.Array:
    """Dilation with a 5×5 square; what lies outside the image does not count."""
    for axis in (1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (2, 2)
        padded, length = jnp.pad(mask, padding), mask.shape[axis]
        for shift in range(5):
            mask |= jax.lax.slice_in_dim(padded, shift, shift + length, axis=axis)
    return mask


def resize_keypoints(
    keypoints: np.ndarray, from_size: tuple[int, int], to_size: tuple[int, int]
) -> np.ndarray:
    """Moves keypoints to where a resized image shows them, to the nearest pixel inside it.

    Pixels are areas, as image resizing has it: ``y' = (y + 1/2)·to/from - 1/2``.

    Args:
      keypoints: [..., 18, 2], (y, x) in pixels of from_size, -1 = missing.
      from_size: (height, width) in pixels.
      to_size: (height, width) in pixels.

    Returns:
      int32 [..., 18, 2]; a missing joint is (-1, -1).

    Raises:
      ValueError: keypoints are not [..., 18, 2].
    """
    keypoints = np.asarray(keypoints)
    _check_shape(keypoints.shape)
    limit = np.array(to_size) - 1
    moved = (keypoints + 0.5) * (np.array(to_size) / np.array(from_size)) - 0.5
    inside = np.clip(np.rint(moved), 0, limit).astype(np.int32)
    missing = np.any(keypoints == -1, axis=-1, keepdims=True)
    return np.where(missing, np.int32(-1), inside)


def draw_skeleton(image_size: tuple[int, int], keypoints: np.ndarray) -> np.ndarray:
    """Draws the skeleton in OpenPose's colours on a dark ground, smooth at any size.

    Args:
      image_size: (height, width) in pixels; lines and joints grow with the height.
      keypoints: [18, 2], (y, x) in pixels of image_size, -1 = missing.

    Returns:
      uint8 [height, width, 3].

    Raises:
      ValueError: keypoints are not [18, 2].
    """
    from PIL import Image, ImageDraw

    keypoints = np.asarray(keypoints)
    if keypoints.shape != (18, 2):
        raise ValueError(f"keypoints must be [18, 2], got {list(keypoints.shape)}")
    height, width = image_size
    scale = 8  # drawn large and averaged down: PIL's own lines are not anti-aliased
    unit = scale * height / 128
    image = Image.new("RGB", (width * scale, height * scale), (18, 20, 26))
    draw = ImageDraw.Draw(image)
    points = [((x + 0.5) * scale, (y + 0.5) * scale) for y, x in keypoints.tolist()]
    present = np.all(keypoints != -1, axis=-1)

    def disc(point: tuple[float, float], radius: float, colour: tuple[int, ...]) -> None:
        x, y = point
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    for colour, (start, end) in zip(_COLOURS, LIMBS[:-2], strict=False):
        if present[start] and present[end]:
            muted = tuple(round(0.6 * c) + 40 for c in colour)
            draw.line((points[start], points[end]), fill=muted, width=round(2.6 * unit))
    for joint, colour in enumerate(_COLOURS):
        if present[joint]:
            disc(points[joint], 1.9 * unit, colour)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def _check_shape(shape: tuple[int, ...]) -> None:
    if shape[-2:] != (18, 2):
        raise ValueError(f"keypoints must be [..., 18, 2], got {list(shape)}")
