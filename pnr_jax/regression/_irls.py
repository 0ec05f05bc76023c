"""Iteratively reweighted least squares (eq. 3), in the coordinates of `Problem`.

An iteration minimises the quadratic that touches the smoothed problem from above at the present x,
with the weights W = v w of eq. 3, so that none makes it worse.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.lax import stop_gradient

from pnr_jax.regression._linear import cholesky, cholesky_solve, matmul, transpose, weighted_gram
from pnr_jax.regression._problem import Problem
from pnr_jax.regression._smoothing import Smoothing

Inverse = Callable[[Problem, jax.Array], Callable[[jax.Array], jax.Array]]

CG_STEPS = 2  # of conjugate gradients for an inexact iteration


def normal_operator(problem: Problem, w: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """Maps x to (Pᵀ W P + penalty) x: two thin products, no Gram matrix for each column."""
    W = problem.v * w

    def apply(x: jax.Array) -> jax.Array:
        return matmul(transpose(problem.P), W * matmul(problem.P, x)) + matmul(problem.penalty, x)

    return apply


def negative_gradient(problem: Problem, w: jax.Array, x: jax.Array) -> jax.Array:
    """Pᵀ W (H − P x) − penalty x, from the residual: accurate where it is small."""
    force = matmul(transpose(problem.P), problem.v * w * problem.residual(x))
    return force - matmul(problem.penalty, x)


def factorised(problem: Problem, w: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """Maps b to (Pᵀ W P + penalty)⁻¹ b, by one Cholesky factorisation for all columns."""
    L = cholesky(weighted_gram(problem.P, problem.v * w) + problem.penalty[..., None])
    return lambda b: cholesky_solve(L, b)


def inexact_step(problem: Problem, w: jax.Array, x: jax.Array) -> jax.Array:
    """An iteration by a few steps of conjugate gradients from x.

    P is orthonormal, so the system is as well conditioned as the weights are even, and early on,
    with a wide ε, they are even enough for two steps to do what the exact solution would. A step
    costs 4 n d multiplications a column, a Gram matrix n d² / 2.
    """
    apply = normal_operator(problem, w)
    residual = negative_gradient(problem, w, x)
    direction, size = residual, jnp.sum(residual**2, axis=-2, keepdims=True)
    for _ in range(CG_STEPS):
        image = apply(direction)
        step = _ratio(size, jnp.sum(direction * image, axis=-2, keepdims=True))
        x = x + step * direction
        residual = residual - step * image
        size, last = jnp.sum(residual**2, axis=-2, keepdims=True), size
        direction = residual + _ratio(size, last) * direction
    return x


def _ratio(a: jax.Array, b: jax.Array) -> jax.Array:
    """The ratio a / b, and 0, with a derivative of 0, where b is 0: a column already solved."""
    return jnp.where(b == 0, 0, a) / jnp.where(b == 0, 1, b)


def exact_step(
    problem: Problem, w: jax.Array, x: jax.Array, inverse: Inverse = factorised
) -> jax.Array:
    """An iteration by a factorisation; differentiable in the problem and in w.

    x' = x + A⁻¹ (Pᵀ W (H − P x) − penalty x) is A⁻¹ Pᵀ W H with A = Pᵀ W P + penalty, whatever x
    is, so x is a constant to the derivative too. `custom_linear_solve` differentiates A x' = b as
    an equation, A dx' = db − dA x', that is

        dx' = A⁻¹ (dPᵀ W r + Pᵀ dW r + Pᵀ W (dH − dP x') − d penalty x'),    r = H − P x',

    with products by A alone (`normal_operator`), and solves it, and its transpose for reverse
    mode, with the factor that the value was computed with.
    """
    x = stop_gradient(x)
    solve = inverse(*stop_gradient((problem, w)))
    change = lax.custom_linear_solve(
        normal_operator(problem, w),
        negative_gradient(problem, w, x),
        lambda _, b: solve(b),
        symmetric=True,
    )
    return x + change


def implicit_step(
    problem: Problem,
    smoothing: Smoothing,
    x: jax.Array,
    epsilon: jax.Array,
    inverse: Inverse = factorised,
) -> jax.Array:
    """Returns x itself, with the derivatives, of any order, of the smoothed problem's minimiser.

    There g(x, problem) = Pᵀ v w(u) (H − P x) − penalty x = 0, so by the implicit function theorem

        dx = −(∂g/∂x)⁻¹ dg = (Pᵀ diag(v ρ''(u)) P + penalty)⁻¹ dg,    x constant in dg,

    where dg takes in that w depends on P, H and, by the unit s, on all of the column.
    """
    constant, x = stop_gradient((problem, x))
    solve = inverse(constant, smoothing.curvature(constant.scaled_residual(x), epsilon))

    def g(x: jax.Array) -> jax.Array:
        return negative_gradient(problem, smoothing.weights(problem.scaled_residual(x), epsilon), x)

    def tangent_solve(A: Callable[[jax.Array], jax.Array], b: jax.Array) -> jax.Array:
        return lax.custom_linear_solve(A, b, lambda _, b: -solve(b), symmetric=True)

    return lax.custom_root(g, x, lambda _, x: x, tangent_solve)


def least_squares_solution(problem: Problem) -> jax.Array:
    """The solution for p = 2; differentiable.

    In these coordinates the matrix A of the normal equations is the identity up to roundoff, so
    the inverse is one correction away: A⁻¹ b = b + (b − A b) + O(roundoff²).
    """
    return lax.custom_linear_solve(
        normal_operator(problem, jnp.ones((), problem.H.dtype)),
        matmul(transpose(problem.P), problem.v * problem.H),
        lambda apply, b: b + (b - apply(b)),
        symmetric=True,
    )


def inexact_iterations(problem: Problem, smoothing: Smoothing, iterations: int) -> jax.Array:
    """The estimate after so many inexact iterations from least squares, ε as scheduled."""

    def body(k: jax.Array, x: jax.Array) -> jax.Array:
        epsilon = smoothing.scheduled(k, x.dtype)
        return inexact_step(problem, smoothing.weights(problem.scaled_residual(x), epsilon), x)

    return lax.fori_loop(0, iterations, body, least_squares_solution(problem))


def exact_iterations(
    problem: Problem, smoothing: Smoothing, iterations: int, inverse: Inverse = factorised
) -> jax.Array:
    """The same by exact iterations, which can be differentiated.

    They overshoot: below a factor of 2 that too makes nothing worse. 1/(p − 1) is Newton's step
    where |u| ≫ ε; near p = 1 a factor of 1.5 halves the iterations.
    """
    factor = 1 / max(smoothing.p - 1, 2 / 3)

    def body(k: jax.Array, x: jax.Array) -> jax.Array:
        w = smoothing.weights(problem.scaled_residual(x), smoothing.scheduled(k, x.dtype))
        return x + factor * (exact_step(problem, w, x, inverse) - x)

    return lax.fori_loop(0, iterations, body, least_squares_solution(problem))
