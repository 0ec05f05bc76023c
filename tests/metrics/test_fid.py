"""Fréchet distance against SciPy's matrix square root and closed forms."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from pnr_jax.errors import UserError
from pnr_jax.metrics import frechet_distance
from pnr_jax.metrics.fid import gaussian, gaussian_distance, merge


def features(seed, count, size):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, size)) @ rng.normal(size=(size, size)) + rng.normal(size=size)


def oracle(a, b):
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(covariance_a @ covariance_b)
    squared = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return squared + np.trace(covariance_a + covariance_b - 2 * np.real(root))


@pytest.mark.parametrize("count_a,count_b,size", [(50, 80, 6), (300, 40, 20), (20, 20, 2)])
def test_is_scipys(count_a, count_b, size):
    a, b = features(0, count_a, size), features(1, count_b, size)
    assert frechet_distance(a, b) == pytest.approx(oracle(a, b), rel=1e-9)


@pytest.mark.parametrize("count_a,count_b", [(5, 7), (5, 60), (60, 5), (2, 2)])
def test_fewer_images_than_features(count_a, count_b):
    a, b = features(2, count_a, 30), features(3, count_b, 30)
    # Padding with zero features changes nothing; a shared basis of the rows makes it full rank.
    basis = np.linalg.qr(np.concatenate([a, b]).T)[0]
    distance = frechet_distance(a, b)
    assert isinstance(distance, float)
    assert distance == pytest.approx(frechet_distance(a @ basis, b @ basis), rel=1e-9)
    eigenvalues = np.linalg.eigvals(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False))
    overlap = np.sqrt(np.maximum(eigenvalues.real, 0)).sum()
    spread = np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False)) - 2 * overlap
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + spread
    assert distance == pytest.approx(expected, rel=1e-4)  # roots of eigenvalues near 0


def test_closed_forms():
    a = features(4, 40, 5)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a[::-1]) >= 0
    assert frechet_distance(a, a + 2) == pytest.approx(4 * 5)
    # A scaled copy: |(s - 1) μ|² + (s - 1)² tr Σ.
    expected = 4 * (np.sum(a.mean(0) ** 2) + np.trace(np.cov(a, rowvar=False)))
    assert frechet_distance(a, 3 * a) == pytest.approx(expected)
    assert frechet_distance(np.ones((3, 4)), np.zeros((2, 4))) == pytest.approx(4)


def test_float32_features_are_decomposed_in_float64():
    a, b = (1000 + features(5, 60, 8)).astype(np.float32), (1000 + features(6, 60, 8))
    assert frechet_distance(a, b) == pytest.approx(oracle(a.astype(np.float64), b), rel=1e-6)


def test_bad_features_are_named():
    a = features(7, 10, 4)
    with pytest.raises(ValueError, match=r"\[10, 4\] and \[10, 3\]"):
        frechet_distance(a, a[:, :3])
    with pytest.raises(ValueError, match=r"\[4\]"):
        frechet_distance(a[0], a)
    with pytest.raises(UserError, match="second set has 1 image;"):
        frechet_distance(a, a[:1])
    with pytest.raises(UserError, match="no images"):
        frechet_distance(a[:0], a)
    with pytest.raises(ValueError, match="4 and 3 dimensions"):
        gaussian_distance(gaussian(a), gaussian(a[:, :3]))
    for value in (np.nan, np.inf):
        bad = a.copy()
        bad[3, 2] = value
        with pytest.raises(UserError, match="NaN or infinite features"):
            frechet_distance(bad, a)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 30, 2), (20, 20), (3, 3, 3, 3)])
def test_chunks_merge_to_the_whole(sizes):
    a, b = 100 + features(8, sum(sizes), 6), features(9, 25, 6)
    parts = [gaussian(part) for part in np.split(a, np.cumsum(sizes)[:-1])]
    merged = parts[0]
    for part in parts[1:]:
        merged = merge(merged, part)
    assert merged.size == len(a)
    np.testing.assert_allclose(merged.mean, a.mean(axis=0))
    squares = np.cov(a, rowvar=False) * (len(a) - 1)
    np.testing.assert_allclose(merged.root.T @ merged.root, squares, rtol=1e-9, atol=1e-9)
    expected = frechet_distance(a, b)
    assert gaussian_distance(merged, gaussian(b)) == pytest.approx(expected, rel=1e-9)
