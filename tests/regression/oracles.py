"""Solvers in float64 NumPy and SciPy that the library is held against, and problems for them."""

import numpy as np
from scipy.optimize import linprog, minimize


def outlier_problem(n=96, d=6, D=3, seed=0, outliers=0.1, condition=1.0, batch=()):
    """P with a condition number, and H = P F with noise and gross outliers, float64."""
    rng = np.random.default_rng(seed)
    U, _, V = np.linalg.svd(rng.standard_normal((*batch, n, d)), full_matrices=False)
    P = np.sqrt(n) * (U * np.geomspace(1, 1 / condition, min(n, d))) @ V
    H = P @ rng.standard_normal((*batch, d, D))
    size = np.abs(H).mean()
    H += 0.05 * size * rng.standard_normal(H.shape)
    H += (rng.random(H.shape) < outliers) * 10 * size * rng.standard_normal(H.shape)
    return P, H


def lad_objective(P, h, v=None):
    """The exact least sum of v |h - P f|, by linear programming."""
    n, d = P.shape
    v = np.ones(n) if v is None else v
    cost = np.concatenate([np.zeros(d), v, v])
    equations = np.hstack([P, np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * d + [(0, None)] * (2 * n)
    return linprog(cost, A_eq=equations, b_eq=h, bounds=bounds, method="highs").fun


def pnorm_objective(P, h, p):
    """The least sum of |h - P f|^p for 1 < p < 2, by a general optimiser."""

    def value_and_gradient(f):
        r = h - P @ f
        return np.sum(np.abs(r) ** p), -P.T @ (p * np.sign(r) * np.abs(r) ** (p - 1))

    start = np.linalg.lstsq(P, h, rcond=None)[0]
    options = {"maxiter": 10_000, "gtol": 1e-9, "ftol": 1e-15}
    return minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).fun


def weighted_solve(P, H, W):
    """Weighted least squares with other weights for each column, by QR of the scaled rows."""
    columns = zip(H.T, np.sqrt(W).T, strict=True)
    return np.stack(
        [np.linalg.lstsq(s[:, None] * P, s * h, rcond=None)[0] for h, s in columns], axis=1
    )


def central_difference(function, x, step=1e-6):
    """The Jacobian of function at x by central differences: [*output, *x.shape]."""
    columns = []
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        columns.append((np.asarray(function(up)) - np.asarray(function(down))) / (2 * step))
    return np.moveaxis(np.array(columns), 0, -1).reshape(columns[0].shape + x.shape)
