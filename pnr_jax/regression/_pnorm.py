"""Least squares, p-norm regression by IRLS, and prediction (eqs. 1 to 4 of the paper)."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from pnr_jax.regression._linear import cholesky, cholesky_solve, matmul, transpose, weighted_gram
from pnr_jax.regression._problem import Problem, check_arguments, normalise

Gradient = Literal["last_step", "implicit", "unrolled"]


def least_squares(P, H, *, weights=None, ridge=0.0):
    """argmin_F Σ_j v_j ‖H_j − P_j F‖² + ridge Σ_k S_kk ‖F_k‖²,  S = diag(Pᵀ V P)  (eq. 2)."""
    P, H, weights = _arrays(P, H, weights)
    check_arguments(P, H, weights, p=2.0, eps=1.0, ridge=ridge)
    problem = normalise(P, H, weights)
    return _units(problem, _least_squares(problem, ridge))


def pnorm_regression(
    P,
    H,
    *,
    p=1.0,
    weights=None,
    iterations=5,
    eps=1e-4,
    ridge=0.0,
    gradient: Gradient = "last_step",
    implementation=None,
):
    """argmin_F Σ_j v_j |H_j − P_j F|^p of every column, by IRLS from the least squares (eq. 3)."""
    P, H, weights = _arrays(P, H, weights)
    check_arguments(P, H, weights, p=p, eps=eps, ridge=ridge)
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1; got {iterations}")
    if gradient not in ("last_step", "implicit", "unrolled"):
        raise ValueError(
            f"gradient must be 'last_step', 'implicit' or 'unrolled'; got {gradient!r}"
        )
    problem = normalise(P, H, weights)
    constant = problem if gradient == "unrolled" else stop_gradient(problem)
    F = _least_squares(constant, ridge)
    F = jax.lax.fori_loop(
        0,
        iterations - 1,
        lambda _, F: _step(constant, F, _irls_weights(constant, F, p, eps), ridge),
        F,
    )
    W = _irls_weights(constant, F, p, eps)
    F = _step(problem, F, W, ridge)
    if gradient == "implicit":
        F = _implicit(problem, stop_gradient(F), p, eps, ridge)
    return _units(problem, F)


def predict(P, F):
    """``P F``: appearance features [..., n, D] of pose features [..., n, d]."""
    P, F = jnp.asarray(P), jnp.asarray(F)
    if P.ndim < 2 or F.ndim < 2 or P.shape[-1] != F.shape[-2]:
        raise ValueError(
            f"P and F must be [..., n, d] and [..., d, D] with the same d; got P {P.shape} "
            f"and F {F.shape}"
        )
    return matmul(P, F)


def _arrays(P, H, weights):
    return jnp.asarray(P), jnp.asarray(H), None if weights is None else jnp.asarray(weights)


def _units(problem: Problem, F: jax.Array) -> jax.Array:
    return F * problem.H_unit / problem.P_unit


def _irls_weights(problem: Problem, F: jax.Array, p: float, eps: float) -> jax.Array:
    P, H, v = problem.P, problem.H, problem.v
    size = jnp.sum(v * jnp.abs(H), axis=-2, keepdims=True) / jnp.sum(v, axis=-2, keepdims=True)
    u = (H - matmul(P, F)) / jnp.where(size == 0, 1, size)
    return (u * u + eps * eps) ** (p / 2 - 1)


def _least_squares(problem: Problem, ridge: float) -> jax.Array:
    one = jnp.ones((1, 1), problem.H.dtype)
    constant = stop_gradient(problem)
    start = jnp.zeros((), problem.H.dtype) * matmul(transpose(constant.P), constant.H * constant.v)
    return _step(problem, _step(constant, start, one, ridge), one, ridge)


def _step(problem: Problem, F: jax.Array, w: jax.Array, ridge: float) -> jax.Array:
    P, H, v = problem.P, problem.H, problem.v
    W = v * w
    penalty = ridge * transpose(jnp.sum(v * P * P, axis=-2, keepdims=True))

    def matvec(x):
        return matmul(transpose(P), W * matmul(P, x)) + penalty * x

    cP, cW, cp = stop_gradient((P, W, penalty))
    A = weighted_gram(cP, cW) + cp[..., None] * jnp.eye(P.shape[-1], dtype=P.dtype)[..., None]
    L = cholesky(A)
    rhs = matmul(transpose(P), W * (H - matmul(P, F))) - penalty * F
    return F + jax.lax.custom_linear_solve(
        matvec, rhs, lambda _, b: cholesky_solve(L, b), symmetric=True
    )


def _implicit(problem: Problem, F: jax.Array, p: float, eps: float, ridge: float) -> jax.Array:
    """F with the derivative of the root of g(F, problem) = 0: dF = -(dg/dF)⁻¹ dg."""
    v, P = problem.v, problem.P
    g = matmul(transpose(P), v * _irls_weights(problem, F, p, eps) * (problem.H - matmul(P, F)))
    g = g - ridge * transpose(jnp.sum(v * P * P, axis=-2, keepdims=True)) * F
    size = jnp.sum(v * jnp.abs(problem.H), axis=-2, keepdims=True) / jnp.sum(v, -2, keepdims=True)
    u = (problem.H - matmul(P, F)) / jnp.where(size == 0, 1, size)
    curvature = (u * u + eps * eps) ** (p / 2 - 2) * ((p - 1) * u * u + eps * eps)
    cP, W, cv = stop_gradient((P, v * curvature, v))
    penalty = ridge * transpose(jnp.sum(cv * cP * cP, axis=-2, keepdims=True))
    A = weighted_gram(cP, W) + penalty[..., None] * jnp.eye(P.shape[-1], dtype=P.dtype)[..., None]
    L = cholesky(A)
    return F + jax.lax.custom_linear_solve(
        lambda x: matmul(transpose(cP), W * matmul(cP, x)) + penalty * x,
        g - stop_gradient(g),
        lambda _, b: cholesky_solve(L, b),
        symmetric=True,
    )
