"""Weighted least squares with other row weights for every column: Gram, Cholesky, solve."""

import jax
import jax.numpy as jnp

HIGHEST = jax.lax.Precision.HIGHEST


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """``a @ b`` in full precision: on GPU and TPU the default is not float32."""
    return jnp.matmul(a, b, precision=HIGHEST)


def transpose(a: jax.Array) -> jax.Array:
    """Swaps the last two axes."""
    return jnp.swapaxes(a, -1, -2)


def weighted_gram(P: jax.Array, W: jax.Array) -> jax.Array:
    """``Pᵀ diag(W[:, c]) P`` of every column c as one matrix product: [..., d, d, D]."""
    n, d = P.shape[-2:]
    pairs = (P[..., :, None] * P[..., None, :]).reshape(*P.shape[:-2], n, d * d)
    A = matmul(transpose(pairs), W)
    return A.reshape(*A.shape[:-2], d, d, A.shape[-1])


def cholesky(A: jax.Array) -> jax.Array:
    """Cholesky factor L of [..., d, d, D], the columns as lanes; pivots are kept off zero."""
    d = A.shape[-2]
    diagonal = jnp.moveaxis(jnp.diagonal(A, axis1=-3, axis2=-2), -1, -2)
    floor = d * jnp.finfo(A.dtype).eps * diagonal
    rows = jnp.arange(d)[:, None]

    def eliminate(k: jax.Array, A: jax.Array) -> jax.Array:
        column = jax.lax.dynamic_index_in_dim(A, k, A.ndim - 2, keepdims=False)
        pivot = jnp.maximum(_row(column, k), _row(floor, k))
        pivot = jnp.where(pivot == 0, 1, pivot)
        column = jnp.where(rows < k, 0, jnp.where(rows == k, pivot, column)) * jax.lax.rsqrt(pivot)
        below = jnp.where(rows == k, 0, column)
        A = A - below[..., :, None, :] * below[..., None, :, :]
        return jax.lax.dynamic_update_index_in_dim(A, column, k, A.ndim - 2)

    return jax.lax.fori_loop(0, d, eliminate, A)


def _row(a: jax.Array, k: jax.Array) -> jax.Array:
    return jax.lax.dynamic_index_in_dim(a, k, a.ndim - 2, keepdims=True)


def cholesky_solve(L: jax.Array, b: jax.Array) -> jax.Array:
    """Solves ``L Lᵀ x = b`` for [..., d, d, D] and [..., d, D], the columns as lanes."""
    d = b.shape[-2]
    L = jnp.broadcast_to(L, (*jnp.broadcast_shapes(L.shape[:-3], b.shape[:-2]), *L.shape[-3:]))
    rows = jnp.arange(d)[:, None]

    def forward(k: jax.Array, x: jax.Array) -> jax.Array:
        column = jax.lax.dynamic_index_in_dim(L, k, L.ndim - 2, keepdims=False)
        y = _row(x, k) / _row(column, k)
        return jnp.where(rows == k, y, jnp.where(rows > k, x - column * y, x))

    def backward(i: jax.Array, x: jax.Array) -> jax.Array:
        k = d - 1 - i
        column = jax.lax.dynamic_index_in_dim(L, k, L.ndim - 2, keepdims=False)
        below = jnp.sum(jnp.where(rows > k, column * x, 0), axis=-2, keepdims=True)
        return jnp.where(rows == k, (x - below) / _row(column, k), x)

    return jax.lax.fori_loop(0, d, backward, jax.lax.fori_loop(0, d, forward, b))
