"""The report: tables of the results, with the published rows and notes that belong to them.

The published rows are those of the paper's Tables 1 and 2, on Market-1501, not run here: Table 1 is
of the field's 12,000 pairs, Table 2 of tuples like ours. They compare with the columns SSIM, masked
SSIM, IS and masked IS, and with no other; `docs/evaluation.md` says how far.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pnr_jax.config import Config
from pnr_jax.evaluation import tables
from pnr_jax.evaluation.jobs import EvaluationSets, Options
from pnr_jax.evaluation.results import Result, Row
from pnr_jax.evaluation.scorers import Column, Scorer
from pnr_jax.evaluation.tables import NOTHING

_NO_HINTS: Mapping[str, str] = MappingProxyType({})

_SCORES = ("inception_score", "ssim", "masked_inception_score", "masked_ssim")
# Scores that our rows may lack.
PUBLISHED_COLUMNS = (
    Column("inception_score", "IS", 3),
    Column("masked_inception_score", "masked IS", 3),
)

# Method: IS, SSIM, mask-IS, mask-SSIM. *: unsupervised training.
_TABLE_1 = {
    "PG2": (3.460, 0.253, 3.435, 0.792),
    "Def-GAN": (3.185, 0.290, 3.502, 0.805),
    "PATN": (3.323, 0.311, 3.773, 0.811),
    "XingGAN": (3.506, 0.313, 3.872, 0.816),
    "pNR (LSE)": (3.435, 0.298, 3.741, 0.802),
    "pNR (LAD)": (3.631, 0.305, 3.796, 0.807),
    "SPT*": (3.449, 0.203, 3.680, 0.758),
    "pNR* (LSE)": (3.688, 0.241, 3.501, 0.783),
    "pNR* (LAD)": (3.681, 0.248, 3.610, 0.789),
}
_TABLE_2 = {
    ("Lathuilière et al.", 1): (3.251, 0.270, 3.614, 0.771),
    ("Lathuilière et al.", 3): (3.442, 0.291, 3.739, 0.783),
    ("Lathuilière et al.", 5): (3.444, 0.306, 3.814, 0.788),
    ("pNR (LAD)", 1): (3.631, 0.305, 3.796, 0.807),
    ("pNR (LAD)", 3): (3.642, 0.311, 3.804, 0.812),
    ("pNR (LAD)", 5): (3.629, 0.313, 3.804, 0.818),
    ("pNR* (LAD)", 1): (3.684, 0.248, 3.610, 0.789),
    ("pNR* (LAD)", 3): (3.640, 0.254, 3.616, 0.801),
    ("pNR* (LAD)", 5): (3.662, 0.259, 3.614, 0.805),
}


PUBLISHED = {
    ("market1501", "pairs"): {(name, 1): row for name, row in _TABLE_1.items()},
    ("market1501", "tuples"): _TABLE_2,
}


def write_report(
    results: Sequence[Result],
    sets: EvaluationSets,
    config: Config,
    options: Options,
    problems: Sequence[str],
    scorers: Sequence[Scorer],
    folder: Path,
    hints: Mapping[str, str] = _NO_HINTS,
) -> str:
    """Writes `table.md`, `table.json` and `table.tex`; returns the text for the terminal.

    Args:
      results: the results of all jobs.
      sets: the test sets.
      config: a configuration that names the data set.
      options: how the methods were scored.
      problems: a line for each folder that lacks images.
      scorers: the metrics, in the order of their columns.
      folder: where the files go.
      hints: how to get more columns, keyed by the score with which their names begin; a hint is
        shown if no row has its score.
    """
    columns = list(dict.fromkeys([*(c for s in scorers for c in s.columns), *PUBLISHED_COLUMNS]))
    shown = []
    for name in dict.fromkeys(result.test.name for result in results):
        rows = [_shown(result.row, config) for result in results if result.test.name == name]
        count = max(row["pairs"] for row in rows)
        comparable = config.image_size == config.data.image_size
        published = published_rows(config.data.name, name) if comparable else []
        shown.append(tables.Table(_title(name, count, config), rows + published, columns))
    whole = {test.name: len(test.examples.tuples) for test in (sets.single, sets.multi)}
    lines = notes(
        [row for table in shown for row in table.rows],
        limit=options.limit,
        whole=whole,
        jpeg=options.jpeg,
        problems=problems,
        scorers=scorers,
        hints=hints,
    )
    return tables.write_tables(shown, lines, folder)


def published_rows(data: str, which: str) -> list[dict[str, Any]]:
    """Returns a data set's published rows, none where nothing comparable was published.

    Args:
      data: name of the data set.
      which: "pairs", "tuples" or another set.

    >>> published_rows("market1501", "pairs")[2]["ssim"], published_rows("people", "tuples")
    (0.311, [])
    """
    return [
        {"method": name, "set": which, "sources": M, "published": True}
        | dict(zip(_SCORES, scores, strict=True))
        for (name, M), scores in PUBLISHED.get((data, which), {}).items()
    ]


def notes(
    rows: Sequence[Row],
    *,
    limit: int | None,
    whole: Mapping[str, int],
    jpeg: bool,
    problems: Sequence[str],
    scorers: Sequence[Scorer] = (),
    hints: Mapping[str, str] = _NO_HINTS,
) -> list[str]:
    """Returns the notes that apply to these rows.

    Args:
      rows: the rows of all tables.
      limit: how many of the first tuples of a set were scored; None: all.
      whole: the number of tuples in each set, by its name.
      jpeg: whether images were compressed to JPEG and decoded.
      problems: a line for each folder that lacks images.
      scorers: the metrics, whose own notes are added.
      hints: as in `write_report`.
    """
    ours = [row for row in rows if not row.get("published")]
    published = len(ours) < len(rows)
    lines = [f"Left out: {problem}." for problem in problems]
    if any(row.get("model") == "model_best" for row in ours):
        lines.append("Runs by model_best, of the lowest training L1; the latest is `model`.")
    for name in dict.fromkeys(row["set"] for row in ours):
        if limit is not None and limit < whole[name]:
            what = "listed pairs" if name == "listed" else name
            lines.append(
                f"The first {limit:,} of {whole[name]:,} {what} only: not the published protocol."
            )
    if any(row["set"] == "images" for row in ours):
        lines.append(
            "Reconstruction alone: nobody has a second image, so that no other pose can be scored, "
            "and copying the source is perfect."
        )
    if published:
        lines.append('"published": as the paper prints it, not run here.')
        if not any("inception_score" in row for row in ours):
            lines.append(
                f"{NOTHING} under IS and masked IS: they need Inception-v3 of 2015; "
                "docs/evaluation.md says where it is."
            )
    if jpeg:
        lines.append("Scored after a JPEG round trip of generated images and targets.")
    lines += dict.fromkeys(
        scorer.note
        for scorer in scorers
        if scorer.note and any(c.score in row for row in ours for c in scorer.columns)
    )
    absent = [
        hint
        for score, hint in hints.items()
        if not any(key.startswith(score) for row in ours for key in row)
    ]
    if absent:
        lines.append(
            f"More columns of launch/evaluate.py: {', '.join(absent)} (docs/evaluation.md)."
        )
    return lines


def _shown(row: Row, config: Config) -> Row:
    """Returns a row without masked scores, where the field has none to compare them with."""
    if config.data.masked_scores:
        return row
    kept = {key: value for key, value in row.items() if not key.startswith("masked_")}
    return kept | {"intervals": _shown(row["intervals"], config)} if "intervals" in row else kept


def _title(name: str, count: int, config: Config) -> str:
    what = {
        "pairs": "pairs, one source each",
        "tuples": "tuples; M sources of each are seen",
        "listed": "listed pairs",
        "images": "images, each drawn from itself in its own pose",
    }[name]
    return f"{config.data.title}: {count:,} {what}"
