"""The public functions: least squares, p-norm regression, its full solution, prediction."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from pnr_jax.regression._checks import as_arrays, check_arguments, check_choice, check_start
from pnr_jax.regression._estimate import Gradient, Implementation, Solution, Solver, estimate
from pnr_jax.regression._inexact import InexactIRLS
from pnr_jax.regression._irls import IRLS, least_squares_solution
from pnr_jax.regression._linear import matmul
from pnr_jax.regression._primal_dual import PrimalDual
from pnr_jax.regression._problem import normalise

Number = ArrayLike  # a Python number, an array without axes, or a tracer of one


def least_squares(
    P: ArrayLike,
    H: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    ridge: Number = 0.0,
    check: bool = True,
) -> jax.Array:
    r"""Solves weighted least squares: finds the F that explains H by P (eq. 2).

    .. math:: F = \arg\min_F \sum_j v_j \|H_j - P_j F\|^2 + λ \sum_k S_k \|F_k\|^2, \quad
              S_k = \sum_j v_j P_{jk}^2

    If there are several minimisers, the shortest is returned, in units in which the columns of P
    have the same size. All axes before the last two are batch axes and broadcast.

    Args:
      P: regressors (pose features) [..., n, d].
      H: responses (appearance features) [..., n, D].
      weights: row weights v ≥ 0, [..., n]; 1 if None. A row of weight 0 has no effect, even if it
        contains infinities.
      ridge: λ ≥ 0, relative to each column of P, so that units do not matter.
      check: whether to check the values outside jit, which waits for them, and raise an error for
        negative weights and non-finite values. If False, and under jit, these give NaN.

    Returns:
      F [..., d, D], float32, or float64 if P or H is.

    Raises:
      ValueError: wrong shapes or options; outside jit also negative weights, and NaN or infinity
        in a row with a weight above 0.

    Example:
      >>> import jax.numpy as jnp
      >>> P = jnp.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
      >>> H = jnp.array([[1.0], [3.0], [5.0], [jnp.inf]])
      >>> print(least_squares(P, H, weights=jnp.array([1.0, 1.0, 1.0, 0.0])).round(3))
      [[1.]
       [2.]]
    """
    P, H, weights = as_arrays(P, H, weights)
    check_arguments(P, H, weights, check=check, numbers={"ridge": ridge})
    return _least_squares(P, H, weights, ridge)


def pnorm_regression(
    P: ArrayLike,
    H: ArrayLike,
    *,
    p: Number = 1.0,
    weights: ArrayLike | None = None,
    ridge: Number = 0.0,
    rowwise: bool = False,
    solver: Solver = IRLS(),  # noqa: B008 (frozen)
    gradient: Gradient = "last_step",
    start: ArrayLike | None = None,
    implementation: Implementation = "xla",
    check: bool = True,
) -> jax.Array:
    r"""Solves p-norm regression with the given solver (eqs. 1, 3 and 4).

    .. math:: F = \arg\min_F \sum_j v_j \|H_j - P_j F\|_p^p

    Eq. 4 of the paper has no power p outside of the norm. For p = 1 both are the same; for p = 2
    this is the least squares of eq. 2, and eq. 4 as printed is ``rowwise`` with p = 1. Entrywise,
    the columns of H are independent. Rowwise, :math:`\|\cdot\|_2^p` of rows is minimised instead
    (the L2,p norm): each row has one weight, which is robust against rows that are wrong as a
    whole. For p = 2, given as a Python number, both are `least_squares`, and the other options do
    not matter.

    The solver decides what runs, never the shapes or values: `IRLS` is eq. 3 to the letter,
    `InexactIRLS` is faster, `PrimalDual` converges to the minimiser. Each ends with one exact
    iteration of eq. 3. ``gradient`` chooses its derivative:

    * `"last_step"`: the weights of the last iteration are constants, as in the paper. This costs a
      solve with the factor of the forward pass and a few thin products, and stores nothing for
      each iteration. Higher derivatives are those of that one weighted least squares problem, and
      the derivative with respect to p is 0.
    * `"implicit"`: the derivative of the minimiser itself, of any order, by the implicit function
      theorem; nothing is stored for each iteration. It is correct once the iteration has
      converged, and erratic before. For p = 1 choose a meaningful eps, say 1e-2, since the
      minimiser of the unsmoothed problem is a vertex that jumps.
    * `"unrolled"`: the derivative through all iterations. Time and memory grow with them. Of
      `InexactIRLS` only the first derivative is exact.

    A weight of 0 has a derivative of 0: a row that is left out does not come back by learning. Only
    `"unrolled"` has a derivative with respect to `start`.

    Args:
      P: regressors (pose features) [..., n, d].
      H: responses (appearance features) [..., n, D].
      p: the norm, 1 ≤ p ≤ 2; 1 is least absolute deviations.
      weights: row weights v ≥ 0, [..., n]; 1 if None. A row of weight 0 has no effect, even if it
        contains infinities.
      ridge: λ ≥ 0; adds λ S of `least_squares` to the matrices of eq. 3, whose residuals are in
        units of the typical entry of H (`IRLS` defines it).
      rowwise: whether to take the norm of whole rows.
      solver: `IRLS`, `InexactIRLS` or `PrimalDual`, with their options.
      gradient: the kind of derivative, see above.
      start: the initial F [..., d, D]; least squares if None.
      implementation: "xla", or "pallas": one fused kernel for GPU and TPU; only for `IRLS` and
        `InexactIRLS`, entrywise, in float32.
      check: see `least_squares`.

    Returns:
      F [..., d, D], float32, or float64 if P or H is.

    Raises:
      ValueError: wrong shapes or options; outside jit also negative weights, and NaN or infinity
        in a row with a weight above 0. Under jit these give NaN.

    Example:
      >>> import jax.numpy as jnp
      >>> P = jnp.stack([jnp.ones(6), jnp.arange(6.0)], axis=1)
      >>> H = (P @ jnp.array([[1.0], [2.0]])).at[4].set(100.0)
      >>> print(pnorm_regression(P, H, solver=IRLS(iterations=20)).round(2))
      [[1.]
       [2.]]
      >>> print(least_squares(P, H).round(2))
      [[-3.33]
       [ 9.8 ]]
    """
    arguments = _arguments(
        as_arrays(P, H, weights), p=p, ridge=ridge, solver=solver, gradient=gradient, start=start,
        implementation=implementation, rowwise=rowwise, check=check,
    )  # fmt: skip
    if _is(p, 2):
        return _least_squares(*arguments[:3], ridge)
    return _estimate_for(p)(*arguments, p, ridge, rowwise, solver, gradient, implementation).F


def solve_pnorm(
    P: ArrayLike,
    H: ArrayLike,
    *,
    p: Number = 1.0,
    weights: ArrayLike | None = None,
    ridge: Number = 0.0,
    rowwise: bool = False,
    solver: Solver = PrimalDual(),  # noqa: B008 (frozen)
    gradient: Gradient = "last_step",
    start: ArrayLike | None = None,
    implementation: Implementation = "xla",
    check: bool = True,
) -> Solution:
    """Solves p-norm regression to convergence, and returns more than `pnorm_regression`.

    Args:
      P: regressors [..., n, d].
      H: responses [..., n, D].
      p: the norm, 1 ≤ p ≤ 2.
      weights: row weights v ≥ 0, [..., n]; 1 if None.
      ridge: λ ≥ 0, see `pnorm_regression`.
      rowwise: whether to take the norm of whole rows.
      solver: `PrimalDual`, which converges, or one of the others.
      gradient: the kind of derivative; a loop of unknown length has no unrolled one.
      start: the initial F [..., d, D].
      implementation: see `pnorm_regression`.
      check: see `least_squares`; it does not concern convergence, which `converged` reports.

    Returns:
      A `Solution`.

    Raises:
      ValueError: as in `pnorm_regression`.

    Example:
      >>> import jax.numpy as jnp
      >>> P = jnp.stack([jnp.ones(6), jnp.arange(6.0)], axis=1)
      >>> H = (P @ jnp.array([[1.0], [2.0]])).at[4].set(100.0)
      >>> solution = solve_pnorm(P, H)
      >>> print(solution.objective.round(1), solution.converged)
      [91.] [ True]
      >>> print(jnp.argmin(solution.weights))  # which row is the outlier?
      4
    """
    arguments = _arguments(
        as_arrays(P, H, weights), p=p, ridge=ridge, solver=solver, gradient=gradient, start=start,
        implementation=implementation, rowwise=rowwise, check=check,
    )  # fmt: skip
    solve = _estimate_for(p)
    return solve(*arguments, p, ridge, rowwise, solver, gradient, implementation)


def predict(P: ArrayLike, F: ArrayLike) -> jax.Array:
    """Computes the responses ``P F`` to the regressors P: H_t = P_t F.

    Args:
      P: regressors (pose features) [..., n, d].
      F: the result of `pnorm_regression` or `least_squares`, [..., d, D].

    Returns:
      H [..., n, D].

    Raises:
      ValueError: wrong shapes.
    """
    P, F = jnp.asarray(P), jnp.asarray(F)
    if P.ndim < 2 or F.ndim < 2 or P.shape[-1] != F.shape[-2]:
        raise ValueError(
            "P and F must be [..., n, d] and [..., d, D] with the same d; "
            f"got P {P.shape} and F {F.shape}"
        )
    return matmul(P, F)


@jax.jit
def _least_squares(
    P: jax.Array, H: jax.Array, weights: jax.Array | None, ridge: Number
) -> jax.Array:
    problem = normalise(P, H, weights, ridge, reweights=False)
    return problem.to_F(least_squares_solution(problem))


_OPTIONS = ("rowwise", "gradient", "implementation")
_estimate = jax.jit(estimate, static_argnames=_OPTIONS)
_estimate_known_p = jax.jit(estimate, static_argnames=("p", *_OPTIONS))


def _estimate_for(p: Number) -> Callable[..., Solution]:
    """Returns the compiled `estimate`, with faster powers if p is known to be 1 or 2."""
    return _estimate_known_p if _is(p, 1) or _is(p, 2) else _estimate


def _is(p: Number, value: int) -> bool:
    return isinstance(p, int | float) and p == value


def _arguments(
    arrays: tuple[jax.Array, jax.Array, jax.Array | None],
    *,
    solver: Solver,
    gradient: Gradient,
    start: ArrayLike | None,
    implementation: Implementation,
    rowwise: bool,
    check: bool,
    **numbers: Number,
) -> tuple[jax.Array, jax.Array, jax.Array | None, jax.Array | None]:
    """Returns P, H, weights and start as arrays, after checking all arguments."""
    P, H, weights = arrays
    check_arguments(P, H, weights, check=check, numbers=numbers | _options(solver))
    check_choice("gradient", gradient, ("last_step", "implicit", "unrolled"))
    check_choice("implementation", implementation, ("xla", "pallas"))
    if gradient == "unrolled" and isinstance(solver, PrimalDual):
        raise ValueError(
            "PrimalDual has no unrolled gradient, since its loop is of unknown length; use "
            'gradient="implicit", or IRLS'
        )
    if implementation == "pallas":
        double = jnp.float64 in (P.dtype, H.dtype)
        if rowwise or double or isinstance(solver, PrimalDual) or gradient == "unrolled":
            raise ValueError(
                'implementation="pallas" has IRLS and InexactIRLS, entrywise, float32, and no '
                'unrolled gradient; use implementation="xla"'
            )
    if start is not None:
        start = jnp.asarray(start)
        check_start(P, H, weights, start)
    return *arrays, start


def _options(solver: Solver) -> dict[str, Any]:
    if not isinstance(solver, IRLS | InexactIRLS | PrimalDual):
        raise ValueError(f"solver must be IRLS(), InexactIRLS() or PrimalDual(); got {solver!r}")
    return {field.name: getattr(solver, field.name) for field in dataclasses.fields(solver)}
