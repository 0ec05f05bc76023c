"""XingGAN: two branches, of the image and of the poses, that cross by attention.

Tang et al., XingGAN for Person Image Generation, ECCV 2020, as in its public code for
Market-1501: PATN's encoders; in each of nine blocks either branch attends to the other; attention
maps mix twenty images and the source. Losses 50 L1 + 50 perceptual + 5 (GAN_I + GAN_K) / 2; the
rest is as in PATN.

It differs from the code in what `patn` says of the rate and the discriminators' loss; biases are
initialised to 0.
The paper describes the crossing with a residual sum in each block and separate weights for each
branch; its code has neither, and neither has this.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.data.pipeline import Batch
from pnr_jax.nn.blocks import CONV_INIT, ConvBlock, Norm, ReflectConv, UpBlock
from pnr_jax.nn.vgg19 import VGG19
from pnr_jax.systems.patn import PATN, PATNLossSettings, PATNSystem, PoseAttention
from pnr_jax.systems.protocol import Drawn
from pnr_jax.typing import Params, Variables

IMAGES = 10  # Images that each branch draws.


@dataclass(frozen=True)
class XingGANLossSettings(PATNLossSettings):
    """XingGAN's weights of the losses; those of the discriminators are PATN's."""

    l1: float = 50.0
    perceptual: float = 50.0


def attend(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """Returns Σ_j softmax_j(q_i · k_j) v_j at every place i: [B, h, w, C] each, no 1/√C."""
    products = jnp.einsum("byxc,bjic->byxji", q, k).astype(jnp.float32)
    weights = nn.softmax(products, axis=(-2, -1)).astype(v.dtype)
    return jnp.einsum("byxji,bjic->byxc", weights, v)


class Crossing(PoseAttention):
    """A crossing block: each branch's q meets the other's k, and weighs its own v.

    PATN's convolutions come first; nothing is added to the block's input.
    """

    @nn.compact
    def __call__(self, x1: jax.Array, x2: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        """Maps image code [B, h, w, D], shape code [..., D or 2 D] -> the new ones, D and 2 D."""
        D = x1.shape[-1]
        u = Norm(self.norm, self.dtype)(self._convolutions(x1, D, train), train)
        s = self._convolutions(x2, D, train)
        # One set for both branches.
        q, k, v = (
            nn.Conv(features, (1, 1), kernel_init=CONV_INIT, dtype=self.dtype, name=name)
            for name, features in (("q", max(1, D // 8)), ("k", max(1, D // 8)), ("v", D))
        )
        gamma = self.param("gamma", nn.initializers.zeros, ()).astype(self.dtype)
        image = u + gamma * attend(q(u), k(s), v(u))
        shape = s + gamma * attend(q(s), k(u), v(s))
        return image, jnp.concatenate([image, shape], axis=-1)


class CoAttention(nn.Module):
    """The head: images of both branches and the source, mixed by maps that sum to 1."""

    width: int
    norm: str
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x1: jax.Array, x2: jax.Array, source: jax.Array, train: bool) -> jax.Array:
        """Codes [B, h, w, D] and [B, h, w, 2 D], [B, 4 h, 4 w, 3] -> float32 [B, 4 h, 4 w, 3]."""
        D = 4 * self.width
        x = self._doubled(jnp.concatenate([x1, x2], axis=-1), D, train)
        logits = ReflectConv(2 * IMAGES + 1, 1, dtype=self.dtype)(x)
        alpha = nn.softmax(logits.astype(jnp.float32))
        x2 = ConvBlock(D, 1, norm=self.norm, dtype=self.dtype)(x2, train)
        drawn = [self._images(x, train) for x in (x1, x2)]
        images = jnp.concatenate([*drawn, source[..., None, :].astype(jnp.float32)], axis=-2)
        return jnp.einsum("byxi,byxic->byxc", alpha, images)

    def _doubled(self, x: jax.Array, width: int, train: bool) -> jax.Array:
        """Doubles the size twice, to `width` channels and then half of them."""
        for features in (width, width // 2):
            x = UpBlock(features, 3, self.norm, self.dtype)(x, train)
        return x

    def _images(self, x: jax.Array, train: bool) -> jax.Array:
        """Draws float32 [B, 4 h, 4 w, 10, 3] in [-1, 1]."""
        x = self._doubled(x, 2 * self.width, train)
        x = ReflectConv(3 * IMAGES, 7, use_bias=True, dtype=self.dtype)(x)
        return nn.tanh(x.astype(jnp.float32)).reshape(*x.shape[:3], IMAGES, 3)


class XingGAN(PATN):
    """The generator: PATN's encoders, crossing blocks, and the head."""

    @nn.compact
    def __call__(self, image: jax.Array, poses: jax.Array, train: bool) -> jax.Array:
        """Maps [B, H, W, 3] and [B, H, W, 36], source first, -> float32 [B, H, W, 3] in [-1, 1]."""
        x1, x2 = (self._encode(x.astype(self.dtype), train) for x in (image, poses))
        for i in range(self.blocks):
            block = Crossing(self.norm, self.dropout, self.dtype, name=f"crossing_{i}")
            x1, x2 = block(x1, x2, train)
        return CoAttention(self.width, self.norm, self.dtype)(x1, x2, image, train)


class XingGANSystem(PATNSystem):
    """XingGAN against PATN's discriminators."""

    Loss = XingGANLossSettings
    Generator = XingGAN
    title = label = "XingGAN"
    about = "Method: *XingGAN for Person Image Generation*, ECCV 2020."

    def generator_loss(
        self,
        variables: Variables,
        discriminators: dict[str, Params],
        batch: Batch[jax.Array],
        vgg: VGG19 | None,
        key: jax.Array,
    ) -> tuple[jax.Array, Drawn]:
        """Returns PATN's losses, and as metrics each block's γ, which tells whether it attends."""
        total, drawn = super().generator_loss(variables, discriminators, batch, vgg, key)
        blocks = (name for name in variables["params"] if name.startswith("crossing_"))
        gammas = {f"gamma_{name[9:]}": variables["params"][name]["gamma"] for name in blocks}
        return total, drawn._replace(metrics=drawn.metrics | gammas)
