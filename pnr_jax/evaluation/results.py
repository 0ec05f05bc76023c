"""Jobs -> results: the scores of single images, and from them a row of the table."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from pnr_jax.data.images import Images
from pnr_jax.errors import UserError
from pnr_jax.evaluation.jobs import Job
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.scorers import Ratios, Scorer, Scores, merged
from pnr_jax.evaluation.scoring import EvaluationSet, evaluation_set, remove_outdated, score
from pnr_jax.examples import Examples

Row = dict[str, Any]

RESAMPLES = 2000


class Result(NamedTuple):
    """The scores of a method on a test set.

    Attributes:
      method: the method.
      test: the test set.
      row: a row of the table: names, numbers, and `intervals`, {score: [low, high]}.
      scores: [N] by name, the scores of the single images.
    """

    method: Method
    test: EvaluationSet
    row: Row
    scores: Scores


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
      jobs: the jobs, one for each row of the tables.
      scorers: the metrics.
      cache: folder that keeps results for later or interrupted evaluations; those of other code
        are removed.
      jpeg: whether targets are compressed to JPEG and decoded first.
      training: the training images, for the scorers that compare with them.

    Raises:
      UserError: a score needs more images than there are.
    """
    counts = [len(job.test.examples.tuples) for job in jobs]
    for scorer in scorers:
        if min(counts) < scorer.least:
            heading = scorer.columns[0].heading
            raise UserError(f"{heading} needs {scorer.least} images, there are {min(counts)}")
    remove_outdated(cache)
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


def summarise(
    method: Method, test: EvaluationSet, chunks: Iterable[Scores], scorers: Sequence[Scorer]
) -> Result:
    """Combines the chunks of a job into its result.

    Args:
      method: the method.
      test: the tuples.
      chunks: what `scoring.score` yields by these scorers.
      scorers: the metrics.
    """
    arrays = merged(chunks)
    row = {
        "method": method.name,
        "set": test.name,
        "sources": method.sources,
        "pairs": len(test.examples.tuples),
    }
    if method.model:
        row |= {"model": method.model, "weights": method.weights}
    ratios = {name: part for scorer in scorers for name, part in scorer.parts(arrays).items()}
    row |= {name: float(a.sum() / max(1e-12, b.sum())) for name, (a, b) in ratios.items()}
    for scorer in scorers:
        row |= scorer.totals(arrays)
    single = {name: array for name, array in arrays.items() if array.ndim == 1}
    return Result(method, test, row | {"intervals": _intervals(test, ratios)}, single)


def bootstrap(
    sums: np.ndarray, counts: np.ndarray, groups: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates 95% intervals of ratios of sums by resampling groups.

    Images of one person are alike, so whole persons are drawn with replacement, not images: the
    interval is for other people, not for other photos of these.

    Args:
      sums: [N, K], numerators, such as scores.
      counts: [N, K], denominators, such as ones.
      groups: [N], the person in each image.
      seed: seed of the draws.

    Returns:
      (low, high), float64 [K] each: percentiles 2.5 and 97.5 of 2,000 draws.
    """
    names, group = np.unique(groups, return_inverse=True)
    people = len(names)
    sums_of, counts_of = (
        np.stack([np.bincount(group, column) for column in array.T], axis=1)
        for array in (sums, counts)
    )
    rng = np.random.default_rng(seed)
    times = rng.multinomial(people, np.full(people, 1 / people), size=RESAMPLES)
    ratios = (times @ sums_of) / np.maximum(times @ counts_of, 1e-12)
    low, high = np.quantile(ratios, (0.025, 0.975), axis=0)
    return low, high


def _fitted(scorers: Sequence[Scorer], images: Images, cache: Path, bar: tqdm) -> list[Scorer]:
    """Shows the training images to the scorers that compare with them."""
    every = np.arange(len(images.images), dtype=np.int32)
    test = evaluation_set("training", Examples(images, np.stack([every, every], axis=1)))
    method = Method("training images", 1, lambda batch: batch["target_image"], "the target")
    bar.set_description(method.name)
    wanting = [scorer for scorer in scorers if scorer.fit]
    arrays = merged(score(method, test, wanting, cache, False, bar.update)) if wanting else {}
    return [scorer.fit(arrays) if scorer.fit else scorer for scorer in scorers]


def _intervals(test: EvaluationSet, ratios: Ratios) -> dict[str, list[float]]:
    if not ratios:
        return {}
    images, tuples = test.examples
    people = np.array([images.identity_of(images.names[i]) for i in tuples[:, -1]])
    sums, counts = (np.stack(columns, axis=1) for columns in zip(*ratios.values(), strict=True))
    low, high = bootstrap(sums, counts, people)
    return {name: [float(a), float(b)] for name, a, b in zip(ratios, low, high, strict=True)}
