"""Def-GAN: a U-Net whose skip connections move each limb from the source's pose to the target's.

Siarohin et al., Deformable GANs for Pose-Based Human Image Generation, CVPR 2018, as in its public
code's "full" model for Market-1501: one encoder of the source and its pose, one of the
target's pose; the first one's features are warped part by part (`limbs`) before the decoder sees
them. Losses GAN + 0.01 nearest neighbour; the discriminator is updated first; Adam at 2e-4.

It differs from the code in what `limbs` says and in this: one batch a step, where the code draws
three; the gradient of a warp is exact, not a resampling by the inverse; the colour means of VGG19's
input belong to their channels, where the code swaps red and blue.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from pnr_jax.data.pipeline import Batch
from pnr_jax.keypoints import heatmaps
from pnr_jax.nn import losses
from pnr_jax.nn.blocks import KERAS, TransposedConv
from pnr_jax.nn.pixels import scale_images
from pnr_jax.nn.vgg19 import CAFFE_SCALE, VGG19, conv1_2
from pnr_jax.settings import Rule, SettingError, Settings
from pnr_jax.systems import limbs
from pnr_jax.systems.protocol import Drawn, Parts, Sources, System, sources_of
from pnr_jax.typing import Params, Shown, Variables

WIDTHS = (1, 2, 4, 8, 8, 8)  # Widths of the encoders' levels, from full size down.
WARPED = 4  # Levels whose features are moved.
LEAST = 1e-7  # Added inside the logarithms of the GAN's losses.


@dataclass(frozen=True)
class DefGANSettings(Settings):
    """The generator's size."""

    path: ClassVar[str] = "model."
    width: int = 64
    dropout: float = 0.5
    sigma: float = 6.0  # Width of the heatmaps' Gaussians, pixels.

    def rules(self) -> Iterator[Rule]:
        """Checks that sizes are positive."""
        yield from self.at_least(1, "width")
        yield Rule("sigma", self.sigma > 0, "positive")
        yield from self.share("dropout")


@dataclass(frozen=True)
class PairDiscriminatorSettings(Settings):
    """The discriminator's size."""

    path: ClassVar[str] = "discriminator."
    width: int = 64
    layers: int = 3  # Between the first and the last; 2 for images that are 32 wide.

    def rules(self) -> Iterator[Rule]:
        """Checks that sizes are positive."""
        yield from self.at_least(1, "width")
        yield from self.at_least(0, "layers")


@dataclass(frozen=True)
class DefGANLossSettings(Settings):
    """Def-GAN's weights of the losses; a loss of weight 0 is not computed."""

    path: ClassVar[str] = "loss."
    gan: float = 1.0
    neighbour: float = 0.01  # Of conv1_2's features in Caffe's scale.

    def rules(self) -> Iterator[Rule]:
        """Checks that no weight is negative."""
        yield from self.at_least(0, "gan", "neighbour")


class WholeNorm(nn.Module):
    """keras-contrib's instance norm: over height, width and channels of an image together."""

    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H, W, C], with one scale and one shift."""
        scale = self.param("scale", nn.initializers.ones, ())
        shift = self.param("shift", nn.initializers.zeros, ())
        x = x.astype(jnp.float32)
        x -= jnp.mean(x, axis=(1, 2, 3), keepdims=True)
        variance = jnp.mean(x**2, axis=(1, 2, 3), keepdims=True)
        # The root of 0 has no gradient.
        deviation = jnp.sqrt(jnp.maximum(variance, 1e-12))
        return (x / (deviation + 1e-3) * scale + shift).astype(self.dtype)


class Down(nn.Module):
    """Leaky ReLU, 4×4 convolution of stride 2 and, optionally, the norm; halves the size."""

    features: int
    dtype: DTypeLike
    norm: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H / 2, W / 2, features]."""
        x = nn.leaky_relu(x, 0.2)
        x = nn.Conv(
            self.features,
            (4, 4),
            strides=2,
            padding=1,
            use_bias=False,
            kernel_init=KERAS.kernel,
            dtype=self.dtype,
        )(x)
        return WholeNorm(self.dtype)(x) if self.norm else x


class Encoder(nn.Module):
    """The features of all six levels, each before its activation."""

    width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> list[jax.Array]:
        """Maps [B, H, W, C] -> [B, H, W, width] to [B, H / 32, W / 32, 8 width]."""
        levels = [Conv3(self.width, self.dtype)(x)]
        for i, factor in enumerate(WIDTHS[1:], start=1):
            down = Down(factor * self.width, self.dtype, norm=i + 1 < len(WIDTHS))
            levels.append(down(levels[-1]))
        return levels


class Conv3(nn.Module):
    """A 3×3 convolution with bias, padded by zeros."""

    features: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H, W, features]."""
        return nn.Conv(self.features, (3, 3), kernel_init=KERAS.kernel, dtype=self.dtype)(x)


class DefGAN(nn.Module):
    """The generator: two encoders, the deformable skip connections, and a decoder."""

    width: int
    dropout: float
    sigma: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, sources: Sources, keypoints: jax.Array, train: bool) -> jax.Array:
        """Draws [B, 18, 2] poses of the first source: float32 [B, H, W, 3] in [-1, 1]."""
        image, pose = scale_images(sources.images[:, 0]), sources.keypoints[:, 0]
        image_size = image.shape[1], image.shape[2]
        maps_s, maps_t = (heatmaps(x, image_size, self.sigma) for x in (pose, keypoints))
        seen = jnp.concatenate([image, maps_s], axis=-1)
        appearance, posed = (
            Encoder(self.width, self.dtype, name=name)(x.astype(self.dtype))
            for name, x in (("appearance", seen), ("pose", maps_t))
        )
        skips = skip_connections(appearance, posed, pose, keypoints, image_size)
        x = skips[-1]
        for i, skip in enumerate(reversed(skips[:-1])):
            x = TransposedConv(WIDTHS[-1 - i] * self.width, 4, self.dtype, KERAS)(nn.relu(x))
            x = WholeNorm(self.dtype)(x)
            if i < 3:
                x = nn.Dropout(self.dropout)(x, deterministic=not train)
            x = jnp.concatenate([x, skip], axis=-1)
        return nn.tanh(Conv3(3, self.dtype)(nn.relu(x)).astype(jnp.float32))


def skip_connections(
    appearance: list[jax.Array],
    posed: list[jax.Array],
    source: jax.Array,
    target: jax.Array,
    image_size: tuple[int, int],
) -> list[jax.Array]:
    """Returns each level's appearance, warped on the fine levels, beside the pose's features.

    Args:
      appearance: [B, h, w, C] of each level, from the source.
      posed: the same from the pose.
      source: [B, 18, 2], the source's keypoints.
      target: [B, 18, 2].
      image_size: (H, W), pixels.
    """
    maps, masks = limbs.transforms(source, target), limbs.masks(target, image_size)
    moved = [limbs.warp(x, maps, masks) for x in appearance[:WARPED]] + appearance[WARPED:]
    return [jnp.concatenate(pair, axis=-1) for pair in zip(moved, posed, strict=True)]


class PairDiscriminator(nn.Module):
    """Judges a pair of images with their poses: a logit for each of a few large regions."""

    width: int
    layers: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, 42] -> float32 logits [B, h, w]."""
        x = nn.Conv(
            self.width,
            (4, 4),
            strides=2,
            padding="VALID",
            kernel_init=KERAS.kernel,
            dtype=self.dtype,
        )(x.astype(self.dtype))
        for i in range(1, self.layers + 1):
            x = Down(self.width * 2**i, self.dtype)(x)
        return Down(1, self.dtype, norm=False)(x)[..., 0].astype(jnp.float32)


def nearest_neighbour(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Returns the mean over pixels of the L1 distance to the nearest of a pixel's 3×3 neighbours.

    Args:
      real: float [B, H, W, C], the features among which neighbours are sought.
      fake: float [B, H, W, C].
    """
    H, W = real.shape[1:3]
    # Outside pixels get a value too far to be the nearest.
    padded = jnp.pad(real, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=jnp.inf)

    @jax.checkpoint  # Otherwise the gradient would keep the differences of all nine.
    def distance(neighbour: jax.Array, fake: jax.Array) -> jax.Array:
        return jnp.sum(jnp.abs(neighbour - fake), axis=-1)

    neighbours = (padded[:, y : y + H, x : x + W] for y, x in np.ndindex(3, 3))
    return jnp.mean(reduce(jnp.minimum, (distance(x, fake) for x in neighbours)))


class DefGANSystem(System):
    """Def-GAN against a discriminator of pairs, which judges an image beside each source."""

    Model: ClassVar[type[Settings]] = DefGANSettings
    Discriminator = PairDiscriminatorSettings
    Loss = DefGANLossSettings
    loss: DefGANLossSettings
    Generator: ClassVar[Any] = DefGAN
    most_sources: ClassVar[int | None] = 1
    size_multiple = 2 ** (len(WIDTHS) - 1)
    discriminators_first = True
    title = label = "Def-GAN"
    about = "Method: *Deformable GANs for Pose-Based Human Image Generation*, CVPR 2018."

    def __init__(self, parts: Parts):
        """Builds the networks.

        Raises:
          SettingError: the discriminator halves the image until nothing is left.
        """
        super().__init__(parts)
        self.perceptual = bool(self.loss.neighbour)
        self.discriminators = ("pair",) if self.loss.gan else ()
        self.sigma = parts.model.to_dict()["sigma"]
        self.network = self.Generator(dtype=parts.dtype, **parts.model.to_dict())
        self.discriminator = PairDiscriminator(dtype=parts.dtype, **parts.discriminator.to_dict())
        layers = self.discriminator.layers
        if self.loss.gan and min(parts.image_size) < 2 ** (layers + 3):
            H, W = parts.image_size
            raise SettingError(
                f"discriminator.layers={layers}: leaves nothing of an image of {H}×{W}; take fewer"
            )

    def init(self, key: jax.Array) -> tuple[Variables, dict[str, Params]]:
        """Draws all parameters."""
        generator_key, discriminator_key = jax.random.split(key)
        keypoints = jnp.zeros((1, 1, 18, 2), jnp.int32)
        images = jnp.zeros((1, 1, *self.image_size, 3), jnp.uint8)
        sources = Sources(images, keypoints, jnp.ones((1, 1), bool))
        variables = self.network.init(generator_key, sources, keypoints[:, 0], False)
        pairs = jnp.zeros((1, *self.image_size, 42))
        discriminators = {
            name: self.discriminator.init(discriminator_key, pairs)["params"]
            for name in self.discriminators
        }
        return dict(variables), discriminators

    def render(self, variables: Variables, code: Sources, keypoints: jax.Array) -> jax.Array:
        """Draws the sources' people in poses: float32 [B, H, W, 3]."""
        return jnp.asarray(self.network.apply(variables, code, keypoints, False))

    def generator_loss(
        self,
        variables: Variables,
        discriminators: dict[str, Params],
        batch: Batch[jax.Array],
        vgg: VGG19 | None,
        key: jax.Array,
    ) -> tuple[jax.Array, Drawn]:
        """Returns the weighted sum of -log D and the nearest-neighbour loss, and the pass."""
        poses = batch["target_keypoints"]
        images = self.network.apply(
            variables, sources_of(batch), poses, True, rngs={"dropout": key}
        )
        target = scale_images(batch["target_image"])
        total, metrics = jnp.zeros(()), {"l1": losses.l1(images, target)}
        if self.discriminators:
            metrics["gan"] = self._minus_log(
                discriminators["pair"], self.discriminator_inputs(images, batch), 1
            )
            total += self.loss.gan * metrics["gan"]
        if vgg is not None and self.loss.neighbour:
            real, fake = (CAFFE_SCALE * conv1_2(vgg, x) for x in (target, images))
            metrics["neighbour"] = nearest_neighbour(real, fake)
            total += self.loss.neighbour * metrics["neighbour"]
        return total, Drawn(images, {}, metrics | {"loss": total})

    def discriminator_inputs(
        self, images: jax.Array, batch: Batch[jax.Array]
    ) -> dict[str, jax.Array]:
        """Returns images with their conditions: the sources and both poses."""
        sources, keypoints = sources_of(batch), batch["target_keypoints"]
        return {"image": images, "target_keypoints": keypoints} | {
            f"source_{name}": x for name, x in sources._asdict().items()
        }

    def discriminator_loss(
        self, name: str, params: Params, real: Shown, fake: Shown, key: jax.Array
    ) -> jax.Array:
        """Returns -log D(real) - log(1 - D(fake)), not halved."""
        return self._minus_log(params, real, 1) + self._minus_log(params, fake, -1)

    def _minus_log(self, params: Params, inputs: dict[str, jax.Array], sign: int) -> jax.Array:
        """Returns the mean of -log D, or of -log(1 - D) for a sign of -1, over valid sources."""
        logits = jnp.asarray(self.discriminator.apply({"params": params}, self._pairs(inputs)))
        values = -jnp.log(nn.sigmoid(sign * logits) + LEAST)
        valid = inputs["source_valid"].reshape(-1).astype(jnp.float32)
        return jnp.sum(jnp.mean(values, axis=(1, 2)) * valid) / jnp.sum(valid)

    def _pairs(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """Stacks each source, its pose, the image and the target's pose: [B·M, H, W, 42]."""
        sources = inputs["source_images"]
        target = heatmaps(inputs["target_keypoints"], self.image_size, self.sigma)
        image = jnp.concatenate([inputs["image"], target], axis=-1)[:, None]
        pairs = jnp.concatenate(
            [
                scale_images(sources),
                heatmaps(inputs["source_keypoints"], self.image_size, self.sigma),
                jnp.broadcast_to(image, (*sources.shape[:-1], image.shape[-1])),
            ],
            axis=-1,
        )
        return pairs.reshape(-1, *pairs.shape[2:])
