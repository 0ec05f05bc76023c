"""The evaluation from end to end: methods × test sets -> results -> files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from pnr_jax.data.images import Images
from pnr_jax.errors import UserError
from pnr_jax.evaluation import pictures
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.scorers import Scorer, merged
from pnr_jax.evaluation.scoring import EvaluationSet, evaluation_set, score
from pnr_jax.evaluation.summary import Result, summarise
from pnr_jax.examples import Examples


class Job(NamedTuple):
    """A row to be: a method and what it is asked for."""

    method: Method
    test: EvaluationSet


def evaluate(
    jobs: Sequence[Job],
    scorers: Sequence[Scorer],
    cache: Path,
    *,
    jpeg: bool = False,
    training: Images | None = None,
) -> list[Result]:
    """Scores every job, with one bar for all of them.

    Args:
      jobs: the rows.
      scorers: the metrics.
      cache: folder of results that an interrupted or an earlier evaluation left.
      jpeg: whether targets make a JPEG round trip first.
      training: the training images, for the scorers that compare with them.

    Raises:
      UserError: a score needs more images than there are.
    """
    counts = [len(job.test.examples.tuples) for job in jobs]
    for scorer in scorers:
        if min(counts) < scorer.least:
            heading = scorer.columns[0].heading
            raise UserError(f"{heading} needs {scorer.least} images, there are {min(counts)}")
    total = sum(counts) + (len(training.images) if training else 0)
    with tqdm(total=total, unit=" images", disable=None, leave=False) as bar:
        if training:
            scorers = _fitted(scorers, training, cache, bar)
        results = []
        for job in jobs:
            bar.set_description(f"{job.method.name}, M = {job.method.sources}")
            chunks = score(job.method, job.test, scorers, cache, jpeg, bar.update)
            results.append(summarise(job.method, job.test, chunks, scorers))
    return results


def write_figures(results: Sequence[Result], folder: Path) -> list[Path]:
    """Writes the figures of the methods that have learnt something.

    `figure.png`, `best.png` and `worst.png` are the first one's; `comparison.png` has all side by
    side, `figure_multi_shot.png` the first one's growing M.
    """
    learnt = [result for result in results if result.method.learnt]
    if not learnt:
        return []
    first = learnt[0]
    images, tuples = first.test.examples
    paths = [pictures.write_figure(first.method, images, tuples, folder / "figure.png")]
    same = [result for result in learnt if result.method.name == first.method.name]
    growing = {result.method.sources: result for result in same if result.test is same[-1].test}
    if len(growing) > 1:
        methods = [result.method for _, result in sorted(growing.items())]
        path = folder / "figure_multi_shot.png"
        paths.append(pictures.write_growing(methods, *same[-1].test.examples, path))
    paths += pictures.write_extremes(first, folder)
    rivals = [result for result in learnt if result.test.name == first.test.name]
    rivals = list({result.method.name: result for result in reversed(rivals)}.values())[::-1]
    if len(rivals) > 1:
        methods = [result.method for result in rivals]
        shared = _shared_tuples([result.test.examples for result in rivals])
        if len(shared):
            path = folder / "comparison.png"
            paths.append(pictures.write_comparison(methods, images, shared, path))
    return paths


def _fitted(scorers: Sequence[Scorer], images: Images, cache: Path, bar: tqdm) -> list[Scorer]:
    """Shows the training images to the scorers that compare with them."""
    every = np.arange(len(images.images), dtype=np.int32)
    test = evaluation_set("training", Examples(images, np.stack([every, every], axis=1)))
    method = Method("training images", 1, lambda batch: batch["target_image"], "the target")
    bar.set_description(method.name)
    wanting = [scorer for scorer in scorers if scorer.fit]
    arrays = merged(score(method, test, wanting, cache, False, bar.update)) if wanting else {}
    return [scorer.fit(arrays) if scorer.fit else scorer for scorer in scorers]


def _shared_tuples(examples: Sequence[Examples]) -> np.ndarray:
    """The tuples of the first that all others have too; all are over the same images."""
    shared = set.intersection(*({tuple(row) for row in e.tuples.tolist()} for e in examples))
    return np.array([row for row in examples[0].tuples if tuple(row.tolist()) in shared])
