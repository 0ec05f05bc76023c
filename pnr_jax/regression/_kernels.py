"""The kernels of `_pallas`, each for a block of columns of one problem.

The block's x, its matrices and all data of the conjugate gradients stay on chip through all
iterations. P and H stream through in blocks of rows: on a GPU from the L2 cache after the first
pass; on a TPU they are on chip too. Triton requires that shapes are powers of two, and that loop
indices are applied as masks and never select a register.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from pnr_jax.regression._irls import IRLS
from pnr_jax.regression._linear import conjugate_gradients

ROWS = 64  # rows of P and H in a block

Rows = Callable[[jax.Array], tuple[jax.Array, jax.Array, jax.Array]]  # -> P, v W and r of a block


def iterations_kernel(
    P_ref: jax.Ref,
    H_ref: jax.Ref,
    v_ref: jax.Ref,
    ridge_ref: jax.Ref,
    *refs: jax.Ref,
    d: int,
    numbers: jax.tree_util.PyTreeDef,
) -> None:
    """Runs all iterations of the solver but the last.

    Args:
      P_ref: P [n, d], padded with zeros to whole blocks, as are all others.
      H_ref: H [n, D].
      v_ref: v [n, 1].
      ridge_ref: the ridge [d, d].
      refs: references to the numbers [1, 1], the initial x [d, D], and the result.
      d: the number of columns of P without the padding.
      numbers: the structure of the numbers: (solver, p), with p None if it is known to be 1.
    """
    *number_refs, start_ref, out_ref = refs
    solver, p = jax.tree.unflatten(numbers, [ref[...] for ref in number_refs])
    count, ridge = P_ref.shape[0] // ROWS, ridge_ref[...]

    def rows_at(x: jax.Array, eps: jax.Array) -> Rows:
        def rows(i: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            block = pl.ds(i * ROWS, ROWS)
            P = P_ref[block, :]
            r = H_ref[block, :] - _dot(P, x)
            length = jnp.maximum(jnp.abs(r), eps)
            W = 1 / length if p is None else length ** (p - 2)
            return P, v_ref[block, :] * W, r

        return rows

    def force(rows: Rows, x: jax.Array) -> jax.Array:
        def term(P: jax.Array, vW: jax.Array, r: jax.Array) -> jax.Array:
            return _dot(P.T, vW * r)

        return _sum_blocks(count, rows, term, x) - _dot(ridge, x)

    def exact_iteration(_: jax.Array, x: jax.Array) -> jax.Array:
        rows = rows_at(x, solver.eps)
        return x + _solve(count, rows, ridge, force(rows, x), d)

    def inexact_iteration(k: jax.Array, x: jax.Array) -> jax.Array:
        rows = rows_at(x, solver.scheduled(k, x.dtype))

        def A(y: jax.Array) -> jax.Array:
            def term(P: jax.Array, vW: jax.Array, _: jax.Array) -> jax.Array:
                return _dot(P.T, vW * _dot(P, y))

            return _sum_blocks(count, rows, term, y) + _dot(ridge, y)

        return x + conjugate_gradients(A, force(rows, x), solver.cg_steps)

    iteration = exact_iteration if isinstance(solver, IRLS) else inexact_iteration
    out_ref[...] = lax.fori_loop(0, solver.iterations - 1, iteration, start_ref[...])


def solve_kernel(
    P_ref: jax.Ref, vW_ref: jax.Ref, ridge_ref: jax.Ref, b_ref: jax.Ref, out_ref: jax.Ref, *, d: int
) -> None:
    """Computes (Pᵀ v W P + ridge)⁻¹ b."""

    def rows(i: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        block = pl.ds(i * ROWS, ROWS)
        return P_ref[block, :], vW_ref[block, :], vW_ref[block, :]

    out_ref[...] = _solve(P_ref.shape[0] // ROWS, rows, ridge_ref[...], b_ref[...], d)


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, precision=lax.Precision.HIGHEST, preferred_element_type=a.dtype)


def _sum_blocks(
    count: int, rows: Rows, term: Callable[..., jax.Array], like: jax.Array
) -> jax.Array:
    """Returns the sum of the term over all blocks of rows."""
    return lax.fori_loop(0, count, lambda i, total: total + term(*rows(i)), jnp.zeros_like(like))


def _solve(count: int, rows: Rows, ridge: jax.Array, b: jax.Array, d: int) -> jax.Array:
    """Returns (Pᵀ v W P + ridge)⁻¹ b, b [d, D], by the L D Lᵀ of every column's matrix.

    As in `cholesky`, a multiple of the identity of the size of roundoff is added. Only roundoff
    could make a pivot smaller than that, so pivots are clamped to it.
    """
    row, column = (lax.broadcasted_iota(jnp.int32, (len(b), len(b), 1), axis) for axis in (0, 1))
    index = lax.broadcasted_iota(jnp.int32, (len(b), 1), 0)

    def accumulate(i: jax.Array, A: jax.Array) -> jax.Array:
        P, vW, _ = rows(i)

        def fill(k: jax.Array, A: jax.Array) -> jax.Array:
            P_k = jnp.sum(jnp.where(index.reshape(1, -1) == k, P, 0), axis=1, keepdims=True)
            return jnp.where(column == k, A + _dot(P.T, P_k * vW)[:, None, :], A)

        return lax.fori_loop(0, d, fill, A)

    A = ridge[:, :, None] + jnp.zeros((1, *b.shape), b.dtype)
    A = lax.fori_loop(0, count, accumulate, A)
    diagonal = jnp.sum(jnp.where(row == column, A, 0), axis=1)
    trace = jnp.sum(diagonal, axis=0, keepdims=True)
    floor = jnp.finfo(b.dtype).eps * jnp.where(trace == 0, 1, trace)
    A = A + jnp.where(row == column, floor[:, None, :], 0)

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
