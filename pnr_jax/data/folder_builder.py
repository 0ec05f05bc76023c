"""Crops the people of FOLDER/IDENTITY/*.jpg, splits them by identity and writes the data set."""

import itertools
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax.data import folder as folder_lib
from pnr_jax.data import packed as packed_lib
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data import prepared as prepared_lib
from pnr_jax.data.annotations import write_annotations
from pnr_jax.data.crops import crop_person
from pnr_jax.data.images import (
    before_underscore,
    check_keypoints,
    encode_png,
    leave_out,
    read_image,
)
from pnr_jax.errors import UserError

TEST_PAIRS = TEST_TUPLES = 12_000
TUPLE_SOURCES = 5
DRAWS = 20  # Most tuples of each target.

CroppedPeople = dict[str, tuple[np.ndarray, np.ndarray]]  # {name: (image, keypoints)}


class Prepared(NamedTuple):
    """The result of a preparation.

    Attributes:
      folder: the folder of the data set.
      train: identities of training.
      test: identities of the test.
      counts: {"train images": 12, ...}.
      damaged: images left out, unreadable, with the reason.
      bodiless: images left out because a shoulder or a hip is missing.
      lonely: identities left out because they have a single image.
    """

    folder: Path
    train: list[str]
    test: list[str]
    counts: dict[str, int]
    damaged: list[str]
    bodiless: list[str]
    lonely: list[str]


def prepare(
    source: str | Path,
    annotations: Mapping[str, np.ndarray],
    data_dir: str | Path,
    *,
    height: int = 128,
    test_share: float = 0.2,
    seed: int = 0,
    max_damaged: int = 0,
    labelled: bool = True,
) -> Prepared:
    """Crops the people of a folder, splits them by identity and writes the data set.

    It is written elsewhere and renamed. An earlier one is first renamed to DATA_DIR/.folder.old and
    removed last: if the process is killed between the two renames, it is there, whole.

    Args:
      source: FOLDER/IDENTITY/*.jpg.
      annotations: {name: int [18, 2]}; a name is the path within `source`, or the file name where
        no other image has it.
      data_dir: DATA_DIR; an earlier DATA_DIR/folder is replaced.
      height: height of the cropped people, pixels; they are half as wide.
      test_share: share of the identities to test on, at least one.
      seed: seed of the split and of the test tuples.
      max_damaged: how many unreadable images are left out before giving up.
      labelled: False where nobody knows who is in which image, for unsupervised training: folders
        mean nothing, and each image is an identity of its own, paired with itself.

    Raises:
      UserError: names the image, the row or the identity at fault.
    """
    people, damaged, bodiless = _crop_all(Path(source), annotations, height, max_damaged, labelled)
    identities: dict[str, list[str]] = {}
    for name in people:
        identities.setdefault(before_underscore(name), []).append(name)
    lonely = [key for key, names in identities.items() if labelled and len(names) < 2]
    known = sorted(set(identities).difference(lonely))
    if len(known) < 2:
        what = "identity(ies) with two usable images" if labelled else "usable image(s)"
        raise UserError(
            f"{source}: {len(known)} {what} (both shoulders and hips visible); a split into train "
            "and test needs two"
        )
    order = np.random.default_rng(seed).permutation(len(known))
    count = min(max(1, round(test_share * len(known))), len(known) - 1)
    split = {
        "train": sorted(known[i] for i in order[count:]),
        "test": sorted(known[i] for i in order[:count]),
    }
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".folder.", dir=data_dir) as temporary:
        counts = _write(Path(temporary), people, identities, split, seed, labelled)
        folder = Path(data_dir) / "folder"
        if folder.exists():
            folder_lib.prepared_folder(data_dir)  # Nothing else is replaced.
        _replace(folder, Path(temporary) / "folder")
    return Prepared(folder, split["train"], split["test"], counts, damaged, bodiless, lonely)


def tuples_with_repeats(
    identities: Mapping[str, list[str]], count: int, seed: int
) -> list[tuple[str, ...]]:
    """Draws tuples of five sources and a target, targets in turn, sources in random order.

    An identity of fewer than six images shows what it has again: its five sources are then its
    other images, over and over.
    """
    rng = np.random.default_rng(seed)
    targets = [(names, target) for names in identities.values() for target in names]
    if len(targets) > count:  # Of any identity, not of the first ones alone.
        targets = [targets[i] for i in rng.permutation(len(targets))]
    drawn = []
    for names, target in DRAWS * targets:
        others = rng.permutation([name for name in names if name != target]).tolist()
        drawn.append((*itertools.islice(itertools.cycle(others), TUPLE_SOURCES), target))
    return list(dict.fromkeys(drawn))[:count]


def _crop_all(
    source: Path,
    annotations: Mapping[str, np.ndarray],
    height: int,
    max_damaged: int,
    labelled: bool,
) -> tuple[CroppedPeople, list[str], list[str]]:
    """Returns {new name: (image, keypoints)}, damaged, bodiless."""
    files = folder_lib.list_images(source)
    rows = folder_lib.match_rows(files, annotations)
    origin: dict[str, str] = {}
    folder_of: dict[str, str] = {}
    people: CroppedPeople = {}
    damaged: list[str] = []
    bodiless: list[str] = []
    for name, path in files.items():
        new = _new_name(source, name) if labelled else f"{_plain(name.rpartition('.')[0])}.png"
        if new in origin:
            raise UserError(f"{source}: {origin[new]} and {name} would both be {new}; rename one")
        origin[new] = name
        identity, folder = before_underscore(new), name.partition("/")[0]
        if folder_of.setdefault(identity, folder) != folder:
            raise UserError(
                f"{source}: {folder_of[identity]}/ and {folder}/ would both be {identity}; "
                "rename one"
            )
        try:
            image = read_image(path)
        except UserError as error:
            leave_out(str(error), error, damaged, max_damaged)
            continue
        if name not in rows:
            raise UserError(
                f"the annotations have no row for {name}; "
                f"run launch/estimate_poses.py on {source} first"
            )
        keypoints = annotations[rows[name]]
        if not pairs_lib.usable_names({new: keypoints}, before_underscore):
            bodiless.append(name)
            continue
        check_keypoints(keypoints, image.shape[:2], name)
        people[new] = crop_person(image, keypoints, height)
    return people, damaged, bodiless


def _new_name(source: Path, name: str) -> str:
    """Returns IDENTITY_NAME.png: letters, digits and hyphens; the identity ends at the first _."""
    identity, _, rest = name.partition("/")
    if not rest:
        raise UserError(f"{source}: {name} lies in no identity's folder; expected IDENTITY/{name}")
    identity, stem = _plain(identity), _plain(rest.rpartition(".")[0])
    if not identity:
        raise UserError(f"{source}: the folder of {name} names nobody; rename it")
    return f"{identity}_{stem}.png"


def _plain(text: str) -> str:
    """Replaces all but letters and digits by hyphens."""
    return re.sub(r"[\W_]+", "-", text).strip("-")


def _replace(folder: Path, new: Path) -> None:
    """Renames `new` to `folder`; whenever it is killed, one of the two is left whole."""
    old = folder.with_name(".folder.old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _write(
    temporary: Path,
    people: CroppedPeople,
    identities: Mapping[str, list[str]],
    split: Mapping[str, list[str]],
    seed: int,
    labelled: bool,
) -> dict[str, int]:
    folder = temporary / "folder"
    (folder / "images").mkdir(parents=True)
    everybody: dict[str, np.ndarray] = {}
    counts = {}
    for part, known in split.items():
        mine = {identity: sorted(identities[identity]) for identity in known}
        names = sorted(name for group in mine.values() for name in group)
        keypoints = {name: people[name][1] for name in names}
        files = [encode_png(people[name][0]) for name in names]
        packed = packed_lib.pack(names, np.stack(list(keypoints.values())), files)
        packed_lib.write_packed(folder / prepared_lib.packed_file(part), packed)
        for name, data in zip(names, files, strict=True):
            (folder / "images" / name).write_bytes(data)
        pairs = pairs_lib.make_pairs(keypoints, before_underscore)
        if not labelled:
            pairs = [(name, name) for name in names]
        elif part == "test":
            pairs = pairs_lib.sample_pairs(pairs, TEST_PAIRS, seed)
            tuples = tuples_with_repeats(mine, TEST_TUPLES, seed)
            pairs_lib.write_tuples(folder / prepared_lib.tuples_file(part, "tuples"), tuples)
            counts["test tuples"] = len(tuples)
        pairs_lib.write_tuples(folder / prepared_lib.tuples_file(part, "pairs"), pairs)
        counts |= {f"{part} images": len(names), f"{part} pairs": len(pairs)}
        everybody |= keypoints
    write_annotations(folder / "annotations.csv", everybody)
    return counts
