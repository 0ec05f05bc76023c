"""The layers that all networks share, in the family of PATN and Johnson et al. 2016.

Convolutions pad by reflection, start from N(0, 0.02) and carry no bias before a norm, which would
remove it again.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

CONV_INIT = nn.initializers.normal(0.02)
NORMS = ("batch", "instance", "group")


def _scale_init(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)


class Norm(nn.Module):
    """Normalisation by kind: "batch" (PATN's on Market-1501), "instance" or "group" (of 16 channels).

    Statistics and parameters are float32 whatever the compute dtype.

    Attributes:
      kind: one of `NORMS`.
      dtype: of the output.
    """

    kind: str
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, valid: jax.Array | None = None) -> jax.Array:
        """Normalises [B, H, W, C].

        Args:
          x: float [B, H, W, C].
          train: batch norm takes its statistics from the batch, and keeps a running mean of them.
          valid: bool [B], False leaves an image out of batch norm's statistics.
        """
        if self.kind == "batch":
            mask = None if valid is None else valid[:, None, None, None]
            norm = nn.BatchNorm(momentum=0.9, scale_init=_scale_init, dtype=self.dtype)
            return norm(x, use_running_average=not train, mask=mask)
        if self.kind == "instance":
            return nn.InstanceNorm(scale_init=_scale_init, dtype=self.dtype)(x)
        if self.kind == "group":
            groups = max(1, x.shape[-1] // 16)
            return nn.GroupNorm(num_groups=groups, scale_init=_scale_init, dtype=self.dtype)(x)
        raise ValueError(f"norm must be one of {NORMS}, not {self.kind!r}")


class ReflectConv(nn.Module):
    """A convolution padded by reflection, which keeps the image size at stride 1."""

    features: int
    size: int
    strides: int = 1
    use_bias: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, C] -> [B, H / strides, W / strides, features]."""
        pad = self.size // 2
        x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
        return nn.Conv(
            self.features,
            (self.size, self.size),
            strides=self.strides,
            padding="VALID",
            use_bias=self.use_bias,
            kernel_init=CONV_INIT,
            dtype=self.dtype,
        )(x)


class ConvBlock(nn.Module):
    """Convolution, norm, ReLU."""

    features: int
    size: int
    strides: int = 1
    norm: str = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, valid: jax.Array | None = None) -> jax.Array:
        """[B, H, W, C] -> [B, H / strides, W / strides, features]."""
        x = ReflectConv(self.features, self.size, self.strides, dtype=self.dtype)(x)
        return nn.relu(Norm(self.norm, self.dtype)(x, train, valid))


class UpBlock(nn.Module):
    """Doubles the image size by a transposed convolution, then norm and ReLU.

    Attributes:
      features: channels out.
      kernel: 3 is PATN's; its taps overlap unevenly and draw a checkerboard, which 4 cannot.
      norm: kind of `Norm`.
      dtype: of the computation.
    """

    features: int
    kernel: int = 3
    norm: str = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[B, H, W, C] -> [B, 2 H, 2 W, features]."""
        x = nn.ConvTranspose(
            self.features,
            (self.kernel, self.kernel),
            strides=(2, 2),
            padding="SAME",
            use_bias=False,
            kernel_init=CONV_INIT,
            dtype=self.dtype,
        )(x)
        return nn.relu(Norm(self.norm, self.dtype)(x, train))


class ResidualBlock(nn.Module):
    """x + f(x), f two 3×3 convolutions with norms and a ReLU (and dropout) between; none after."""

    norm: str = "batch"
    dropout: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, valid: jax.Array | None = None) -> jax.Array:
        """[B, H, W, C] -> [B, H, W, C]."""
        features = x.shape[-1]
        y = ConvBlock(features, 3, norm=self.norm, dtype=self.dtype)(x, train, valid)
        y = nn.Dropout(self.dropout)(y, deterministic=not train)
        y = ReflectConv(features, 3, dtype=self.dtype)(y)
        return x + Norm(self.norm, self.dtype)(y, train, valid)
