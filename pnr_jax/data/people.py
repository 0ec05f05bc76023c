"""The drawn people as a data set: drawn when it is loaded, nothing to download."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.images import Images, before_underscore
from pnr_jax.data.protocol import DataSet, Kind, Split, Tuples
from pnr_jax.data.synthetic import HEIGHT, WIDTH, draw_people
from pnr_jax.settings import Rule

SOURCES = 5  # Sources of a test tuple.


@dataclass(frozen=True)
class People(DataSet):
    """People drawn by a program: identities 1, 2, ... for training, the next ones for the test."""

    title: ClassVar[str] = "drawn people"
    image_size: ClassVar[tuple[int, int]] = (HEIGHT, WIDTH)
    subject: ClassVar[str] = (
        "people who are drawn by a program (`pnr_jax.data.synthetic`), no photo of anybody"
    )
    licence: ClassVar[str] = (
        "Free to use and to pass on, under the licence of the code (Apache-2.0)."
    )
    pairs_are_tuples: ClassVar[bool] = True
    name: str = "people"
    seed: int = 0
    train_identities: int = 400
    test_identities: int = 40
    views: int = 10  # Pictures of each person.
    test_tuples: int = 400

    def rules(self) -> Iterator[Rule]:
        """Checks that there are people to train and test on, with enough views of each."""
        yield from self.at_least(0, "seed")
        yield Rule("seed", self.seed < 2**31, "below 2^31")
        yield from self.at_least(1, "train_identities", "test_identities", "test_tuples")
        yield from self.at_least(SOURCES + 1, "views")

    def load(self, data_dir: str, split: Split) -> Images:
        """Draws the people of a split; `data_dir` is not used."""
        del data_dir
        first, count = {
            "train": (1, self.train_identities),
            "test": (self.train_identities + 1, self.test_identities),
        }[split]
        drawn = draw_people(range(first, first + count), self.views, self.seed)
        return Images(*drawn, identity_of=before_underscore)

    def load_tuples(
        self, data_dir: str, split: Split, kind: Kind, images: Images
    ) -> tuple[str, Tuples]:
        """Makes all pairs of the training split, and draws tuples of the test split."""
        del data_dir
        annotations = images.annotations
        if split == "train":
            return self.title, pairs_lib.make_pairs(annotations, before_underscore)
        tuples = pairs_lib.sample_tuples(
            annotations, SOURCES, self.test_tuples, self.seed, before_underscore
        )
        return self.title, [(row[0], row[-1]) for row in tuples] if kind == "pairs" else tuples

    def drawn_people(self) -> tuple[int, int]:
        """Returns the first identity of the test split, and the seed."""
        return self.train_identities + 1, self.seed
