"""Solvers in float64 NumPy and SciPy that the library is held against, and problems for them.

The formulas are written from the paper, not from the library.
"""

import numpy as np
from scipy.optimize import linprog, minimize


def families(n, d, D, seed=0):
    """Problems of every kind, float64: name → (P [n, d], H [n, D], v [n])."""
    rng = np.random.default_rng(seed)
    P, F = rng.standard_normal((n, d)), rng.standard_normal((d, D))
    H, one = P @ F, np.ones(n)
    laplace = rng.laplace(size=(n, D))
    outliers = 0.1 * rng.standard_normal((n, D))
    outliers += 20 * (rng.random((n, D)) < 0.1) * rng.standard_normal((n, D))
    rows = 0.1 * rng.standard_normal((n, D))
    rows += 20 * (rng.random((n, 1)) < 0.2) * rng.standard_normal((n, D))
    graded = P * np.geomspace(1, 1e3, d)
    twice, gap = P.copy(), P.copy()
    twice[:, -1], gap[:, -1] = P[:, 0], 0
    kept = np.where(np.arange(n) % 3 > 0, rng.uniform(0.5, 2, n), 0)
    hidden = np.where(kept[:, None] == 0, 1e30, H + laplace)
    return {
        "normal": (P, H + rng.standard_normal((n, D)), one),
        "laplace": (P, H + laplace, one),
        "t(1)": (P, H + rng.standard_t(1, (n, D)), one),
        "outliers": (P, H + outliers, one),
        "outlying rows": (P, H + rows, one),
        "graded columns": (graded, H + laplace, one),
        "duplicate columns": (twice, twice @ F + laplace, one),
        "a column of zeros": (gap, gap @ F + laplace, one),
        "exact fit": (P, H, one),
        "masked rows beyond any number": (P, hidden, kept),
        "all rows masked": (P, H + laplace, 0 * one),
    }


def stacked(problems, dtype):
    """Stacks the problems of one size to one batch, P, H and v."""
    return tuple(np.stack(x).astype(dtype) for x in zip(*problems.values(), strict=True))


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


def lengths(R, rowwise):
    """|r| of entries, or the norms of rows as one column."""
    return np.linalg.norm(R, axis=1, keepdims=True) if rowwise else np.abs(R)


def irls(P, H, v, p, T, eps, rowwise=False, ridge=0.0, unit=1.0):
    """Eq. 3, word for word, T times from least squares: F and the weights of the last iteration.

    eps is in the units of H, one number or [1, D]. With a ridge, and the weights taken for
    residuals in `unit`, ridge S is added to the matrices, S = Σ v P², by rows below P.
    """
    P, H, v = P[v > 0], H[v > 0], v[v > 0][:, None]
    below = np.diag(np.sqrt(ridge * np.sum(v * P**2, axis=0)))
    nothing = np.zeros((P.shape[1], H.shape[1]))

    def solve(W):
        stack = (P, below), (H, nothing), (v * W, 1 + nothing)
        return weighted_solve(*(np.concatenate(x) for x in stack))

    W = np.ones_like(H)
    F = solve(W)
    for _ in range(T):
        W = np.maximum(lengths(H - P @ F, rowwise), eps) ** (p - 2) * np.ones_like(H)
        F = solve(W * unit ** (2 - p))
    return F, W


def frozen_gradients(P, H, v, F, W, G):
    """dP and dH of ⟨G, F⟩ for F = A⁻¹ Pᵀ v W H, A = Pᵀ v W P, with W constant; by column.

    dF = A⁻¹ (dPᵀ v W r − Pᵀ v W dP f + Pᵀ v W dh), r = h − P f, so with g = A⁻¹ G,
    dh = v W P g and dP = v W r gᵀ − v W (P g) fᵀ.
    """
    dP, dH, kept = np.zeros_like(P), np.zeros_like(H), v > 0
    P, H, v = P[kept], H[kept], v[kept]
    unit = np.where(np.abs(P).max(0) == 0, 1, np.abs(P).max(0)) if len(P) else np.ones(P.shape[1])
    for c in range(H.shape[1] if len(P) else 0):
        w = v * W[:, c]
        A = (P / unit).T @ (w[:, None] * (P / unit))
        g = np.linalg.pinv(A, rcond=1e-13, hermitian=True) @ (G[:, c] / unit) / unit
        r, image = H[:, c] - P @ F[:, c], P @ g
        dH[kept, c] = w * image
        dP[kept] += np.outer(w * r, g) - np.outer(w * image, F[:, c])
    return dP, dH


def objective(P, H, v, F, p=1.0, rowwise=False):
    """Σ v |r|^p of each column, or of the norms of rows; rows of weight 0 left out."""
    P, H, v, F = P[v > 0], H[v > 0], v[v > 0], np.asarray(F, np.float64)
    size = v[:, None] * lengths(H - P @ F, rowwise) ** p
    return size.sum() if rowwise else size.sum(0)


def lad_objective(P, h, v=None):
    """The exact least Σ v |h − P f|, by linear programming: max hᵀy, Pᵀ y = 0, |y| ≤ v."""
    v = np.ones(len(P)) if v is None else v
    P, h, v = P[v > 0], h[v > 0], v[v > 0]
    if len(P) == 0:
        return 0.0
    unit = np.where(np.abs(P).max(0) == 0, 1, np.abs(P).max(0))
    size = np.abs(h).max()
    bounds = np.stack([-v, v], axis=1)
    zeros = np.zeros(P.shape[1])
    return -size * linprog(-h / size, A_eq=(P / unit).T, b_eq=zeros, bounds=bounds).fun


def pnorm_objective(P, H, v, p, rowwise):
    """The least Σ v |r|^p over all columns together, by a general convex optimiser.

    |r| is smoothed by less and less, and its minimiser followed.
    """
    P, H, v = P[v > 0], H[v > 0], v[v > 0][:, None]
    unit = np.where(np.abs(P).max(0) == 0, 1, np.abs(P).max(0))
    P, shape = P / unit, (P.shape[1], H.shape[1])
    x = np.linalg.lstsq(np.sqrt(v) * P, np.sqrt(v) * H, rcond=None)[0].ravel()
    size = np.median(np.abs(H))
    for smoothing in size * np.geomspace(1e-1, 1e-7, 7):

        def value_and_gradient(x, smoothing=smoothing):
            R = H - P @ x.reshape(shape)
            s = np.sqrt(lengths(R, rowwise) ** 2 + smoothing**2)
            return np.sum(v * s**p), -(P.T @ (v * p * s ** (p - 2) * R)).ravel()

        options = {"maxiter": 20_000, "maxfun": 40_000, "gtol": 1e-9, "ftol": 1e-15, "maxcor": 30}
        x = minimize(value_and_gradient, x, jac=True, method="L-BFGS-B", options=options).x
    return np.sum(objective(P, H, v[:, 0], x.reshape(shape), p, rowwise))


def weighted_solve(P, H, W):
    """Weighted least squares with other weights for each column, by QR of the scaled rows.

    The shortest solution in units in which the columns of P are of one size.
    """
    if len(P) == 0:
        return np.zeros((P.shape[1], H.shape[1]))
    unit = np.where(np.abs(P).max(0) == 0, 1, np.abs(P).max(0))
    columns = zip(H.T, np.sqrt(W).T, strict=True)
    F = [np.linalg.lstsq(s[:, None] * P / unit, s * h, rcond=1e-14)[0] for h, s in columns]
    return np.stack(F, axis=1) / unit[:, None]


def central_difference(function, x, step=1e-6):
    """The Jacobian of function at x by central differences: [*output, *x.shape]."""
    columns = []
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        columns.append((np.asarray(function(up)) - np.asarray(function(down))) / (2 * step))
    return np.moveaxis(np.array(columns), 0, -1).reshape(columns[0].shape + x.shape)
