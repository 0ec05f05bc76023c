"""Results -> the tables, with the published rows and the notes that belong to them."""

from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from pnr_jax.evaluation import tables
from pnr_jax.evaluation.entrants import Rules, Sets
from pnr_jax.evaluation.notes import notes
from pnr_jax.evaluation.published import published_rows
from pnr_jax.evaluation.summary import Result

_PUBLISHED_SIZE = (128, 64)


def write_tables(
    results: Sequence[Result],
    sets: Sets,
    config: ConfigDict,
    rules: Rules,
    problems: Sequence[str],
    folder: Path,
) -> str:
    """Writes `table.md`, `table.json` and `table.tex`; returns what a terminal shows.

    Args:
      results: of all jobs.
      sets: what they were asked for.
      config: of the data.
      rules: how they were scored.
      problems: a line a folder that images were missing from.
      folder: to write to.
    """
    made = []
    for name in dict.fromkeys(result.test.name for result in results):
        rows = [result.row for result in results if result.test.name == name]
        count = max(row["pairs"] for row in rows)
        # The paper's tables are of its own 12,000 pairs and of tuples like ours.
        comparable = config.data.name == "market1501" and config.image_size == _PUBLISHED_SIZE
        published = published_rows(name) if comparable and name != "listed" else []
        made.append(tables.Table(_title(name, count, config), rows + published))
    whole = {test.name: len(test.examples.tuples) for test in (sets.single, sets.multi)}
    lines = notes(
        [row for table in made for row in table.rows],
        limit=rules.limit,
        whole=whole,
        jpeg=rules.jpeg,
        problems=problems,
    )
    return tables.write_tables(made, lines, folder)


def _title(name: str, count: int, config: ConfigDict) -> str:
    data = {"people": "drawn people", "market1501": "Market-1501", "folder": "own people"}
    what = {
        "pairs": "pairs, one source each",
        "tuples": "tuples; M sources of each are seen",
        "listed": "pairs of --pairs",
    }[name]
    return f"{data[config.data.name]}: {count:,} {what}"
