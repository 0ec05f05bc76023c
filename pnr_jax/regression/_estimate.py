"""The parts that all solvers share: the start, the last iteration, and its derivative."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.lax import stop_gradient

from pnr_jax.regression._inexact import InexactIRLS
from pnr_jax.regression._irls import (
    IRLS,
    Inverse,
    Progress,
    inverse_of,
    least_squares_solution,
    weighted_least_squares,
)
from pnr_jax.regression._linear import conjugate_gradients
from pnr_jax.regression._primal_dual import PrimalDual
from pnr_jax.regression._problem import Problem, normalise

Solver = IRLS | InexactIRLS | PrimalDual
"""Any solver; `pnorm_regression` says which one to use."""
Gradient = Literal["last_step", "implicit", "unrolled"]
"""The kind of derivative; `pnorm_regression` describes each."""
Implementation = Literal["xla", "pallas"]
"""The implementation: XLA's programs, or one fused kernel for GPU and TPU."""

_CG_STEPS = 50  # in the rowwise implicit derivative


class Solution(NamedTuple):
    """The result of `solve_pnorm`.

    Attributes:
      F: the solution, [..., d, D].
      weights: the weights of the last iteration, v |r|^(p − 2), [..., n, D], rowwise [..., n, 1];
        small for outliers.
      objective: Σ_j v_j |r_j|^p for each column, [..., D]; rowwise [...]; without the ridge.
      iterations: the number of iterations that were run, int32.
      converged: whether each column has converged, [..., D]; rowwise [...]. True only if F is the
        minimiser of the objective smoothed by eps, to the tolerance of `PrimalDual` or to roundoff
        in the typical entry of H. Solvers with a fixed number of iterations do not check, and
        return False.
    """

    F: jax.Array
    weights: jax.Array
    objective: jax.Array
    iterations: jax.Array
    converged: jax.Array


def estimate(
    P: jax.Array,
    H: jax.Array,
    weights: jax.Array | None,
    start: jax.Array | None,
    p: jax.Array | float,
    ridge: jax.Array | float,
    rowwise: bool,
    solver: Solver,
    gradient: Gradient,
    implementation: Implementation,
) -> Solution:
    """Computes the solution; the arguments are those of `pnorm_regression`."""
    problem = normalise(P, H, weights, ridge, rowwise)
    problem = problem.with_moving_axes() if gradient == "unrolled" else problem
    p = p if isinstance(p, int | float) else jnp.asarray(p, problem.H.dtype)
    least = least_squares_solution(problem)
    # A start may have fewer batch axes; the sum has all of them.
    x = least if start is None else problem.to_x(start) + jnp.zeros_like(least)
    # Unless unrolled, the derivative treats everything before the last solve as constant.
    constant: Callable[[Any], Any] = _identity if gradient == "unrolled" else stop_gradient
    fixed, iterate, x = constant((problem, solver, x))
    fixed_p = p if isinstance(p, int | float) else constant(p)
    inverse: Callable[[Problem, jax.Array], Inverse] = inverse_of
    if implementation == "pallas":  # Imported here: not every build of jax has a compiler for it.
        from pnr_jax.regression import _pallas

        inverse = _pallas.inverse_of
        progress: Progress = _pallas.approach(iterate, fixed, fixed_p, x)
    else:
        progress = iterate.approach(fixed, fixed_p, x)
    W = iterate.weights(fixed, fixed.residual(progress.x), fixed_p, progress.epsilon)
    x = weighted_least_squares(problem, W, progress.x, inverse)
    if gradient == "implicit":
        x = at_minimiser(problem, solver, p, x, progress.epsilon, inverse)
    size = problem.length(problem.residual(x), least=0.0) * problem.scale
    v = problem.v * problem.v_unit
    objective = jnp.sum(v * size**p, axis=-2, keepdims=True)
    last = (..., 0, 0) if rowwise else (..., 0, slice(None))
    return Solution(
        F=problem.to_F(x),
        weights=v * W * problem.scale ** (p - 2),
        objective=objective[last],
        iterations=jnp.int32(progress.iterations + 1),
        converged=(progress.converged & jnp.ones_like(objective, bool))[last],
    )


def _identity(x: Any) -> Any:
    return x


def at_minimiser(
    problem: Problem,
    solver: Solver,
    p: jax.Array | float,
    x: jax.Array,
    epsilon: jax.Array,
    inverse_of: Callable[[Problem, jax.Array], Inverse],
) -> jax.Array:
    """Returns x unchanged, with the derivatives of the minimiser, of any order.

    At the minimiser g(x, problem) = Pᵀ v w(r) r − ridge x = 0, r = H − P x, with the solver's own
    weights w, so by the implicit function theorem

        dx = −(∂g/∂x)⁻¹ dg = (Pᵀ v (w r)' P + ridge)⁻¹ dg,    x constant in dg,

    where dg accounts for the dependence of w on r.
    """
    constant, epsilon, x = stop_gradient((problem, epsilon, x))

    def force(r: jax.Array) -> jax.Array:
        return solver.weights(constant, r, p, epsilon) * r

    def g(x: jax.Array) -> jax.Array:
        W = solver.weights(problem, problem.residual(x), p, epsilon)
        return problem.force(W, x)

    r = constant.residual(x)
    if problem.rowwise:  # The columns are coupled: precondition with the weights' matrix.
        inverse = inverse_of(constant, solver.weights(constant, r, p, epsilon))
    else:
        curvature = jax.jvp(force, (r,), (jnp.ones_like(r),))[1]
        inverse = inverse_of(constant, jnp.maximum(curvature, 0))  # Not negative by roundoff.

    def solve(A: Callable[[jax.Array], jax.Array], b: jax.Array) -> jax.Array:
        if not problem.rowwise:
            return -inverse(b)
        return conjugate_gradients(lambda x: -A(x), -b, _CG_STEPS, inverse, problem.total)

    def tangent_solve(A: Callable[[jax.Array], jax.Array], b: jax.Array) -> jax.Array:
        return lax.custom_linear_solve(A, b, solve, symmetric=True)

    return lax.custom_root(g, x, lambda _, x: x, tangent_solve)
