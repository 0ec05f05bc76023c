"""Computes by how much one method's scores differ from another's on the same images.

    python -m benchmarks.paired scores/pnr-lad-pairs-1.csv scores/pnr-lse-pairs-1.csv

The files are those that `launch/evaluate.py` writes to `evaluation/`. Each image's score in the
first file is subtracted from its score in each other file. The 95% interval is a bootstrap over
people, as in the evaluation. It is narrower than those of the two means, since both methods see the
same images.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from benchmarks.turns import table
from pnr_jax.data.images import before_underscore
from pnr_jax.evaluation.results import bootstrap

SCORES = ("ssim", "masked_ssim", "ssim_inside_mask", "l1")


def read(path: str) -> dict[str, list[str]]:
    """Reads the columns of a file of scores."""
    rows = list(csv.DictReader(Path(path).read_text(encoding="utf-8").splitlines()))
    return {name: [row[name] for row in rows] for name in rows[0]}


def difference(found: np.ndarray, base: np.ndarray, people: np.ndarray) -> str:
    """Returns the mean difference of scores [N] and its 95% interval, resampling people [N]."""
    change = (found - base)[:, None]
    low, high = bootstrap(change, np.ones_like(change), people)
    return f"{change.mean():+.4f} [{low[0]:+.4f}, {high[0]:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("others", nargs="+")
    flags = parser.parse_args()
    base = read(flags.base)
    people = np.array([before_underscore(name) for name in base["to"]])
    rows = []
    for path in flags.others:
        found = read(path)
        if found["to"] != base["to"]:
            raise SystemExit(f"{path}: scores other targets than {flags.base}")
        columns = [(np.array(found[x], float), np.array(base[x], float)) for x in SCORES]
        rows.append([path, *(difference(new, old, people) for new, old in columns)])
    print(f"against {flags.base}, {len(people):,} images of {len(set(people)):,} people\n")
    print(table(["", *SCORES], rows))


if __name__ == "__main__":
    main()
