"""Market-1501 with keypoints: its files, and a prepared data set in memory.

The data set is for research only and may not be distributed, so nothing is downloaded: the
official archive (or its unpacked folder) and the annotation CSVs that the field shares are read.
TensorFlow is imported only to load a data set that has no packed file; what builds one is
`pnr_jax.data.market1501_builder`.

Reference: Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pnr_jax.data import images as images_lib
from pnr_jax.data import packed as packed_lib
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.annotations import read_annotations
from pnr_jax.data.protocol import DataSet, Kind, Split, Tuples
from pnr_jax.data.sources import Read, open_source
from pnr_jax.errors import UserError

VERSION = "1.0.0"
IMAGE_SIZE = (128, 64)
FOLDERS = {"train": "bounding_box_train", "test": "bounding_box_test"}
TEST_PAIRS = 12_000
TUPLE_SOURCES = 5


@dataclass(frozen=True)
class Market1501(DataSet):
    """Market-1501 with keypoints, prepared by `launch/prepare_market1501.py`."""

    title: ClassVar[str] = "Market-1501"
    image_size: ClassVar[tuple[int, int]] = IMAGE_SIZE
    subject: ClassVar[str] = "Market-1501 (Zheng et al., ICCV 2015) with OpenPose keypoints"
    licence: ClassVar[str] = (
        "Market-1501 is for research only and may not be passed on. This model and images drawn "
        "by it derive from photos of real people: use them for research only, and do not publish "
        "them beyond what the data set's authors allow."
    )
    name: str = "market1501"

    def load(self, data_dir: str, split: Split) -> images_lib.Images:
        """Returns a split's images."""
        return load_images(self.named(data_dir), split)

    def load_tuples(
        self, data_dir: str, split: Split, kind: Kind, images: images_lib.Images
    ) -> tuple[str, Tuples]:
        """Returns the published pairs, or tuples of five sources."""
        del images
        path, tuples = load_tuples(self.named(data_dir), split, kind)
        return str(path), tuples


def annotation_file(split: str) -> str:
    """Returns the field's name of a split's annotations."""
    return f"market-annotation-{split}.csv"


def pairs_file(split: str) -> str:
    """Returns the field's name of a split's pairs."""
    return f"market-pairs-{split}.csv"


def tuples_file(split: str) -> str:
    """Returns the name of a split's multi-shot tuples (5 sources and a target)."""
    return f"market-tuples-{split}.csv"


def packed_file(split: str) -> str:
    """Returns the name of a split's packed file, which needs no TensorFlow."""
    return f"market-packed-{split}.npz"


def list_files(source: Path, folder: str) -> dict[str, Read]:
    """Maps the JPEG names in `folder` of a Market-1501 zip or directory to readers of their bytes.

    Raises:
      UserError: `source` is absent, no zip, has no such folder, or a name twice in it.
    """
    found: dict[str, Read] = {}
    for path, read in open_source(source).files:
        if path.suffix != ".jpg" or path.parent.name != folder:
            continue
        if path.name in found:
            raise UserError(f"`source={source}`: holds {folder}/{path.name} twice; remove one")
        found[path.name] = read
    if not found:
        raise UserError(
            f"`source={source}`: no {folder}/*.jpg inside; expected Market-1501-v15.09.15.zip "
            "or the folder that it unpacks to"
        )
    return found


def passed_over(source: Path) -> list[str]:
    """Returns the names in a Market-1501 zip or directory that `list_files` does not look at."""
    return open_source(source).passed_over


def read_split(annotations: Path, split: str) -> dict[str, np.ndarray]:
    """Reads the annotations of a split from the folder of the CSVs."""
    if not annotations.is_dir():
        raise UserError(f"`annotations={annotations}`: no such folder")
    return read_annotations(annotations / annotation_file(split))


def split_tuples(annotations: Path, split: str, seed: int = 0) -> dict[str, list[tuple[str, ...]]]:
    """Returns the pair and tuple files of a split: {file name: tuples}.

    Pairs are the published files where the folder has them, else made by the published rule: all
    of the training split's, 12,000 of the test split's. Tuples are 12,000 of the test split's.
    """
    keypoints = read_split(annotations, split)
    published = annotations / pairs_file(split)
    pairs: list[tuple[str, ...]]
    if published.is_file():
        pairs = list(pairs_lib.read_pairs(published))
    else:
        every = pairs_lib.make_pairs(keypoints)
        pairs = list(every if split == "train" else pairs_lib.sample_pairs(every, TEST_PAIRS))
    images_lib.index_tuples(list(keypoints), pairs, str(published))
    if split == "train":
        return {pairs_file(split): pairs}
    tuples = pairs_lib.sample_tuples(keypoints, TUPLE_SOURCES, TEST_PAIRS, seed)
    return {pairs_file(split): pairs, tuples_file(split): tuples}


def load_images(data_dir: str | Path, split: str) -> images_lib.Images:
    """Decodes a prepared split into memory, sorted by name (train: 12,936 images, 318 MB).

    From its packed file where there is one, without TensorFlow; else from the TFDS records. Both
    hold the same bytes and one decoder reads them, so the images are equal to the bit.

    Raises:
      UserError: `data_dir` holds no prepared Market-1501.
    """
    folder = prepared_folder(data_dir)
    path = folder / packed_file(split)
    if path.is_file():
        return _unpack(packed_lib.read_packed(path), path)
    try:
        from pnr_jax.data import market1501_builder  # Imports TensorFlow.
    except ImportError as error:
        raise UserError(
            f"{path}: no packed file there, and the records need TensorFlow ({error}); "
            "run launch/prepare_market1501.py again where it is installed"
        ) from None
    return _unpack(market1501_builder.read_records(folder, split), folder)


def _unpack(packed: packed_lib.Packed, where: Path) -> images_lib.Images:
    images = packed_lib.unpack(packed, str(where))
    return images._replace(identity_of=pairs_lib.market1501_identity)


def load_tuples(data_dir: str | Path, split: str, kind: str) -> tuple[Path, list[tuple[str, ...]]]:
    """Loads the prepared "pairs" or "tuples" of a split; returns their file too."""
    name = {"pairs": pairs_file, "tuples": tuples_file}[kind](split)
    path = prepared_folder(data_dir) / name
    return path, pairs_lib.read_tuples(path)


def prepared_folder(data_dir: str | Path) -> Path:
    """Returns the folder of the prepared data set.

    Raises:
      UserError: there is none.
    """
    folder = Path(data_dir) / "market1501" / VERSION
    if not folder.is_dir():
        raise UserError(
            f"`data_dir={data_dir}`: no prepared Market-1501 there; "
            "run launch/prepare_market1501.py --source=... --annotations=... --data_dir=... first"
        )
    return folder
