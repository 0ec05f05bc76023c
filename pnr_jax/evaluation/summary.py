"""From the scores of single images to a row of the table."""

from collections.abc import Iterable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from pnr_jax.data.pairs import identity_of
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.scorers import Scores
from pnr_jax.evaluation.scoring import EvaluationSet
from pnr_jax.metrics import inception_score
from pnr_jax.metrics.fid import Gaussian, gaussian, gaussian_distance, merge

Row = dict[str, Any]

RESAMPLES = 2000
_PROBABILITIES = {
    "probabilities": "inception_score",
    "masked_probabilities": "masked_inception_score",
    "proxy_probabilities": "proxy_inception_score",
}
_JOINTS = ("right_joints", "visible_joints")


class Result(NamedTuple):
    """What a method reached on a test set.

    Attributes:
      method: what drew.
      test: what it was asked for.
      row: of the table: names, numbers, and `intervals`, {score: [low, high]}.
      scores: [N] by name, of the single images.
    """

    method: Method
    test: EvaluationSet
    row: Row
    scores: Scores


def summarise(
    method: Method, test: EvaluationSet, chunks: Iterable[Scores], training: Gaussian | None = None
) -> Result:
    """Adds the chunks up.

    Args:
      method: what drew.
      test: the tuples.
      chunks: from `scoring.score`.
      training: the training images' features, for FID.
    """
    parts: dict[str, list[np.ndarray]] = {}
    fitted: Gaussian | None = None
    for chunk in chunks:
        for name, array in chunk.items():
            if name != "features":
                parts.setdefault(name, []).append(array)
            elif training is not None:
                fitted = gaussian(array) if fitted is None else merge(fitted, gaussian(array))
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    row = {
        "method": method.name,
        "set": test.name,
        "sources": method.sources,
        "pairs": len(test.examples.tuples),
    }
    if method.model:
        row |= {"model": method.model, "weights": method.weights}
    scores = {name: array for name, array in whole.items() if array.ndim == 1}
    row |= {name: float(array.mean()) for name, array in scores.items() if name not in _JOINTS}
    for name, score in _PROBABILITIES.items():
        if name in whole:
            row[score], row[f"{score}_std"] = inception_score(whole[name])
    if training is not None and fitted is not None:
        row["fid"] = gaussian_distance(fitted, training)
    if "right_joints" in scores:
        visible = float(scores["visible_joints"].sum())
        row["pckh"] = float(scores["right_joints"].sum()) / max(1.0, visible)
    return Result(method, test, row | {"intervals": _intervals(test, scores)}, scores)


def training_gaussian(chunks: Iterable[Scores]) -> Gaussian:
    """The features of the training images, chunk by chunk."""
    return reduce(merge, (gaussian(chunk["features"]) for chunk in chunks))


def bootstrap(
    sums: np.ndarray, counts: np.ndarray, groups: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """95% intervals of ratios of sums, from resampled groups.

    Images of one person are alike, so whole persons are drawn with replacement, not images: the
    interval is for other people, not for other photos of these.

    Args:
      sums: [N, K], numerators, such as scores.
      counts: [N, K], denominators, such as ones.
      groups: [N], whose image it is.
      seed: of the draws.

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


def _intervals(test: EvaluationSet, scores: Scores) -> dict[str, list[float]]:
    names = test.examples.images.names
    people = np.array([identity_of(names[i]) for i in test.examples.tuples[:, -1]])
    means = [name for name in scores if name not in _JOINTS]
    columns = [scores[name] for name in means]
    counts = [np.ones(len(people))] * len(means)
    if "right_joints" in scores:
        means, columns = [*means, "pckh"], [*columns, scores["right_joints"]]
        counts = [*counts, scores["visible_joints"]]
    low, high = bootstrap(np.stack(columns, axis=1), np.stack(counts, axis=1), people)
    return {name: [float(a), float(b)] for name, a, b in zip(means, low, high, strict=True)}
