"""Scores a trained run on identities it never saw; writes WORKDIR/evaluation/.

python launch/evaluate.py --workdir=runs/quickstart
"""

from pathlib import Path

import numpy as np
from absl import flags

from pnr_jax import cli, config, evaluation
from pnr_jax.data import sources
from pnr_jax.data.images import read_image
from pnr_jax.errors import UserError
from pnr_jax.transfer import PoseTransfer

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data set; the run's by default.")
SOURCES = flags.DEFINE_list("sources", ["1", "3", "5"], "Numbers of source images, M.")
LIMIT = flags.DEFINE_integer(
    "limit", None, "Score the first N pairs and tuples only.", lower_bound=1
)
MODEL = flags.DEFINE_enum(
    "model", "model", ["model", "model_best"], "The latest, or the one of the lowest training L1."
)
flags.mark_flag_as_required("workdir")


def main() -> None:
    """Evaluates."""
    workdir = Path(WORKDIR.value)
    settings = config.load(workdir)
    if DATA_DIR.value is not None:
        settings.data_dir = str(Path(DATA_DIR.value).resolve())
    transfer = PoseTransfer.load(workdir, MODEL.value)
    methods = evaluation.model_methods(_name(settings), transfer, _sources())
    trivial = evaluation.trivial_methods(read_image(workdir / "mean_image.png"))
    rows = []
    pairs = _limited(sources.load_test(settings, "pairs"))
    for method in (*trivial, *(m for m in methods if m.sources == 1)):
        rows.append(evaluation.evaluate(method, pairs, "pairs"))
    tuples = _limited(sources.load_test(settings, "tuples"))
    for method in methods:
        rows.append(evaluation.evaluate(method, tuples, "tuples"))
    folder = workdir / "evaluation"
    print(evaluation.write_table(rows, folder))
    for path in evaluation.write_figures(methods, tuples, folder):
        print(path)


def _name(settings: config.ConfigDict) -> str:
    loss = {1: "LAD", 2: "LSE"}.get(settings.model.p, f"p = {settings.model.p}")
    return f"pNR{'' if settings.supervised else '*'} ({loss})"


def _sources() -> list[int]:
    try:
        counts = sorted({int(count) for count in SOURCES.value})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1 or counts[-1] > 5:
        raise UserError(f"--sources={','.join(SOURCES.value)}: expected numbers from 1 to 5")
    return counts


def _limited(examples: sources.Examples) -> sources.Examples:
    return examples._replace(tuples=np.asarray(examples.tuples[: LIMIT.value]))


if __name__ == "__main__":
    cli.run(main)
