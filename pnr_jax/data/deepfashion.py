"""DeepFashion's In-shop Clothes Retrieval Benchmark with keypoints: names, rules, prepared files.

The images are for research only and may not be distributed, so nothing is downloaded; the lists,
keypoints and pairs are PATN's split, which the field shares. An identity is a garment in a colour,
not a person: the same models recur, also across the split. `deepfashion_preparation` writes the
files that are read here.

References:
  Liu et al., DeepFashion: Powering Robust Clothes Recognition and Retrieval, CVPR 2016.
  Zhu et al., Progressive Pose Attention Transfer for Person Image Generation, CVPR 2019 (PATN).
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data import prepared
from pnr_jax.data.images import Images
from pnr_jax.data.protocol import DataSet, Kind, Split, Tuples

IMAGE_SIZE = (256, 176)
FRAME = 256  # The side of the square in which `img.zip` has every photo; 176 columns are kept.
TEST_PAIRS = 12_000  # At most; there are 8,570.
TUPLE_SOURCES = 3  # Nobody has six images.
_PATH = re.compile(r"(WOMEN|MEN)/([^/]+)/id_(\d{8})/(\d\d)_(\d)_(\w+)\.jpg$")


@dataclass(frozen=True)
class DeepFashion(DataSet):
    """DeepFashion (In-shop) with keypoints, prepared by `launch/prepare_deepfashion.py`."""

    title: ClassVar[str] = "DeepFashion"
    image_size: ClassVar[tuple[int, int]] = IMAGE_SIZE
    subject: ClassVar[str] = (
        "DeepFashion's In-shop Clothes Retrieval Benchmark (Liu et al., CVPR 2016) with OpenPose "
        "keypoints, in PATN's split by garments; the same people are in training and in the test"
    )
    licence: ClassVar[str] = (
        "DeepFashion is for non-commercial research and education only, and its images may not be "
        "passed on. This model and images drawn by it derive from photos of real people: use them "
        "for research only, and do not publish them beyond what the data set's authors allow."
    )
    masked_scores: ClassVar[bool] = False  # There are no published masks.
    name: str = "deepfashion"

    def load(self, data_dir: str, split: Split) -> Images:
        """Returns a split's images, 6.6 GB in training if the archive is complete."""
        images = prepared.read_images(prepared_folder(self.named(data_dir)), split)
        return images._replace(identity_of=before_last_underscore)

    def load_tuples(
        self, data_dir: str, split: Split, kind: Kind, images: Images
    ) -> tuple[str, Tuples]:
        """Returns the published pairs, or tuples of three sources."""
        del images
        return prepared.read_tuples(prepared_folder(self.named(data_dir)), split, kind)


def flat_name(path: str) -> str | None:
    """Returns the field's name of an image in the archive; None of a file that is no such image.

    >>> flat_name("img/MEN/Tees_Tanks/id_00007301/04_7_additional.jpg")
    'fashionMENTees_Tanksid0000730104_7additional.jpg'
    """
    found = _PATH.search(path)
    if found is None:
        return None
    gender, category, garment, colour, number, view = found.groups()
    return f"fashion{gender}{category}id{garment}{colour}_{number}{view}.jpg"


def before_last_underscore(name: str) -> str:
    """Returns the identity in an image's name, garment and colour.

    >>> before_last_underscore("fashionMENTees_Tanksid0000730104_7additional.jpg")
    'fashionMENTees_Tanksid0000730104'
    """
    return name.rpartition("_")[0]


def make_pairs(rows: Mapping[str, np.ndarray], split: str) -> list[tuple[str, str]]:
    """Makes the published pairs of a split's annotations, the test split's shuffled."""
    pairs = pairs_lib.make_pairs(rows, before_last_underscore)
    return pairs if split == "train" else pairs_lib.sample_pairs(pairs, TEST_PAIRS)


def make_tuples(
    rows: Mapping[str, np.ndarray], sources: int = TUPLE_SOURCES, seed: int = 0
) -> list[tuple[str, ...]]:
    """Makes every choice of a target and sources of its identity once, shuffled.

    Args:
      rows: {name: int [18, 2]}.
      sources: number of sources in a tuple, in random order.
      seed: seed of both orders.
    """
    rng = np.random.default_rng(seed)
    groups: dict[str, list[str]] = {}
    for name in pairs_lib.usable_names(rows, before_last_underscore):
        groups.setdefault(before_last_underscore(name), []).append(name)
    chosen = [
        (*rng.permutation(others).tolist(), target)
        for names in groups.values()
        for target in names
        for others in itertools.combinations([n for n in names if n != target], sources)
    ]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def prepared_folder(data_dir: str | Path) -> Path:
    """Returns DATA_DIR/deepfashion.

    Raises:
      UserError: there is none.
    """
    return prepared.prepared_folder(data_dir, "deepfashion")
