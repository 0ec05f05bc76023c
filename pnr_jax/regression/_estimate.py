"""The estimate after a fixed number of iterations, by either implementation, and its gradients."""

from functools import partial
from typing import Literal

import jax
from jax import lax
from jax.lax import stop_gradient

from pnr_jax.regression import _newton
from pnr_jax.regression._choice import Implementation
from pnr_jax.regression._irls import (
    Inverse,
    exact_iterations,
    exact_step,
    factorised,
    implicit_step,
    inexact_iterations,
)
from pnr_jax.regression._problem import Problem, normalise
from pnr_jax.regression._smoothing import Smoothing

Gradient = Literal["last_step", "implicit", "unrolled"]

_FEW = 8  # iterations at most that conjugate gradients do as well as is worth having,
TALL, LARGE = 6, 128  # where there are so many rows for each column of P, and so many in all


@partial(jax.jit, static_argnums=(3, 4, 5, 6, 7))
def estimate(
    P: jax.Array,
    H: jax.Array,
    weights: jax.Array | None,
    smoothing: Smoothing,
    iterations: int,
    ridge: float,
    gradient: Gradient,
    implementation: Implementation,
) -> jax.Array:
    """F of `pnorm_regression`."""
    problem = normalise(P, H, weights, ridge)
    inverse: Inverse = factorised
    if implementation == "pallas":  # imported at use: not every build of jax brings a compiler
        from pnr_jax.regression._pallas import pallas_inverse as inverse
    # The coordinates are constants to the derivative. Exact iterations of eq. 3 do not depend on
    # them; those of `approximate` do, or have no derivative worth having, and are not unrolled.
    if gradient == "unrolled":
        before, epsilon = problem, smoothing.scheduled(iterations - 1, problem.H.dtype)
        x = exact_iterations(problem, smoothing, iterations - 1, inverse)
    else:
        before = stop_gradient(problem)
        x, epsilon = approximate(before, smoothing, iterations - 1, implementation, inverse)
    x = exact_step(problem, smoothing.weights(before.scaled_residual(x), epsilon), x, inverse)
    if gradient == "implicit":
        x = implicit_step(problem, smoothing, x, epsilon, inverse)
    return problem.solution(x)


def approximate(
    problem: Problem,
    smoothing: Smoothing,
    iterations: int,
    implementation: Implementation,
    inverse: Inverse,
) -> tuple[jax.Array, jax.Array]:
    """The estimate x before the last iteration, and the ε of that."""
    n, d = problem.P.shape[-2:]
    if iterations > _FEW or n < max(TALL * d, LARGE):
        state = _newton.start(problem, smoothing)
        step = partial(_newton.step, problem, smoothing, inverse=inverse)
        state = lax.fori_loop(0, iterations, lambda _, state: step(state), state)
        return state.x, state.epsilon
    if implementation == "pallas":
        from pnr_jax.regression._pallas import pallas_iterations as few
    else:
        few = inexact_iterations
    return few(problem, smoothing, iterations), smoothing.scheduled(iterations, problem.H.dtype)
