"""Files that are either whole or absent."""

import codecs
import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from pnr_jax.errors import UserError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, renamed to it when the block ends well.

    A reader sees the old file or the new one, never half of either; a failed block leaves nothing.
    Who may read it is decided by the umask, and asked of no file system that cannot tell.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_utf8(name: str) -> bool:
    r"""Returns whether a name is UTF-8 on the disk, not other bytes as the system gave them.

    >>> is_utf8("müller"), is_utf8("m\udcfcller")
    (True, False)
    """
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, in one rename.

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
    path = Path(path)
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
