"""Results -> the tables, with the published rows and the notes that belong to them."""

from collections.abc import Sequence
from pathlib import Path

from pnr_jax.config import Config
from pnr_jax.evaluation import tables
from pnr_jax.evaluation.entrants import Rules, Sets
from pnr_jax.evaluation.notes import notes
from pnr_jax.evaluation.published import COLUMNS as PUBLISHED_COLUMNS
from pnr_jax.evaluation.published import published_rows
from pnr_jax.evaluation.scorers import Scorer
from pnr_jax.evaluation.summary import Result, Row


def write_tables(
    results: Sequence[Result],
    sets: Sets,
    config: Config,
    rules: Rules,
    problems: Sequence[str],
    scorers: Sequence[Scorer],
    folder: Path,
) -> str:
    """Writes `table.md`, `table.json` and `table.tex`; returns what a terminal shows.

    Args:
      results: of all jobs.
      sets: what they were asked for.
      config: of the data.
      rules: how they were scored.
      problems: a line a folder that images were missing from.
      scorers: the metrics, in the order of their columns.
      folder: to write to.
    """
    columns = list(dict.fromkeys([*(c for s in scorers for c in s.columns), *PUBLISHED_COLUMNS]))
    made = []
    for name in dict.fromkeys(result.test.name for result in results):
        rows = [_shown(result.row, config) for result in results if result.test.name == name]
        count = max(row["pairs"] for row in rows)
        comparable = config.image_size == config.data.image_size
        published = published_rows(config.data.name, name) if comparable else []
        made.append(tables.Table(_title(name, count, config), rows + published, columns))
    whole = {test.name: len(test.examples.tuples) for test in (sets.single, sets.multi)}
    lines = notes(
        [row for table in made for row in table.rows],
        limit=rules.limit,
        whole=whole,
        jpeg=rules.jpeg,
        problems=problems,
    )
    return tables.write_tables(made, lines, folder)


def _shown(row: Row, config: Config) -> Row:
    """A row without masked scores, where the field has none to compare them with."""
    if config.data.masked_scores:
        return row
    kept = {key: value for key, value in row.items() if not key.startswith("masked_")}
    return kept | {"intervals": _shown(row["intervals"], config)} if "intervals" in row else kept


def _title(name: str, count: int, config: Config) -> str:
    what = {
        "pairs": "pairs, one source each",
        "tuples": "tuples; M sources of each are seen",
        "listed": "pairs of --pairs",
        "images": "images, each drawn from itself in its own pose",
    }[name]
    return f"{config.data.title}: {count:,} {what}"
