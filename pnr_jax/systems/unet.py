"""A U-Net from the source and both poses to the target, without any regression: a baseline.

It is not a published method. It shows how far skip connections alone get, and how little code a
method needs to be trained, resumed, scored and exported: this file.

Reference: Ronneberger et al., U-Net, MICCAI 2015.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.data.pipeline import Batch
from pnr_jax.nn.blocks import NORMS, ConvBlock, ReflectConv, UpBlock
from pnr_jax.nn.pixels import scale_images
from pnr_jax.settings import Rule, Settings
from pnr_jax.systems.adversarial import AdversarialSystem
from pnr_jax.systems.protocol import Parts, Sources, sources_of
from pnr_jax.typing import Variables


@dataclass(frozen=True)
class UNetSettings(Settings):
    """The networks' size."""

    path: ClassVar[str] = "model."
    width: int = 64  # Channels at full size; doubled at each halving.
    halvings: int = 2
    norm: str = "batch"
    sigma: float = 6.0  # Width of the heatmaps' Gaussians, pixels.

    def rules(self) -> Iterator[Rule]:
        """Checks that the image can be halved so often and that the norm is known."""
        yield from self.at_least(1, "width")
        yield Rule("halvings", 1 <= self.halvings <= 2, "1 or 2")
        yield Rule("sigma", self.sigma > 0, "positive")
        yield from self.one_of(NORMS, "norm")


class UNet(nn.Module):
    """Halves the image and doubles it again, with skip connections between equal sizes."""

    width: int
    halvings: int
    norm: str
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Maps float [B, H, W, 39] -> float32 [B, H, W, 3] in [-1, 1]."""
        x = ConvBlock(self.width, 7, norm=self.norm, dtype=self.dtype)(x.astype(self.dtype), train)
        skips = []
        for i in range(1, self.halvings + 1):
            skips.append(x)
            x = ConvBlock(self.width * 2**i, 3, 2, norm=self.norm, dtype=self.dtype)(x, train)
        for i, skip in reversed(list(enumerate(skips))):
            x = UpBlock(self.width * 2**i, 4, norm=self.norm, dtype=self.dtype)(x, train)
            x = jnp.concatenate([x, skip], axis=-1)
            x = ConvBlock(self.width * 2**i, 3, norm=self.norm, dtype=self.dtype)(x, train)
        x = ReflectConv(3, 7, use_bias=True, dtype=self.dtype)(x)
        return nn.tanh(x.astype(jnp.float32))


class UNetSystem(AdversarialSystem):
    """The U-Net against D_I and D_K, with the losses of eq. 6."""

    Model = UNetSettings
    most_sources = 1
    title = label = "U-Net"
    about = "A U-Net without regression, a baseline of the library `pnr_jax`."

    def __init__(self, parts: Parts):
        """Builds the network."""
        super().__init__(parts)
        settings = parts.model.to_dict()
        self.sigma = settings.pop("sigma")
        self.network = UNet(dtype=parts.dtype, **settings)

    def init_variables(self, key: jax.Array) -> Variables:
        """Draws the U-Net's variables."""
        return dict(self.network.init(key, jnp.zeros((1, *self.image_size, 39)), False))

    def draw(
        self, variables: Variables, batch: Batch[jax.Array], rngs: dict[str, jax.Array]
    ) -> tuple[jax.Array, Variables]:
        """Draws a batch with batch statistics."""
        del rngs
        x = self._stack(sources_of(batch), batch["target_keypoints"])
        images, updates = self.network.apply(variables, x, True, mutable=["batch_stats"])
        return images, dict(updates)

    def render(self, variables: Variables, code: Sources, keypoints: jax.Array) -> jax.Array:
        """Draws the sources' people in poses: float32 [B, H, W, 3]."""
        return jnp.asarray(self.network.apply(variables, self._stack(code, keypoints), False))

    def _stack(self, sources: Sources, keypoints: jax.Array) -> jax.Array:
        """Returns the source, its pose and the target's: float [B, H, W, 3 + 18 + 18]."""
        poses = self.pose_maps(sources, keypoints)
        return jnp.concatenate([scale_images(sources.images[:, 0]), poses], axis=-1)
