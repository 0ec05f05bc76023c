"""Primal–dual Newton iterations for the smoothed problem, in the coordinates of `Problem`.

At the minimiser ρ'(u) = u s^(p − 2), with s = (u² + ε²)^½, balances the ridge. Newton's method on
that equation in x alone is quick near the solution and lost far from it. So y, which is to become
ρ'(u), is an unknown of its own (Chan, Golub, Mulet 1999):

    y s^(2−p) = u    and    Pᵀ v y = penalty x / size.

Linearised, with u + du = u − P dx / size, the first gives y + dy = w u + c du, where

    w = s^(p−2)    and    c = w (1 − (2 − p) y u s^−p),

and then the second (Pᵀ v c P + penalty) dx = Pᵀ v w (H − P x) − penalty x: an iteration of eq. 3
where y = 0, Newton's where y = ρ'(u), a mixture between. For p = 1 this is an interior point
method: y is feasible for the dual linear program. A column goes as far in y as keeps |y| ≤ s^(p−1),
as far in x as lowers the objective most, and its ε is as small as its distance from optimality
lets it be.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from pnr_jax.regression._irls import (
    Inverse,
    factorised,
    least_squares_solution,
    negative_gradient,
)
from pnr_jax.regression._linear import matmul
from pnr_jax.regression._problem import Problem
from pnr_jax.regression._smoothing import Smoothing

_STEPS = (0.7, 0.5, 0.3, 0.15, 0.05)  # tried besides the whole one


class State(NamedTuple):
    """An iterate."""

    x: jax.Array  # [..., d, D]
    y: jax.Array  # [..., n, D], the estimate of ρ'(u)
    epsilon: jax.Array  # [..., 1, D]


def start(problem: Problem, smoothing: Smoothing) -> State:
    """At least squares, whose residual, made small, is feasible in y."""
    x = least_squares_solution(problem)
    u = problem.scaled_residual(x)
    largest = jnp.max(jnp.abs(u), axis=-2, keepdims=True)
    y = 0.9 * u * jnp.maximum(largest, jnp.finfo(u.dtype).eps) ** (smoothing.p - 2)
    return State(x, y, _epsilon(problem, smoothing, u, y))


def step(
    problem: Problem, smoothing: Smoothing, state: State, inverse: Inverse = factorised
) -> State:
    """An iteration."""
    (x, y, epsilon), p = state, smoothing.p
    u = problem.scaled_residual(x)
    w = smoothing.weights(u, epsilon)
    tiny = jnp.finfo(x.dtype).eps
    c = w * (1 - (2 - p) * jnp.clip(y * u / ((u * u + epsilon**2) * w), -1, 1 - tiny))
    dx = inverse(problem, c)(negative_gradient(problem, w, x))
    du = -matmul(problem.P, dx) / problem.size
    dy = w * u + c * du - y
    x = x + _length(problem, smoothing, state, u, dx, du) * dx
    u = problem.scaled_residual(x)
    squares = u * u + epsilon**2
    bound = jnp.sqrt(squares) * smoothing.weights(u, epsilon)
    room = jnp.where(dy > 0, bound - y, bound + y) / jnp.where(dy == 0, 1, jnp.abs(dy))
    room = jnp.min(jnp.where(dy == 0, 1, room), axis=-2, keepdims=True)
    y = y + jnp.clip(0.9999 * room, 0, 1) * dy
    return State(x, y, _epsilon(problem, smoothing, u, y))


def _epsilon(problem: Problem, smoothing: Smoothing, u: jax.Array, y: jax.Array) -> jax.Array:
    """The ε of the next iteration: how far the column is from optimality.

    For p = 1 that is the duality gap of a row, Σ v (|u| − u y) / Σ v; else the length of the same.
    """
    size = jnp.abs(u)
    slope = 1 if smoothing.p == 1 else size ** (smoothing.p - 1)
    gap = size * jnp.abs(jnp.sign(u) * slope - y)
    mass = jnp.sum(problem.v, axis=-2, keepdims=True)
    gap = jnp.sum(problem.v * gap, axis=-2, keepdims=True) / jnp.where(mass == 0, 1, mass)
    return jnp.maximum(smoothing.final(u.dtype), gap ** (1 / smoothing.p))


def _length(
    problem: Problem,
    smoothing: Smoothing,
    state: State,
    u: jax.Array,
    dx: jax.Array,
    du: jax.Array,
) -> jax.Array:
    """The length of the step that lowers the smoothed objective most, of a few."""
    px, pdx = matmul(problem.penalty, state.x), matmul(problem.penalty, dx)
    linear = jnp.sum(dx * px, axis=-2, keepdims=True) / problem.size**2
    square = jnp.sum(dx * pdx, axis=-2, keepdims=True) / problem.size**2

    def objective(a: float) -> jax.Array:
        values = smoothing.values(u + a * du, state.epsilon)
        return jnp.sum(problem.v * values, axis=-2, keepdims=True) + a * linear + a**2 / 2 * square

    best, length = objective(1.0), jnp.ones_like(state.epsilon)
    for a in _STEPS:
        value = objective(a)
        best, length = jnp.minimum(best, value), jnp.where(value < best, a, length)
    return length
