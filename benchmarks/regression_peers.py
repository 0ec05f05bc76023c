"""References for the regression: a first attempt in JAX, PyTorch, linear programming."""

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Contestant = Callable[[], Any]


def user_first(P: jax.Array, H: jax.Array, iterations: int) -> jax.Array:
    """Solves per column, vmapped over columns and batch: the first version one would write."""
    ridge = 1e-6 * jnp.eye(P.shape[-1])

    def column(P: jax.Array, h: jax.Array) -> jax.Array:
        f = jnp.linalg.solve(P.T @ P + ridge, P.T @ h)
        for _ in range(iterations):
            w = 1 / jnp.maximum(jnp.abs(h - P @ f), 1e-6)
            f = jnp.linalg.solve((P.T * w) @ P + ridge, P.T @ (w * h))
        return f

    return jax.vmap(jax.vmap(column, (None, 1), 1))(P, H)


def torch_contestants(P: Any, H: Any, G: Any, iterations: int) -> tuple[Contestant, Contestant]:
    """Returns the best IRLS in PyTorch, forward and with the gradient of the last iteration."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    P, H, G, d = torch.tensor(P), torch.tensor(H), torch.tensor(G), P.shape[-1]
    k, l = torch.triu_indices(d, d)
    position = torch.zeros((d, d), dtype=torch.long)
    position[k, l] = position[l, k] = torch.arange(len(k))
    ridge = 1e-7 * torch.eye(d)

    def weighted_solve(P: Any, W: Any, H: Any) -> Any:
        pairs = P.mT[..., k, :] * P.mT[..., l, :]  # One product for all columns' matrices.
        A = (pairs @ W).mT[..., position]
        A = A + ridge * A.diagonal(dim1=-2, dim2=-1).sum(-1).detach()[..., None, None]
        L = torch.linalg.cholesky(A)
        return torch.cholesky_solve((P.mT @ (W * H)).mT[..., None], L)[..., 0].mT

    def irls(P: Any, H: Any) -> Any:
        with torch.no_grad():
            F = torch.cholesky_solve(P.mT @ H, torch.linalg.cholesky(P.mT @ P + ridge))
            for _ in range(iterations - 1):
                F = weighted_solve(P, 1 / (H - P @ F).abs().clamp(min=1e-6), H)
            W = 1 / (H - P @ F).abs().clamp(min=1e-6)
        return weighted_solve(P, W, H)

    def both() -> Any:
        leaves = P.detach().requires_grad_(), H.detach().requires_grad_()
        (G * irls(*leaves)).sum().backward()
        return leaves[0].grad, leaves[1].grad

    return lambda: irls(P, H), both


def exact_objectives(P: np.ndarray, H: np.ndarray, columns: int = 24) -> np.ndarray:
    """Returns the minimum of Σ abs(h − P f) for columns of the first problem.

    HiGHS solves the dual: max hᵀy, Pᵀ y = 0, abs(y) ≤ 1.
    """
    from scipy.optimize import linprog

    P, H, zero = (
        P[0].astype(np.float64),
        H[0, :, :columns].astype(np.float64),
        np.zeros(P.shape[-1]),
    )
    return np.array([-linprog(-h, A_eq=P.T, b_eq=zero, bounds=(-1, 1)).fun for h in H.T])
