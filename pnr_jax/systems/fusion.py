"""Attention-based fusion: Def-GAN's generator for any number of sources.

Lathuilière et al., Attention-based Fusion for Multi-source Human Image Generation, WACV 2020, as
in its public code with recurrent attention ("att_dec_rec"): each source has the features of
Def-GAN's encoders, moved to the target's pose; at every level of the decoder they are averaged with
weights for each pixel and channel, which also depend on those of the level before. Losses 0.1 GAN +
0.001 nearest neighbour; otherwise as Def-GAN, without dropout.

It differs from the code in what `defgan` says. A single source and fewer sources than M, neither
of which the code supports, follow from the same equations: missing sources have weight 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.keypoints import heatmaps
from pnr_jax.nn.blocks import KERAS, nearest_doubled
from pnr_jax.nn.pixels import scale_images
from pnr_jax.settings import Rule, Settings
from pnr_jax.systems.defgan import (
    WIDTHS,
    Conv3,
    DefGANLossSettings,
    DefGANSystem,
    Encoder,
    WholeNorm,
    skip_connections,
)
from pnr_jax.systems.protocol import Sources

LEAST = 1e-7  # Of a gate, and of its distance to 1.


@dataclass(frozen=True)
class FusionSettings(Settings):
    """The generator's size."""

    path: ClassVar[str] = "model."
    width: int = 64
    sigma: float = 6.0  # Width of the heatmaps' Gaussians, pixels.

    def rules(self) -> Iterator[Rule]:
        """Checks that sizes are positive."""
        yield from self.at_least(1, "width")
        yield Rule("sigma", self.sigma > 0, "positive")


@dataclass(frozen=True)
class FusionLossSettings(DefGANLossSettings):
    """The weights of the losses, in Def-GAN's proportion."""

    gan: float = 0.1
    neighbour: float = 0.001


class Gate(nn.Module):
    """How much of a source passes: a number for each pixel times one for each channel, both 0 to 1.

    Attributes:
      features: channels of the features that pass.
      dtype: type that the layers compute in.
    """

    features: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [N, h, w, C] -> float32 [N, h, w, features]."""

        def dense(features: int, name: str) -> nn.Dense:
            return nn.Dense(features, kernel_init=KERAS.kernel, dtype=self.dtype, name=name)

        pixels = dense(1, "pixels")(x)
        mean = jnp.mean(WholeNorm(self.dtype)(x), axis=(1, 2))
        channels = dense(self.features, "channels")(
            nn.relu(dense(max(1, self.features // 4), "squeeze")(mean))
        )
        pixels, channels = (nn.sigmoid(gate.astype(jnp.float32)) for gate in (pixels, channels))
        return pixels * channels[:, None, None]


class Fusion(nn.Module):
    """The generator: Def-GAN's encoders for each source, and a decoder that weighs the sources."""

    width: int
    sigma: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, sources: Sources, keypoints: jax.Array, train: bool) -> jax.Array:
        """Maps sources [B, M] and poses [B, 18, 2] -> float32 [B, H, W, 3] in [-1, 1]."""
        B, M = sources.valid.shape
        skips = [x.reshape(B, M, *x.shape[1:]) for x in self._skips(sources, keypoints)]
        valid = sources.valid[:, :, None, None, None].astype(jnp.float32)
        y = jnp.sum(skips[-1] * valid.astype(self.dtype), axis=1)
        y /= jnp.sum(valid, axis=1).astype(self.dtype)
        weights = jnp.zeros((B, M, *y.shape[1:3], 0), self.dtype)
        for i, skip in enumerate(reversed(skips)):
            shared = jnp.broadcast_to(y[:, None], (B, M, *y.shape[1:]))
            x = jnp.concatenate([shared, skip, weights], axis=-1)
            gates = Gate(skip.shape[-1], self.dtype)(x.reshape(B * M, *x.shape[2:]))
            weights = shares(gates.reshape(skip.shape), valid).astype(self.dtype)
            z = nn.relu(jnp.concatenate([y, jnp.sum(weights * skip, axis=1)], axis=-1))
            if i + 1 < len(skips):
                y = Conv3(WIDTHS[-1 - i] * self.width, self.dtype)(nearest_doubled(z))
                y = WholeNorm(self.dtype)(y)
                weights = bilinear_doubled(weights)
        return nn.tanh(Conv3(3, self.dtype)(z).astype(jnp.float32))

    def _skips(self, sources: Sources, keypoints: jax.Array) -> list[jax.Array]:
        """Returns the features of each source for each level: [B·M, h, w, C]."""
        poses = sources.keypoints.reshape(-1, 18, 2)
        keypoints = jnp.broadcast_to(keypoints[:, None], sources.keypoints.shape)
        keypoints = keypoints.reshape(-1, 18, 2)
        images = scale_images(sources.images.reshape(-1, *sources.images.shape[2:]))
        size = images.shape[1], images.shape[2]
        maps_s, maps_t = (heatmaps(x, size, self.sigma) for x in (poses, keypoints))
        appearance, posed = (
            Encoder(self.width, self.dtype, name=name)(
                jnp.concatenate([x, y], axis=-1).astype(self.dtype)
            )
            for name, x, y in (("appearance", images, maps_s), ("pose", maps_s, maps_t))
        )
        return skip_connections(appearance, posed, poses, keypoints, size)


def shares(gates: jax.Array, valid: jax.Array) -> jax.Array:
    """Returns each source's share of the gates, pixel by pixel and channel by channel.

    Args:
      gates: float32 [B, M, h, w, C].
      valid: float32 [B, M, 1, 1, 1], 0 leaves a source out.
    """
    gates = jnp.clip(gates, LEAST, 1 - LEAST) * valid
    return gates / jnp.sum(gates, axis=1, keepdims=True)


def bilinear_doubled(x: jax.Array) -> jax.Array:
    """Doubles the size by means of neighbours, the last pixel twice, as TensorFlow 1 did.

    [..., H, W, C] -> [..., 2 H, 2 W, C].
    """
    for axis in (-3, -2):
        last = jax.lax.slice_in_dim(x, x.shape[axis] - 1, None, axis=axis)
        following = jax.lax.slice_in_dim(x, 1, None, axis=axis)
        means = (x + jnp.concatenate([following, last], axis=axis)) / 2
        pairs = jnp.stack([x, means], axis=axis)
        shape = [*x.shape]
        shape[axis] *= 2
        x = pairs.reshape(shape)
    return x


class FusionSystem(DefGANSystem):
    """The fusion of sources against Def-GAN's discriminator, which sees each source."""

    Model = FusionSettings
    Loss = FusionLossSettings
    Generator = Fusion
    most_sources = None
    title = label = "Lathuilière et al."
    about = (
        "Method: *Attention-based Fusion for Multi-source Human Image Generation*, WACV 2020; it "
        "sees any number of sources."
    )
