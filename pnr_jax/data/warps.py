"""Augmentation: images and their joints mirrored, turned, scaled and shifted together.

Pure functions of a batch and a key that run inside the compiled step, so a batch stays a function
of (seed, step) by every way in. Off by default; GFLA's is rotation=5, shift=5, scale=0.05 (Ren et
al., Deep Image Spatial Transformation for Person Image Generation, CVPR 2020).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from pnr_jax.data.pipeline import Batch
from pnr_jax.keypoints import mirror_keypoints
from pnr_jax.settings import Rule, Settings


@dataclass(frozen=True)
class Augment(Settings):
    """How far training images are moved; 0 everywhere leaves them as they are."""

    path: ClassVar[str] = "augment."
    mirror: float = 0.0  # Probability that an example's images are mirrored, all of them.
    rotation: float = 0.0  # Degrees at most, either way, about the image's middle.
    shift: float = 0.0  # Pixels at most, either way, down and to the right.
    scale: float = 0.0  # Share by which a person grows or shrinks at most.

    def rules(self) -> Iterator[Rule]:
        """Checks that each value lies in its range."""
        yield from self.at_least(0, "shift")
        yield from self.share("scale")
        yield Rule("mirror", 0 <= self.mirror <= 1, "in [0, 1]")
        yield Rule("rotation", 0 <= self.rotation <= 180, "in [0, 180]")

    @property
    def moves(self) -> bool:
        """Whether images are turned, shifted or scaled."""
        return max(self.rotation, self.shift, self.scale) > 0


class Warp(NamedTuple):
    """Where points go: p' = middle + matrix (p - middle) + shift, (y, x) pixels.

    Attributes:
      matrix: float32 [..., 2, 2].
      shift: float32 [..., 2].
    """

    matrix: jax.Array
    shift: jax.Array


def augment(
    batch: Batch[jax.Array], key: jax.Array, settings: Augment, together: bool
) -> Batch[jax.Array]:
    """Moves a batch's images and joints at random.

    Sources and target of an example are mirrored together, since they show one person. Each is
    turned, shifted and scaled by itself.

    Args:
      batch: a batch, see `pnr_jax.data.pipeline`.
      key: random key.
      settings: how far.
      together: move all images of an example alike, as where the target is the source itself.
    """
    images = jnp.concatenate([batch["source_images"], batch["target_image"][:, None]], axis=1)
    keypoints = jnp.concatenate(
        [batch["source_keypoints"], batch["target_keypoints"][:, None]], axis=1
    )
    B, count, height, width, _ = images.shape
    mirror_key, warp_key = jax.random.split(key)
    if settings.mirror:
        chosen = jax.random.bernoulli(mirror_key, settings.mirror, (B, 1, 1, 1))
        images = jnp.where(chosen[..., None], images[..., ::-1, :], images)
        keypoints = jnp.where(chosen, mirror_keypoints(keypoints, width), keypoints)
    if settings.moves:
        warps = draw_warps(warp_key, (B, 1 if together else count), settings)
        warps = jax.tree.map(lambda x: jnp.broadcast_to(x, (B, count, *x.shape[2:])), warps)
        keypoints = warp_keypoints(keypoints, warps, (height, width))
        images = warp_images(images, warps)
    return {
        "source_images": images[:, :-1],
        "source_keypoints": keypoints[:, :-1],
        "source_valid": batch["source_valid"],
        "target_image": images[:, -1],
        "target_keypoints": keypoints[:, -1],
    }


def draw_warps(key: jax.Array, shape: tuple[int, ...], settings: Augment) -> Warp:
    """Draws angles, scales and shifts, each uniform over what the settings allow."""
    angle_key, scale_key, shift_key = jax.random.split(key, 3)
    draw = partial(jax.random.uniform, minval=-1.0, maxval=1.0)
    angle = jnp.deg2rad(settings.rotation) * draw(angle_key, shape)
    scale = 1 + settings.scale * draw(scale_key, shape)
    cos, sin = scale * jnp.cos(angle), scale * jnp.sin(angle)
    matrix = jnp.stack([jnp.stack([cos, -sin], -1), jnp.stack([sin, cos], -1)], -2)
    return Warp(matrix, settings.shift * draw(shift_key, (*shape, 2)))


def warp_images(images: jax.Array, warps: Warp) -> jax.Array:
    """Moves images, bilinear; what comes in from outside is the image's edge.

    Args:
      images: uint8 [..., H, W, 3].
      warps: the warp of each, [...].

    Returns:
      uint8 [..., H, W, 3].
    """
    H, W = images.shape[-3:-1]
    pixels = jnp.stack(jnp.meshgrid(jnp.arange(H), jnp.arange(W), indexing="ij"), -1)

    def one(image: jax.Array, warp: Warp) -> jax.Array:
        origin = _moved(pixels.reshape(-1, 2), _inverse(warp), (H, W)).T.reshape(2, H, W)
        sample = partial(map_coordinates, coordinates=[*origin], order=1, mode="nearest")
        moved = jax.vmap(sample, in_axes=-1, out_axes=-1)(image.astype(jnp.float32))
        return jnp.rint(moved).astype(jnp.uint8)

    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[images.ndim - 3 :]), (images, warps))
    return jax.vmap(one)(*flat).reshape(images.shape)


def warp_keypoints(keypoints: jax.Array, warps: Warp, image_size: tuple[int, int]) -> jax.Array:
    """Moves joints with their images, to the nearest pixel, inside of the image or not.

    Args:
      keypoints: int32 [..., 18, 2], (y, x) pixels, -1 = missing, which stays so.
      warps: the warp of each image, [...].
      image_size: (H, W).

    Returns:
      int32 [..., 18, 2]; a joint that would come to lie on -1, which means missing, lies on 0.
    """
    moved = jnp.rint(_moved(keypoints, warps, image_size)).astype(jnp.int32)
    missing = jnp.any(keypoints == -1, axis=-1, keepdims=True)
    return jnp.where(missing, -1, jnp.where(moved == -1, 0, moved))


def _moved(points: jax.Array, warps: Warp, image_size: tuple[int, int]) -> jax.Array:
    """Moves points [..., K, 2] by warps [...]: float32 [..., K, 2]."""
    middle = (jnp.array(image_size, jnp.float32) - 1) / 2
    turned = jnp.einsum(
        "...ij,...kj->...ki", warps.matrix, points - middle, precision=jax.lax.Precision.HIGHEST
    )
    return turned + middle + warps.shift[..., None, :]


def _inverse(warp: Warp) -> Warp:
    """Returns the warp back; the matrix is a rotation times a scale."""
    back = jnp.swapaxes(warp.matrix, -1, -2) / jnp.linalg.det(warp.matrix)[..., None, None]
    return Warp(back, -jnp.einsum("...ij,...j->...i", back, warp.shift))
