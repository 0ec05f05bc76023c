"""What every solver does first: check the arguments, drop masked rows, change coordinates."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.typing import ArrayLike

from pnr_jax.regression._linear import matmul, transpose


class Problem(NamedTuple):
    """A regression problem in the coordinates in which it is solved: no units, P orthonormal.

    Up to directions that P does not span,
    ``Pᵀ diag(v) P + penalty`` is the identity.
    """

    P: jax.Array  # [..., n, d]
    H: jax.Array  # [..., n, D]
    v: jax.Array  # [..., n, 1]
    penalty: jax.Array  # [..., d, d], the ridge
    size: jax.Array  # [..., 1, D], the weighted mean of |H|
    T: jax.Array  # [..., d, d]
    P_unit: jax.Array  # [..., d, 1]
    H_unit: jax.Array  # [..., 1, D]

    def residual(self, x: jax.Array) -> jax.Array:
        """H − P x."""
        return self.H - matmul(self.P, x)

    def scaled_residual(self, x: jax.Array) -> jax.Array:
        """u, the residual in units of the size of H."""
        return self.residual(x) / self.size

    def solution(self, x: jax.Array) -> jax.Array:
        """F [..., d, D] in the caller's coordinates of x in the problem's."""
        return matmul(self.T, x) * self.H_unit / self.P_unit


def as_arrays(
    P: ArrayLike, H: ArrayLike, weights: ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """The arguments as arrays."""
    return jnp.asarray(P), jnp.asarray(H), None if weights is None else jnp.asarray(weights)


def check_choice(name: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    """Raises ValueError for a value that is not among the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}; got {value!r}")


def check_arguments(
    P: jax.Array,
    H: jax.Array,
    weights: jax.Array | None,
    *,
    p: float,
    eps: float,
    ridge: float,
    throw: bool,
) -> None:
    """Raises ValueError for wrong shapes and options, and for bad values that can be seen."""
    if P.ndim < 2 or H.ndim < 2 or P.shape[-2] != H.shape[-2] or 0 in P.shape + H.shape:
        raise ValueError(
            "P and H must be [..., n, d] and [..., n, D] with the same n, all sizes at least 1; "
            f"got P {P.shape} and H {H.shape}"
        )
    for name, array in (("P", P), ("H", H), ("weights", weights)):
        if array is not None and jnp.iscomplexobj(array):
            raise ValueError(f"{name} {array.shape} must be real; got {array.dtype}")
    shapes = [P.shape[:-2], H.shape[:-2]]
    if weights is not None:
        if weights.ndim < 1 or weights.shape[-1] != P.shape[-2]:
            raise ValueError(
                f"weights must be [..., n], one for each row of P; got weights {weights.shape} "
                f"and P {P.shape}"
            )
        shapes.append(weights.shape[:-1])
    try:
        jnp.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError(
            f"the leading axes of P {P.shape}, H {H.shape}"
            + ("" if weights is None else f" and weights {weights.shape}")
            + " do not broadcast"
        ) from error
    if not 1.0 <= p <= 2.0:
        raise ValueError(f"p must lie in [1, 2]; got p = {p}")
    if not (eps > 0.0 and math.isfinite(eps)):
        raise ValueError(f"eps must be positive and finite; got eps = {eps}")
    if not (ridge >= 0.0 and math.isfinite(ridge)):
        raise ValueError(f"ridge must be at least 0 and finite; got ridge = {ridge}")
    if throw:
        _check_values(P, H, weights)


def _check_values(P: jax.Array, H: jax.Array, weights: jax.Array | None) -> None:
    """Raises ValueError for negative or non-finite values, where they can be seen (not traced)."""
    keep: jax.Array | bool = True
    if weights is not None and not isinstance(weights, jax.core.Tracer):
        if not bool(jnp.all((weights >= 0) & jnp.isfinite(weights))):
            raise ValueError(
                f"weights must be finite and at least 0; the weights {weights.shape} given are not"
            )
        keep = (weights == 0)[..., None]
    if isinstance(weights, jax.core.Tracer):
        return
    for name, array in (("P", P), ("H", H)):
        if isinstance(array, jax.core.Tracer):
            continue
        if not bool(jnp.all(jnp.isfinite(array) | (keep if weights is not None else False))):
            raise ValueError(f"{name} {array.shape} holds NaN or infinity in a row of weight > 0")


def normalise(P: jax.Array, H: jax.Array, weights: jax.Array | None, ridge: float) -> Problem:
    """Masks rows of weight 0, removes the units of P, H and weights, orthonormalises P.

    Rows of weight 0 become rows of zeros *before* anything is computed from them, so neither
    their values nor their derivatives (0 times infinity) can reach the result.

    Units and T are constants to the derivative, and exactly so: the solution of the problem in
    other coordinates is the same solution in those coordinates, whatever they are. So no
    derivative of an eigenvector, which need not exist, is ever taken.
    """
    dtype = jnp.promote_types(jnp.result_type(P, H), jnp.float32)
    P, H = P.astype(dtype), H.astype(dtype)
    if weights is None:
        v = jnp.ones((P.shape[-2], 1), dtype)
    else:
        v = weights.astype(dtype)[..., None]
        P, H, v = (jnp.where(v == 0, 0, x) for x in (P, H, v))
        v = jnp.where(v < 0, jnp.nan, v)  # under jit a negative weight gives NaN, not garbage
        v = v / _unit(v)
    P_unit, H_unit = _unit(P), _unit(H)
    P, H = P / P_unit, H / H_unit
    squares = ridge * jnp.sum(v * P * P, axis=-2)
    T = _whiten(*stop_gradient((P, v, squares)))
    penalty = matmul(transpose(T), squares[..., None] * T)
    mass = jnp.sum(v, axis=-2, keepdims=True)
    size = jnp.sum(v * jnp.abs(H), axis=-2, keepdims=True) / jnp.where(mass == 0, 1, mass)
    size = jnp.where(size == 0, 1, size)
    return Problem(matmul(P, T), H, v, penalty, size, T, transpose(P_unit), H_unit)


def _unit(x: jax.Array) -> jax.Array:
    """The largest absolute value of each column, 1 for a column of zeros: [..., 1, columns]."""
    largest = stop_gradient(jnp.max(jnp.abs(x), axis=-2, keepdims=True))
    return jnp.where(largest == 0, 1, largest)


def _whiten(P: jax.Array, v: jax.Array, squares: jax.Array) -> jax.Array:
    """T such that ``Tᵀ (Pᵀ diag(v) P + diag(squares)) T`` is the identity, [..., d, d].

    Directions that P does not span, to the precision at hand, become columns of zeros: the
    solution has no part in them, which makes it the shortest one. The first pass leaves small
    eigenvalues, which it cannot tell from roundoff, merely scaled; the second, on a matrix that
    is well conditioned but for those that are zero, tells which they are. So condition numbers
    of P up to about 1 / (d · eps) pass, where one pass would end at the square root of that.
    """
    tolerance = P.shape[-1] * jnp.finfo(P.dtype).eps
    G = matmul(transpose(P), v * P) + squares[..., None, :] * jnp.eye(P.shape[-1], dtype=P.dtype)
    values, vectors = jnp.linalg.eigh(G)
    largest = jnp.where(values[..., -1:] > 0, values[..., -1:], 1)
    first = vectors / jnp.sqrt(jnp.maximum(values, tolerance * largest))[..., None, :]
    Q = matmul(P, first)
    G = matmul(transpose(Q), v * Q) + matmul(transpose(first), squares[..., None] * first)
    values, vectors = jnp.linalg.eigh(G)
    keep = (values > tolerance * values[..., -1:])[..., None, :]
    scale = jax.lax.rsqrt(jnp.where(keep, values[..., None, :], 1))
    T = matmul(first, jnp.where(keep, vectors * scale, 0))
    # The first pass blew the other directions up, and roundoff left traces of them in T.
    null = matmul(first, jnp.where(keep, 0, vectors))
    null = null / jnp.maximum(jnp.linalg.norm(null, axis=-2, keepdims=True), tolerance)
    return T - matmul(null, matmul(transpose(null), T))
