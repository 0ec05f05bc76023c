"""The interface of a data set: all that the program knows of it."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pnr_jax.data.images import Images
from pnr_jax.errors import UserError
from pnr_jax.settings import Settings, require

Split = Literal["train", "test"]
Kind = Literal["pairs", "tuples"]
Tuples = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class DataSet(Settings, abc.ABC):
    """A data set as a part of a configuration: its settings, and how its images are read.

    Attributes:
      title: its name in tables and messages.
      image_size: (H, W) of its images as the field takes them, pixels.
      subject: who is shown, for a model card; without a full stop.
      licence: what may be done with models and images derived from it, for a model card.
      masked_scores: whether the field also scores its images under the mask of the body.
      pairs_are_tuples: whether its test pairs are its tuples' first sources and targets.
    """

    path: ClassVar[str] = "data."
    title: ClassVar[str]
    image_size: ClassVar[tuple[int, int]] = (128, 64)
    subject: ClassVar[str]
    licence: ClassVar[str]
    masked_scores: ClassVar[bool] = True
    pairs_are_tuples: ClassVar[bool] = False
    name: str = ""

    def __init_subclass__(cls) -> None:
        """Refuses a data set that lacks what tables and model cards say, before it is used."""
        super().__init_subclass__()
        require(cls, "title", "subject", "licence")

    @abc.abstractmethod
    def load(self, data_dir: str, split: Split) -> Images:
        """Returns all images of a split, in memory, with the rule that tells identities.

        Args:
          data_dir: folder of the prepared data set, or "".
          split: "train" or "test", of different identities.

        Raises:
          UserError: there is no prepared data set.
        """

    @abc.abstractmethod
    def load_tuples(
        self, data_dir: str, split: Split, kind: Kind, images: Images
    ) -> tuple[str, Tuples]:
        """Returns where tuples come from, for messages, and the tuples: sources, then the target.

        Args:
          data_dir: as for `load`.
          split: "train", which has pairs alone, or "test".
          kind: "pairs", of one source, or "tuples", of several.
          images: what `load` returned, for data sets whose tuples follow from the images.
        """

    def drawn_people(self) -> tuple[int, int]:
        """Returns the first identity and the seed of drawn people whom training has not seen."""
        return 1, 0

    def named(self, data_dir: str) -> str:
        """Returns `data_dir`; a `UserError` if it is empty."""
        if not data_dir:
            raise UserError(f"`data_dir`: say where the prepared data set {self.name!r} lies")
        return data_dir
