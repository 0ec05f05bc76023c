"""How other programs name the images that they draw from FROM in the pose of TO.

| name | whose |
| --- | --- |
| `FROM___TO.png`, `FROM.jpg___TO.jpg_vis.jpg` | PATN and its descendants |
| `FROM_2_TO.png`, `FROM_2_TO_vis.png` | GFLA, PIDM |
| `FROM.jpg_TO.jpg.png` | Def-GAN |

FROM and TO stand with or without their `.jpg`, in each of them.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pnr_jax.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg")
SEPARATORS = ("___", "_2_", "_")

Names = tuple[str, ...]
Ends = tuple[str, ...]  # (FROM, TO) without their suffixes.


def match(
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
            "of the CSV of --pairs"
        )
    spelt = _spellings(tuples)
    known: dict[Ends, Path] = {}
    odd = []
    for path in files:
        ends = _read(path, spelt, folder)
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


def _spellings(tuples: Iterable[Names]) -> dict[str, set[Ends]]:
    """Returns what the images of tuples may be called: no separator tells FROM and TO apart."""
    found: dict[str, set[Ends]] = {}
    for names in tuples:
        ends = _ends(names)
        choices = ({names[0], ends[0]}, SEPARATORS, {names[-1], ends[1]})
        for spelling in itertools.product(*choices):
            found.setdefault("".join(spelling), set()).add(ends)
    return found


def _read(path: Path, spelt: Mapping[str, set[Ends]], folder: Path) -> Ends:
    """Returns FROM and TO of a file's name; of a name that says nothing, less or more."""
    stem = path.stem.removesuffix("_vis")
    ends = spelt.get(stem, {tuple(map(_stem, stem.split("___")))})
    if len(ends) > 1:
        raise UserError(
            f"{folder}: {path.name} may be of several pairs; list the files by --pairs=CSV, in a "
            "column `image`"
        )
    return next(iter(ends))


def _ends(names: Names) -> Ends:
    return _stem(names[0]), _stem(names[-1])


def _stem(name: str) -> str:
    """A name without its suffix, or two: Market-1501 has some that end in .jpg.jpg."""
    while Path(name).suffix.lower() in SUFFIXES:
        name = name.rpartition(".")[0]
    return name
