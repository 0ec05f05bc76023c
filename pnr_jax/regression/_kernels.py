"""The kernels of `_pallas`, each for a block of columns of one problem.

Their estimates, Gram matrices and everything conjugate gradients need stay on chip through all
iterations; P and H stream through in blocks of rows (on a GPU from the L2 cache after the first
pass, on a TPU they are on chip too). Shapes are powers of two, and an index that a loop runs over
is a mask, never a register's number: what Triton asks for.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from pnr_jax.regression._irls import CG_STEPS
from pnr_jax.regression._smoothing import Smoothing

ROWS = 64  # of P and H in a block

Rows = Callable[[jax.Array], tuple[jax.Array, jax.Array, jax.Array]]  # -> P, weights, residual


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, precision=lax.Precision.HIGHEST, preferred_element_type=a.dtype)


def _sum_rows(count: int, term: Callable[[jax.Array], jax.Array], like: jax.Array) -> jax.Array:
    """The sum of term over the blocks of rows."""
    return lax.fori_loop(0, count, lambda i, total: total + term(i), jnp.zeros_like(like))


def _solve(count: int, rows: Rows, penalty: jax.Array, b: jax.Array) -> jax.Array:
    """(Pᵀ W P + penalty)⁻¹ b for a block of columns, b [d, D], by L D Lᵀ in registers."""
    d = b.shape[0]
    row, column = (lax.broadcasted_iota(jnp.int32, (d, d, 1), axis) for axis in (0, 1))
    index = lax.broadcasted_iota(jnp.int32, (d, 1), 0)

    def fill(k: jax.Array, A: jax.Array) -> jax.Array:
        def term(i: jax.Array) -> jax.Array:
            P, W, _ = rows(i)
            factor = jnp.sum(jnp.where(index.reshape(1, d) == k, P, 0), axis=1, keepdims=True)
            return _dot(P.T, factor * W)

        return jnp.where(column == k, _sum_rows(count, term, b)[:, None, :], A)

    A = lax.fori_loop(0, d, fill, jnp.zeros((d, *b.shape), b.dtype)) + penalty[:, :, None]
    diagonal = jnp.sum(jnp.where(row == column, A, 0), axis=1)
    floor = d * jnp.finfo(b.dtype).eps * jnp.max(diagonal, axis=0, keepdims=True)
    floor = jnp.where(floor == 0, 1, floor)

    def pick(x: jax.Array, k: jax.Array) -> jax.Array:
        return jnp.sum(jnp.where(index == k, x, 0), axis=0, keepdims=True)

    def column_of(A: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
        entries = jnp.sum(jnp.where(column == k, A, 0), axis=1)
        return jnp.where(index > k, entries, 0), jnp.maximum(pick(entries, k), floor)

    def eliminate(k: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        A, x = state
        below, pivot = column_of(A, k)
        scaled = below / pivot
        return A - scaled[:, None, :] * below[None, :, :], x - scaled * pick(x, k)

    def substitute(i: jax.Array, x: jax.Array) -> jax.Array:
        k = d - 1 - i
        below, pivot = column_of(A, k)
        known = jnp.sum(below * x, axis=0, keepdims=True)
        return jnp.where(index == k, (x - known) / pivot, x)

    A, x = lax.fori_loop(0, d, eliminate, (A, b))
    return lax.fori_loop(0, d, substitute, x)


def iterations_kernel(
    P_ref: Any,
    H_ref: Any,
    v_ref: Any,
    penalty_ref: Any,
    size_ref: Any,
    start_ref: Any,
    out_ref: Any,
    *,
    smoothing: Smoothing,
    iterations: int,
) -> None:
    """Inexact iterations from start."""
    count, penalty, size = P_ref.shape[0] // ROWS, penalty_ref[...], size_ref[...]

    def rows_at(x: jax.Array, k: jax.Array) -> Rows:
        def rows(i: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            at = pl.ds(i * ROWS, ROWS)
            P = P_ref[at, :]
            residual = H_ref[at, :] - _dot(P, x)
            w = smoothing.weights(residual / size, smoothing.scheduled(k, x.dtype))
            return P, v_ref[at, :] * w, residual

        return rows

    def gradient(rows: Rows, x: jax.Array) -> jax.Array:
        def term(i: jax.Array) -> jax.Array:
            P, W, residual = rows(i)
            return _dot(P.T, W * residual)

        return _sum_rows(count, term, x) - _dot(penalty, x)

    def approach(k: jax.Array, x: jax.Array) -> jax.Array:
        rows = rows_at(x, k)

        def image_of(direction: jax.Array) -> jax.Array:
            def term(i: jax.Array) -> jax.Array:
                P, W, _ = rows(i)
                return _dot(P.T, W * _dot(P, direction))

            return _sum_rows(count, term, direction) + _dot(penalty, direction)

        residual = gradient(rows, x)
        direction, square = residual, jnp.sum(residual**2, axis=0, keepdims=True)
        for _ in range(CG_STEPS):
            image = image_of(direction)
            curve = jnp.sum(direction * image, axis=0, keepdims=True)
            step = square / jnp.where(curve == 0, 1, curve)
            x, residual = x + step * direction, residual - step * image
            square, last = jnp.sum(residual**2, axis=0, keepdims=True), square
            direction = residual + square / jnp.where(last == 0, 1, last) * direction
        return x

    out_ref[...] = lax.fori_loop(0, iterations, approach, start_ref[...])


def solve_kernel(P_ref: Any, W_ref: Any, penalty_ref: Any, b_ref: Any, out_ref: Any) -> None:
    """(Pᵀ W P + penalty)⁻¹ b."""

    def rows(i: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        at = pl.ds(i * ROWS, ROWS)
        return P_ref[at, :], W_ref[at, :], W_ref[at, :]

    count = P_ref.shape[0] // ROWS
    out_ref[...] = _solve(count, rows, penalty_ref[...], b_ref[...])
