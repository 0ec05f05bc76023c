"""Fréchet distance between two sets of features (FID, where Inception made them)."""

from typing import NamedTuple

import numpy as np

from pnr_jax.errors import UserError


class Gaussian(NamedTuple):
    """What the distance needs of a set of features; sets of any size in the memory of D².

    Attributes:
      size: N, how many there are.
      mean: float64 [D].
      root: float64 [min(N, D), D], R with RᵀR = the sum of the centred features' squares.
    """

    size: int
    mean: np.ndarray
    root: np.ndarray


def gaussian(features: np.ndarray) -> Gaussian:
    """Fits a Gaussian to features [N, D].

    Raises:
      ValueError: the features are not [N, D].
      UserError: there are none; NaN or infinity.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2:
        raise ValueError(f"features must be [N, D], got {list(features.shape)}")
    if not len(features):
        raise UserError("Fréchet distance: a set has no images")
    if not np.isfinite(features).all():
        raise UserError(
            "Fréchet distance: NaN or infinite features; "
            "look at the images or the network that made them"
        )
    mean = features.mean(axis=0)
    return Gaussian(len(features), mean, _triangular(features - mean))


def merge(a: Gaussian, b: Gaussian) -> Gaussian:
    """Merges the Gaussians of two sets, so that features may come in chunks.

    The squares around the common mean are those around each own plus, for the distance between the
    means, one row more: ``√(N_a N_b / (N_a + N_b)) (μ_a - μ_b)``.

    >>> rows = np.arange(12.0).reshape(6, 2) ** 2
    >>> parts, whole = merge(gaussian(rows[:2]), gaussian(rows[2:])), gaussian(rows)
    >>> np.allclose(parts.mean, whole.mean), np.allclose(abs(parts.root), abs(whole.root))
    (True, True)
    """
    size = a.size + b.size
    between = np.sqrt(a.size * b.size / size) * (a.mean - b.mean)
    root = _triangular(np.concatenate([a.root, b.root, between[None]]))
    return Gaussian(size, a.mean + (b.mean - a.mean) * (b.size / size), root)


def gaussian_distance(a: Gaussian, b: Gaussian) -> float:
    """Returns the squared Fréchet distance of two Gaussians: see `frechet_distance`.

    Raises:
      ValueError: their dimensions differ.
      UserError: fewer than 2 features.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features have {len(a.mean)} and {len(b.mean)} dimensions")
    for name, fitted in (("first", a), ("second", b)):
        if fitted.size < 2:
            raise UserError(
                f"Fréchet distance: the {name} set has 1 image; a covariance needs at least 2"
            )
    root_a, root_b = (fitted.root / np.sqrt(fitted.size - 1) for fitted in (a, b))
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = np.sum(root_a**2) + np.sum(root_b**2) - 2 * overlap
    # Equal sets may come out a rounding below zero.
    return float(max(0.0, np.sum((a.mean - b.mean) ** 2) + spread))


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Returns the squared Fréchet distance of the Gaussians fitted to two sets of features.

    ``|μ_a - μ_b|² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½)``, covariances with N - 1.

    The root of the product of two covariances is where naive code goes complex when N < D. With
    A, B the centred features over √(N - 1), Σ_a = AᵀA and Σ_b = BᵀB, its eigenvalues are the
    singular values of A Bᵀ: real and never negative, whatever the ranks. A's and B's triangular
    factors stand in for them, so the decomposed matrix is at most D×D.

    Args:
      features_a: [N_a, D].
      features_b: [N_b, D].

    Returns:
      The distance, at least 0, computed in float64.

    Raises:
      ValueError: the features are not [N_a, D] and [N_b, D].
      UserError: fewer than 2 rows, NaN or infinity.

    References:
      Heusel et al., "GANs trained by a two time-scale update rule", 2017.

    >>> a = np.array([[0.0], [2.0]])
    >>> round(frechet_distance(a, a + 3), 9)
    9.0
    """
    shapes = [np.shape(features_a), np.shape(features_b)]
    if [len(shape) for shape in shapes] != [2, 2] or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            f"features must be [N_a, D] and [N_b, D], got {list(shapes[0])} and {list(shapes[1])}"
        )
    return gaussian_distance(gaussian(features_a), gaussian(features_b))


def _triangular(rows: np.ndarray) -> np.ndarray:
    """Returns R [min(N, D), D] with RᵀR = rowsᵀ rows."""
    return np.asarray(np.linalg.qr(rows, mode="r"))
