"""p-norm regression to convergence, with a solution object."""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.lax import stop_gradient
from jax.typing import ArrayLike

from pnr_jax.regression import _newton
from pnr_jax.regression._irls import exact_step, implicit_step
from pnr_jax.regression._linear import matmul
from pnr_jax.regression._problem import as_arrays, check_arguments, check_choice, normalise
from pnr_jax.regression._smoothing import Smoothing

Progress = tuple[_newton.State, jax.Array, jax.Array]


class Solution(NamedTuple):
    """What `solve_pnorm` found."""

    F: jax.Array  # [..., d, D]
    objective: jax.Array  # [..., D], Σ_j v_j |H_j − P_j F|^p
    iterations: jax.Array  # int32
    converged: jax.Array  # [..., D], bool


def solve_pnorm(
    P: ArrayLike,
    H: ArrayLike,
    *,
    p: float = 1.0,
    weights: ArrayLike | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    eps: float = 1e-6,
    ridge: float = 0.0,
    gradient: Literal["last_step", "implicit"] = "last_step",
    throw: bool = True,
) -> Solution:
    """p-norm regression to convergence: `pnorm_regression` with as many iterations as it takes.

    A column has converged when the smoothing has come down to eps and an iteration changes its
    fit P F by at most ``tolerance`` of its norm. The iteration goes on until all columns have; for
    p = 1 a dozen or so do. Where many fits are the best, as the medians of an even number are, the
    fit may move among them to the end.

    Args:
      P: regressors [..., n, d].
      H: responses [..., n, D].
      p: the norm, 1 ≤ p ≤ 2.
      weights: of the rows, v ≥ 0, [..., n]; 1 if None.
      tolerance: of the change of the fit, relative.
      max_iterations: at least 1.
      eps: the last smoothing, see `pnorm_regression`.
      ridge: λ ≥ 0, see `least_squares`.
      gradient: which derivative, see `pnorm_regression`; a loop of unknown length has no unrolled
        one.
      throw: see `least_squares`; it says nothing of convergence, which `converged` does.

    Returns:
      A `Solution`: F, the objective, the iterations done, and whether each column has converged.

    Raises:
      ValueError: as `pnorm_regression`.

    Example:
      >>> import jax.numpy as jnp
      >>> P = jnp.stack([jnp.ones(6), jnp.arange(6.0)], axis=1)
      >>> H = (P @ jnp.array([[1.0], [2.0]])).at[4].set(100.0)
      >>> solution = solve_pnorm(P, H)
      >>> print(solution.objective.round(1), solution.converged)
      [91.] [ True]
    """
    P, H, weights = as_arrays(P, H, weights)
    check_arguments(P, H, weights, p=p, eps=eps, ridge=ridge, throw=throw)
    check_choice("gradient", gradient, ("last_step", "implicit"))
    if max_iterations < 1 or not tolerance >= 0:
        raise ValueError(
            "max_iterations must be at least 1 and tolerance at least 0; "
            f"got max_iterations = {max_iterations} and tolerance = {tolerance}"
        )
    limits = float(tolerance), int(max_iterations)
    return _solve_pnorm(P, H, weights, Smoothing(p, eps), limits, ridge, gradient)


@partial(jax.jit, static_argnums=(3, 4, 5, 6))
def _solve_pnorm(
    P: jax.Array,
    H: jax.Array,
    weights: jax.Array | None,
    smoothing: Smoothing,
    limits: tuple[float, int],
    ridge: float,
    gradient: Literal["last_step", "implicit"],
) -> Solution:
    tolerance, max_iterations = limits
    problem = normalise(P, H, weights, ridge)
    constant = stop_gradient(problem)

    def unfinished(progress: Progress) -> jax.Array:
        _, k, converged = progress
        return (k < max_iterations - 1) & ~jnp.all(converged)

    def step(progress: Progress) -> Progress:
        old, k, _ = progress
        new = _newton.step(constant, smoothing, old)
        small = _norm(new.x - old.x) <= tolerance * _norm(new.x)
        last = new.epsilon[..., 0, :] <= smoothing.final(new.x.dtype)
        return new, k + 1, small & last

    state = _newton.start(constant, smoothing)
    converged = jnp.zeros(_norm(state.x).shape, bool)
    (x, _, epsilon), k, converged = lax.while_loop(
        unfinished, step, (state, jnp.int32(0), converged)
    )
    x = exact_step(problem, smoothing.weights(constant.scaled_residual(x), epsilon), x)
    if gradient == "implicit":
        x = implicit_step(problem, smoothing, x, epsilon)
    F = problem.solution(x)
    return Solution(F, _objective(P, H, weights, F, smoothing.p), k + 1, converged)


def _norm(x: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(x * x, axis=-2))


def _objective(
    P: jax.Array, H: jax.Array, weights: jax.Array | None, F: jax.Array, p: float
) -> jax.Array:
    v = jnp.ones(P.shape[-2]) if weights is None else weights
    v = v.astype(F.dtype)[..., None]
    residual = jnp.where(v == 0, 0, H) - matmul(jnp.where(v == 0, 0, P).astype(F.dtype), F)
    return jnp.sum(v * jnp.abs(residual) ** p, axis=-2)
