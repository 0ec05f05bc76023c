"""Weighted normal equations of many columns at once: products, Gram matrices, Cholesky.

The columns are *lanes*: the Gram matrices of D columns are one array [..., d, d, D], and every
operation on "an entry" of them is an operation on D numbers that lie side by side. Thousands of
20 × 20 systems then take a few passes over memory, on any platform, where one LAPACK or cuSOLVER
call for each would be bound by the calls.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_BLOCK = 4  # columns of L found per pass over A; measured best among 1, 2, 4, 5, 10 at d = 20


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """``a @ b`` in full precision: on GPU and TPU the default is not float32."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def transpose(a: jax.Array) -> jax.Array:
    """Swaps the last two axes."""
    return jnp.swapaxes(a, -1, -2)


def weighted_gram(P: jax.Array, W: jax.Array) -> jax.Array:
    """``Pᵀ diag(W[:, c]) P`` of every column c: P [..., n, d], W [..., n, D] -> [..., d, d, D].

    The products ``P[j, k] P[j, l]`` do not depend on the column, so all columns' Gram matrices
    are one matrix product of the d(d + 1)/2 distinct ones (Khatri–Rao) with W.
    """
    d = P.shape[-1]
    k, l = np.triu_indices(d)
    position = np.zeros((d, d), int)
    position[k, l] = position[l, k] = np.arange(k.size)
    rows = transpose(P)
    pairs = rows[..., k, :] * rows[..., l, :]
    return matmul(pairs, W)[..., position, :]


def cholesky(A: jax.Array) -> jax.Array:
    """Lower Cholesky factor of A [..., d, d, D], where A is symmetric and not negative.

    A pivot below ``d · eps · max diagonal`` is roundoff; it is raised to that, so that the factor
    is finite for every finite A, singular ones and zero included. Right-looking, `_BLOCK` columns
    a pass, in a loop: fully unrolled it is no faster and takes many times as long to compile.
    """
    d = A.shape[-2]
    diagonal = jnp.diagonal(A, axis1=-3, axis2=-2)  # [..., D, d]
    floor = d * jnp.finfo(A.dtype).eps * jnp.max(diagonal, axis=-1)
    floor = jnp.where(floor == 0, 1, floor)
    A, axis = _padded(A, (-3, -2)), A.ndim - 2
    row = np.arange(A.shape[-2])[:, None]

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
    """Solves ``L Lᵀ x = b`` for L [..., d, d, D] and b [..., d, D], `_BLOCK` rows a pass."""
    d = b.shape[-2]
    x, L = _padded(b, (-2,)), _padded(L, (-3, -2))
    blocks, axis, vector = x.shape[-2] // _BLOCK, L.ndim - 2, b.ndim - 2
    row = np.arange(x.shape[-2])[:, None]

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


def _pivot(head: jax.Array, k: int) -> jax.Array:
    return jnp.where(head[..., k, k, :] == 0, 1, head[..., k, k, :])  # 0 only where padded


def _padded(a: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Zeros at the end of the axes, up to a multiple of the block."""
    padding = [(0, 0)] * a.ndim
    for axis in axes:
        padding[axis] = (0, -a.shape[axis] % _BLOCK)
    return jnp.pad(a, padding) if any(after for _, after in padding) else a
