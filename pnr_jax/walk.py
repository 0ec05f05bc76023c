"""The files that a person has put into a folder or zip, apart from those that systems leave there.

Every reader of folders and zips follows this one rule and reports what it passed over.
"""

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

# Names that systems and programs put into folders, in lower case, beside those with a leading dot.
SYSTEM_NAMES = frozenset(
    {"__macosx", "icon\r", "network trash folder", "temporary items"}  # macOS
    | {"thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "recycler"}  # Windows
    | {"system volume information"}
    | {"@eadir", "@tmp", "#recycle", "#snapshot"}  # Synology
    | {"@recycle", "@__thumb", "@recently-snapshot"}  # QNAP
    | {"lost+found", "~snapshot", "__pycache__"}
)


class Found(NamedTuple):
    """The files of a folder.

    Attributes:
      files: paths, sorted.
      passed_over: names within the folder, of whole folders too, some with the reason; sorted.
    """

    files: list[Path]
    passed_over: list[str]


class Entries(NamedTuple):
    """The files of a zip.

    Attributes:
      files: paths within it, with slashes, and the entries.
      passed_over: as in `Found`.
    """

    files: list[tuple[PurePosixPath, zipfile.ZipInfo]]
    passed_over: list[str]


def is_of_the_system(name: str) -> bool:
    """Returns whether the name of a file or folder is hidden or given by a system.

    >>> [is_of_the_system(name) for name in ("anna", "._1.jpg", "Thumbs.db", "..")]
    [False, True, True, False]
    """
    return name != ".." and (name.startswith(".") or name.lower() in SYSTEM_NAMES)


def list_files(folder: str | Path, inside: bool = True) -> Found:
    """Lists the files of a folder and, with `inside`, of the folders inside it.

    Links are followed. A folder is entered once, by its own name rather than by a link's, and a
    link to a folder above is not followed.

    Raises:
      OSError: a folder cannot be read.
    """
    top = Path(folder)
    files: list[Path] = []
    passed_over: list[str] = []
    folders, links, entered = [top], list[Path](), set[str]()
    while folders or links:
        path = folders.pop() if folders else links.pop()
        real = os.path.realpath(path)
        if real in entered or (path != top and _is_above(real, (top, path.parent))):
            passed_over.append(f"{path.relative_to(top)} (a link to a folder that is known)")
            continue
        entered.add(real)
        for entry in os.scandir(path):
            found, name = Path(entry.path), os.path.relpath(entry.path, top)
            if is_of_the_system(entry.name):
                passed_over.append(name)
            elif found.is_file():
                files.append(found)
            elif not found.is_dir():
                passed_over.append(f"{name} (a link to nowhere, or no file)")
            elif inside:
                (links if entry.is_symlink() else folders).append(found)
        links.sort(reverse=True)
    return Found(sorted(files), sorted(passed_over))


def list_entries(archive: zipfile.ZipFile) -> Entries:
    """Lists the files of a zip, whose paths may have the backslashes of Windows."""
    files = []
    passed_over: dict[str, None] = {}  # Each once: a folder's files go by its name.
    for entry in archive.infolist():
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        odd = next((i for i, part in enumerate(path.parts) if is_of_the_system(part)), None)
        if odd is not None:
            passed_over["/".join(path.parts[: odd + 1])] = None
        elif not entry.filename.endswith(("/", "\\")):
            files.append((path, entry))
    return Entries(files, sorted(passed_over))


def _is_above(real: str, paths: Iterable[Path]) -> bool:
    """Returns whether a resolved folder is, or holds, one of the paths."""
    return any(Path(os.path.realpath(path)).is_relative_to(real) for path in paths)
