"""f_a and f_p: images and pose heatmaps to feature matrices of h·w rows (section 3.1)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.nn.blocks import (
    CONV_INIT,
    ConvBlock,
    HeatmapConv,
    Norm,
    ReflectConv,
    ResidualBlock,
)


class _Trunk(nn.Module):
    """What follows the stem's 7×7 convolution: two downsampling convolutions, N residual blocks."""

    width: int
    blocks: int
    norm: str
    dropout: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, valid: jax.Array | None) -> jax.Array:
        """Maps [B, H, W, width] -> [B, H / 4, W / 4, 4·width]."""
        x = nn.relu(Norm(self.norm, self.dtype)(x, train, valid))
        for features in (2 * self.width, 4 * self.width):
            x = ConvBlock(features, 3, 2, self.norm, self.dtype)(x, train, valid)
        for _ in range(self.blocks):
            x = ResidualBlock(self.norm, self.dropout, self.dtype)(x, train, valid)
        return x


class AppearanceExtractor(nn.Module):
    """f_a: an image to H, one row of D = 4·width features for each of h·w = H/4·W/4 regions.

    Attributes:
      width: channels of the stem; the paper's D = 256 is width 64.
      blocks: N residual blocks.
      norm: kind of norm.
      dropout: rate of dropout in the residual blocks.
      dtype: type that the layers compute in.
    """

    width: int = 64
    blocks: int = 4
    norm: str = "batch"
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, valid: jax.Array | None = None
    ) -> jax.Array:
        """Returns H: float [B, n, D].

        Args:
          images: float [B, H, W, 3] in [-1, 1].
          train: whether to use batch statistics and dropout.
          valid: bool [B], False leaves an image out of batch norm's statistics.
        """
        x = ReflectConv(self.width, 7, dtype=self.dtype)(images.astype(self.dtype))
        trunk = _Trunk(self.width, self.blocks, self.norm, self.dropout, self.dtype)
        x = trunk(x, train, valid)
        return x.reshape(x.shape[0], -1, x.shape[-1])


class PoseExtractor(nn.Module):
    """f_p: pose heatmaps, by their factors, to P: as f_a, then a linear layer from D to d.

    Attributes:
      d: features of a row of P, the paper's 20.
      width: channels of the stem.
      blocks: N residual blocks.
      norm: kind of norm.
      dropout: rate of dropout in the residual blocks.
      dtype: type that the layers compute in.
    """

    d: int = 20
    width: int = 64
    blocks: int = 4
    norm: str = "batch"
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        rows: jax.Array,
        columns: jax.Array,
        train: bool = False,
        valid: jax.Array | None = None,
    ) -> jax.Array:
        """Returns P: float [B, n, d].

        Args:
          rows: float [B, H, 18], factor of the heatmaps (`keypoints.heatmap_factors`).
          columns: float [B, W, 18], the other factor.
          train: whether to use batch statistics and dropout.
          valid: bool [B], False leaves a pose out of batch norm's statistics.
        """
        x = HeatmapConv(self.width, 7, self.dtype)(rows, columns)
        trunk = _Trunk(self.width, self.blocks, self.norm, self.dropout, self.dtype)
        x = trunk(x, train, valid)
        x = nn.Dense(self.d, kernel_init=CONV_INIT, dtype=self.dtype)(x)
        return x.reshape(x.shape[0], -1, self.d)
