"""Cholesky factorisations of many small matrices, with the columns of H as lanes.

The matrices of D columns are one array [..., d, d, D], so every operation on "an entry" of them
acts on D contiguous numbers. This takes a few passes over memory, on any platform. One LAPACK call
per matrix would be faster on a CPU, but jaxlib 0.10 spreads a batch of calls over the threads that
XLA itself runs on, and waits there. Two batches at once, such as the gradient of one solve and the
value of another, then hang forever on 2 cores.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_BLOCK = 4  # columns of L per pass over A; the fastest of 1, 2, 4, 5, 10 at d = 20


def cholesky(A: jax.Array) -> jax.Array:
    """Computes the lower factors of A [..., d, d, D], symmetric, without negative eigenvalues.

    A multiple of the identity of the size of roundoff is added, so that the factor always exists,
    even for the zero matrix. It is proportional to the trace, which does not depend on the choice
    of axes, and it is also the lower bound of every pivot. The algorithm is right-looking, with
    `_BLOCK` columns per pass, in a loop: fully unrolled it is no faster and takes many times as
    long to compile.
    """
    d = A.shape[-2]
    trace = jnp.trace(A, axis1=-3, axis2=-2)  # [..., D]
    floor = jnp.finfo(A.dtype).eps * jnp.where(trace == 0, 1, trace)
    eye = jnp.eye(d, dtype=A.dtype).reshape((1,) * (A.ndim - 3) + (d, d, 1))
    A = _padded(A + eye * floor[..., None, None, :], (-3, -2))
    axis, row = A.ndim - 2, _rows(A.shape[-2], A.ndim - 1)

    def eliminate(i: jax.Array, A: jax.Array) -> jax.Array:
        first = i * _BLOCK
        panel = lax.dynamic_slice_in_dim(A, first, _BLOCK, axis)
        head = lax.dynamic_slice_in_dim(panel, first, _BLOCK, axis - 1)
        columns: list[jax.Array] = []
        heads: list[jax.Array] = []
        for k in range(_BLOCK):
            column, top = panel[..., k, :], head[..., k, :]
            for left, above in zip(columns, heads, strict=True):
                column = column - left * above[..., k : k + 1, :]
                top = top - above * above[..., k : k + 1, :]
            scale = lax.rsqrt(jnp.maximum(top[..., k, :], floor))[..., None, :]
            pivot = jnp.where(row == first + k, 1 / scale, 0)
            columns.append(jnp.where(row > first + k, column * scale, pivot))
            heads.append(top * scale)
        for column in columns:
            below = jnp.where(row >= first + _BLOCK, column, 0)
            A = A - below[..., :, None, :] * below[..., None, :, :]
        return lax.dynamic_update_slice_in_dim(A, jnp.stack(columns, axis=-2), first, axis)

    return lax.fori_loop(0, A.shape[-2] // _BLOCK, eliminate, A)[..., :d, :d, :]


def cholesky_solve(L: jax.Array, b: jax.Array) -> jax.Array:
    """Solves L Lᵀ x = b, `_BLOCK` rows per pass.

    Args:
      L: [..., d, d, D], or [..., d, d, 1] for all columns.
      b: [..., d, D].
    """
    d = b.shape[-2]
    x, L = _padded(b, (-2,)), _padded(L, (-3, -2))
    blocks, axis, vector = x.shape[-2] // _BLOCK, L.ndim - 2, b.ndim - 2
    row = _rows(x.shape[-2], x.ndim)

    def block_of(i: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        panel = lax.dynamic_slice_in_dim(L, i * _BLOCK, _BLOCK, axis)
        head = lax.dynamic_slice_in_dim(panel, i * _BLOCK, _BLOCK, axis - 1)
        return panel, head, lax.dynamic_slice_in_dim(x, i * _BLOCK, _BLOCK, vector)

    def forward(i: jax.Array, x: jax.Array) -> jax.Array:
        panel, head, mine = block_of(i, x)
        y: list[jax.Array] = []
        for k in range(_BLOCK):
            known = [head[..., k, j, :] * y[j] for j in range(k)]
            y.append((mine[..., k, :] - sum(known)) / _pivot(head, k))
            x = x - panel[..., k, :] * y[k][..., None, :]
        return lax.dynamic_update_slice_in_dim(x, jnp.stack(y, axis=-2), i * _BLOCK, vector)

    def backward(i: jax.Array, x: jax.Array) -> jax.Array:
        i = blocks - 1 - i
        panel, head, mine = block_of(i, x)
        below = jnp.where(row >= (i + 1) * _BLOCK, x, 0)
        y: list[jax.Array] = [mine[..., 0, :]] * _BLOCK
        for k in reversed(range(_BLOCK)):
            known = [head[..., j, k, :] * y[j] for j in range(k + 1, _BLOCK)]
            known += [panel[..., j, k, :] * below[..., j, :] for j in range(d)]
            y[k] = (mine[..., k, :] - sum(known)) / _pivot(head, k)
        return lax.dynamic_update_slice_in_dim(x, jnp.stack(y, axis=-2), i * _BLOCK, vector)

    x = lax.fori_loop(0, blocks, forward, x)
    return lax.fori_loop(0, blocks, backward, x)[..., :d, :]


def _rows(d: int, ndim: int) -> np.ndarray:
    return np.arange(d).reshape((1,) * (ndim - 2) + (d, 1))


def _pivot(head: jax.Array, k: int) -> jax.Array:
    return jnp.where(head[..., k, k, :] == 0, 1, head[..., k, k, :])  # 0 only in the padding


def _padded(a: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Pads the axes with zeros to a multiple of the block size."""
    padding = [(0, 0)] * a.ndim
    for axis in axes:
        padding[axis] = (0, -a.shape[axis] % _BLOCK)
    return jnp.pad(a, padding) if any(after for _, after in padding) else a
