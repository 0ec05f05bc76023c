"""Fréchet distance between two sets of features (FID, where Inception made them)."""

import numpy as np

from pnr_jax.errors import UserError


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets of features.

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
    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features must be [N_a, D] and [N_b, D], got {list(a.shape)} and {list(b.shape)}"
        )
    for name, features in (("first", a), ("second", b)):
        if len(features) < 2:
            raise UserError(
                f"Fréchet distance: the {name} set has {len(features)} images; "
                "a covariance needs at least 2"
            )
        if not np.isfinite(features).all():
            raise UserError(
                f"Fréchet distance: the {name} set has NaN or infinite features; "
                "look at the images or the network that made them"
            )
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    root_a, root_b = _covariance_factor(a - mean_a), _covariance_factor(b - mean_b)
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = np.sum(root_a**2) + np.sum(root_b**2) - 2 * overlap
    # Equal sets may come out a rounding below zero.
    return float(max(0.0, np.sum((mean_a - mean_b) ** 2) + spread))


def _covariance_factor(centred: np.ndarray) -> np.ndarray:
    """R [min(N, D), D] with RᵀR = the covariance."""
    return np.linalg.qr(centred, mode="r") / np.sqrt(len(centred) - 1)
