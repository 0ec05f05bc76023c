"""Conversion between uint8 images and the networks' range."""

import jax
import jax.numpy as jnp


def scale_images(images: jax.Array) -> jax.Array:
    """Scales uint8 [0, 255] to float32 [-1, 1]."""
    return images.astype(jnp.float32) / 127.5 - 1.0


def to_uint8(images: jax.Array) -> jax.Array:
    """Rounds float [-1, 1] to uint8 [0, 255]."""
    return jnp.clip(jnp.round((images + 1.0) * 127.5), 0, 255).astype(jnp.uint8)
