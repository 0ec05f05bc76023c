"""Least squares, p-norm regression and prediction: eqs. 1 to 4 of the paper."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from pnr_jax.regression._choice import Implementation, choose
from pnr_jax.regression._estimate import Gradient, estimate
from pnr_jax.regression._irls import least_squares_solution
from pnr_jax.regression._linear import matmul
from pnr_jax.regression._problem import as_arrays, check_arguments, check_choice, normalise
from pnr_jax.regression._smoothing import Smoothing


def least_squares(
    P: ArrayLike,
    H: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    ridge: float = 0.0,
    throw: bool = True,
) -> jax.Array:
    r"""Weighted least squares: the F that explains H by P (eq. 2).

    .. math:: F = \arg\min_F \sum_j v_j \|H_j - P_j F\|^2 + λ \sum_k S_k \|F_k\|^2, \quad
              S_k = \sum_j v_j P_{jk}^2

    Of several minimisers it is the shortest, in units in which the columns of P are of one size.
    All axes before the last two are batch axes and broadcast.

    Args:
      P: regressors (pose features) [..., n, d].
      H: responses (appearance features) [..., n, D].
      weights: of the rows, v ≥ 0, [..., n]; 1 if None. A row of weight 0 leaves no trace, even if
        it holds infinities.
      ridge: λ ≥ 0, relative to each column of P, so that units do not matter.
      throw: whether to look at the values outside jit, which waits for them, and raise if they are
        negative or not finite. If not, and under jit, those give NaN.

    Returns:
      F [..., d, D], float32 or, if P or H is, float64.

    Raises:
      ValueError: wrong shapes or options; and, outside jit, negative weights, NaN or infinity in a
        row that counts. Under jit those give NaN.

    Example:
      >>> import jax.numpy as jnp
      >>> P = jnp.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
      >>> H = jnp.array([[1.0], [3.0], [5.0], [jnp.inf]])
      >>> print(least_squares(P, H, weights=jnp.array([1.0, 1.0, 1.0, 0.0])).round(3))
      [[1.]
       [2.]]
    """
    P, H, weights = as_arrays(P, H, weights)
    check_arguments(P, H, weights, p=2.0, eps=1.0, ridge=ridge, throw=throw)
    return _least_squares(P, H, weights, ridge)


@partial(jax.jit, static_argnums=3)
def _least_squares(
    P: jax.Array, H: jax.Array, weights: jax.Array | None, ridge: float
) -> jax.Array:
    problem = normalise(P, H, weights, ridge)
    return problem.solution(least_squares_solution(problem))


def pnorm_regression(
    P: ArrayLike,
    H: ArrayLike,
    *,
    p: float = 1.0,
    weights: ArrayLike | None = None,
    iterations: int = 5,
    eps: float = 1e-6,
    ridge: float = 0.0,
    gradient: Gradient = "last_step",
    implementation: Implementation | None = None,
    throw: bool = True,
) -> jax.Array:
    r"""p-norm regression by iteratively reweighted least squares (eqs. 1, 3 and 4).

    .. math:: F = \arg\min_F \sum_j v_j \|H_j - P_j F\|_p^p

    Column by column from the least squares solution. The last iteration solves the system of eq. 3
    with the weights w = (u² + ε²)^(p/2 − 1), u = (H − P F) / mean abs(H). Those before it are

    * up to nine iterations in all, where n ≥ max(6 d, 128): the same systems, solved nearly (two
      steps of conjugate gradients) at a tenth of the cost, ε = max(eps, 0.3 · 0.5ᵏ) in iteration k;
    * else primal–dual Newton iterations, one factorisation each as in eq. 3, that lower ε as the
      duality gap falls: about a dozen reach the optimum.

    p = 2 is `least_squares`.

    Which derivative:
      last_step: the weights of the last iteration are constants, as in the paper. Costs one
        triangular solve and a few thin products, with the factor of the forward pass; stores
        nothing for each iteration. For training: cheap, bounded, keeps the robustness. Further
        derivatives are those of that one weighted least squares problem.
      implicit: that of the minimiser itself, of any order, by the implicit function theorem. One
        more factorisation, nothing stored for each iteration. Right when the iteration has
        converged (`solve_pnorm` tells) and wild before; for p = 1 choose an eps that means
        something, say 1e-2, since the minimiser of the unsmoothed problem is a vertex that jumps.
      unrolled: through all iterations, which are then over-relaxed, exact ones of eq. 3. Time and
        memory grow with the iterations. Right for the few one really does, and to check the others.

    Values and derivatives are finite wherever they can be represented: F is of the order of H / P,
    its derivative of H / P², which float32 holds up to 1e38.

    Defaults, by `python -m benchmarks.regression --peer=exact --rows 512` on 2 CPU cores: with
    10% gross outliers the objective is above the exact optimum by (relative; mean and largest of
    24 columns) 4e-2 and 6e-2 after 1 iteration, 1e-3 and 2e-3 after 3, 3e-4 and 5e-4 after 5,
    8e-7 and 1e-6 after 10, 2e-8 and 3e-8 after 50, where an eps of 1e-4 leaves 2e-6 and one of
    1e-3 2e-5. A ridge of 1e-4 changes none of these, and 0 is exact; training may want one
    (docs/regression.md).

    Args:
      P: regressors (pose features) [..., n, d].
      H: responses (appearance features) [..., n, D].
      p: the norm, 1 ≤ p ≤ 2; 1 is least absolute deviations.
      weights: of the rows, v ≥ 0, [..., n]; 1 if None. A row of weight 0 leaves no trace, even if
        it holds infinities.
      iterations: at least 1.
      eps: the last smoothing of abs(r) at 0, relative to the mean of abs(H) of the column.
      ridge: λ ≥ 0, relative to each column of P, see `least_squares`.
      gradient: which derivative, see above.
      implementation: "xla", "pallas" (one fused kernel, for GPU), or None to choose by platform.
      throw: see `least_squares`.

    Returns:
      F [..., d, D], float32 or, if P or H is, float64.

    Raises:
      ValueError: wrong shapes or options; and, outside jit, negative weights, NaN or infinity in a
        row that counts. Under jit those give NaN.

    Example:
      >>> import jax.numpy as jnp
      >>> P = jnp.stack([jnp.ones(6), jnp.arange(6.0)], axis=1)
      >>> H = (P @ jnp.array([[1.0], [2.0]])).at[4].set(100.0)
      >>> print(pnorm_regression(P, H, iterations=10).round(2))
      [[1.]
       [2.]]
      >>> print(least_squares(P, H).round(2))
      [[-3.33]
       [ 9.8 ]]
    """
    P, H, weights = as_arrays(P, H, weights)
    check_arguments(P, H, weights, p=p, eps=eps, ridge=ridge, throw=throw)
    check_choice("gradient", gradient, ("last_step", "implicit", "unrolled"))
    check_choice("implementation", implementation, (None, "xla", "pallas"))
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1; got {iterations}")
    if p == 2:
        return _least_squares(P, H, weights, ridge)
    chosen = choose(implementation, P, H)[0]
    return estimate(P, H, weights, Smoothing(p, eps), iterations, ridge, gradient, chosen)


def predict(P: ArrayLike, F: ArrayLike) -> jax.Array:
    """Responses ``P F`` that F gives to the regressors P: H_t = P_t F.

    Args:
      P: regressors (pose features) [..., n, d].
      F: what `pnorm_regression` or `least_squares` found, [..., d, D].

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
