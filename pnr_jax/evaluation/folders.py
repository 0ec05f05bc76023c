"""Images that another program drew, as a method.

A CSV says which file is of which pair, or the file's name does, FROM and TO with or without their
`.jpg`:

| name | whose |
| --- | --- |
| `FROM___TO.png`, `FROM.jpg___TO.jpg_vis.jpg` | PATN and its descendants |
| `FROM_2_TO.png`, `FROM_2_TO_vis.png` | GFLA, PIDM |
| `FROM.jpg_TO.jpg.png` | Def-GAN |

A strip of five panels, as PATN and its descendants write them (source, its pose,
target, its pose, generated), counts for its last.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax.data.images import read_image
from pnr_jax.errors import UserError
from pnr_jax.evaluation.methods import Method, NamedBatch, jpeg_round_trip
from pnr_jax.walk import list_files

SUFFIXES = (".png", ".jpg", ".jpeg")
SEPARATORS = ("___", "_2_", "_")

Names = tuple[str, ...]
Ends = tuple[str, ...]  # (FROM, TO) without their suffixes.

_PANELS = 5
_THREADS = 4
_SHOWN = 3  # Names in a message.
_MISSING = "missing"
_OTHER_NAMES = (
    "names such as FROM___TO.png, FROM_2_TO_vis.png or FROM.jpg_TO.jpg.png are known; list files "
    "of other names by `pairs=CSV`, in a column `image`"
)


def folder_method(
    folder: str | Path,
    name: str,
    tuples: Sequence[Names],
    size: tuple[int, int],
    files: Sequence[str] | None = None,
    checked: int | None = None,
    allow_missing: bool = False,
    jpeg: bool = False,
) -> tuple[Method, np.ndarray, str]:
    """Makes a method of the images in a folder, after a look at each of them.

    Args:
      folder: where the images are; folders inside it are not looked at.
      name: the method's name.
      tuples: names of sources and target of every tuple that there should be an image of.
      size: (H, W) of the images; of strips one panel's.
      files: file names in the tuples' order; None goes by names such as `FROM___TO.png`.
      checked: only the first so many tuples are scored, so their images alone are opened.
      allow_missing: whether to score what is there.
      jpeg: whether images that are no JPEGs make a JPEG round trip.

    Returns:
      (method, indices of the tuples that it can draw, what is wrong in one line or "").

    Raises:
      UserError: images are missing, unreadable or of another size, or belong to no tuple; the
        message says how many and which, and `allow_missing` mends it.
    """
    folder = Path(folder)
    present = _images(folder)
    if files is None:
        paths, extra = match_files(present, tuples, folder)
    else:
        paths = [folder / file for file in files]
        if len(set(tuples)) < len(tuples):
            raise UserError("`pairs` names a pair twice, and an image for each; keep one of them")
        extra = sorted(set(present) - set(paths))
    paths = paths[:checked]
    with ThreadPoolExecutor(_THREADS) as pool:
        looks = list(pool.map(lambda path: _look(path, size), paths))
    wanted = [file_name(names) for names in tuples] if files is None else files
    summary = _summary(folder, wanted[:checked], looks, extra)
    usable = np.array([i for i, look in enumerate(looks) if not look.problem], np.int64)
    if not len(usable):
        mend = f"; {_OTHER_NAMES}" if extra else ""
        raise UserError((summary or f"{folder}: there are no pairs to score") + mend)
    if summary and not allow_missing:
        raise UserError(f"{summary}; `allow_missing` scores the others")
    by_names = {tuples[i]: paths[i] for i in usable}
    digest = hashlib.sha256(b"".join(looks[i].digest for i in usable)).hexdigest()
    method = Method(
        name, len(tuples[0]) - 1, _reader(by_names, size, jpeg), f"{digest} {jpeg} {size}"
    )
    return method, usable, summary


def match_files(
    files: Iterable[Path], tuples: Sequence[Names], folder: Path
) -> tuple[list[Path | None], list[Path]]:
    """Returns the file of each tuple, by its name, and the files of none.

    Raises:
      UserError: two files are of one pair, or a name may be of several.
    """
    wanted = [_ends(names) for names in tuples]
    asked = set(wanted)
    if len(asked) < len(set(tuples)):
        raise UserError(
            f"{folder}: several tuples share a FROM and a TO; name their files in a column `image` "
            "of the CSV of `pairs`"
        )
    spelt = _spellings(tuples)
    known: dict[Ends, Path] = {}
    odd = []
    for path in files:
        ends = _ends_of_file(path, spelt, folder)
        if ends in known:
            raise UserError(f"{folder}: {known[ends].name} and {path.name} are of the same pair")
        if len(ends) == 2:
            known[ends] = path
        else:
            odd.append(path)
    extra = [path for ends, path in known.items() if ends not in asked]
    return [known.get(ends) for ends in wanted], extra + odd


def file_name(names: Names) -> str:
    """Returns how the image of a tuple may be called."""
    return f"{'___'.join(_ends(names))}.png"


def _summary(
    folder: Path, wanted: Sequence[str], looks: Sequence["_Look"], extra: Sequence[Path]
) -> str:
    """Returns what is wrong, with numbers and names; "" where nothing is."""
    seen = list(zip(wanted, looks, strict=True))
    problems = {
        "missing": [name for name, look in seen if look.problem == _MISSING],
        "in no pair": [path.name for path in extra],
        "of a wrong size or unreadable": [
            look.problem for look in looks if look.problem not in ("", _MISSING)
        ],
    }
    found = [f"{len(names):,} {what} ({_some(names)})" for what, names in problems.items() if names]
    return f"{folder}: of {len(wanted):,} images {'; '.join(found)}" if found else ""


def _images(folder: Path) -> dict[Path, None]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of generated images")
    own = list_files(folder, inside=False).files
    return {path: None for path in own if path.suffix.lower() in SUFFIXES}


class _Look(NamedTuple):
    digest: bytes
    problem: str


def _look(path: Path | None, size: tuple[int, int]) -> _Look:
    if path is None or not path.is_file():
        return _Look(b"", _MISSING)
    try:
        return _Look(
            hashlib.sha256(_read(path, size).tobytes() + path.suffix.encode()).digest(), ""
        )
    except UserError as error:
        return _Look(b"", str(error))


def _read(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Reads one generated image, uint8 [H, W, 3]; of a strip its last panel."""
    height, width = size
    image = read_image(path)
    if image.shape[:2] == (height, _PANELS * width):
        return image[:, -width:]
    if image.shape[:2] != size:
        raise UserError(
            f"{path.name} is {image.shape[0]}x{image.shape[1]}, not {height}x{width} or a strip "
            f"of {_PANELS}"
        )
    return image


def _reader(
    by_names: dict[Names, Path | None], size: tuple[int, int], jpeg: bool
) -> Callable[[NamedBatch], np.ndarray]:
    def read(names: Names) -> np.ndarray:
        path = by_names[names]
        assert path is not None
        image = _read(path, size)
        return jpeg_round_trip(image[None])[0] if jpeg and path.suffix.lower() == ".png" else image

    def generate(batch: NamedBatch) -> np.ndarray:
        with ThreadPoolExecutor(_THREADS) as pool:
            return np.stack(list(pool.map(read, map(tuple, batch["names"].tolist()))))

    return generate


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _spellings(tuples: Iterable[Names]) -> dict[str, set[Ends]]:
    """Returns what the images of tuples may be called: no separator tells FROM and TO apart."""
    found: dict[str, set[Ends]] = {}
    for names in tuples:
        ends = _ends(names)
        choices = ({names[0], ends[0]}, SEPARATORS, {names[-1], ends[1]})
        for spelling in itertools.product(*choices):
            found.setdefault("".join(spelling), set()).add(ends)
    return found


def _ends_of_file(path: Path, spelt: Mapping[str, set[Ends]], folder: Path) -> Ends:
    """Returns FROM and TO of a file's name; of a name that says nothing, less or more."""
    stem = path.stem.removesuffix("_vis")
    ends = spelt.get(stem, {tuple(map(_stem, stem.split("___")))})
    if len(ends) > 1:
        raise UserError(
            f"{folder}: {path.name} may be of several pairs; list the files by `pairs=CSV`, in a "
            "column `image`"
        )
    return next(iter(ends))


def _ends(names: Names) -> Ends:
    return _stem(names[0]), _stem(names[-1])


def _stem(name: str) -> str:
    """Returns a name without its suffix, or two: Market-1501 has some that end in .jpg.jpg."""
    while Path(name).suffix.lower() in SUFFIXES:
        name = name.rpartition(".")[0]
    return name
