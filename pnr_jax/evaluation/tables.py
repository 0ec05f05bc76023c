"""The table of the results: Markdown, JSON, LaTeX, and the single images' scores as CSV."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pnr_jax.errors import UserError
from pnr_jax.evaluation.results import Result, Row
from pnr_jax.evaluation.scorers import Column
from pnr_jax.files import is_utf8, write_text

NOTHING = "—"


class Table(NamedTuple):
    """Rows of one test set.

    Attributes:
      title: the data set and its size.
      rows: ours, then the published ones.
      columns: the scores; a column without any score is left out.
    """

    title: str
    rows: list[Row]
    columns: Sequence[Column]


def markdown(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Formats the tables as Markdown, readable in a terminal too, with a line for each note."""
    blocks = [f"{table.title}\n\n{_pipes(_cells(table))}" for table in tables]
    return "\n\n".join([*blocks, *notes]) + "\n"


def intervals(tables: Sequence[Table]) -> str:
    """Formats the 95% intervals of our rows' scores like the tables."""
    blocks = []
    for table in tables:
        ours = [row for row in table.rows if "intervals" in row]
        columns = [c for c in table.columns if any(c.score in r["intervals"] for r in ours)]
        head = ["method", "M", *(column.heading for column in columns)]
        lines = [[row["method"], str(row["sources"]), *_ranges(row, columns)] for row in ours]
        blocks.append(f"{table.title}\n\n{_pipes([head, *lines])}")
    return "\n\n".join(blocks) + "\n"


def latex(tables: Sequence[Table]) -> str:
    """Formats the tables for a paper, with the commands of the package booktabs."""
    blocks = []
    for table in tables:
        head, *lines = [[_escape(cell) for cell in line] for line in _cells(table)]
        blocks.append(
            f"% {table.title}\n\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}\n\\toprule\n"
            + " & ".join(head)
            + " \\\\\n\\midrule\n"
            + "".join(" & ".join(line) + " \\\\\n" for line in lines)
            + "\\bottomrule\n\\end{tabular}\n"
        )
    return "\n".join(blocks)


def write_tables(tables: Sequence[Table], notes: Sequence[str], folder: Path) -> str:
    """Writes `table.md`, `table.json` and `table.tex`; returns the text for the terminal."""
    shown = markdown(tables, notes)
    ranges = intervals(tables)
    heading = "## 95% intervals\n\nBootstrap over people: for other people, not other photos."
    write_text(folder / "table.md", f"{shown}\n{heading}\n\n{ranges}")
    rows = [row for table in tables for row in table.rows]
    write_text(folder / "table.json", json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "table.tex", latex(tables))
    return shown


def write_scores(result: Result, folder: Path) -> Path:
    """Writes the scores of the single images as CSV, a line for each pair or tuple."""
    images, tuples = result.test.examples
    M = result.method.sources
    head = ["from", "to"] if M == 1 else [*(f"from_{i}" for i in range(M)), "to"]
    lines = [",".join([*head, *result.scores])]
    for row, scores in zip(tuples, zip(*result.scores.values(), strict=True), strict=True):
        names = [images.names[i] for i in (*row[:M], row[-1])]
        lines.append(",".join([*names, *(f"{score:.6g}" for score in scores)]))
    path = folder / f"{slug(result.method.name)}-{result.test.name}-{M}.csv"
    write_text(path, "\n".join(lines) + "\n")
    return path


def check_method_names(names: Sequence[str]) -> None:
    """Raises a `UserError` for names of methods that are not UTF-8, or share a file of scores."""
    seen: dict[str, str] = {}
    for name in ("copy source", "mean image", *names):
        if not is_utf8(name):
            raise UserError(f"{name!r}: the name is not UTF-8; choose another `name`")
        if slug(name) in seen:
            raise UserError(
                f"two methods would be called {name!r}; choose another `name` for one of "
                "`generated`, or name a run or folder once"
            )
        seen[slug(name)] = name


def slug(name: str) -> str:
    """Returns a method's name as it stands in file names.

    >>> slug("pNR* (LAD)")
    'pnr-unsupervised-lad'
    """
    words = name.lower().replace("*", " unsupervised ")
    return re.sub(r"[^\w.]+", "-", words).strip("-.") or "method"


def _cells(table: Table) -> list[list[str]]:
    columns = [c for c in table.columns if any(c.score in row for row in table.rows)]
    head = ["method", "M", *(column.heading for column in columns)]
    lines = []
    for row in table.rows:
        published = row.get("published", False)
        name = f"{row['method']}, published" if published else row["method"]
        scores = [_number(row, c.score, 3 if published else c.digits) for c in columns]
        lines.append([name, str(row["sources"]), *scores])
    return [head, *lines]


def _number(row: Row, score: str, digits: int) -> str:
    return f"{row[score]:.{digits}f}" if score in row else NOTHING


def _ranges(row: Row, columns: Sequence[Column]) -> list[str]:
    ranges = []
    for column in columns:
        low, high = row["intervals"].get(column.score, (None, None))
        digits = column.digits
        ranges.append(NOTHING if low is None else f"{low:.{digits}f} to {high:.{digits}f}")
    return ranges


def _pipes(cells: Sequence[Sequence[str]]) -> str:
    """Formats a Markdown table whose columns line up in a terminal too."""
    widths = [max(3, *(len(line[i]) for line in cells)) for i in range(len(cells[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [line[0].ljust(widths[0])]
        + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        for line in (cells[0], rule, *cells[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(cell: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", cell).replace("*", "$^*$").replace(NOTHING, "---")
