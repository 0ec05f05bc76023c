"""G: predicted appearance features to an image (section 3.1)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.nn.blocks import ReflectConv, ResidualBlock, UpBlock


class Generator(nn.Module):
    """N residual blocks, two transposed convolutions, a 7×7 convolution and tanh.

    Attributes:
      width: channels before the last convolution; D = 4·width come in.
      blocks: N residual blocks.
      norm: kind of norm.
      dropout: rate of dropout in the residual blocks.
      up_kernel: size of the transposed convolutions' kernels.
      dtype: type that the layers compute in.
    """

    width: int = 64
    blocks: int = 4
    norm: str = "batch"
    dropout: float = 0.0
    up_kernel: int = 3
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, train: bool = False) -> jax.Array:
        """Draws images: float32 [B, 4 h, 4 w, 3] in [-1, 1].

        Args:
          features: float [B, h, w, D], H_t by region.
          train: whether to use batch statistics and dropout.
        """
        x = features.astype(self.dtype)
        for _ in range(self.blocks):
            x = ResidualBlock(self.norm, self.dropout, self.dtype)(x, train)
        for width in (2 * self.width, self.width):
            x = UpBlock(width, self.up_kernel, self.norm, self.dtype)(x, train)
        x = ReflectConv(3, 7, use_bias=True, dtype=self.dtype)(x)
        return nn.tanh(x.astype(jnp.float32))
