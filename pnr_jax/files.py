"""Reading and writing files; a written file is either whole or absent, on a disk or in a bucket."""

import codecs
import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pnr_jax.errors import UserError
from pnr_jax.paths import is_remote, to_path, write_bytes


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, renamed to it when the block succeeds.

    A reader sees the old file or the new one, never half of either; a failed block leaves nothing.
    Who may read it is decided by the umask, and asked of no file system that cannot tell. For a
    bucket the temporary file lies on this disk, and becomes an object at the end.
    """
    path = to_path(path)
    if is_remote(path):
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / path.name
            yield temporary
            write_bytes(path, temporary.read_bytes())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Staging:
    """A folder for what can write to disks alone: the folder itself, or one that is copied.

    Attributes:
      path: the folder on this disk.
    """

    def __init__(self, folder: Path, last: str = ""):
        """Makes a temporary folder if `folder` is in a bucket.

        Args:
          folder: where the files belong.
          last: a bucket gets the files with this in their names after all others.
        """
        self._folder, self._last = folder, last
        self._temporary = tempfile.TemporaryDirectory() if is_remote(folder) else None
        self.path = Path(self._temporary.name) if self._temporary else folder

    def upload(self) -> None:
        """Copies the files as they are now to the bucket, each as a whole."""
        files = self.path.rglob("*") if self._temporary else ()
        for file in sorted(files, key=lambda file: (self._last in file.name, file)):
            if file.is_file():
                write_bytes(self._folder / file.relative_to(self.path), file.read_bytes())

    def close(self) -> None:
        """Removes the temporary folder."""
        if self._temporary:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Copies the files if the block succeeded."""
        try:
            if kind is None:
                self.upload()
        finally:
            self.close()


def is_utf8(name: str) -> bool:
    r"""Returns whether a name is UTF-8 on the disk, not other bytes as the system gave them.

    >>> is_utf8("müller"), is_utf8("m\udcfcller")
    (True, False)
    """
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, whole.

    Raises:
      UserError: it holds a name that is not UTF-8, as the system gave it.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        name = error.object[max(0, error.start - 20) : error.end + 20]
        raise UserError(f"{path}: cannot hold {name!r}, which is not UTF-8; rename it") from None
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_text(path: str | Path, what: str) -> str:
    """Returns the text of a UTF-8 file, whatever the locale, without a byte order mark.

    Args:
      path: the file.
      what: how to call it in the message, e.g. "annotations".

    Raises:
      UserError: there is no such file, or it is in another encoding or no text.
    """
    path = to_path(path)
    if not path.is_file():
        raise UserError(f"{what} file not found: {path}")
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        raise UserError(f"{path}: is UTF-16 or UTF-32; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: not a text file of UTF-8 (line {line}); save the {what} as UTF-8"
        ) from None
    if "\0" in text:  # As UTF-16 has them, without a mark too.
        raise UserError(
            f"{path}: not a text file of UTF-8, but with NULs; save the {what} as UTF-8"
        )
    return text


def read_lines(path: str | Path, what: str) -> list[str]:
    """Returns the lines of a UTF-8 file, as `read_text` reads it.

    Lines end with LF or CR LF: names may hold what else Unicode calls a line's end.
    """
    text = read_text(path, what)
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
