"""The layers that all networks share, in the family of PATN and Johnson et al. 2016.

Convolutions carry no bias before a norm, which would remove it again. Initialisers are an
argument: N(0, 0.02) in generators, PyTorch's defaults in PATN's discriminators, whose code never
calls its own initialiser, Keras' in Def-GAN.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

NORMS = ("batch", "instance", "group")
CONV_INIT = nn.initializers.normal(0.02)


def _scale_init(
    key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
) -> jax.Array:
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)


class Start(NamedTuple):
    """Initialisers of a network's parameters.

    Attributes:
      kernel: initialiser of convolutions.
      scale: initialiser of norms.
    """

    kernel: nn.initializers.Initializer
    scale: nn.initializers.Initializer


NORMAL = Start(CONV_INIT, _scale_init)
# PyTorch's before 1.2: kernels uniform in ±1/√fan_in, scales of norms uniform in [0, 1].
PYTORCH = Start(
    nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"), nn.initializers.uniform(1.0)
)
# Keras': Glorot's uniform kernels, scales 1.
KERAS = Start(nn.initializers.glorot_uniform(), nn.initializers.ones)


class Norm(nn.Module):
    """Normalisation: "batch" (PATN's on Market-1501), "instance" or "group" (of 16 channels).

    Statistics and parameters are float32 whatever the compute dtype.

    Attributes:
      kind: one of `NORMS`.
      dtype: type of the output.
      start: initialisers; the scale's is used.
    """

    kind: str
    dtype: DTypeLike = jnp.float32
    start: Start = NORMAL

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, valid: jax.Array | None = None) -> jax.Array:
        """Normalises [B, H, W, C].

        Args:
          x: float [B, H, W, C].
          train: whether batch norm takes its statistics from the batch, and keeps a running mean.
          valid: bool [B], False leaves an image out of batch norm's statistics.
        """
        if self.kind == "batch":
            mask = None if valid is None else valid[:, None, None, None]
            norm = nn.BatchNorm(momentum=0.9, scale_init=self.start.scale, dtype=self.dtype)
            return norm(x, use_running_average=not train, mask=mask)
        if self.kind == "instance":
            return nn.InstanceNorm(scale_init=self.start.scale, dtype=self.dtype)(x)
        if self.kind == "group":
            groups = max(1, x.shape[-1] // 16)
            scale = self.start.scale
            return nn.GroupNorm(num_groups=groups, scale_init=scale, dtype=self.dtype)(x)
        raise ValueError(f"norm must be one of {NORMS}, not {self.kind!r}")


class ReflectConv(nn.Module):
    """A convolution padded by reflection, which keeps the image size at stride 1."""

    features: int
    size: int
    strides: int = 1
    use_bias: bool = False
    dtype: DTypeLike = jnp.float32
    start: Start = NORMAL

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H / strides, W / strides, features]."""
        before = self.size // 2
        after = before + 1 - self.strides  # The last stride ends there.
        x = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)), mode="reflect")
        return nn.Conv(
            self.features,
            (self.size, self.size),
            strides=self.strides,
            padding="VALID",
            use_bias=self.use_bias,
            kernel_init=self.start.kernel,
            dtype=self.dtype,
            conv_general_dilated=_convolution,
        )(x)


def _convolution(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: str, **options: Any
) -> jax.Array:
    """Computes `jax.lax.conv_general_dilated` without padding, in a way that is quicker on CPUs.

    On CPUs, XLA (jax 0.10.2) takes up to six times as long for a convolution without padding as for
    one with. So this one pads by a row, and drops it.
    """

    def quick(x: jax.Array, kernel: jax.Array) -> jax.Array:
        height = (x.shape[1] - kernel.shape[0]) // strides[0] + 1
        padded = ((0, 1), (0, 0))
        return jax.lax.conv_general_dilated(x, kernel, strides, padded, **options)[:, :height]

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, **options)

    return jax.lax.platform_dependent(x, kernel, cpu=quick, default=plain)


class HalvingBlock(nn.Module):
    """PATN's 3×3 convolution of stride 2, padded by zeros on each side; norm, ReLU."""

    features: int
    norm: str = "batch"
    dtype: DTypeLike = jnp.float32
    start: Start = NORMAL

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H / 2, W / 2, features]."""
        x = nn.Conv(
            self.features,
            (3, 3),
            strides=2,
            padding=1,
            use_bias=False,
            kernel_init=self.start.kernel,
            dtype=self.dtype,
        )(x)
        return nn.relu(Norm(self.norm, self.dtype, self.start)(x, train))


class ConvBlock(nn.Module):
    """Convolution padded by reflection, norm, ReLU."""

    features: int
    size: int
    strides: int = 1
    norm: str = "batch"
    dtype: DTypeLike = jnp.float32
    start: Start = NORMAL

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, valid: jax.Array | None = None) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H / strides, W / strides, features]."""
        conv = ReflectConv(
            self.features, self.size, self.strides, dtype=self.dtype, start=self.start
        )
        return nn.relu(Norm(self.norm, self.dtype, self.start)(conv(x), train, valid))


class HeatmapConv(nn.Module):
    """`ReflectConv` of a map that is a product of rows and columns, channel by channel.

    Σ_{dy,dx,j} K[dy,dx,j,f] r[y+dy,j] c[x+dx,j]: the columns meet the kernel first, then one matrix
    product sums over dy and j: 7 taps a pixel instead of 49, and the maps are never written out.
    """

    features: int
    size: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """Maps [B, H, J] and [B, W, J] -> [B, H, W, features]."""
        B, W, J = columns.shape
        shape = (self.size, self.size, J, self.features)
        kernel = self.param("kernel", CONV_INIT, shape).astype(self.dtype)
        rows, columns = (
            _reflected_windows(x.astype(self.dtype), self.size) for x in (rows, columns)
        )
        mixed = jnp.einsum("bxej,dejf->bdjxf", columns, kernel)
        rows = rows.reshape(B, -1, self.size * J)
        mixed = mixed.reshape(B, self.size * J, W * self.features)
        return (rows @ mixed).reshape(B, -1, W, self.features)


def _reflected_windows(x: jax.Array, size: int) -> jax.Array:
    """Maps [B, L, J] -> [B, L, size, J]: each place's `size` neighbours, reflected at the ends."""
    length = x.shape[1]
    x = jnp.pad(x, ((0, 0), (size // 2, size // 2), (0, 0)), mode="reflect")
    return jnp.stack([x[:, i : i + length] for i in range(size)], axis=2)


class TransposedConv(nn.Module):
    """A transposed convolution of stride 2, computed as its four phases.

    Each phase of the output is a 2×2 convolution of the input, so together they are one 2×2
    convolution to 4·features and an interleaving, with the same numbers and products as the dilated
    form, whose gradient is slow on CPUs.

    Attributes:
      features: channels out.
      size: side of the kernel; 3 is PATN's, whose taps overlap unevenly, which draws a checkerboard
        that 4 cannot.
      dtype: type that the layers compute in.
      start: initialisers; the kernel's is used.
    """

    features: int
    size: int = 3
    dtype: DTypeLike = jnp.float32
    start: Start = NORMAL

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, C] -> [B, 2 H, 2 W, features]."""
        B, H, W, C = x.shape
        kernel = self.param("kernel", self.start.kernel, (self.size, self.size, C, self.features))
        lack = 4 - self.size
        kernel = jnp.pad(kernel, ((lack, 0), (lack, 0), (0, 0), (0, 0)))
        # Taps (2 i + a, 2 j + b) make phase (a, b).
        kernel = kernel.reshape(2, 2, 2, 2, C, self.features).transpose(0, 2, 4, 1, 3, 5)
        kernel = kernel.reshape(2, 2, C, 4 * self.features).astype(self.dtype)
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(self.dtype)
        y = _convolution(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        y = y.reshape(B, H + 1, W + 1, 2, 2, self.features)
        phases = [[y[:, a : a + H, b : b + W, a, b] for b in (0, 1)] for a in (0, 1)]
        rows = [jnp.stack(pair, axis=3) for pair in phases]
        return jnp.stack(rows, axis=2).reshape(B, 2 * H, 2 * W, self.features)


def nearest_doubled(x: jax.Array) -> jax.Array:
    """Writes every pixel four times: [..., H, W, C] -> [..., 2 H, 2 W, C]."""
    return jnp.repeat(jnp.repeat(x, 2, axis=-3), 2, axis=-2)


class UpBlock(nn.Module):
    """Transposed convolution, norm, ReLU: doubles the image size."""

    features: int
    size: int = 3
    norm: str = "batch"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Maps [B, H, W, C] -> [B, 2 H, 2 W, features]."""
        x = TransposedConv(self.features, self.size, self.dtype)(x)
        return nn.relu(Norm(self.norm, self.dtype)(x, train))


class ResidualBlock(nn.Module):
    """x + f(x), f two 3×3 convolutions with norms and a ReLU (and dropout) between; none after."""

    norm: str = "batch"
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32
    start: Start = NORMAL

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, valid: jax.Array | None = None) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H, W, C]."""
        features = x.shape[-1]
        block = ConvBlock(features, 3, norm=self.norm, dtype=self.dtype, start=self.start)
        y = nn.Dropout(self.dropout)(block(x, train, valid), deterministic=not train)
        y = ReflectConv(features, 3, dtype=self.dtype, start=self.start)(y)
        return x + Norm(self.norm, self.dtype, self.start)(y, train, valid)
