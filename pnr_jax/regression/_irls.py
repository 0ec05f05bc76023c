"""The paper's regression: eq. 2, then eq. 3 from there, a fixed number of times.

Everything is written in terms of x, which is F in the coordinates of `Problem`: H is in units of a
typical entry, P is orthonormal, and ``ridge`` is the identity in directions that P does not span.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.lax import stop_gradient

from pnr_jax.regression._cholesky import cholesky, cholesky_solve
from pnr_jax.regression._linear import gram_matrices, matmul, transpose
from pnr_jax.regression._problem import Problem

Inverse = Callable[[jax.Array], jax.Array]


class Progress(NamedTuple):
    """The state of a solver before its last iteration."""

    x: jax.Array  # [..., d, D]
    epsilon: jax.Array  # the eps for the last weights
    iterations: jax.Array | int  # so far
    converged: jax.Array | bool  # to the solver's own tolerance, if it has one


def least_squares_solution(problem: Problem) -> jax.Array:
    """Solves eq. 2, ``x = (Pᵀ v P + ridge)⁻¹ Pᵀ v H``.

    P is orthonormal, so the matrix A is the identity up to roundoff, and one correction gives its
    inverse: A⁻¹ b = b + (b − A b) + O(roundoff²).
    """
    P, H, v = problem.P, problem.H, problem.v
    return lax.custom_linear_solve(
        lambda x: matmul(transpose(P), v * matmul(P, x)) + matmul(problem.ridge, x),
        matmul(transpose(P), v * H),
        lambda A, b: b + (b - A(b)),
        symmetric=True,
    )


def reweight(problem: Problem, r: jax.Array, p: jax.Array | float, eps: jax.Array) -> jax.Array:
    """Computes the weights of eq. 3, ``W = max(|r|, eps)^(p − 2)``; rowwise |r| is a row's norm.

    Args:
      problem: the problem, which determines the norm.
      r: residuals in units of the typical entry, [..., n, D].
      p: the norm; a Python 1 selects the faster formula.
      eps: the least |r|, in the same units.

    Returns:
      [..., n, D], rowwise [..., n, 1].
    """
    length = problem.length(r, least=eps)
    return 1 / length if isinstance(p, int | float) and p == 1 else length ** (p - 2)


def inverse_of(problem: Problem, W: jax.Array) -> Inverse:
    """Returns b ↦ (Pᵀ v W P + ridge)⁻¹ b: a factorisation for each column; rowwise, one for all.

    The rowwise matrix is inverted, which takes a solve for d columns instead of D.
    """
    A = gram_matrices(problem.P, problem.v * W) + problem.ridge[..., None]
    L = cholesky(A)
    if not problem.rowwise:
        return lambda b: cholesky_solve(L, b)
    eye = jnp.eye(A.shape[-2], dtype=A.dtype).reshape((1,) * (A.ndim - 3) + A.shape[-3:-1])
    # The sum places it on A's devices.
    inverse = cholesky_solve(L, jnp.zeros_like(A[..., 0]) + eye)
    return lambda b: matmul(inverse, b)


def weighted_least_squares(
    problem: Problem,
    W: jax.Array,
    x: jax.Array,
    inverse_of: Callable[[Problem, jax.Array], Inverse] = inverse_of,
) -> jax.Array:
    """Solves eq. 3, ``(Pᵀ v W P + ridge)⁻¹ Pᵀ v W H``; differentiable in the problem and in W.

    It is written as a step from x, which preserves the digits of small residuals:

        x' = x + A⁻¹ (Pᵀ v W (H − P x) − ridge x),    A = Pᵀ v W P + ridge.

    The result is the same for every x, so the derivative treats x as constant.
    `custom_linear_solve` differentiates A (x' − x) = b as an equation, so that

        dx' = A⁻¹ (dPᵀ v W r + Pᵀ dW v r + Pᵀ v W (dH − dP x') − d ridge x'),    r = H − P x',

    using only products by A. It solves this, and its transpose in reverse mode, with the factor
    that was computed for the value.
    """
    x = stop_gradient(x)
    inverse = inverse_of(*stop_gradient((problem, W)))
    P, vW = problem.P, problem.v * W

    def A(x: jax.Array) -> jax.Array:
        return matmul(transpose(P), vW * matmul(P, x)) + matmul(problem.ridge, x)

    return x + lax.custom_linear_solve(
        A, problem.force(W, x), lambda _, b: inverse(b), symmetric=True
    )


@partial(jax.tree_util.register_dataclass, data_fields=("eps",), meta_fields=("iterations",))
@dataclass(frozen=True)
class IRLS:
    """Iteratively reweighted least squares, eq. 3 to the letter; the paper's choice.

    Starting from least squares, or from `start`, every iteration solves the weighted least squares
    problem that the previous residuals define.

    Attributes:
      iterations: the number of iterations T, at least 1.
      eps: the lower bound of abs(r) in the weights, relative to the typical entry of a column of H:
        about the median, weighted by v, of the entries that are not 0 (its power of 2 is exact).
        Rowwise, relative to the typical norm of a row. Where residuals are smaller than that, the
        result tends to least squares: subtract from H what is large and known, or lower eps.
    """

    iterations: int = 5
    eps: jax.Array | float = 1e-6

    def approach(self, problem: Problem, p: jax.Array | float, x: jax.Array) -> Progress:
        """Runs all iterations but the last, starting from x."""
        eps = jnp.asarray(self.eps, x.dtype)

        def iteration(_: jax.Array, x: jax.Array) -> jax.Array:
            W = self.weights(problem, problem.residual(x), p, eps)
            return weighted_least_squares(problem, W, x)

        x = lax.fori_loop(0, self.iterations - 1, iteration, x)
        return Progress(x, eps, self.iterations - 1, False)

    def weights(
        self, problem: Problem, r: jax.Array, p: jax.Array | float, eps: jax.Array
    ) -> jax.Array:
        """Computes W, [..., n, D], rowwise [..., n, 1]."""
        return reweight(problem, r, p, eps)
