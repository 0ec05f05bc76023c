"""D_I and D_K: is this image of this person, in this pose? Section 2.4, PATN's networks."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.nn.blocks import PYTORCH, ConvBlock, HalvingBlock, ResidualBlock


class Discriminator(nn.Module):
    """Judges an image beside its condition: one logit for each channel of each region.

    PATN puts a sigmoid directly on the last residual block; here it is part of the loss, so that a
    discriminator that wins completely yields no infinity. There is no final 1-channel convolution.
    It is only ever used in training mode, so batch norm's running statistics are not kept. As in
    PATN's code, strided convolutions pad zeros and parameters are initialised as PyTorch does.

    Attributes:
      width: channels of the stem.
      blocks: residual blocks at 4·width channels.
      norm: kind of norm.
      dropout: rate of dropout in the residual blocks.
      dtype: type that the layers compute in.
    """

    width: int = 64
    blocks: int = 3
    norm: str = "batch"
    dropout: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, condition: jax.Array) -> jax.Array:
        """Returns logits: float32 [B, H / 4, W / 4, 4·width].

        Args:
          images: float [B, H, W, 3] in [-1, 1], real or generated.
          condition: float [B, H, W, C]: for D_I the source image, for D_K the target's heatmaps.
        """
        x = jnp.concatenate([images, condition], axis=-1).astype(self.dtype)
        x = ConvBlock(self.width, 7, norm=self.norm, dtype=self.dtype, start=PYTORCH)(x, True)
        for features in (2 * self.width, 4 * self.width):
            x = HalvingBlock(features, self.norm, self.dtype, PYTORCH)(x, True)
        for _ in range(self.blocks):
            x = ResidualBlock(self.norm, self.dropout, self.dtype, PYTORCH)(x, True)
        return x.astype(jnp.float32)
