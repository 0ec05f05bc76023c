"""The iteration as one fused kernel: what GPUs and TPUs need, where small factorisations are slow.

A program of the grid owns a block of columns of one problem. Their estimates, Gram matrices and
everything conjugate gradients need stay on chip through all iterations; P and H stream through in
blocks of rows (on a GPU from the L2 cache after the first pass, on a TPU they are on chip too).
Shapes are powers of two, and an index that a loop runs over is a mask, never a register's number:
what Triton asks for.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from pnr_jax.regression._irls import (
    CG_STEPS,
    INEXACT,
    Smoothing,
    least_squares_solution,
    relaxation,
)
from pnr_jax.regression._problem import Problem

_ROWS = 64  # of P and H in a block

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


def _iterate_kernel(
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
    count, penalty, size = P_ref.shape[0] // _ROWS, penalty_ref[...], size_ref[...]

    def rows_at(x: jax.Array, k: jax.Array) -> Rows:
        def rows(i: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            at = pl.ds(i * _ROWS, _ROWS)
            P = P_ref[at, :]
            residual = H_ref[at, :] - _dot(P, x)
            w = smoothing.weights_at((residual / size) ** 2, k)
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

    def relax(k: jax.Array, x: jax.Array) -> jax.Array:
        rows = rows_at(x, k)
        return x + relaxation(smoothing.p) * _solve(count, rows, penalty, gradient(rows, x))

    first = min(iterations, INEXACT)
    x = lax.fori_loop(0, first, approach, start_ref[...])
    if iterations > first:
        x = lax.fori_loop(first, iterations, relax, x)
    out_ref[...] = x


def _solve_kernel(P_ref: Any, W_ref: Any, penalty_ref: Any, b_ref: Any, out_ref: Any) -> None:
    def rows(i: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        at = pl.ds(i * _ROWS, _ROWS)
        return P_ref[at, :], W_ref[at, :], W_ref[at, :]

    count = P_ref.shape[0] // _ROWS
    out_ref[...] = _solve(count, rows, penalty_ref[...], b_ref[...])


def _power_of_two(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


def _call(kernel: Any, problem: Problem, operands: list[tuple[str, jax.Array]]) -> jax.Array:
    """Runs the kernel over batch × blocks of columns; the result has the shape of the last operand.

    Operands are named by their last two axes, of n rows, d, D columns or 1. A block has as many
    columns as a TPU has lanes, and on a GPU so few that there is one for each core.
    """

    def on(width: int, **how: Any) -> Callable[..., jax.Array]:
        def run(*arrays: jax.Array) -> jax.Array:
            return _call_blocks(kernel, problem.P.shape[-2], names, arrays, width, how)

        return run

    names, arrays = zip(*operands, strict=True)
    # Mosaic, the other way to compile for NVIDIA, copies blocks of at most 256 rows.
    nvidia = on(16, compiler_params=triton.CompilerParams(num_warps=8))
    return lax.platform_dependent(*arrays, cpu=on(128, interpret=True), cuda=nvidia, tpu=on(128))


def _call_blocks(
    kernel: Any,
    n: int,
    names: tuple[str, ...],
    arrays: tuple[jax.Array, ...],
    width: int,
    how: dict[str, Any],
) -> jax.Array:
    """Broadcasts to the batch and pads to whole blocks: rows and columns of 0 change nothing."""
    x = arrays[-1]
    batch, d, D = x.shape[:-2], *x.shape[-2:]
    width = min(width, _power_of_two(D))
    block = {"n": -(-n // _ROWS) * _ROWS, "d": _power_of_two(d), "D": width, "1": 1}
    columns = -(-D // width)

    def prepared(axes: str, a: jax.Array) -> jax.Array:
        shape = [block[axis] * (columns if axis == "D" else 1) for axis in axes]
        a = jnp.broadcast_to(a, (*batch, *a.shape[-2:])).reshape(-1, *a.shape[-2:])
        padding = [(0, 0)] + [(0, s - t) for s, t in zip(shape, a.shape[-2:], strict=True)]
        return jnp.pad(a, padding, constant_values=axes == "1D")  # sizes are divided by

    def spec(axes: str) -> pl.BlockSpec:
        def index(b: Any, c: Any) -> tuple[Any, ...]:
            return b, 0, c if axes[1] == "D" else 0

        return pl.BlockSpec((None, block[axes[0]], block[axes[1]]), index)

    padded = [prepared(axes, a) for axes, a in zip(names, arrays, strict=True)]
    out = pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct(padded[-1].shape, x.dtype),
        grid=(padded[-1].shape[0], columns),
        in_specs=[spec(axes) for axes in names],
        out_specs=spec("dD"),
        **how,
    )(*padded)
    return out[:, :d, :D].reshape(x.shape)


def pallas_iterate(problem: Problem, smoothing: Smoothing, iterations: int) -> jax.Array:
    """The same as `iterate`, in one kernel."""
    start = least_squares_solution(problem)
    if iterations == 0:
        return start
    kernel = functools.partial(_iterate_kernel, smoothing=smoothing, iterations=iterations)
    operands = [("nd", problem.P), ("nD", problem.H), ("n1", problem.v), ("dd", problem.penalty)]
    return _call(kernel, problem, [*operands, ("1D", problem.size), ("dD", start)])


def pallas_inverse(problem: Problem, w: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """The same as `factorised`, in one kernel, which factorises anew for each b."""
    operands = [("nd", problem.P), ("nD", problem.v * w), ("dd", problem.penalty)]
    return lambda b: _call(_solve_kernel, problem, [*operands, ("dD", b)])
