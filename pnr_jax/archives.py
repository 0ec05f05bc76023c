"""Zip files of strangers: what they unpack to is bounded before and while it is read."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import ml_dtypes
import numpy as np

# Python unpacks bzip2 and LZMA by the block, however much a block holds.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def check_entry(entry: zipfile.ZipInfo, most: int) -> None:
    """Raises a `ValueError` for an entry that declares more than `most` bytes, or odd packing.

    An entry never yields more than it declares: `zipfile` stops there and its checksum fails.
    """
    if entry.compress_type not in METHODS:
        raise ValueError(f"compression {entry.compress_type}; expected stored or deflated")
    if entry.file_size > most:
        raise ValueError(f"declares {entry.file_size:,} bytes, more than {most:,}")


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """Reads an entry of at most `most` bytes; a `ValueError` says what is wrong with it."""
    check_entry(entry, most)
    try:
        with archive.open(entry) as file:
            return file.read(most + 1)  # Read to no bound, it would unpack before it counts.
    except Exception as error:  # zipfile raises a dozen kinds for damage.
        raise ValueError(str(error) or type(error).__name__) from None


def read_npz(path: str | Path, names: Sequence[str], most: int) -> dict[str, np.ndarray]:
    """Reads the arrays of an .npz that declares at most `most` bytes in all; never objects.

    Raises:
      ValueError: it declares more, or is packed oddly.
      KeyError: it lacks an array.
      Exception: whatever NumPy raises for a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            check_entry(entry, most)
        total = sum(entry.file_size for entry in archive.infolist())
    if total > most:
        raise ValueError(f"declares {total:,} bytes, more than {most:,}")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: _named(arrays[name]) for name in names}


def _named(array: np.ndarray) -> np.ndarray:
    """Gives bfloat16 its name again, which NumPy's files lose."""
    return array.view(ml_dtypes.bfloat16) if array.dtype == np.dtype("V2") else array
