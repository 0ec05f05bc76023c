"""The user's own people: FOLDER/IDENTITY/*.jpg, and the data set prepared from it.

DATA_DIR/folder trains and evaluates as Market-1501 does:

| file | |
| --- | --- |
| `packed-{train,test}.npz` | cropped people with their keypoints (`pnr_jax.data.packed`) |
| `pairs-{train,test}.csv`, `tuples-test.csv` | by Market-1501's rules |
| `images/IDENTITY_NAME.png`, `annotations.csv` | the same people, for programs that take files |

`pnr_jax.data.folder_builder` writes it.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pnr_jax.data import prepared
from pnr_jax.data.annotations import check_names
from pnr_jax.data.formats import SUFFIXES
from pnr_jax.data.images import Images
from pnr_jax.data.protocol import DataSet, Kind, Split, Tuples
from pnr_jax.errors import UserError
from pnr_jax.walk import list_files


@dataclass(frozen=True)
class Folder(DataSet):
    """The user's own people, prepared by `launch/prepare_folder.py`."""

    title: ClassVar[str] = "own people"
    subject: ClassVar[str] = "images of its user's own"
    licence: ClassVar[str] = (
        "What may be done with this model and its images is up to the owner of those images and to "
        "the people whom they show."
    )
    name: str = "folder"

    def load(self, data_dir: str, split: Split) -> Images:
        """Returns a split's images."""
        return prepared.read_images(prepared_folder(self.named(data_dir)), split)

    def load_tuples(
        self, data_dir: str, split: Split, kind: Kind, images: Images
    ) -> tuple[str, Tuples]:
        """Returns pairs, or tuples of five sources."""
        del images
        return prepared.read_tuples(prepared_folder(self.named(data_dir)), split, kind)


def list_images(folder: str | Path) -> dict[str, Path]:
    """Lists a folder's images and its sub-folders': {name: path}; names are relative, sorted.

    Raises:
      UserError: no folder, none inside, or a name that the CSV cannot hold.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    found = {
        path.relative_to(folder).as_posix(): path
        for path in list_files(folder).files
        if path.suffix.lower() in SUFFIXES
    }
    if not found:
        raise UserError(f"{folder}: no image inside ({', '.join(sorted(SUFFIXES))})")
    check_names(found, folder)
    return found


def match_rows(names: Collection[str], annotations: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Returns {image: name of its row}; images without a row are left out.

    A row is called by the image's path or its file name, with the suffix or, as OpenPose's JSON
    has it, without.

    Raises:
      UserError: several images have the file name that a row is called by.
    """
    count = Counter(call for name in names for call in set(_calls(name)[1:]))
    rows = {}
    for name in names:
        call = next((call for call in _calls(name) if call in annotations), None)
        if call is None:
            continue
        if call != name and count[call] > 1:
            raise UserError(
                f"the annotations' row {call} may be of any of {count[call]} images; "
                f"call each by its path, as {name}"
            )
        rows[name] = call
    return rows


def _calls(name: str) -> tuple[str, str, str, str]:
    """Returns what a row of an image may be called, the surest first."""
    file = name.rpartition("/")[2]
    return name, name.rpartition(".")[0], file, file.rpartition(".")[0]


def prepared_folder(data_dir: str | Path) -> Path:
    """Returns DATA_DIR/folder.

    Raises:
      UserError: it is no prepared folder.
    """
    return prepared.prepared_folder(data_dir, "folder")
