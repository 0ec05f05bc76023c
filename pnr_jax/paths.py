"""Where a run or a data set lies: a path on a disk, or `gs://BUCKET/...` in Google Cloud Storage.

What a user names becomes a path by `to_path`: a `pathlib.Path`, or an `epath.Path`, which has the
same methods and reads and writes objects by gcsfs (the extra `[gcs]`). pathlib itself would make
the folder `gs:` of it. A bucket has no folders, renames nothing at once and has no locks; an object
is there whole or not at all.
"""

import contextlib
import functools
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from pnr_jax.errors import UserError, first_line

_INSTALLED = importlib.util.find_spec("gcsfs") is not None
if _INSTALLED:
    # etils, which Orbax goes by too, would take TensorFlow's access to buckets where TensorFlow is
    # installed, and asks but once: let it be gcsfs, whatever else is there.
    os.environ.setdefault("EPATH_USE_TF", "false")


def to_path(path: str | Path) -> Path:
    """Returns a path on the disk, `~` being the home folder, or in a bucket, which must be there.

    >>> to_path("runs/a").name, to_path("runs/a").is_absolute()
    ('a', False)

    Raises:
      UserError: it is no `gs://BUCKET/...`, gcsfs is not installed, or the bucket cannot be read.
    """
    text = os.fspath(path)
    if not is_remote(text):
        if isinstance(path, Path) and re.match("gs:/[^/]", text):  # `Path` leaves one slash.
            raise UserError(f"{text}: a bucket's address must be a string, not a `Path`")
        return _expanded(text)
    bucket = re.fullmatch("gs://([^/]+)(/.*)?", text)
    if bucket is None:
        raise UserError(f"{text}: of places with '://', only gs://BUCKET/... is known")
    if not _INSTALLED:
        raise UserError(f"{text}: buckets need gcsfs; pip install 'pnr-jax[gcs]'")
    _check_bucket(bucket[1])
    from etils import epath

    return cast(Path, epath.Path(text))


def is_remote(path: str | Path) -> bool:
    """Returns whether a path, or its text, is in a bucket.

    >>> is_remote("gs://bucket/run"), is_remote("runs/gs:/a")
    (True, False)
    """
    return re.match(r"\w+://", os.fspath(path)) is not None


def absolute(path: str | Path) -> Path:
    """Returns the path from the root, links followed; in a bucket it is that already."""
    return to_path(path) if is_remote(path) else to_path(path).resolve()


def create(path: Path, data: bytes) -> bool:
    """Writes a file that is not there yet; returns False if it is, or another process is faster."""
    try:
        if is_remote(path):
            _file_system().pipe_file(os.fspath(path), data, mode="create")
        else:
            with path.open("xb") as file:
                file.write(data)
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def local_copy(path: str | Path) -> Iterator[Path]:
    """Yields a file on this disk: `path` itself, or a copy of an object while the block runs."""
    path = to_path(path)
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(path.read_bytes())
        yield copy


def write_bytes(path: Path, data: bytes) -> None:
    """Writes an object of a bucket, whole.

    Raises:
      OSError: it cannot be written; gcsfs has errors of many other types.
    """
    try:
        path.write_bytes(data)
    except Exception as error:
        raise OSError(f"{path}: cannot be written ({first_line(error)})") from error


def is_bucket_error(error: Exception) -> bool:
    """Returns whether gcsfs, its HTTP client or Google's credentials raised an error."""
    return re.match(r"(gcsfs|aiohttp|google\.auth)\b", type(error).__module__) is not None


def move(source: Path, target: Path) -> None:
    """Renames a file or folder; in a bucket its objects, one after the other."""
    if is_remote(source):
        _file_system().mv(os.fspath(source), os.fspath(target), recursive=True)
    else:
        source.rename(target)


def remove_tree(path: Path) -> None:
    """Removes a folder with all that is in it, if it is there."""
    if is_remote(path):
        cast(Any, path).rmtree(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _expanded(text: str) -> Path:
    """Returns a path on the disk, `~` being the home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # Of a user whom nobody knows: it may be a file's name.
        return Path(text)


@functools.cache
def _check_bucket(name: str) -> None:
    """Raises a `UserError` if a bucket does not answer, or refuses to be read.

    Later the same would look like an empty bucket, since that is what `exists` says then.
    """
    try:
        _file_system().info(name)
    except Exception as error:
        raise UserError(
            f"gs://{name}: cannot be read ({type(error).__name__}: {first_line(error)}); does the "
            "bucket exist, and may the account of gcloud auth application-default login read it?"
        ) from None


@functools.cache
def _file_system() -> Any:
    """Returns gcsfs, without a memory of listings: other processes write to the bucket too.

    Settings and instances are shared by all who ask fsspec, so etils gets the same.
    """
    import fsspec

    for protocol in ("gs", "gcs"):
        fsspec.config.conf.setdefault(protocol, {}).setdefault("use_listings_cache", False)
    return fsspec.filesystem("gcs", finalize_on_close=True)
