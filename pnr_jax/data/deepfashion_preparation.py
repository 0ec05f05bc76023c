"""Prepares DeepFashion (In-shop) at 256×176 from its archive and PATN's lists and keypoints."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pnr_jax.data import deepfashion, images, packed, pairs
from pnr_jax.data import prepared as prepared_lib
from pnr_jax.data.annotations import read_annotations
from pnr_jax.data.deepfashion import FRAME, IMAGE_SIZE
from pnr_jax.data.protocol import Tuples
from pnr_jax.data.raw_files import Read, list_raw_files
from pnr_jax.errors import UserError
from pnr_jax.files import read_lines, write_text

SPLITS = ("train", "test")
SPELLINGS = ("fasion", "fashion")  # The first is the usual one.
LEFT = (FRAME - IMAGE_SIZE[1]) // 2  # Columns of the square that are cut off on either side.

Rows = dict[str, np.ndarray]


class Prepared(NamedTuple):
    """The result of a preparation.

    Attributes:
      folder: the folder of the data set.
      counts: {"train images": 48674, ...}.
      missing: listed images that the source does not have.
      poseless: listed images without a row of keypoints.
      damaged: images left out, unreadable.
      rounded: images whose keypoints had fractions of a pixel.
    """

    folder: Path
    counts: dict[str, int]
    missing: list[str]
    poseless: list[str]
    damaged: list[str]
    rounded: list[str]


def prepare(
    source: str | Path,
    annotations: str | Path,
    lists: str | Path,
    data_dir: str | Path,
    max_damaged: int = 0,
) -> Prepared:
    """Writes DATA_DIR/deepfashion, whole or not at all.

    Args:
      source: img.zip, img_highres.zip, or a folder of what they unpack to, or of a part of it.
      annotations: folder of the field's CSVs, and of its pairs where it has them.
      lists: folder of train.lst and test.lst.
      data_dir: must not hold a prepared DeepFashion yet.
      max_damaged: how many unreadable images are left out before giving up.

    Raises:
      UserError: names the file, line or image at fault.
    """
    folder = Path(data_dir) / "deepfashion"
    if folder.exists():
        raise UserError(f"{folder}: is there already; remove it to prepare DeepFashion again")
    names = {split: _listed(Path(lists) / f"{split}.lst") for split in SPLITS}
    rounded: list[str] = []
    rows = {split: read_rows(Path(annotations), split, names[split], rounded) for split in SPLITS}
    published = {split: _published_pairs(Path(annotations), split) for split in SPLITS}
    files = list_photos(Path(source))
    prepared = Prepared(folder, {}, [], [], [], rounded)
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".deepfashion.", dir=data_dir) as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        for split in SPLITS:
            prepared.poseless.extend(name for name in names[split] if name not in rows[split])
            prepared.missing.extend(name for name in rows[split] if name not in files)
            kept = _write_images(new, split, rows[split], files, prepared.damaged, max_damaged)
            tuples: dict[str, Tuples] = {
                "pairs": published[split] or deepfashion.make_pairs(rows[split], split)
            }
            if split == "test":
                tuples["tuples"] = deepfashion.make_tuples(rows[split])
            prepared.counts[f"{split} images"] = len(kept)
            for kind, every in tuples.items():
                whole = [row for row in every if kept.issuperset(row)]
                pairs.write_tuples(new / prepared_lib.tuples_file(split, kind), whole)
                prepared.counts[f"{split} {kind}"] = len(whole)
                if not every:
                    raise UserError(
                        f"`lists`: {split}.lst has nobody with enough usable images for {kind}; "
                        "is it the published list?"
                    )
                if not whole:
                    raise UserError(
                        f"`source={source}`: has all images of none of the {len(every):,} {kind} "
                        f"of {split}.lst; take more of the archive"
                    )
        if prepared.missing:
            write_text(new / "missing.txt", "\n".join(prepared.missing) + "\n")
        new.rename(folder)
    return prepared


def list_photos(source: Path) -> dict[str, Read]:
    """Maps the field's names of a source's images to readers of their bytes.

    Raises:
      UserError: it is encrypted, has no image of that layout, or one twice.
    """
    found: dict[str, Read] = {}
    for path, read in list_raw_files(source).files:
        name = deepfashion.flat_name(path.as_posix())
        if name is None:
            continue
        if name in found:
            raise UserError(
                f"`source={source}`: holds {name} twice; name one of its img and img_highres"
            )
        found[name] = read
    if not found:
        raise UserError(
            f"`source={source}`: no image inside; expected img.zip, img_highres.zip or a folder "
            "with MEN/CATEGORY/id_00000000/NN_V_view.jpg in it"
        )
    return found


def read_rows(
    annotations: Path, split: str, listed: list[str], rounded: list[str] | None = None
) -> Rows:
    """Reads the keypoints of a split's listed images, in the frame of 256×176.

    The CSVs come in two frames, and one name (`fasion-annotation-*`) stands for either: in the
    square one people stand about x = 128, in the other about x = 88.

    Raises:
      UserError: there is no CSV, or it is of another split.
    """
    kinds = [f"{spelling}-{resize}annotation-{split}.csv"
             for resize in ("resize-", "") for spelling in SPELLINGS]  # fmt: skip
    path = _first_of(annotations, kinds)
    if path is None:
        raise UserError(f"`annotations={annotations}`: has no {' nor '.join(kinds)}")
    rows = read_annotations(path, rounded)
    known = set(listed)
    strangers = [name for name in rows if name not in known]
    if strangers:
        raise UserError(
            f"{path}: {len(strangers)} image(s) are not in {split}.lst, the first is "
            f"{strangers[0]}; take lists and keypoints of one split"
        )
    every = np.stack(list(rows.values())) if rows else np.full((1, 18, 2), -1)
    x = every[..., 1][(every != -1).all(axis=-1)]
    if x.size and np.median(x) > (FRAME + IMAGE_SIZE[1]) / 4:
        rows = {name: _cropped(keypoints) for name, keypoints in rows.items()}
    return rows


def frame_photo(image: np.ndarray) -> np.ndarray:
    """Brings a photo uint8 [h, w, 3] of either archive to 256×176.

    It is set into a white square of 256, as `img.zip` has it, whose middle 176 columns are kept.
    """
    height, width = image.shape[:2]
    scale = FRAME / max(height, width)
    size = (round(width * scale), round(height * scale))
    photo = Image.fromarray(image)
    if photo.size != size:
        photo = photo.resize(size, Image.Resampling.BICUBIC)
    square = Image.new("RGB", (FRAME, FRAME), "white")
    square.paste(photo, ((FRAME - size[0]) // 2, (FRAME - size[1]) // 2))
    return np.asarray(square)[:, LEFT : FRAME - LEFT]


def _cropped(keypoints: np.ndarray) -> np.ndarray:
    """Moves keypoints of the square's frame; x = 39 becomes -1 and is lost, as it is published."""
    missing = (keypoints == -1).any(axis=-1, keepdims=True)
    moved = keypoints - np.array([0, LEFT])
    return np.where(missing | (moved == -1).any(axis=-1, keepdims=True), -1, moved)


def _listed(path: Path) -> list[str]:
    names = [line.strip() for line in read_lines(path, "list") if line.strip()]
    astray = next((name for name in names if not name.startswith("fashion")), None)
    if astray is not None:
        raise UserError(f"{path}: {astray[:60]!r} is no name of PATN's split (fashion....jpg)")
    return names


def _published_pairs(annotations: Path, split: str) -> list[tuple[str, str]]:
    kinds = [f"{spelling}-{resize}pairs-{split}.csv"
             for resize in ("resize-", "") for spelling in SPELLINGS]  # fmt: skip
    path = _first_of(annotations, kinds)
    return pairs.read_pairs(path) if path else []


def _first_of(folder: Path, names: list[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _write_images(
    folder: Path,
    split: str,
    rows: Mapping[str, np.ndarray],
    files: Mapping[str, Read],
    damaged: list[str],
    max_damaged: int,
) -> set[str]:
    """Writes a split's packed file and returns the names in it."""
    encoded: dict[str, bytes] = {}
    for name in sorted(name for name in rows if name in files):
        try:
            photo = images.decode(files[name](), name)
        except UserError as error:
            images.leave_out(name, error, damaged, max_damaged)
            continue
        encoded[name] = images.encode_png(frame_photo(photo))
    if not encoded:
        raise UserError(f"the source has none of the {len(rows):,} images of {split}.lst")
    keypoints = np.stack([rows[name] for name in encoded])
    split_images = packed.pack(list(encoded), keypoints, list(encoded.values()))
    packed.write_packed(folder / prepared_lib.packed_file(split), split_images)
    return set(encoded)
