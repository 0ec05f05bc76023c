"""Market-1501 with keypoints: a prepared data set in memory.

The data set is for research only and may not be distributed, so nothing is downloaded: the
official archive (or its unpacked folder) and the annotation CSVs that the field shares are read.
TensorFlow is imported only to load a data set that has no packed file, as
`pnr_jax.data.market1501_builder` builds it.

Reference: Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pnr_jax.data import images as images_lib
from pnr_jax.data import packed as packed_lib
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.market1501_files import (
    IMAGE_SIZE,
    packed_file,
    pairs_file,
    prepared_folder,
    tuples_file,
)
from pnr_jax.data.protocol import DataSet, Kind, Split, Tuples
from pnr_jax.errors import UserError


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
