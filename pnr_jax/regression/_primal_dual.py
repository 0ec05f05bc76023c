"""The exact solver: primal–dual Newton iterations, to convergence.

In units of the typical entry of H, with the residual u and s = (|u|² + ε²)^½, the smoothed problem
is to minimise Σ_j v_j s_j^p / p + xᵀ ridge x / 2. At its minimiser ρ'(u) = s^(p−2) u balances the
ridge. Newton's method on that equation in x alone is fast near the solution and fails far from it.
So y, which converges to ρ'(u), is an unknown of its own (Chan, Golub, Mulet 1999):

    y s^(2−p) = u    and    Pᵀ v y = ridge x.

Linearised, with u + du = u − P dx, the first gives y + dy = w u + C du, where

    w = s^(p−2)    and    C du = w du − (2 − p) y ⟨u, du⟩ / s²,

and then the second (Pᵀ v C P + ridge) dx = Pᵀ v w u − ridge x. This is an iteration of eq. 3 where
y = 0, Newton's where y = ρ'(u), and a mixture of the two in between. For p = 1 it is an interior
point method: y is feasible for the dual problem. The step in y is the longest that keeps
|y| ≤ s^(p−1), the step in x is the one that lowers the objective most, and the next ε is as small
as the distance from optimality allows.

For the norm of rows, ⟨u, du⟩ and |u| are those of a row (Andersen, Christiansen, Conn, Overton
2000). C then couples the columns. It is symmetrised, and the system is solved by conjugate
gradients, preconditioned by the one matrix Pᵀ v w P + ridge.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.lax import stop_gradient

from pnr_jax.regression._irls import Progress, inverse_of, least_squares_solution
from pnr_jax.regression._linear import conjugate_gradients, matmul, transpose
from pnr_jax.regression._problem import Problem

_STEPS = (0.7, 0.5, 0.3, 0.15, 0.05)  # step lengths tried besides 1
_CG_STEPS = 20  # more are not worth it: most of a row's directions are not in C's small part

Norm = jax.Array | float


class State(NamedTuple):
    """An iterate."""

    x: jax.Array  # [..., d, D]
    y: jax.Array  # [..., n, D], the estimate of ρ'(u)
    epsilon: jax.Array  # [..., 1, D], rowwise [..., 1, 1]
    converged: jax.Array  # the same shape, bool


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("tolerance", "eps"),
    meta_fields=("max_iterations",),
)
@dataclass(frozen=True)
class PrimalDual:
    """Primal–dual Newton iterations, run to the minimiser.

    Attributes:
      tolerance: the tolerance of the duality gap, relative to the objective. In that objective,
        residuals are clipped at the typical entry of H, so that far outliers do not loosen the
        tolerance. Its square root is the tolerance of the dual infeasibility.
      max_iterations: the maximum number of iterations, at least 1; the loop ends earlier if all
        columns have converged, or are lost to NaN.
      eps: the final smoothing ε of abs(r), relative to the typical entry (`IRLS` defines it), but
        never below what roundoff can resolve.

    A `start` replaces only the first F; the dual variables begin with least squares' residual.
    """

    tolerance: jax.Array | float = 1e-6
    max_iterations: int = 100
    eps: jax.Array | float = 1e-6

    def approach(self, problem: Problem, p: Norm, x: jax.Array) -> Progress:
        """Runs all iterations but the last, starting from x."""

        def unfinished(progress: tuple[State, jax.Array]) -> jax.Array:
            state, k = progress
            lost = ~jnp.isfinite(state.epsilon)  # NaN in the arguments: never converges.
            return (k < self.max_iterations - 1) & ~jnp.all(state.converged | lost)

        def body(progress: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
            state, k = progress
            return self._step(problem, p, state), k + 1

        state, k = lax.while_loop(unfinished, body, (self._start(problem, p, x), jnp.int32(0)))
        return Progress(state.x, state.epsilon, k, state.converged)

    def weights(self, problem: Problem, r: jax.Array, p: Norm, eps: jax.Array) -> jax.Array:
        """Computes w = s^(p − 2), [..., n, D], rowwise [..., n, 1]."""
        return _power(_smooth_length(problem, r, eps), p, -2)

    def _start(self, problem: Problem, p: Norm, x: jax.Array) -> State:
        """Returns a first state with a feasible y: the scaled residual of least squares."""
        u = problem.residual(least_squares_solution(problem))
        tiny = jnp.finfo(u.dtype).eps
        largest = jnp.max(problem.length(u, least=tiny), axis=-2, keepdims=True)
        y = 0.9 * u * _power(largest, p, -2)
        return State(x, y, *self._distance(problem, p, x, y))

    def _step(self, problem: Problem, p: Norm, state: State) -> State:
        """Runs one iteration."""
        x, y, epsilon, _ = state
        u = problem.residual(x)
        s = _smooth_length(problem, u, epsilon)
        w = _power(s, p, -2)
        dx = _newton_direction(problem, p, x, y, u, s, w)
        du = -matmul(problem.P, dx)
        dy = w * u + _curvature(problem, p, y, u, s, w, du) - y
        x = x + _length(problem, p, x, u, s, dx, du, epsilon) * dx
        s = _smooth_length(problem, problem.residual(x), epsilon)
        y = _inside(problem, y, dy, _power(s, p, -1))
        return State(x, y, *self._distance(problem, p, x, y))

    def _distance(
        self, problem: Problem, p: Norm, x: jax.Array, y: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the next ε, as small as the gap of a row allows, and whether to stop.

        The gap Σ v (ρ(u) + ρ*(y) − u y) is at most Σ v |u| |ρ'(u) − y|. Differences that are only
        roundoff of ρ'(u) are left out: multiplied by the residual of a far outlier, they would
        look like a gap.
        """
        tiny = jnp.finfo(x.dtype).eps
        eps = jnp.maximum(jnp.asarray(self.eps, x.dtype), (8 * tiny) ** (1 / p))
        u = problem.residual(x)
        slope = _power(_smooth_length(problem, u, eps), p, -2) * u
        size, steep = problem.length(u, least=0.0), problem.length(slope, least=0.0)
        apart = jnp.maximum(problem.length(slope - y, least=0.0) - 4 * tiny * steep, 0)
        v, mass = problem.v, jnp.sum(problem.v, axis=-2, keepdims=True)
        mass = jnp.where(mass == 0, 1, mass)
        gap = jnp.sum(v * size * apart, axis=-2, keepdims=True) / mass
        bounded = jnp.sum(v * jnp.minimum(size, 1) ** p, axis=-2, keepdims=True) / mass
        off = matmul(transpose(problem.P), v * y) - matmul(problem.ridge, x)
        square, whole = problem.total(off * off), problem.total(v * y * y)
        tolerance = jnp.asarray(self.tolerance, x.dtype)
        converged = (gap <= tolerance * bounded + 8 * tiny) & (
            square <= tolerance * whole + (8 * tiny) ** 2
        )
        return jnp.maximum(eps, gap ** (1 / p)), converged


def _smooth_length(problem: Problem, u: jax.Array, epsilon: jax.Array) -> jax.Array:
    """Returns s = (|u|² + ε²)^½ of entries or rows, without overflow."""
    size = stop_gradient(problem.length(u, least=epsilon))
    return size * jnp.sqrt(problem.inner(u / size, u / size) + (epsilon / size) ** 2)


def _power(s: jax.Array, p: Norm, less: int) -> jax.Array:
    """Returns s^(p + less)."""
    if isinstance(p, int | float) and p == 1:
        return 1 / s if less == -2 else jnp.ones_like(s)
    return s ** (p + less)


def _curvature(
    problem: Problem, p: Norm, y: jax.Array, u: jax.Array, s: jax.Array, w: jax.Array, du: jax.Array
) -> jax.Array:
    """Returns C du."""
    if not problem.rowwise:
        return _entry_curvature(p, y, u, s, w) * du
    y, u = y / s, u / s
    across = y * problem.inner(u, du) + u * problem.inner(y, du)
    return w * du - (2 - p) / 2 * across


def _entry_curvature(p: Norm, y: jax.Array, u: jax.Array, s: jax.Array, w: jax.Array) -> jax.Array:
    """Returns c, the factor that C is for each entry."""
    tiny = jnp.finfo(u.dtype).eps
    return w * (1 - (2 - p) * jnp.clip((y / (w * s)) * (u / s), -1, 1 - tiny))


def _newton_direction(
    problem: Problem, p: Norm, x: jax.Array, y: jax.Array, u: jax.Array, s: jax.Array, w: jax.Array
) -> jax.Array:
    """Solves (Pᵀ v C P + ridge) dx = Pᵀ v w u − ridge x."""
    force = problem.force(w, x)
    if not problem.rowwise:
        return inverse_of(problem, _entry_curvature(p, y, u, s, w))(force)

    def A(dx: jax.Array) -> jax.Array:
        image = _curvature(problem, p, y, u, s, w, matmul(problem.P, dx))
        return matmul(transpose(problem.P), problem.v * image) + matmul(problem.ridge, dx)

    return conjugate_gradients(A, force, _CG_STEPS, inverse_of(problem, w), problem.total)


def _inside(problem: Problem, y: jax.Array, dy: jax.Array, bound: jax.Array) -> jax.Array:
    """Returns y + dy, shortened so that |y| ≤ bound.

    Entrywise, the first entry of a column to reach its bound limits the step of the whole column,
    which preserves Pᵀ v y = ridge x. Rows on the surface of their ball can only move along it, and
    no straight step does that. So they are projected back onto the ball, and the next iteration
    restores the equation.
    """
    if problem.rowwise:
        y = y + dy
        return y * jnp.minimum(1, bound / problem.length(y, least=jnp.finfo(y.dtype).tiny))
    bound = bound * (1 + 8 * jnp.finfo(y.dtype).eps)  # Roundoff at a bound must not block the step.
    room = jnp.where(dy > 0, bound - y, bound + y) / jnp.where(dy == 0, 1, jnp.abs(dy))
    room = jnp.min(jnp.where(dy == 0, 1, room), axis=-2, keepdims=True)
    return y + jnp.clip(0.9999 * room, 0, 1) * dy


def _length(
    problem: Problem,
    p: Norm,
    x: jax.Array,
    u: jax.Array,
    s: jax.Array,
    dx: jax.Array,
    du: jax.Array,
    epsilon: jax.Array,
) -> jax.Array:
    """Returns the length, out of a few, of the step that lowers the smoothed objective most.

    The differences of objectives are formed row by row, from
    s₁ − s₀ = ⟨a du, 2u + a du⟩ / (s₁ + s₀), since a far outlier's objective would absorb the digits
    of all others.
    """
    pull = matmul(problem.ridge, dx)
    linear, square = problem.total(x * pull), problem.total(dx * pull)

    def change(a: float) -> jax.Array:
        after = _smooth_length(problem, u + a * du, epsilon)
        ds = a * problem.inner(du, (2 * u + a * du) / (after + s))
        if not (isinstance(p, int | float) and p == 1):
            ds = s**p * jnp.expm1(p * jnp.log1p(ds / s)) / p
        return jnp.sum(problem.v * ds, axis=-2, keepdims=True) + a * linear + a**2 / 2 * square

    best = change(1.0)
    length = jnp.ones_like(best)
    for a in _STEPS:
        value = change(a)
        best, length = jnp.minimum(best, value), jnp.where(value < best, a, length)
    return length
