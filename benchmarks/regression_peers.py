"""What the regression is measured against: what one writes first, PyTorch, and exact solvers."""

import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.regression import pnorm_regression

Contestant = Callable[[], Any]


def user_first(P: jax.Array, H: jax.Array, iterations: int) -> jax.Array:
    """What one writes first: the system of one column, vmapped over columns and batch."""
    ridge = 1e-6 * jnp.eye(P.shape[-1])

    def column(P: jax.Array, h: jax.Array) -> jax.Array:
        f = jnp.linalg.solve(P.T @ P + ridge, P.T @ h)
        for _ in range(iterations):
            w = 1 / jnp.maximum(jnp.abs(h - P @ f), 1e-4)
            f = jnp.linalg.solve((P.T * w) @ P + ridge, P.T @ (w * h))
        return f

    return jax.vmap(jax.vmap(column, (None, 1), 1))(P, H)


def torch_contestants(P: np.ndarray, H: np.ndarray, iterations: int) -> dict[str, Contestant]:
    """IRLS at its best in PyTorch, and this library's iteration written in PyTorch."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    P, H, d = torch.tensor(P), torch.tensor(H), P.shape[-1]
    ridge = 1e-6 * torch.eye(d)

    def weighted_solve(P: Any, W: Any, b: Any) -> Any:
        pairs = (P[..., :, None] * P[..., None, :]).flatten(-2).mT
        A = (pairs @ W).mT.unflatten(-1, (d, d)) + ridge * W.mean()
        return torch.cholesky_solve(b.mT[..., None], torch.linalg.cholesky(A))[..., 0].mT

    def start(P: Any) -> tuple[Any, Any]:
        L = torch.linalg.cholesky(P.mT @ P + ridge)
        return L, torch.linalg.solve_triangular(L, P.mT, upper=False).mT.contiguous()

    def irls() -> Any:
        F = torch.cholesky_solve(P.mT @ H, torch.linalg.cholesky(P.mT @ P + ridge))
        for _ in range(iterations):
            W = 1 / torch.clamp((H - P @ F).abs(), min=1e-4)
            F = weighted_solve(P, W, P.mT @ (W * H))
        return F

    def ours() -> Any:
        L, Q = start(P)
        x, size = Q.mT @ H, H.abs().mean(-2, keepdim=True)
        for k in range(iterations):
            r = H - Q @ x
            W = torch.rsqrt(r * r + (size * 0.3 * 0.5**k) ** 2)
            g = Q.mT @ (W * r)
            if k == iterations - 1:
                x = x + weighted_solve(Q, W, g)
                break
            q, s = g, (g * g).sum(-2, keepdim=True)
            for _ in range(2):
                image = Q.mT @ (W * (Q @ q))
                a = s / (q * image).sum(-2, keepdim=True)
                x, g = x + a * q, g - a * image
                s, last = (g * g).sum(-2, keepdim=True), s
                q = g + s / last * q
        return torch.linalg.solve_triangular(L.mT, x, upper=True)

    return {"PyTorch, IRLS": irls, "PyTorch, this library's iteration": ours}


def linear_program(P: np.ndarray, h: np.ndarray) -> float:
    """The least sum of abs(h - P f), by HiGHS on the dual: max hᵀy, Pᵀy = 0, abs(y) ≤ 1."""
    from scipy.optimize import linprog

    zero = np.zeros(P.shape[1])
    return -linprog(-h, A_eq=P.T, b_eq=zero, bounds=(-1, 1), method="highs").fun


def quantile_regressor(P: np.ndarray, h: np.ndarray) -> float:
    """The same by scikit-learn."""
    from sklearn.linear_model import QuantileRegressor

    model = QuantileRegressor(quantile=0.5, alpha=0.0, fit_intercept=False, solver="highs")
    return float(np.abs(h - P @ model.fit(P, h).coef_).sum())


def exact(P: np.ndarray, H: np.ndarray, ours: float, columns: int = 24) -> None:
    """Prints the time of exact solvers for a column beside `ours` (ms), and our gap to them."""
    P, H = P[0].astype(np.float64), H[0, :, :columns].astype(np.float64)
    print(f"\nOne column of n = {len(P)}: this library {ours:.4f} ms")
    for name, solver in {"HiGHS": linear_program, "QuantileRegressor": quantile_regressor}.items():
        times, best = [], []
        for h in H.T:
            start = time.perf_counter()
            try:
                best.append(solver(P, h))
            except ModuleNotFoundError as error:
                print(f"{name} was not timed: no module {error.name}")
                break
            times.append(1e3 * (time.perf_counter() - start))
        else:
            median = float(np.median(times))
            print(f"{name}: {median:.1f} ms, {median / ours:.0f} times that")
            if solver is linear_program:
                accuracy(P, H, np.array(best))


def accuracy(P: np.ndarray, H: np.ndarray, best: np.ndarray) -> None:
    """Prints the gap to the exact optimum."""
    settings = [(e, 0.0) for e in (1e-3, 1e-4, 1e-5, 1e-6)] + [(1e-6, 1e-4)]
    cells = [f"eps {eps:g}, ridge {ridge:g}" for eps, ridge in settings]
    print("\n| iterations | " + " | ".join(cells) + " |\n|" + " --- |" * (len(cells) + 1))
    for iterations in (1, 3, 5, 8, 10, 12, 15, 20, 50):
        cells = []
        for eps, ridge in settings:
            arguments = P.astype(np.float32), H.astype(np.float32)
            F = pnorm_regression(*arguments, iterations=iterations, eps=eps, ridge=ridge)
            gap = np.abs(H - P @ np.asarray(F, np.float64)).sum(0) / best - 1
            cells.append(f"{gap.mean():.1e}, {gap.max():.1e}")
        print(f"| {iterations} | " + " | ".join(cells) + " |")
    print()
