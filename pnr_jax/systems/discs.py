"""Poses as PG2 sees them: a disc around each joint, and a mask of the body made of discs."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.keypoints.mask import MASK_LIMBS, close


def pose_discs(keypoints: jax.Array, image_size: tuple[int, int], radius: int) -> jax.Array:
    """Returns 1 within a disc around each joint and -1 elsewhere, one channel a joint.

    Args:
      keypoints: [B, 18, 2], (y, x) pixels, -1 where missing; fractions are dropped.
      image_size: (H, W), pixels.
      radius: the discs' radius, their edges included.

    Returns:
      float32 [B, H, W, 18]; -1 everywhere for a missing joint.
    """
    seen = jnp.all(keypoints != -1, axis=-1)[:, None, None, :]
    y, x = jnp.moveaxis(jnp.trunc(jnp.asarray(keypoints, jnp.float32)), -1, 0)
    rows = jnp.arange(image_size[0])[None, :, None, None] - y[:, None, None, :]
    columns = jnp.arange(image_size[1])[None, None, :, None] - x[:, None, None, :]
    return jnp.where(seen & (rows**2 + columns**2 <= radius**2), 1.0, -1.0)


@partial(jax.jit, static_argnums=(1, 2))
def limb_mask(keypoints: jax.Array, image_size: tuple[int, int], radius: int) -> jax.Array:
    """Returns the pixels around limbs: discs at steps of about a radius, gaps of 5×5 closed.

    The limbs are those of the evaluation's mask, but a joint without a limb draws nothing.

    Args:
      keypoints: [B, 18, 2], (y, x) pixels, -1 where missing.
      image_size: (H, W), pixels.
      radius: the discs' radius.

    Returns:
      bool [B, H, W].
    """
    keypoints = jnp.asarray(keypoints, jnp.float32)
    start, end = keypoints[:, MASK_LIMBS[:, 0]], keypoints[:, MASK_LIMBS[:, 1]]
    seen = jnp.all((start != -1) & (end != -1), axis=-1)
    length = jnp.linalg.norm(end - start, axis=-1)
    most = math.ceil(math.hypot(*image_size) / radius)
    steps = jnp.clip(jnp.floor(length / radius), 1, most)
    shares = jnp.minimum(jnp.arange(most + 1) / steps[..., None], 1)[..., None]
    # A ten-thousandth, since a whole number may come out just below itself.
    centres = start[:, :, None] + (end - start)[:, :, None] * shares + 1e-4
    y, x = jnp.moveaxis(jnp.floor(centres).astype(jnp.int32), -1, 0)
    # With a border, since discs around joints outside of the image reach into it.
    B, H, W = len(keypoints), *(size + 2 * radius for size in image_size)
    y, x = y + radius, x + radius
    inside = seen[..., None] & (y >= 0) & (y < H) & (x >= 0) & (x < W)
    place = jnp.where(inside, y * W + x, H * W).reshape(B, -1)
    dots = jax.vmap(lambda row: jnp.zeros(H * W).at[row].set(1.0, mode="drop"))(place)
    side = np.arange(-radius, radius + 1)
    disc = (side[:, None] ** 2 + side**2 <= radius**2).astype(np.float32)
    discs = jax.lax.conv_general_dilated(
        dots.reshape(B, 1, H, W), jnp.asarray(disc[None, None]), (1, 1), "VALID"
    )
    return close(discs[:, 0] > 0.5)
