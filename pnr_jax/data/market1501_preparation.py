"""Prepares Market-1501 with keypoints from its archive and the annotation CSVs, without TensorFlow.

What it writes to DATA_DIR/market1501/VERSION is `pnr_jax.data.market1501`'s: a packed file a split,
pairs and tuples. `market1501_builder` writes TensorFlow Datasets records beside them.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax.data import images as images_lib
from pnr_jax.data import market1501_files
from pnr_jax.data import packed as packed_lib
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.market1501_files import IMAGE_SIZE
from pnr_jax.data.raw_files import Read
from pnr_jax.errors import UserError
from pnr_jax.keypoints import resize_keypoints


class Inputs(NamedTuple):
    """The inputs of a data set, checked as far as possible before an image is decoded.

    Attributes:
      files: readers of the JPEG files by split and name.
      rows: annotations, int [18, 2], by split and name.
      tuples: pairs and tuples by the file that they go to.
      rounded: images whose keypoints had fractions of a pixel.
    """

    files: dict[str, dict[str, Read]]
    rows: dict[str, dict[str, np.ndarray]]
    tuples: dict[str, list[tuple[str, ...]]]
    rounded: list[str]


@dataclass(frozen=True)
class Notes:
    """Names of images that are not taken as they are."""

    damaged: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)


class Prepared(NamedTuple):
    """The result of a preparation.

    Attributes:
      folder: the folder of the data set.
      counts: images by split.
      damaged: names of images left out, unreadable.
      resized: names of images of another size than 128×64.
      rounded: names of images whose keypoints had fractions of a pixel.
    """

    folder: Path
    counts: dict[str, int]
    damaged: list[str]
    resized: list[str]
    rounded: list[str]


def prepare(
    source: str | Path, annotations: str | Path, data_dir: str | Path, max_damaged: int = 0
) -> Prepared:
    """Writes the data set under `data_dir`, whole or not at all.

    Args:
      source: Market-1501-v15.09.15.zip or the folder that it unpacks to.
      annotations: folder of market-annotation-{train,test}.csv and, where published, pairs.
      data_dir: an earlier preparation there is kept if it is of the same images and keypoints.
      max_damaged: how many unreadable images are left out before giving up.

    Raises:
      UserError: names the file, line or image at fault, or an earlier preparation of others.
    """
    inputs, notes = read_inputs(Path(source), Path(annotations)), Notes()
    packed = {
        split: pack_examples(encoded_examples(inputs, split, notes, max_damaged))
        for split in market1501_files.FOLDERS
    }
    folder = Path(data_dir) / "market1501" / market1501_files.VERSION
    if folder.is_dir():
        for split in market1501_files.FOLDERS:
            path = folder / market1501_files.packed_file(split)
            check_unchanged(
                folder, packed_lib.read_packed(path), inputs.rows[split], inputs.files[split]
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".market1501.", dir=folder.parent) as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        write_files(new, packed, inputs)
        if folder.is_dir():
            for path in new.iterdir():
                path.replace(folder / path.name)
        else:
            new.rename(folder)
    counts = {split: len(x.names) for split, x in packed.items()}
    return Prepared(folder, counts, notes.damaged, notes.resized, inputs.rounded)


def read_inputs(source: Path, annotations: Path) -> Inputs:
    """Lists the archive and reads the CSVs.

    Raises:
      UserError: an annotated image is not in the archive, a pair names an unknown one, ...
    """
    inputs = Inputs({}, {}, {}, [])
    for split, folder in market1501_files.FOLDERS.items():
        files = market1501_files.list_folder(source, folder)
        rows = market1501_files.read_split(annotations, split, inputs.rounded)
        absent = [name for name in rows if name not in files]
        if absent:
            path = annotations / market1501_files.annotation_file(split)
            raise UserError(
                f"{path}: {len(absent)} image(s) are not in {source}'s {folder}, "
                f"the first is {absent[0]}"
            )
        inputs.files[split], inputs.rows[split] = files, rows
        inputs.tuples.update(market1501_files.split_tuples(annotations, split))
    return inputs


def encoded_examples(
    inputs: Inputs, split: str, notes: Notes, max_damaged: int
) -> Iterator[tuple[str, bytes, np.ndarray]]:
    """Yields each image's name, file and keypoints; images of another size are resized, as PNG.

    Raises:
      UserError: more images than `max_damaged` are unreadable, or a joint lies outside its image.
    """
    for name, keypoints in inputs.rows[split].items():
        try:
            data = inputs.files[split][name]()
            image = images_lib.decode(data, name)
        except UserError as error:
            images_lib.leave_out(name, error, notes.damaged, max_damaged)
            continue
        size = (image.shape[0], image.shape[1])
        images_lib.check_keypoints(keypoints, size, name)
        if size != IMAGE_SIZE:
            notes.resized.append(name)
            data = images_lib.encode_png(images_lib.resize_image(image, IMAGE_SIZE))
            keypoints = resize_keypoints(keypoints, size, IMAGE_SIZE)
        yield name, data, keypoints


def pack_examples(examples: Iterator[tuple[str, bytes, np.ndarray]]) -> packed_lib.Packed:
    """Packs examples, sorted by name."""
    names, files, keypoints = zip(*sorted(examples, key=lambda x: x[0]), strict=True)
    return packed_lib.pack(names, np.stack(keypoints), files)


def write_files(folder: Path, packed: Mapping[str, packed_lib.Packed], inputs: Inputs) -> None:
    """Writes the packed files, and the pairs and tuples of the images that they hold."""
    kept = {name for x in packed.values() for name in x.names.tolist()}
    for name, tuples in inputs.tuples.items():
        pairs_lib.write_tuples(folder / name, [row for row in tuples if kept.issuperset(row)])
    for split, x in packed.items():
        packed_lib.write_packed(folder / market1501_files.packed_file(split), x)


def check_unchanged(
    folder: Path,
    packed: packed_lib.Packed,
    rows: Mapping[str, np.ndarray],
    files: Mapping[str, Read],
) -> None:
    """Refuses an earlier preparation that is not of these annotations and images."""
    recorded = dict(zip(packed.names.tolist(), packed.keypoints, strict=True))
    for name in sorted(rows.keys() | recorded.keys()):
        keypoints, kept = rows.get(name), recorded.get(name)
        if keypoints is not None and kept is not None and np.array_equal(keypoints, kept):
            continue
        if keypoints is None or not _is_left_out_or_resized(keypoints, kept, name, files[name]):
            raise UserError(
                f"{folder}: was prepared before, and {name} has other keypoints or another image "
                f"there; remove {folder} to prepare it again"
            )


def _is_left_out_or_resized(
    keypoints: np.ndarray, kept: np.ndarray | None, name: str, read: Read
) -> bool:
    """Returns whether the record of an image should differ from its row as it does."""
    try:
        size = images_lib.decode(read(), name).shape[:2]
    except UserError:
        return kept is None
    expected = resize_keypoints(keypoints, (size[0], size[1]), IMAGE_SIZE)
    return kept is not None and np.array_equal(kept, expected)
