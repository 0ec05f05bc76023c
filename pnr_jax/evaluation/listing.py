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
    lines = [line for line in read_lines(path, "pairs") if line.strip()]
    if not lines or not lines[0].replace(" ", "").endswith(",image"):
        return Listing(read_tuples(path), None)
    columns = lines[0].count(",") + 1
    rows = [tuple(field.strip() for field in line.split(",")) for line in lines[1:]]
    for number, row in enumerate(rows, start=2):
        if len(row) != columns or not all(row):
            raise UserError(f"{path}:{number}: expected {columns} names, found {len(row)}")
    return Listing([row[:-1] for row in rows], [row[-1] for row in rows])
