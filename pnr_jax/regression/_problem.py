"""The problem as solvers see it: rows of weight 0 masked, units removed, P orthonormal."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.typing import ArrayLike

from pnr_jax.regression._linear import matmul, transpose


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("P", "H", "v", "ridge", "T", "T_inverse", "P_unit", "v_unit", "scale"),
    meta_fields=("rowwise",),
)
@dataclass(frozen=True)
class Problem:
    """A regression problem in the coordinates in which it is solved.

    ``Pᵀ diag(v) P + ridge`` is the identity, and H is in units of `scale`.
    """

    P: jax.Array  # [..., n, d]
    H: jax.Array  # [..., n, D]
    v: jax.Array  # [..., n, 1]
    ridge: jax.Array  # [..., d, d]
    T: jax.Array  # [..., d, d], F = T x in units of P_unit and scale
    T_inverse: jax.Array  # [..., d, d]
    P_unit: jax.Array  # [..., d, 1]
    v_unit: jax.Array  # [..., 1, 1]
    scale: jax.Array  # [..., 1, D]; rowwise [..., 1, 1]
    rowwise: bool

    def residual(self, x: jax.Array) -> jax.Array:
        """Returns r = H − P x."""
        return self.H - matmul(self.P, x)

    def inner(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """Returns the products a b, [..., n, D], or the inner products of rows, [..., n, 1]."""
        return jnp.sum(a * b, axis=-1, keepdims=True) if self.rowwise else a * b

    def length(self, r: jax.Array, *, least: ArrayLike) -> jax.Array:
        """Returns max(|r|, least) for every entry, or for the norm of every row."""
        if not self.rowwise:
            return jnp.maximum(jnp.abs(r), least)
        unit = stop_gradient(jnp.max(jnp.abs(r), axis=-1, keepdims=True))
        unit = jnp.maximum(unit, least)  # So that no square overflows.
        unit = jnp.where(unit == 0, 1, unit)
        squares = jnp.maximum(jnp.sum((r / unit) ** 2, axis=-1, keepdims=True), (least / unit) ** 2)
        zero = squares == 0  # There the derivative is 0, as that of |r|, not 0 times infinity.
        return unit * jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, squares)))

    def total(self, x: jax.Array) -> jax.Array:
        """Returns the sum over the rows of each column; rowwise, the sum over everything."""
        return jnp.sum(x, axis=(-2, -1) if self.rowwise else -2, keepdims=True)

    def force(self, W: jax.Array, x: jax.Array) -> jax.Array:
        """Returns Pᵀ v W (H − P x) − ridge x, the force on x."""
        return matmul(transpose(self.P), self.v * (W * self.residual(x))) - matmul(self.ridge, x)

    def with_moving_axes(self) -> "Problem":
        """Returns the same problem with a derivative of T that keeps P orthonormal.

        With G = Pᵀ v P + ridge, which is the identity, T (3/2 − G/2) equals T, and its P stays
        orthonormal to first order in everything that G depends on. Inexact iterations depend on
        exactly that: on where the axes are, but not on how they are rotated.
        """
        P, v = self.P, self.v
        G = matmul(transpose(P), v * P) + self.ridge
        eye = stop_gradient(G)
        S, inverse = 1.5 * eye - 0.5 * G, 0.5 * eye + 0.5 * G
        return replace(
            self,
            P=matmul(P, S),
            ridge=matmul(transpose(S), matmul(self.ridge, S)),
            T=matmul(self.T, S),
            T_inverse=matmul(inverse, self.T_inverse),
        )

    def to_x(self, F: jax.Array) -> jax.Array:
        """Returns the x that corresponds to the caller's F [..., d, D]."""
        F = F.reshape((1,) * (self.H.ndim - F.ndim) + F.shape).astype(self.H.dtype)
        return matmul(self.T_inverse, F * self.P_unit / self.scale)

    def to_F(self, x: jax.Array) -> jax.Array:
        """Returns the caller's F [..., d, D] that corresponds to x."""
        return matmul(self.T, x) * self.scale / self.P_unit


def normalise(
    P: jax.Array,
    H: jax.Array,
    weights: jax.Array | None,
    ridge: ArrayLike,
    rowwise: bool = False,
    reweights: bool = True,
) -> Problem:
    """Masks rows of weight 0, removes the units of P, H and weights, orthonormalises P.

    Rows of weight 0 are set to zeros *before* anything is computed from them, so that neither
    their values nor their derivatives (0 times infinity) can reach the result.

    The derivative treats the units and T as constants. This is exact: in other coordinates the
    problem has the same solution, expressed in those coordinates, whatever they are. So the
    derivative of an eigenvector, which need not exist, is never taken. (The only exception is
    `scale`, to which eps and ridge are relative: it is held constant although it changes with v.)

    Args:
      P: [..., n, d].
      H: [..., n, D].
      weights: v, [..., n], or None.
      ridge: λ, relative to each column of P.
      rowwise: whether to take the norm of whole rows; all columns of H then share one unit.
      reweights: whether residuals will be weighted, with eps and ridge relative to the typical
        entry of H. Least squares has no such weights, so its unit is the largest entry, which is
        faster to find.
    """
    P, H, v = _of_one_rank(P, H, weights)
    P, H, v = (jnp.where(v == 0, 0, x) for x in (P, H, v))
    v = jnp.where(v < 0, jnp.nan, v)  # Under jit a negative weight gives NaN, not garbage.
    P_unit, v_unit = _largest(P), _largest(v)
    P, v = P / P_unit, v / v_unit
    sizes = _row_norms(H) if rowwise else jnp.abs(H)
    scale = stop_gradient(_typical(sizes, v)) if reweights else _largest(sizes)
    squares = jnp.sum(v * P * P, axis=-2, keepdims=True)
    # Without a ridge, no derivative of it: if that overflowed, 0 times it would be NaN.
    ridge = jnp.asarray(ridge, squares.dtype)
    penalty = ridge * jnp.where(ridge == 0, stop_gradient(squares), squares)
    T, null = _whiten(*stop_gradient((P, v, penalty)))
    Q = matmul(P, T)
    return Problem(
        P=Q,
        H=H / scale,
        v=v,
        ridge=matmul(transpose(T), transpose(penalty) * T) + null,
        T=T,
        T_inverse=stop_gradient(matmul(transpose(Q), v * P) + transpose(T) * penalty),
        P_unit=transpose(P_unit),
        v_unit=v_unit,
        scale=scale,
        rowwise=rowwise,
    )


def _of_one_rank(
    P: jax.Array, H: jax.Array, weights: jax.Array | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns P, H and v [..., n, 1], with one floating type and the same number of axes."""
    dtype = jnp.float64 if jnp.float64 in (P.dtype, H.dtype) else jnp.float32
    P, H = P.astype(dtype), H.astype(dtype)
    # Derived from P, so that it is on P's devices.
    v = jnp.ones_like(P[..., :1]) if weights is None else weights.astype(dtype)[..., None]
    rank = max(P.ndim, H.ndim, v.ndim)
    P, H, v = (x.reshape((1,) * (rank - x.ndim) + x.shape) for x in (P, H, v))
    return P, H, v


def _largest(x: jax.Array) -> jax.Array:
    """Returns the largest absolute value of each column, or 1 for a column of zeros."""
    return _as_unit(stop_gradient(jnp.max(jnp.abs(x), axis=-2, keepdims=True)))


def _as_unit(size: jax.Array) -> jax.Array:
    """Returns the divisor: the size, or 1 for 0, capped so that its reciprocal stays above 0."""
    return jnp.where(size == 0, 1, jnp.minimum(size, 1 / (16 * jnp.finfo(size.dtype).tiny)))


def _row_norms(H: jax.Array) -> jax.Array:
    largest = jnp.max(jnp.abs(H), axis=-1, keepdims=True)
    unit = jnp.where(largest == 0, 1, largest)
    return unit * jnp.sqrt(jnp.sum((H / unit) ** 2, axis=-1, keepdims=True))


def _typical(sizes: jax.Array, v: jax.Array) -> jax.Array:
    """Returns about the median, weighted by v, of the sizes in each column that are not 0.

    It is 1 for a column of zeros. Neither far outliers nor rows of weight 0 affect it. Its power of
    2 is exact, found by bisection over the exponents; between that power and the next, the median
    is interpolated linearly. Sorting would take as long as the regression.
    """
    info = jnp.finfo(sizes.dtype)
    mass = jnp.where(sizes > 0, v, 0)
    half = jnp.sum(mass, axis=-2, keepdims=True) / 2

    def below(exponent: jax.Array) -> jax.Array:
        power = jnp.ldexp(jnp.ones_like(half), exponent)
        return jnp.sum(jnp.where(sizes < power, mass, 0), axis=-2, keepdims=True)

    exponent = jnp.full_like(half, info.minexp, jnp.int32)
    for bit in reversed(range((info.maxexp - info.minexp).bit_length())):
        trial = exponent + (1 << bit)
        exponent = jnp.where(below(trial) <= half, trial, exponent)
    low, high = below(exponent), below(exponent + 1)
    share = (half - low) / jnp.where(high == low, 1, high - low)
    median = jnp.ldexp(jnp.clip(1 + share, 1, 2), exponent)
    return jnp.where(half == 0, 1, _as_unit(median))


def _whiten(P: jax.Array, v: jax.Array, squares: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns T such that ``Tᵀ (Pᵀ diag(v) P + diag(squares)) T + null`` is the identity.

    Directions that P does not span, to working precision, become columns of zeros, with a 1 on the
    diagonal of ``null`` [..., d, d]. The solution has no component in them, which makes it the
    shortest one. The first pass cannot distinguish small eigenvalues from roundoff, and merely
    scales them. The second works on a matrix that is well conditioned except for zero
    eigenvalues, and so identifies those. Two passes handle condition numbers of P up to about
    1 / (d · eps); a single pass would be limited to the square root of that.
    """
    tolerance = P.shape[-1] * jnp.finfo(P.dtype).eps
    eye = jnp.eye(P.shape[-1], dtype=P.dtype).reshape((1,) * (P.ndim - 2) + 2 * P.shape[-1:])
    values, vectors = jnp.linalg.eigh(matmul(transpose(P), v * P) + squares * eye)
    largest = jnp.where(values[..., -1:] > 0, values[..., -1:], 1)
    first = vectors / jnp.sqrt(jnp.maximum(values, tolerance * largest))[..., None, :]
    Q = matmul(P, first)
    G = matmul(transpose(Q), v * Q) + matmul(transpose(first), transpose(squares) * first)
    values, vectors = jnp.linalg.eigh(G)
    keep = (values > tolerance * values[..., -1:])[..., None, :]
    shrink = jax.lax.rsqrt(jnp.where(keep, values[..., None, :], 1))
    T = matmul(first, jnp.where(keep, vectors * shrink, 0))
    # The first pass amplified the other directions, and roundoff left traces of them in T.
    null = matmul(first, jnp.where(keep, 0, vectors))
    null = null / jnp.maximum(jnp.linalg.norm(null, axis=-2, keepdims=True), tolerance)
    return T - matmul(null, matmul(transpose(null), T)), jnp.where(keep, 0, eye)
