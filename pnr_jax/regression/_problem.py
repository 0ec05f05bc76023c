"""What every solver does first: check the arguments, drop masked rows, remove the units."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Problem(NamedTuple):
    """A regression problem without units: every scale of P, H and the weights is near 1."""

    P: jax.Array  # [..., n, d]
    H: jax.Array  # [..., n, D]
    v: jax.Array  # [..., n, 1]
    P_unit: jax.Array  # [..., d, 1]
    H_unit: jax.Array  # [..., 1, D]


def check_arguments(
    P: jax.Array, H: jax.Array, weights: jax.Array | None, *, p: float, eps: float, ridge: float
) -> None:
    """Raises ValueError for wrong shapes and options, and for bad values that can be seen."""
    if P.ndim < 2 or H.ndim < 2 or P.shape[-2] != H.shape[-2] or 0 in P.shape + H.shape:
        raise ValueError(
            "P and H must be [..., n, d] and [..., n, D] with the same n, all sizes at least 1; "
            f"got P {P.shape} and H {H.shape}"
        )
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


def normalise(P: jax.Array, H: jax.Array, weights: jax.Array | None) -> Problem:
    """Masks rows of weight 0 and divides P, H and the weights by their sizes.

    Rows of weight 0 become rows of zeros *before* anything is computed from them, so neither
    their values nor their derivatives (0 times infinity) can reach the result.

    The units are constants to the derivative, and exactly so: the solution of the problem in
    other units is the same solution in those units, whatever the units are.
    """
    dtype = jnp.promote_types(jnp.result_type(P, H), jnp.float32)
    P, H = P.astype(dtype), H.astype(dtype)
    if weights is None:
        v = jnp.ones((P.shape[-2], 1), dtype)
    else:
        v = weights.astype(dtype)[..., None]
        P, H = jnp.where(v == 0, 0, P), jnp.where(v == 0, 0, H)
        v = jnp.where(v < 0, jnp.nan, v)  # under jit a negative weight gives NaN, not garbage
        v = v / _unit(v)
    P_unit, H_unit = _unit(P), _unit(H)
    return Problem(P / P_unit, H / H_unit, v, jnp.swapaxes(P_unit, -1, -2), H_unit)


def _unit(x: jax.Array) -> jax.Array:
    """The largest absolute value of each column, 1 for a column of zeros: [..., 1, columns]."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=-2, keepdims=True))
    return jnp.where(largest == 0, 1, largest)
