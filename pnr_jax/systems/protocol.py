"""The interface of a method: all that training, evaluation and the programs know of it.

A system holds settings and modules, never arrays: parameters are passed in and returned.
"""

import abc
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import jax
from jax.typing import DTypeLike

from pnr_jax.data.pipeline import Batch
from pnr_jax.nn.vgg19 import VGG19
from pnr_jax.settings import Settings
from pnr_jax.typing import Code, Params, Shown, Variables

Metrics = dict[str, jax.Array]


class Parts(NamedTuple):
    """The parts of a configuration that make a system.

    Attributes:
      model: settings of the generator.
      discriminator: settings of the discriminators.
      loss: weights of the losses.
      image_size: (H, W), pixels.
      dtype: type that the networks compute in; parameters are float32.
      supervised: whether the target is another image than the source.
    """

    model: Settings
    discriminator: Settings
    loss: Settings
    image_size: tuple[int, int]
    dtype: DTypeLike
    supervised: bool


class Sources(NamedTuple):
    """The sources of each person.

    Attributes:
      images: uint8 [B, M, H, W, 3].
      keypoints: [B, M, 18, 2], (y, x) pixels, -1 where missing.
      valid: bool [B, M], False where a person has fewer than M sources.
    """

    images: jax.Array
    keypoints: jax.Array
    valid: jax.Array


class Drawn(NamedTuple):
    """The result of a forward pass in training.

    Attributes:
      images: float32 [B, H, W, 3] in [-1, 1].
      updates: collections that the pass changed, such as batch norm's statistics.
      metrics: "loss", its parts, and "l1", which compares runs of all systems; each a scalar.
    """

    images: jax.Array
    updates: Variables
    metrics: Metrics


class System(abc.ABC):
    """A published method: its networks, its losses, its defaults.

    Attributes:
      Model: settings of the generator, the published ones as defaults.
      Discriminator: settings of the discriminators.
      Loss: weights of the losses.
      most_sources: the most sources that it can take; None is any number.
      size_multiple: both sides of an image must be multiples of it.
      discriminators_first: whether a step updates the discriminators before the generator.
      encodes: whether `encode` does the work that all poses of a person share.
      mixes: whether what `encode` returns is one matrix of a person, weighted sums of which are
        people too.
      counts: collections of its variables that are no networks, such as a count of steps: they
        belong to their run, are not averaged, and are not taken over by another one.
      model: this system's settings, of the class `Model`; a subclass that reads them repeats the
        annotation with its own class, which `Config` has checked.
      loss: this system's weights of the losses, of the class `Loss`; likewise.
      image_size: (H, W), pixels.
      perceptual: whether a loss needs VGG19's features.
      regions: (h, w) where `encode` takes weights for each region of a source, else None.
      discriminators: their names, in the order of their updates.
      periods: the first step, and the one past the last, in which a discriminator or a part of the
        generator's parameters is trained; what is not named always is. Where one part of the
        generator is named, all must be.
      title: the method's name in tables.
      label: what tells it from others of its kind, such as the norm of a regression.
      about: the method in a sentence or two of Markdown, for a model card.
    """

    Model: ClassVar[type[Settings]]
    Discriminator: ClassVar[type[Settings]]
    Loss: ClassVar[type[Settings]]
    most_sources: ClassVar[int | None] = None
    size_multiple: ClassVar[int] = 4
    discriminators_first: ClassVar[bool] = False
    encodes: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    counts: ClassVar[tuple[str, ...]] = ()
    model: Settings
    loss: Settings
    perceptual: bool = False
    regions: tuple[int, int] | None = None
    discriminators: tuple[str, ...] = ()
    periods: Mapping[str, tuple[int, float]] = MappingProxyType({})
    title: str
    label: str
    about: str

    def __init__(self, parts: Parts):
        """Builds the system that the parts of a configuration describe."""
        self.model, self.loss = parts.model, parts.loss
        self.image_size = parts.image_size

    @abc.abstractmethod
    def init(self, key: jax.Array) -> tuple[Variables, dict[str, Params]]:
        """Draws the generator's variables, and each discriminator's parameters by its name."""

    def encode(
        self, variables: Variables, sources: Sources, row_weights: jax.Array | None = None
    ) -> Code:
        """Returns all that `render` needs of people, by default the sources themselves.

        Args:
          variables: variables like those of `init`, trained.
          sources: the sources of B people.
          row_weights: float [B, M·h·w], weights of the sources' regions; None without `regions`.

        Returns:
          A tree of arrays [B, ...].
        """
        del variables, row_weights
        return sources

    @abc.abstractmethod
    def render(self, variables: Variables, code: Code, keypoints: jax.Array) -> jax.Array:
        """Draws people in poses, as in inference.

        Args:
          variables: variables like those of `init`, trained.
          code: what `encode` returned for B people.
          keypoints: [B, 18, 2].

        Returns:
          float32 [B, H, W, 3] in [-1, 1].
        """

    @abc.abstractmethod
    def generator_loss(
        self,
        variables: Variables,
        discriminators: dict[str, Params],
        batch: Batch[jax.Array],
        vgg: VGG19 | None,
        key: jax.Array,
    ) -> tuple[jax.Array, Drawn]:
        """Returns the loss that the generator's update minimises, and the result of the pass.

        Args:
          variables: the generator's; the gradient is taken by its "params".
          discriminators: parameters by name.
          batch: a batch, see `pnr_jax.data.pipeline`.
          vgg: network of the perceptual loss; None turns the loss off.
          key: random key of this step.
        """

    def discriminator_inputs(self, images: jax.Array, batch: Batch[jax.Array]) -> Shown:
        """Returns images and their conditions as the discriminators' input: a tree of [B, ...].

        The pool of past fakes keeps each entry of the tree whole.
        """
        del batch
        return images

    def discriminator_loss(
        self, name: str, params: Params, real: Shown, fake: Shown, key: jax.Array
    ) -> jax.Array:
        """Returns the loss that a discriminator's update minimises.

        Args:
          name: the discriminator's name.
          params: its parameters.
          real: what `discriminator_inputs` returned for real images.
          fake: the same for generated images, past ones among them where there is a pool.
          key: random key of this step.

        Raises:
          ValueError: the system has no such discriminator; one that has none keeps this method.
        """
        raise ValueError(f"{self.title} has no discriminator {name!r}")

    def counterpart(self) -> "System | None":
        """Returns the same networks solved in another way, to compare with, where there is one."""
        return None


def sources_of(batch: Batch[jax.Array]) -> Sources:
    """Returns the sources of a batch of `pnr_jax.data.pipeline`."""
    return Sources(batch["source_images"], batch["source_keypoints"], batch["source_valid"])
