"""Inception Score of a classifier's answers."""

from itertools import pairwise

import ml_dtypes
import numpy as np

from pnr_jax.errors import UserError


def inception_score(probabilities: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """Returns mean and std over splits of ``exp(E[KL(p(class | image) || p(class))])``.

    The splits are contiguous, from ``k·N // splits`` to ``(k + 1)·N // splits``, so the order of
    the images counts; they differ by one in size where N is not divisible. 0·log 0 is 0.

    Args:
      probabilities: [N, classes], a distribution in each row.
      splits: parts that are scored apart; published scores use 10.

    Returns:
      (mean, population standard deviation), from 1 to the number of classes.

    Raises:
      ValueError: probabilities are not [N, classes], or splits is not positive.
      UserError: fewer images than splits; NaN; a row that is no distribution.

    References:
      Salimans et al., "Improved techniques for training GANs", 2016.

    >>> inception_score(np.eye(4), splits=1)
    (4.0, 0.0)
    """
    # float64: a mean of float32 probabilities of 1e-9 would lose them.
    given = np.asarray(probabilities)
    p = given.astype(np.float64)
    if p.ndim != 2 or splits < 1:
        raise ValueError(
            f"inception_score takes [N, classes] and splits >= 1, got {list(p.shape)}, {splits}"
        )
    if len(p) < splits:
        raise UserError(
            f"Inception Score: {len(p)} images for {splits} splits; "
            "score at least one image a split, or ask for fewer splits"
        )
    # A softmax in bfloat16 sums to 1 within its own precision; then as well as can be.
    coarse = ml_dtypes.finfo(given.dtype).eps if given.dtype.kind in "fV" else 0.0
    sums = p.sum(axis=1, keepdims=True)
    wrong = ~(np.all(p >= 0, axis=1) & (np.abs(sums[:, 0] - 1) < max(1e-3, float(coarse))))
    if wrong.any():
        raise UserError(
            f"Inception Score: {wrong.sum()} of {len(p)} rows are no distributions (NaN, negative "
            f"or not summing to 1), the first is row {np.argmax(wrong)}; pass softmax outputs"
        )
    if coarse > 1e-3:
        p = p / sums
    bounds = [k * len(p) // splits for k in range(splits + 1)]
    scores = [_score(p[start:end]) for start, end in pairwise(bounds)]
    return float(np.mean(scores)), float(np.std(scores))


def _score(p: np.ndarray) -> float:
    marginal = np.broadcast_to(p.mean(axis=0), p.shape)
    log_ratio = np.log(np.divide(p, marginal, out=np.ones_like(p), where=p > 0))
    return np.exp(np.mean(np.sum(p * log_ratio, axis=1)))
