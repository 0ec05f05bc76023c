"""The files of a data set as it is handed out: a folder, or a zip that is read where it lies."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from pnr_jax import walk
from pnr_jax.archives import read_entry
from pnr_jax.errors import UserError

MOST_BYTES = 16 << 20  # Of an image file; published ones have 1 to 300 kB.
ENCRYPTED = 0x1  # In the flags of an entry.

Read = Callable[[], bytes]


class RawFiles(NamedTuple):
    """What is in a folder or a zip.

    Attributes:
      files: (path, reader of its bytes) of each.
      passed_over: names that systems gave.
    """

    files: Sequence[tuple[PurePath, Read]]
    passed_over: list[str]


def list_raw_files(source: Path) -> RawFiles:
    """Lists a folder or a zip; nothing is unpacked to the disk, so no path in it leads anywhere.

    Raises:
      UserError: `source` is absent, no zip, or encrypted.
    """
    if source.is_dir():
        found = walk.list_files(source)
        return RawFiles([(path, path.read_bytes) for path in found.files], found.passed_over)
    if not source.exists():
        raise UserError(f"`source={source}`: no such file or folder")
    try:
        archive = zipfile.ZipFile(source)
    except Exception:  # zipfile raises a dozen kinds for damage.
        raise UserError(f"`source={source}`: neither a folder nor a sound zip file") from None
    entries = walk.list_entries(archive)
    if any(entry.flag_bits & ENCRYPTED for _, entry in entries.files):
        raise UserError(
            f"`source={source}`: is encrypted; unpack it with its owners' password, by 'unzip -P "
            f"PASSWORD {source.name}' or 7-Zip, and name the folder"
        )
    readers = [(path, _reader(archive, entry)) for path, entry in entries.files]
    return RawFiles(readers, entries.passed_over)


def _reader(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Read:
    def read() -> bytes:
        try:
            return read_entry(archive, entry, MOST_BYTES)
        except ValueError as error:
            reason = " ".join(f"{entry.filename} is damaged ({error})".split())[:300]
            raise UserError(f"{archive.filename}: {reason}") from None

    return read
