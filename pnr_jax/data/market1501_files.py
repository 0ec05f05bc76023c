"""Market-1501's files: the archive, the annotation CSVs, the folder that is prepared from them."""

from pathlib import Path

import numpy as np

from pnr_jax.data import images as images_lib
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.annotations import read_annotations
from pnr_jax.data.raw_files import Read, list_raw_files
from pnr_jax.errors import UserError
from pnr_jax.paths import to_path

VERSION = "1.0.0"
IMAGE_SIZE = (128, 64)
FOLDERS = {"train": "bounding_box_train", "test": "bounding_box_test"}
TEST_PAIRS = 12_000
TUPLE_SOURCES = 5


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


def list_folder(source: Path, folder: str) -> dict[str, Read]:
    """Maps the JPEG names in `folder` of a Market-1501 zip or directory to readers of their bytes.

    Raises:
      UserError: `source` is absent, no zip, has no such folder, or a name twice in it.
    """
    found: dict[str, Read] = {}
    for path, read in list_raw_files(source).files:
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
    """Returns the names in a Market-1501 zip or directory that `list_folder` ignores."""
    return list_raw_files(source).passed_over


def read_split(
    annotations: Path, split: str, rounded: list[str] | None = None
) -> dict[str, np.ndarray]:
    """Reads the annotations of a split from the folder of the CSVs, as `read_annotations` does."""
    if not annotations.is_dir():
        raise UserError(f"`annotations={annotations}`: no such folder")
    return read_annotations(annotations / annotation_file(split), rounded)


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


def prepared_folder(data_dir: str | Path) -> Path:
    """Returns the folder of the prepared data set.

    Raises:
      UserError: there is none.
    """
    folder = to_path(data_dir) / "market1501" / VERSION
    if not folder.is_dir():
        raise UserError(
            f"`data_dir={data_dir}`: no prepared Market-1501 there; "
            "run launch/prepare_market1501.py first"
        )
    return folder
