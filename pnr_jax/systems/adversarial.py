"""The base of pNR, PATN and its successors: D_I and D_K, and the losses of eqs. 5 and 6."""

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pnr_jax.data.pipeline import Batch
from pnr_jax.keypoints import heatmaps
from pnr_jax.nn import losses
from pnr_jax.nn.blocks import NORMS
from pnr_jax.nn.discriminators import Discriminator
from pnr_jax.nn.pixels import scale_images
from pnr_jax.nn.vgg19 import VGG19
from pnr_jax.settings import Rule, Settings
from pnr_jax.systems.protocol import Drawn, Parts, Sources, System
from pnr_jax.typing import Params, Shown, Variables

# Channels of a discriminator's condition: a source image, or pose heatmaps.
CONDITIONS = {"image": 3, "pose": 18}


@dataclass(frozen=True)
class LossSettings(Settings):
    """Weights of the losses of eq. 6; a loss of weight 0 is not computed."""

    path: ClassVar[str] = "loss."
    l1: float = 5.0  # λ1
    perceptual: float = 5.0  # λ2
    gan_image: float = 10.0  # λ3
    gan_pose: float = 10.0  # λ4

    def rules(self) -> Iterator[Rule]:
        """Checks that no weight is negative."""
        yield from self.at_least(0, "l1", "perceptual", "gan_image", "gan_pose")


@dataclass(frozen=True)
class DiscriminatorSettings(Settings):
    """Settings of PATN's discriminator, those of `pnr_jax.nn.discriminators.Discriminator`."""

    path: ClassVar[str] = "discriminator."
    width: int = 64
    blocks: int = 3
    norm: str = "batch"
    dropout: float = 0.5

    def rules(self) -> Iterator[Rule]:
        """Checks that sizes are positive and the norm is known."""
        yield from self.at_least(1, "width")
        yield from self.at_least(0, "blocks")
        yield from self.one_of(NORMS, "norm")
        yield from self.share("dropout")


class AdversarialSystem(System):
    """A generator against D_I (is it this person?) and D_K (is it in this pose?).

    A loss of weight 0 has no discriminator. Unsupervised training has no D_I, whose real pair would
    be an image beside itself. A subclass says how it draws.
    """

    Discriminator = DiscriminatorSettings
    Loss = LossSettings
    loss: LossSettings
    sigma: float  # Width of the heatmaps' Gaussians for D_K, pixels.

    def __init__(self, parts: Parts):
        """Builds the discriminators."""
        super().__init__(parts)
        self.perceptual = bool(self.loss.perceptual)
        weights = {"image": self.loss.gan_image, "pose": self.loss.gan_pose}
        if not parts.supervised:
            weights.pop("image")
        self.discriminators = tuple(name for name, weight in weights.items() if weight)
        self._gan_weights = weights
        self.discriminator = Discriminator(dtype=parts.dtype, **parts.discriminator.to_dict())

    @abc.abstractmethod
    def init_variables(self, key: jax.Array) -> Variables:
        """Draws the generator's variables."""

    @abc.abstractmethod
    def draw(
        self, variables: Variables, batch: Batch[jax.Array], rngs: dict[str, jax.Array]
    ) -> tuple[jax.Array, Variables]:
        """Draws a batch as in training, with keys for "rows" (of eq. 4) and "dropout".

        Returns:
          float32 [B, H, W, 3] in [-1, 1], and the collections that the pass changed.
        """

    def init(self, key: jax.Array) -> tuple[Variables, dict[str, Params]]:
        """Draws all parameters."""
        key, *keys = jax.random.split(key, 3)
        image = jnp.zeros((1, *self.image_size, 3))
        discriminators = {}
        for name, discriminator_key in zip(self.discriminators, keys, strict=False):
            condition = jnp.zeros((1, *self.image_size, CONDITIONS[name]))
            drawn = self.discriminator.init(discriminator_key, image, condition)
            discriminators[name] = drawn["params"]
        return self.init_variables(key), discriminators

    def generator_loss(
        self,
        variables: Variables,
        discriminators: dict[str, Params],
        batch: Batch[jax.Array],
        vgg: VGG19 | None,
        key: jax.Array,
    ) -> tuple[jax.Array, Drawn]:
        """Returns λ1 L_L1 + λ2 L_per + λ3 L_GAN_I + λ4 L_GAN_K (eq. 6), and the pass."""
        rows_key, dropout_key, discriminator_key = jax.random.split(key, 3)
        rngs = {"rows": rows_key, "dropout": dropout_key}
        images, updates = self.draw(variables, batch, rngs)
        target = scale_images(batch["target_image"])
        parts = {"l1": losses.l1(images, target)}
        total = self.loss.l1 * parts["l1"]
        if vgg is not None and self.loss.perceptual:
            parts["perceptual"] = losses.perceptual(vgg, images, target)
            total += self.loss.perceptual * parts["perceptual"]
        fake = self.discriminator_inputs(images, batch)
        for name in self.discriminators:
            logits = self._logits(name, discriminators[name], fake, discriminator_key)
            parts[f"gan_{name}"] = losses.adversarial(logits, True)
            total += self._gan_weights[name] * parts[f"gan_{name}"]
        return total, Drawn(images, updates, parts | {"loss": total})

    def pose_maps(self, sources: Sources, keypoints: jax.Array) -> jax.Array:
        """Returns the heatmaps of the first source's pose, then the target's: [B, H, W, 36]."""
        poses = (sources.keypoints[:, 0], keypoints)
        maps = [heatmaps(pose, self.image_size, self.sigma) for pose in poses]
        return jnp.concatenate(maps, axis=-1)

    def discriminator_inputs(
        self, images: jax.Array, batch: Batch[jax.Array]
    ) -> dict[str, jax.Array]:
        """Returns images with their conditions: the first source and the target's pose."""
        return {
            "image": images,
            "source_image": batch["source_images"][:, 0],
            "target_keypoints": batch["target_keypoints"],
        }

    def discriminator_loss(
        self, name: str, params: Params, real: Shown, fake: Shown, key: jax.Array
    ) -> jax.Array:
        """Returns eq. 5's loss of D_I ("image") or D_K ("pose")."""
        real_key, fake_key = jax.random.split(key)
        return losses.discriminator(
            self._logits(name, params, real, real_key), self._logits(name, params, fake, fake_key)
        )

    def _logits(
        self, name: str, params: Params, inputs: dict[str, jax.Array], key: jax.Array
    ) -> jax.Array:
        """Returns D's logits; batch norm uses the batch's statistics and keeps none."""
        if name == "image":
            condition = scale_images(inputs["source_image"])
        else:
            condition = heatmaps(inputs["target_keypoints"], self.image_size, self.sigma)
        logits, _ = self.discriminator.apply(
            {"params": params},
            inputs["image"],
            condition,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
        return logits
