"""PG2: a coarse image by the target's pose, then a second network that adds what it lacks.

Ma et al., Pose Guided Person Image Generation, NIPS 2017, as in its public code for
Market-1501: stage I trains G1 by L1 with the body weighed twice; stage II trains G2, which draws a
difference to add to G1's image, against a discriminator for which the source counts as a fake.
Losses of stage II: GAN + 10 (L1 + masked L1); Adam at 2e-5. The source's pose is not used.

It differs from the code: one batch a step for G2 and the discriminator; the discriminator's batch
norm mixes target, source and drawn image, but not G1's too; the stages' lengths are the paper's.
Images are G1's until G2 has made its first step.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.data.pipeline import Batch
from pnr_jax.nn import losses
from pnr_jax.nn.blocks import KERAS, Norm, Start, nearest_doubled
from pnr_jax.nn.pixels import scale_images
from pnr_jax.nn.vgg19 import VGG19
from pnr_jax.settings import Rule, Settings
from pnr_jax.systems.discs import limb_mask, pose_discs
from pnr_jax.systems.protocol import Drawn, Metrics, Parts, Sources, System
from pnr_jax.typing import Params, Shown, Tree, Variables

LEVELS = 5  # Levels of G1, which halves the image between them.
FINE_LEVELS = 3  # Levels of G2.


def _uniform(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> jax.Array:
    bound = 0.02 * 3**0.5
    return jax.random.uniform(key, shape, dtype, -bound, bound)


JUDGE = Start(_uniform, nn.initializers.ones)


@dataclass(frozen=True)
class PG2Settings(Settings):
    """The generators' sizes, and how long the first is trained."""

    path: ClassVar[str] = "model."
    width: int = 128
    code: int = 64  # Numbers that G1's bottleneck passes on.
    radius: int = 4  # Radius of the discs around joints, pixels.
    first_steps: int = 22_000  # Of stage I; what follows is stage II.

    def rules(self) -> Iterator[Rule]:
        """Sizes are positive."""
        yield from self.at_least(1, "width", "code", "radius")
        yield from self.at_least(0, "first_steps")
        yield Rule("first_steps", self.first_steps < 2**24, "below 2^24")


@dataclass(frozen=True)
class PG2DiscriminatorSettings(Settings):
    """The discriminator's size."""

    path: ClassVar[str] = "discriminator."
    width: int = 64

    def rules(self) -> Iterator[Rule]:
        """Checks that the size is positive."""
        yield from self.at_least(1, "width")


@dataclass(frozen=True)
class PG2LossSettings(Settings):
    """The weights of stage II; if that of the GAN is 0, there is no discriminator."""

    path: ClassVar[str] = "loss."
    l1: float = 10.0  # Of L1 and masked L1.
    gan: float = 1.0

    def rules(self) -> Iterator[Rule]:
        """Checks that no weight is negative."""
        yield from self.at_least(0, "l1", "gan")


class Conv(nn.Module):
    """A convolution with bias, padded as TensorFlow's SAME does; optionally ReLU."""

    features: int
    dtype: DTypeLike
    size: int = 3
    strides: int = 1
    relu: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H / strides, W / strides, features]."""
        x = nn.Conv(
            self.features,
            (self.size, self.size),
            strides=self.strides,
            kernel_init=KERAS.kernel,
            dtype=self.dtype,
        )(x)
        return nn.relu(x) if self.relu else x


class Residual(nn.Module):
    """x + ReLU(conv(ReLU(conv(x)))), nothing after the sum."""

    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, C] -> [B, H, W, C]."""
        y = Conv(x.shape[-1], self.dtype)(x)
        return x + Conv(x.shape[-1], self.dtype)(y)


class Coarse(nn.Module):
    """G1: an hourglass of residual blocks with skip connections and a bottleneck of few numbers."""

    width: int
    code: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, 21], source and pose -> float32 [B, H, W, 3]."""
        x = Conv(self.width, self.dtype)(x.astype(self.dtype))
        skips = []
        for i in range(1, LEVELS + 1):
            x = Residual(self.dtype)(x)
            skips.append(x)
            if i < LEVELS:
                x = Conv(self.width * (i + 1), self.dtype, strides=2)(x)
        B, h, w, _ = x.shape
        x = self._dense(self.code)(x.reshape(B, -1))
        x = self._dense(h * w * self.width)(x).reshape(B, h, w, self.width)
        for i in range(LEVELS, 0, -1):
            x = Residual(self.dtype)(jnp.concatenate([x, skips[i - 1]], axis=-1))
            if i > 1:
                x = Conv(self.width * (i - 1), self.dtype, size=1)(nearest_doubled(x))
        return Conv(3, self.dtype, relu=False)(x).astype(jnp.float32)

    def _dense(self, features: int) -> nn.Dense:
        return nn.Dense(features, kernel_init=KERAS.kernel, dtype=self.dtype)


class Fine(nn.Module):
    """G2: a U-Net from G1's image and the source to the difference."""

    width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, 6] -> float32 [B, H, W, 3]."""
        x = Conv(self.width, self.dtype)(x.astype(self.dtype))
        skips = []
        for i in range(1, FINE_LEVELS + 1):
            x = self._two(x, self.width * i)
            skips.append(x)
            if i < FINE_LEVELS:
                x = Conv(self.width * i, self.dtype, strides=2)(x)
        for skip in (skips[2], skips[1]):
            x = self._two(jnp.concatenate([x, skip], axis=-1), self.width)
            x = nearest_doubled(x)
        x = self._two(x, self.width)
        return Conv(3, self.dtype, relu=False)(x).astype(jnp.float32)

    def _two(self, x: jax.Array, features: int) -> jax.Array:
        x = Conv(features, self.dtype)(x)
        return Conv(features, self.dtype)(x)


class ImageDiscriminator(nn.Module):
    """Judges images alone, by one logit; batch norm takes the batch's statistics."""

    width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, 3] -> float32 logits [B]."""
        x = x.astype(self.dtype)
        for i in range(4):
            x = nn.Conv(
                self.width * 2**i, (5, 5), strides=2, kernel_init=JUDGE.kernel, dtype=self.dtype
            )(x)
            if i:
                x = Norm("batch", self.dtype, JUDGE)(x, True)
            x = nn.leaky_relu(x, 0.2)
        x = nn.Dense(1, kernel_init=JUDGE.kernel, dtype=self.dtype)(x.reshape(x.shape[0], -1))
        return x[:, 0].astype(jnp.float32)


def _either(
    which: jax.Array,
    yes: Callable[[Params], Tree],
    no: Callable[[Params], Tree],
    params: Params,
) -> Tree:
    """Returns `yes(params)` or `no(params)`; on CPUs both are computed.

    There XLA (jax 0.10.2) takes twenty times as long for convolutions inside a conditional.
    """

    def one(params: Params) -> Tree:
        return jax.lax.cond(which, yes, no, params)

    def both(params: Params) -> Tree:
        return jax.tree.map(lambda x, y: jnp.where(which, x, y), yes(params), no(params))

    return jax.lax.platform_dependent(params, cpu=both, default=one)


class PG2System(System):
    """G1, then G2 against the discriminator."""

    Model = PG2Settings
    Discriminator = PG2DiscriminatorSettings
    Loss = PG2LossSettings
    model: PG2Settings
    loss: PG2LossSettings
    most_sources = 1
    size_multiple = 2 ** (LEVELS - 1)
    counts = ("steps",)
    title = label = "PG2"
    about = "Method: *Pose Guided Person Image Generation*, NIPS 2017."

    def __init__(self, parts: Parts):
        """Builds the networks."""
        super().__init__(parts)
        self.discriminators = ("image",) if self.loss.gan else ()
        second = (self.model.first_steps, float("inf"))
        self.periods = {"coarse": (0, second[0]), "fine": second}
        self.periods |= dict.fromkeys(self.discriminators, second)
        self.coarse = Coarse(self.model.width, self.model.code, parts.dtype)
        self.fine = Fine(self.model.width, parts.dtype)
        self.discriminator = ImageDiscriminator(dtype=parts.dtype, **parts.discriminator.to_dict())

    def init(self, key: jax.Array) -> tuple[Variables, dict[str, Params]]:
        """Draws all parameters, and starts the count of steps, which tells the stage."""
        coarse_key, fine_key, discriminator_key = jax.random.split(key, 3)
        seen, both, image = (jnp.zeros((1, *self.image_size, channels)) for channels in (21, 6, 3))
        params = {
            "coarse": self.coarse.init(coarse_key, seen)["params"],
            "fine": self.fine.init(fine_key, both)["params"],
        }
        discriminators = {
            name: self.discriminator.init(discriminator_key, image)["params"]
            for name in self.discriminators
        }
        return {"params": params, "steps": {"done": jnp.zeros(())}}, discriminators

    def render(self, variables: Variables, code: Sources, keypoints: jax.Array) -> jax.Array:
        """Draws the sources' people in poses: float32 [B, H, W, 3]."""
        params, source = variables["params"], scale_images(code.images[:, 0])
        coarse = self._coarse(params, source, keypoints)
        begun = variables["steps"]["done"] > self.model.first_steps
        added = jnp.where(begun, self._difference(params, coarse, source), 0)
        return jnp.clip(coarse + added, -1, 1)

    def generator_loss(
        self,
        variables: Variables,
        discriminators: dict[str, Params],
        batch: Batch[jax.Array],
        vgg: VGG19 | None,
        key: jax.Array,
    ) -> tuple[jax.Array, Drawn]:
        """Returns the loss of the stage that the steps are in, and the result of the pass."""
        source, poses = scale_images(batch["source_images"][:, 0]), batch["target_keypoints"]
        target = scale_images(batch["target_image"])
        mask = limb_mask(poses, self.image_size, self.model.radius)[..., None]

        def distances(images: jax.Array) -> Metrics:
            masked = jnp.mean(jnp.abs(images - target) * mask)
            return {"l1": losses.l1(images, target), "masked_l1": masked}

        def first(params: Params) -> tuple[jax.Array, jax.Array, Metrics]:
            images = self._coarse(params, source, poses)
            metrics = distances(images)
            if self.discriminators:
                metrics["gan"] = jnp.zeros(())
            return metrics["l1"] + metrics["masked_l1"], images, metrics

        def second(params: Params) -> tuple[jax.Array, jax.Array, Metrics]:
            coarse = jax.lax.stop_gradient(self._coarse(params, source, poses))
            images = coarse + self._difference(params, coarse, source)
            metrics = distances(images)
            total = self.loss.l1 * (metrics["l1"] + metrics["masked_l1"])
            if self.discriminators:
                _, _, logits = self._logits(discriminators["image"], target, source, images)
                metrics["gan"] = losses.adversarial(logits, True)
                total += self.loss.gan * metrics["gan"]
            return total, images, metrics

        stage = self._second_stage(variables)
        total, images, metrics = _either(stage, second, first, variables["params"])
        updates = {"steps": {"done": variables["steps"]["done"] + 1}}
        return total, Drawn(images, updates, metrics | {"loss": total})

    def discriminator_inputs(
        self, images: jax.Array, batch: Batch[jax.Array]
    ) -> dict[str, jax.Array]:
        """Returns images beside their sources."""
        return {"image": images, "source_image": batch["source_images"][:, 0]}

    def discriminator_loss(
        self, name: str, params: Params, real: Shown, fake: Shown, key: jax.Array
    ) -> jax.Array:
        """Returns the cross-entropy of the target as real, of source and drawn image as fakes."""
        source = scale_images(fake["source_image"])
        logits = self._logits(params, real["image"], source, fake["image"])
        judged = [losses.adversarial(x, i == 0) for i, x in enumerate(logits)]
        return 0.5 * judged[0] + 0.25 * judged[1] + 0.25 * judged[2]

    def _second_stage(self, variables: Variables) -> jax.Array:
        return variables["steps"]["done"] >= self.model.first_steps

    def _coarse(self, params: Params, source: jax.Array, keypoints: jax.Array) -> jax.Array:
        """Draws G1's image."""
        discs = pose_discs(keypoints, self.image_size, self.model.radius)
        x = jnp.concatenate([source, discs], axis=-1)
        return jnp.asarray(self.coarse.apply({"params": params["coarse"]}, x))

    def _difference(self, params: Params, coarse: jax.Array, source: jax.Array) -> jax.Array:
        """Draws the difference that G2 adds to G1's image."""
        x = jnp.concatenate([coarse, source], axis=-1)
        return jnp.asarray(self.fine.apply({"params": params["fine"]}, x))

    def _logits(self, params: Params, *images: jax.Array) -> list[jax.Array]:
        """Judges kinds of images in one call, so that batch norm mixes them."""
        logits, _ = self.discriminator.apply(
            {"params": params}, jnp.concatenate(images), mutable=["batch_stats"]
        )
        return jnp.split(logits, len(images))
