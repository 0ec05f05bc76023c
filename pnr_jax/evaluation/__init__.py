"""The evaluation protocol: tables of methods, published rows beside them, and figures.

Rows: trained runs with M = 1, 3, 5 sources, other methods' images, and two trivial methods, "copy
source" and "mean image", below which nothing has been learnt. `docs/evaluation.md` says which
column compares with what.

    methods          what is scored: trained runs, trivial methods
    folders          images that another program drew, as a method
    jobs             runs, folders and test sets -> jobs
    scorers          the metrics; network_scorers those that need a network
    scoring          a job, chunk by chunk; chunks scored before are read back
    results          all jobs -> rows with their intervals
    tables, report   results -> tables, with published rows and notes
    pictures         results -> figures
"""

from collections.abc import Callable

from pnr_jax.evaluation.scorers import Scorer, pixel_scorer

METRICS: dict[str, Callable[[], Scorer]] = {
    "pixels": pixel_scorer,
}
"""The metrics that every evaluation computes; those that need files have flags of their own."""

__all__ = ["METRICS", "Scorer"]
