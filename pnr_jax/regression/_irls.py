"""Iteratively reweighted least squares, in the coordinates of `Problem`.

The smoothed problem, for each column h of H with residual r = h − P x and s = mean |h|:

    minimise  Σ_j v_j ρ(r_j / s) s² + xᵀ penalty x / 2,    ρ'(u) = u (u² + ε²)^(p/2 − 1),

so ρ(u) = |u|^p / p for |u| ≫ ε. An iteration minimises the quadratic that touches it from above
at the present x, with the weights W = v (u² + ε²)^(p/2 − 1) of eq. 3, so that none makes it worse.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.lax import stop_gradient
from jax.typing import DTypeLike

from pnr_jax.regression._linear import cholesky, cholesky_solve, matmul, transpose, weighted_gram
from pnr_jax.regression._problem import Problem

Inverse = Callable[[Problem, jax.Array], Callable[[jax.Array], jax.Array]]

INEXACT = 8  # iterations, from the first, that conjugate gradients solve
CG_STEPS = 2  # of conjugate gradients for each of them


class Smoothing(NamedTuple):
    """The norm p and the clamp ε(k) = max(eps, 0.3 · 0.5ᵏ) of iteration k, relative to s.

    A wide ε first keeps the weights of rows that merely happen to be near the present fit from
    freezing it: 5 iterations then come as near to the optimum as 10 with a constant ε.
    """

    p: float
    eps: float

    def final(self, dtype: DTypeLike) -> jax.Array:
        """The last ε: eps, but no less than the precision to which a residual is known."""
        return jnp.asarray(max(self.eps, float(jnp.finfo(dtype).eps)), dtype)

    def epsilon(self, iteration: jax.Array | int, dtype: DTypeLike) -> jax.Array:
        """ε of an iteration."""
        return jnp.maximum(self.final(dtype), 0.3 * 0.5 ** jnp.asarray(iteration, dtype))

    def weights(self, problem: Problem, x: jax.Array, iteration: jax.Array | int) -> jax.Array:
        """Weights w = ρ'(u) / u of eq. 3 at x, [..., n, D]; W is v w."""
        return self.weights_at(_squares(problem, x), iteration)

    def weights_at(self, squares: jax.Array, iteration: jax.Array | int) -> jax.Array:
        """(u² + ε²)^(p/2 − 1) of u²."""
        base = squares + self.epsilon(iteration, squares.dtype) ** 2
        return lax.rsqrt(base) if self.p == 1 else base ** (self.p / 2 - 1)

    def curvature(self, problem: Problem, x: jax.Array, iteration: jax.Array | int) -> jax.Array:
        """ρ''(u) = w ((p − 1) u² + ε²) / (u² + ε²), [..., n, D]."""
        squares = _squares(problem, x)
        e2 = self.epsilon(iteration, squares.dtype) ** 2
        return self.weights_at(squares, iteration) * ((self.p - 1) * squares + e2) / (squares + e2)


def _squares(problem: Problem, x: jax.Array) -> jax.Array:
    """u² of the relative residuals u."""
    return ((problem.H - matmul(problem.P, x)) / problem.size) ** 2


def normal_operator(problem: Problem, w: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """Maps x to (Pᵀ W P + penalty) x: two thin products, no Gram matrix for each column."""
    W = problem.v * w

    def apply(x: jax.Array) -> jax.Array:
        return matmul(transpose(problem.P), W * matmul(problem.P, x)) + matmul(problem.penalty, x)

    return apply


def negative_gradient(problem: Problem, w: jax.Array, x: jax.Array) -> jax.Array:
    """Pᵀ W (H − P x) − penalty x, from the residual: accurate where it is small."""
    residual = problem.H - matmul(problem.P, x)
    return matmul(transpose(problem.P), problem.v * w * residual) - matmul(problem.penalty, x)


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


def relaxation(p: float) -> float:
    """How far an exact iteration overshoots: below a factor of 2 that too makes nothing worse.

    1/(p − 1) is Newton's step where |u| ≫ ε; near p = 1 a factor of 1.5 halves the iterations.
    """
    return 1 / max(p - 1, 2 / 3)


def relaxed_step(
    problem: Problem,
    smoothing: Smoothing,
    x: jax.Array,
    k: jax.Array | int,
    inverse: Inverse = factorised,
) -> jax.Array:
    """An exact iteration, overshot."""
    change = exact_step(problem, smoothing.weights(problem, x, k), x, inverse) - x
    return x + relaxation(smoothing.p) * change


def implicit_step(
    problem: Problem,
    smoothing: Smoothing,
    x: jax.Array,
    k: jax.Array | int,
    inverse: Inverse = factorised,
) -> jax.Array:
    """Returns x itself, with the derivative of the minimiser of the smoothed problem.

    There g(x, problem) = Pᵀ v w(u) (H − P x) − penalty x = 0, so by the implicit function theorem

        dx = −(∂g/∂x)⁻¹ dg = (Pᵀ diag(v ρ''(u)) P + penalty)⁻¹ dg,    x constant in dg,

    where dg takes in that w depends on P, H and, by the unit s, on all of the column. What is
    added below is 0 with that derivative.
    """
    problem_, x = stop_gradient((problem, x))
    curvature = smoothing.curvature(problem_, x, k)
    solve = inverse(problem_, curvature)
    g = negative_gradient(problem, smoothing.weights(problem, x, k), x)
    return x + lax.custom_linear_solve(
        normal_operator(problem_, curvature),
        g - stop_gradient(g),
        lambda _, b: solve(b),
        symmetric=True,
    )


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


def iterate(
    problem: Problem,
    smoothing: Smoothing,
    iterations: int,
    inexact: int = INEXACT,
    inverse: Inverse = factorised,
) -> jax.Array:
    """The estimate after so many iterations from least squares, the first ones inexact."""

    def approach(k: jax.Array, x: jax.Array) -> jax.Array:
        return inexact_step(problem, smoothing.weights(problem, x, k), x)

    def relax(k: jax.Array, x: jax.Array) -> jax.Array:
        return relaxed_step(problem, smoothing, x, k, inverse)

    x, first = least_squares_solution(problem), min(iterations, inexact)
    x = lax.fori_loop(0, first, approach, x) if first else x
    return lax.fori_loop(first, iterations, relax, x) if iterations > first else x
