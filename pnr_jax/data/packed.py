"""A split in one file that NumPy and Pillow read: encoded images, keypoints, names.

A prepared data set has one for each split, so that a machine without TensorFlow can train and
evaluate. The file is a compressed .npz without Python objects:

| array | type, shape | |
| --- | --- | --- |
| `data` | uint8 [bytes] | the image files (JPEG, PNG), one after the other |
| `offsets` | int64 [N + 1] | image i is `data[offsets[i]:offsets[i + 1]]` |
| `keypoints` | int32 [N, 18, 2] | (y, x) pixels, -1 where missing |
| `names` | str [N] | file names |
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax.archives import read_npz
from pnr_jax.data.images import Images, decode
from pnr_jax.errors import UserError
from pnr_jax.files import replacing
from pnr_jax.paths import local_copy

# Image files are compressed already: what unpacks to more than this is no data set.
MOST_GROWTH, ROOM = 100, 64 << 20


class Packed(NamedTuple):
    """Encoded images with their keypoints; the fields are those of the file."""

    data: np.ndarray
    offsets: np.ndarray
    keypoints: np.ndarray
    names: np.ndarray

    def file(self, i: int) -> bytes:
        """Returns the image file i."""
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes()


def pack(
    names: Sequence[str] | np.ndarray, keypoints: np.ndarray, files: Sequence[bytes]
) -> Packed:
    """Packs N image files with their keypoints, int [N, 18, 2].

    >>> packed = pack(["a.png", "b.png"], np.full((2, 18, 2), -1), [b"one", b"four"])
    >>> packed.offsets.tolist(), packed.file(1)
    ([0, 3, 7], b'four')
    """
    if not len(names) == len(keypoints) == len(files):
        raise ValueError(f"{len(names)} names, {len(keypoints)} keypoints, {len(files)} files")
    offsets = np.cumsum([0, *map(len, files)], dtype=np.int64)
    data = np.frombuffer(b"".join(files), np.uint8)
    return Packed(data, offsets, np.asarray(keypoints, np.int32), np.array(names, np.str_))


def select(packed: Packed, names: Iterable[str]) -> Packed:
    """Selects the images of some names, in the file's order, such as those of pairs to score.

    Raises:
      UserError: a name is not in the file.
    """
    wanted = set(names)
    absent = wanted.difference(packed.names.tolist())
    if absent:
        raise UserError(f"the packed file has no image {min(absent)}")
    kept = [i for i, name in enumerate(packed.names.tolist()) if name in wanted]
    return pack(packed.names[kept], packed.keypoints[kept], [packed.file(i) for i in kept])


def write_packed(path: str | Path, packed: Packed) -> None:
    """Writes the file, whole."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **packed._asdict())


def read_packed(path: str | Path) -> Packed:
    """Reads the file.

    Raises:
      UserError: it is damaged or of another format.
    """
    try:
        with local_copy(path) as file:
            most = MOST_GROWTH * file.stat().st_size + ROOM
            packed = Packed(**read_npz(file, Packed._fields, most))
        _check_types(packed)
    except Exception as error:  # zipfile and NumPy raise a dozen kinds for damage.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: not a packed data set ({reason}); prepare it again") from None
    count = len(packed.names)
    if packed.keypoints.shape != (count, 18, 2) or packed.offsets.shape != (count + 1,):
        raise UserError(f"{path}: its arrays do not agree on the number of images")
    astray = [name for name in packed.names.tolist() if "/" in name or not name.strip(".")]
    if astray:  # Files are named after images.
        raise UserError(f"{path}: {astray[0]!r} is no file name; prepare it again")
    bounds = [0, *packed.offsets.tolist(), len(packed.data)]
    if bounds != sorted(bounds):
        raise UserError(f"{path}: its offsets do not lie in its data; prepare it again")
    return packed


def _check_types(packed: Packed) -> None:
    kinds = {name: (array.dtype.kind, array.ndim) for name, array in packed._asdict().items()}
    expected = {"data": ("u", 1), "offsets": ("i", 1), "keypoints": ("i", 3), "names": ("U", 1)}
    for name, kind in kinds.items():
        if kind != expected[name] or (name == "data" and packed.data.itemsize != 1):
            array = getattr(packed, name)
            raise ValueError(f"{name} is {array.dtype} of {array.ndim} dimension(s)")


def unpack(packed: Packed, where: str) -> Images:
    """Decodes all images into memory, on all cores.

    Args:
      packed: N images of one size.
      where: the data set's name for messages.

    Raises:
      UserError: an image is damaged or of another size than the first.
    """
    if not len(packed.names):
        raise UserError(f"{where}: holds no image")
    names = packed.names.tolist()
    first = decode(packed.file(0), f"{where}: {names[0]}")
    images = np.empty((len(names), *first.shape), np.uint8)

    def fill(rows: np.ndarray) -> None:
        for i in rows:
            image = decode(packed.file(i), f"{where}: {names[i]}")
            if image.shape != first.shape:
                raise UserError(f"{where}: {names[i]} is {image.shape}, not {first.shape}")
            images[i] = image

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:  # Pillow decodes outside of the GIL.
        list(pool.map(fill, np.array_split(np.arange(len(names)), 8 * workers)))
    return Images(images, packed.keypoints, names)
