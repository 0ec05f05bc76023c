"""What the program knows of a data set; it asks for no more."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pnr_jax.data.images import Images
from pnr_jax.errors import UserError
from pnr_jax.settings import Settings

Split = Literal["train", "test"]
Kind = Literal["pairs", "tuples"]
Tuples = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class DataSet(Settings, abc.ABC):
    """A data set as a part of a configuration: its settings, and how its images are read.

    Attributes:
      title: its name in tables and messages.
      image_size: (H, W) of its images as the field takes them, pixels.
      subject: who is to be seen, for a model card; no full stop.
      licence: what may be done with models and images that come from it, for a model card.
      masked_scores: whether the field scores its images under the body's mask too.
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

    @abc.abstractmethod
    def load(self, data_dir: str, split: Split) -> Images:
        """Returns all images of a split, in memory, with the rule that tells identities.

        Args:
          data_dir: folder of the prepared data set; "" where none was named.
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
          images: the split's, of `load`, for a data set whose tuples follow from them.
        """

    def drawn_people(self) -> tuple[int, int]:
        """Returns the first identity and the seed of drawn people whom training has not seen."""
        return 1, 0

    def named(self, data_dir: str) -> str:
        """Returns `data_dir`, which a data set of files cannot do without."""
        if not data_dir:
            raise UserError(f"data_dir: say where the prepared data set {self.name!r} lies")
        return data_dir
