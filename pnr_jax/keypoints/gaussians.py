"""Pose heatmaps: a Gaussian around each joint."""

import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.keypoints.skeleton import check_shape


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

    >>> from pnr_jax.keypoints import JOINTS
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
    """Returns the factors of `heatmaps`: ``map[y, x, j] = rows[y, j] columns[x, j]``.

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
    check_shape(keypoints.shape)
    present = jnp.all(keypoints != -1, axis=-1)

    def gaussian(length: int, centre: jax.Array) -> jax.Array:
        distance = jnp.arange(length, dtype=jnp.float32)[:, None] - centre[..., None, :]
        return jnp.exp(-jnp.square(distance) / (2 * sigma**2))

    rows = gaussian(image_size[0], keypoints[..., 0]) * present[..., None, :]
    return rows, gaussian(image_size[1], keypoints[..., 1])
