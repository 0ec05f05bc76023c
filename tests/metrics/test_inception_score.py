"""Inception Score against SciPy's relative entropy, in float64."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from pnr_jax.errors import UserError
from pnr_jax.metrics import inception_score


def probabilities(seed, count, classes=30, zeros=False):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, classes)) * 3
    if zeros:
        logits[rng.random(logits.shape) < 0.5] = -np.inf
        logits[:, 0] = 0
    return softmax(logits, axis=1)


def oracle(p, splits):
    scores = []
    for k in range(splits):
        part = p[k * len(p) // splits : (k + 1) * len(p) // splits]
        scores.append(np.exp(rel_entr(part, part.mean(0)).sum(1).mean()))
    return np.mean(scores), np.std(scores)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 10), st.booleans(), st.integers(0, 1000))
def test_is_the_definition(count, splits, zeros, seed):
    p = probabilities(seed, max(count, splits), zeros=zeros)
    np.testing.assert_allclose(inception_score(p, splits), oracle(p, splits), rtol=1e-10)


def test_splits_are_contiguous_and_uneven():
    p = np.eye(7)[[0, 1, 2, 3, 4, 5, 6]]
    # 7 images in 3 splits: 2, 2 and 3 images, every one certain and different.
    mean, std = inception_score(p, 3)
    assert mean == pytest.approx(np.mean([2, 2, 3]))
    assert std == pytest.approx(np.std([2, 2, 3]))


def test_bounds():
    assert inception_score(np.full((20, 5), 0.2)) == pytest.approx((1.0, 0.0))
    same = np.repeat(probabilities(0, 1), 20, axis=0)
    assert inception_score(same) == pytest.approx((1.0, 0.0))
    assert inception_score(np.tile(np.eye(5), (10, 1)))[0] == pytest.approx(5.0)


def test_float32_probabilities_are_summed_in_float64():
    p = probabilities(1, 50, 1000).astype(np.float32)
    np.testing.assert_allclose(inception_score(p), oracle(p.astype(np.float64), 10), rtol=1e-10)


def test_bad_probabilities_are_named():
    p = probabilities(2, 12)
    with pytest.raises(UserError, match="9 images for 10 splits"):
        inception_score(p[:9])
    for value in (np.nan, -0.5, 2.0, np.inf):
        bad = p.copy()
        bad[7, 3] = value
        with pytest.raises(UserError, match=r"1 of 12 rows .* row 7"):
            inception_score(bad)
    with pytest.raises(ValueError, match=r"\[30\]"):
        inception_score(p[0])
    with pytest.raises(ValueError, match="splits"):
        inception_score(p, 0)


def test_a_softmax_in_bfloat16_is_a_distribution():
    logits = np.random.default_rng(0).normal(size=(40, 1000))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rounded = p.astype(ml_dtypes.bfloat16)
    assert np.abs(rounded.astype(float).sum(axis=1) - 1).max() > 1e-4
    assert inception_score(rounded)[0] == pytest.approx(inception_score(p)[0], rel=1e-2)
