"""The files of a prepared data set: DATA_DIR/NAME with a packed file and tuples of each split."""

from pathlib import Path

from pnr_jax.data import packed as packed_lib
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.images import Images
from pnr_jax.errors import UserError
from pnr_jax.paths import to_path


def packed_file(split: str) -> str:
    """Returns the name of a split's packed file."""
    return f"packed-{split}.npz"


def tuples_file(split: str, kind: str) -> str:
    """Returns the name of a split's "pairs" or "tuples"."""
    return f"{kind}-{split}.csv"


def prepared_folder(data_dir: str | Path, name: str) -> Path:
    """Returns DATA_DIR/NAME.

    Args:
      data_dir: the folder of prepared data sets.
      name: the data set's; `launch/prepare_NAME.py` makes it.

    Raises:
      UserError: it is no prepared data set.
    """
    folder = to_path(data_dir) / name
    if not (folder / packed_file("train")).is_file():
        raise UserError(
            f"`data_dir={data_dir}`: no prepared data set {name!r} there; "
            f"run launch/prepare_{name}.py first"
        )
    return folder


def read_images(folder: Path, split: str) -> Images:
    """Decodes a split into memory, sorted by name."""
    path = folder / packed_file(split)
    return packed_lib.unpack(packed_lib.read_packed(path), str(path))


def read_tuples(folder: Path, split: str, kind: str) -> tuple[str, list[tuple[str, ...]]]:
    """Reads the "pairs" or "tuples" of a split; returns their file too, for messages."""
    path = folder / tuples_file(split, kind)
    return str(path), pairs_lib.read_tuples(path)
