"""A CSV that says what to score, and which image is of which pair."""

from pathlib import Path
from typing import NamedTuple

from pnr_jax.data.pairs import read_tuples
from pnr_jax.errors import UserError
from pnr_jax.files import read_lines


class Listing(NamedTuple):
    """A CSV of pairs or tuples.

    Attributes:
      tuples: names of sources and target.
      files: the generated image of each, where the CSV has the column `image`.
    """

    tuples: list[tuple[str, ...]]
    files: list[str] | None


def read_listing(path: str | Path) -> Listing:
    """Reads a CSV `from,to` or `from_0,...,to`, with or without a last column `image`.

    Raises:
      UserError: the file is missing or of another form; the message names the line.
    """
    head, *lines = read_lines(path, "pairs") or [""]
    if not head.replace(" ", "").endswith(",image"):
        return Listing(read_tuples(path), None)
    columns = head.count(",") + 1
    rows = []
    for number, line in enumerate(lines, start=2):
        row = tuple(field.strip() for field in line.split(","))
        if not line.strip():
            continue
        if len(row) != columns or not all(row):
            raise UserError(f"{path}:{number}: expected {columns} names, found {len(row)}")
        rows.append(row)
    return Listing([row[:-1] for row in rows], [row[-1] for row in rows])
