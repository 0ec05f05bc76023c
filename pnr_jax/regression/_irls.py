"""The paper's regression: eq. 2, then eq. 3 from it, a fixed number of times.

Everything is written for x, which is F in the coordinates of `Problem`: H is in units of a typical
entry, P is orthonormal, and ``ridge`` is the identity in directions that P does not span.
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
    """Where a solver stands before its last iteration."""

    x: jax.Array  # [..., d, D]
    epsilon: jax.Array  # the eps of the last weights
    iterations: jax.Array | int  # done
    converged: jax.Array | bool  # to the solver's own tolerance, if it has one


def least_squares_solution(problem: Problem) -> jax.Array:
    """Solves eq. 2, ``x = (Pᵀ v P + ridge)⁻¹ Pᵀ v H``.

    P is orthonormal, so the matrix A is the identity up to roundoff and its inverse one correction
    away: A⁻¹ b = b + (b − A b) + O(roundoff²).
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
      problem: gives the norm.
      r: residuals in units of the typical entry, [..., n, D].
      p: the norm; a Python 1 takes the quick form.
      eps: in the same units.

    Returns:
      [..., n, D], rowwise [..., n, 1].
    """
    length = problem.length(r, least=eps)
    return 1 / length if isinstance(p, int | float) and p == 1 else length ** (p - 2)


def inverse_of(problem: Problem, W: jax.Array) -> Inverse:
    """Returns b ↦ (Pᵀ v W P + ridge)⁻¹ b: a factorisation for each column; rowwise, one for all.

    One matrix for all D columns is inverted, which is d columns to solve for instead of D.
    """
    A = gram_matrices(problem.P, problem.v * W) + problem.ridge[..., None]
    L = cholesky(A)
    if not problem.rowwise:
        return lambda b: cholesky_solve(L, b)
    eye = jnp.eye(A.shape[-2], dtype=A.dtype).reshape((1,) * (A.ndim - 3) + A.shape[-3:-1])
    # The sum lies on A's devices.
    inverse = cholesky_solve(L, jnp.zeros_like(A[..., 0]) + eye)
    return lambda b: matmul(inverse, b)


def weighted_least_squares(
    problem: Problem,
    W: jax.Array,
    x: jax.Array,
    inverse_of: Callable[[Problem, jax.Array], Inverse] = inverse_of,
) -> jax.Array:
    """Solves eq. 3, ``(Pᵀ v W P + ridge)⁻¹ Pᵀ v W H``; differentiable in the problem and in W.

    It is written as a step from x, which keeps the digits of small residuals,

        x' = x + A⁻¹ (Pᵀ v W (H − P x) − ridge x),    A = Pᵀ v W P + ridge,

    and is the same for every x, which therefore is a constant to the derivative.
    `custom_linear_solve` differentiates A (x' − x) = b as an equation, so that

        dx' = A⁻¹ (dPᵀ v W r + Pᵀ dW v r + Pᵀ v W (dH − dP x') − d ridge x'),    r = H − P x',

    with products by A alone, and solves it, and its transpose for reverse mode, with the factor
    that the value was computed with.
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

    From least squares, or from `start`, every iteration solves the weighted least squares problem
    of the residuals before it.

    Attributes:
      iterations: T, at least 1.
      eps: least abs(r) in the weights, relative to the typical entry of a column of H: the median,
        weighted by v, of those that are not 0. Rowwise, relative to the typical norm of a row.
    """

    iterations: int = 5
    eps: jax.Array | float = 1e-6

    def approach(self, problem: Problem, p: jax.Array | float, x: jax.Array) -> Progress:
        """Does all iterations but the last, from x."""
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
