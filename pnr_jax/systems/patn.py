"""PATN: progressive pose attention transfer.

Zhu et al., Progressive Pose Attention Transfer for Person Image Generation, CVPR 2019, as in its
public code for Market-1501: two streams, of the source image and of both poses; in each of
nine blocks a sigmoid of the pose decides what changes in the image. Losses 10 L1 + 10 perceptual +
5 (GAN_I + GAN_K) / 2, Adam at 2e-4 that decays over the last 29% of the steps.

It differs from the code: the rate decays step by step, not epoch by epoch; the discriminators'
loss is not multiplied by 5, which makes no difference to Adam; they share one pool of past fakes,
in which an entry keeps its condition, where the code has two; the last convolution's bias starts at
0; the perceptual loss has the original VGG19 weights, on PyTorch's scale.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.data.pipeline import Batch
from pnr_jax.nn.blocks import NORMS, ConvBlock, HalvingBlock, Norm, ReflectConv, UpBlock
from pnr_jax.nn.pixels import scale_images
from pnr_jax.settings import Rule, Settings
from pnr_jax.systems.adversarial import AdversarialSystem, LossSettings
from pnr_jax.systems.protocol import Parts, Sources, sources_of
from pnr_jax.typing import Variables


@dataclass(frozen=True)
class PATNSettings(Settings):
    """The generator's size."""

    path: ClassVar[str] = "model."
    width: int = 64
    blocks: int = 9
    norm: str = "batch"
    dropout: float = 0.5
    sigma: float = 6.0  # Width of the heatmaps' Gaussians, pixels.

    def rules(self) -> Iterator[Rule]:
        """Checks that sizes are positive and the norm is known."""
        yield from self.at_least(1, "width", "blocks")
        yield Rule("sigma", self.sigma > 0, "positive")
        yield from self.one_of(NORMS, "norm")
        yield from self.share("dropout")


@dataclass(frozen=True)
class PATNLossSettings(LossSettings):
    """PATN's weights of the losses."""

    l1: float = 10.0
    perceptual: float = 10.0
    gan_image: float = 2.5
    gan_pose: float = 2.5


class PoseAttention(nn.Module):
    """A pose-attentional block: u = f1(x1), s = f2(x2), x1 + sigmoid(s) u, and s beside it."""

    norm: str
    dropout: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x1: jax.Array, x2: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        """Maps image code [B, h, w, D], pose code [..., D or 2 D] -> the new ones, D and 2 D."""
        D = x1.shape[-1]
        u = Norm(self.norm, self.dtype)(self._convolutions(x1, D, train), train)
        s = self._convolutions(x2, D, train)
        x1 = x1 + nn.sigmoid(s) * u
        return x1, jnp.concatenate([s, x1], axis=-1)

    def _convolutions(self, x: jax.Array, features: int, train: bool) -> jax.Array:
        x = ConvBlock(x.shape[-1], 3, norm=self.norm, dtype=self.dtype)(x, train)
        x = nn.Dropout(self.dropout)(x, deterministic=not train)
        return ReflectConv(features, 3, dtype=self.dtype)(x)


class PATN(nn.Module):
    """The generator: two encoders, the blocks, and a decoder of the image code."""

    width: int
    blocks: int
    norm: str
    dropout: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, image: jax.Array, poses: jax.Array, train: bool) -> jax.Array:
        """Maps [B, H, W, 3] and [B, H, W, 36], source first, -> float32 [B, H, W, 3] in [-1, 1]."""
        x1, x2 = (self._encode(x.astype(self.dtype), train) for x in (image, poses))
        for _ in range(self.blocks):
            x1, x2 = PoseAttention(self.norm, self.dropout, self.dtype)(x1, x2, train)
        for width in (2 * self.width, self.width):
            x1 = UpBlock(width, 3, self.norm, self.dtype)(x1, train)
        x1 = ReflectConv(3, 7, use_bias=True, dtype=self.dtype)(x1)
        return nn.tanh(x1.astype(jnp.float32))

    def _encode(self, x: jax.Array, train: bool) -> jax.Array:
        x = ConvBlock(self.width, 7, norm=self.norm, dtype=self.dtype)(x, train)
        for width in (2 * self.width, 4 * self.width):
            x = HalvingBlock(width, self.norm, self.dtype)(x, train)
        return x


class PATNSystem(AdversarialSystem):
    """PATN against D_I and D_K, which pNR takes from it."""

    Model = PATNSettings
    Loss = PATNLossSettings
    Generator: ClassVar[type[PATN]] = PATN
    most_sources = 1
    title = label = "PATN"
    about = "Method: *Progressive Pose Attention Transfer for Person Image Generation*, CVPR 2019."

    def __init__(self, parts: Parts):
        """Builds the generator."""
        super().__init__(parts)
        settings = parts.model.to_dict()
        self.sigma = settings.pop("sigma")
        self.network = self.Generator(dtype=parts.dtype, **settings)

    def init_variables(self, key: jax.Array) -> Variables:
        """Draws the generator's variables."""
        image, poses = (jnp.zeros((1, *self.image_size, channels)) for channels in (3, 36))
        return dict(self.network.init(key, image, poses, False))

    def draw(
        self, variables: Variables, batch: Batch[jax.Array], rngs: dict[str, jax.Array]
    ) -> tuple[jax.Array, Variables]:
        """Draws a batch with batch statistics and dropout."""
        images, updates = self.network.apply(
            variables,
            scale_images(batch["source_images"][:, 0]),
            self.pose_maps(sources_of(batch), batch["target_keypoints"]),
            True,
            rngs={"dropout": rngs["dropout"]},
            mutable=["batch_stats"],
        )
        return images, dict(updates)

    def render(self, variables: Variables, code: Sources, keypoints: jax.Array) -> jax.Array:
        """Draws the sources' people in poses: float32 [B, H, W, 3]."""
        image, poses = scale_images(code.images[:, 0]), self.pose_maps(code, keypoints)
        return jnp.asarray(self.network.apply(variables, image, poses, False))
