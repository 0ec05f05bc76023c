"""Matrix products, weighted Gram matrices of many columns at once, conjugate gradients."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """Multiplies in full precision; on GPU and TPU, jax's default is less than float32."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def transpose(a: jax.Array) -> jax.Array:
    """Swaps the last two axes."""
    return jnp.swapaxes(a, -1, -2)


def gram_matrices(P: jax.Array, W: jax.Array) -> jax.Array:
    """Returns ``Pᵀ diag(W[:, c]) P`` for every column c, [..., d, d, D].

    The products ``P[j, k] P[j, l]`` do not depend on the column. So one matrix product of W with
    the d(d + 1)/2 distinct ones gives the matrices of all columns.

    Args:
      P: [..., n, d].
      W: [..., n, D].
    """
    d = P.shape[-1]
    k, l = np.triu_indices(d)
    position = np.zeros((d, d), int)
    position[k, l] = position[l, k] = np.arange(k.size)
    rows = transpose(P)
    pairs = rows[..., k, :] * rows[..., l, :]
    return matmul(pairs, W)[..., position, :]


def conjugate_gradients(
    A: Callable[[jax.Array], jax.Array],
    b: jax.Array,
    steps: int,
    inverse: Callable[[jax.Array], jax.Array] = lambda r: r,
    total: Callable[[jax.Array], jax.Array] = lambda x: jnp.sum(x, axis=-2, keepdims=True),
) -> jax.Array:
    """Solves A x = b approximately, by `steps` steps of conjugate gradients.

    Args:
      A: x ↦ A x, symmetric, without negative eigenvalues.
      b: [..., d, D].
      steps: the number of steps, at least 1.
      inverse: the preconditioner, the inverse of a matrix near A.
      total: sums products [..., d, D] to inner products: over each column, or over everything
        that A couples.
    """
    unit = total(jnp.abs(b))  # So that no square overflows.
    unit = jnp.where(unit == 0, 1, unit)
    b = b / unit
    z = inverse(b)
    state = jnp.zeros_like(b), b, z, total(b * z)

    def step(_: jax.Array, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        x, r, direction, size = state
        image = A(direction)
        length = _ratio(size, total(direction * image))
        x, r = x + length * direction, r - length * image
        z = inverse(r)
        size, last = total(r * z), size
        return x, r, z + _ratio(size, last) * direction, size

    return unit * lax.fori_loop(0, steps, step, state)[0]


def _ratio(a: jax.Array, b: jax.Array) -> jax.Array:
    """Returns a / b; where b is 0 (a column already solved), 0 with a derivative of 0."""
    return jnp.where(b == 0, 0, a) / jnp.where(b == 0, 1, b)
