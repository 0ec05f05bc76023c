"""Checks of the arguments: shapes always, values where they are known."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

_LOST = 1e-3  # share of a column's spread; if float32 loses more, the answer is lost too


def as_arrays(
    P: ArrayLike, H: ArrayLike, weights: ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Returns the arguments as jax arrays; warns if the conversion loses digits that matter."""
    for name, array in (("P", P), ("H", H)):
        if _loses_digits(array):
            warnings.warn(
                f"{name} is {np.asarray(array).dtype} and jax cuts it to float32, which keeps 7 "
                f"digits: columns of {name} hardly vary beside their size, and that is lost. "
                "Subtract the mean of each column, or set jax_enable_x64",
                stacklevel=3,  # The caller of the public function.
            )
            break
    return _array(P), _array(H), None if weights is None else _array(weights)


def _array(x: ArrayLike) -> jax.Array:
    if isinstance(x, np.ndarray) and not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if isinstance(x, np.ndarray) and x.dtype.kind in "iu" and x.dtype.itemsize > 2:
        x = x.astype(np.float64)  # An int64 that jax cut to int32 would be another number.
    return jnp.asarray(x)


def _loses_digits(x: ArrayLike) -> bool:
    """Returns whether float32 rounding exceeds the share `_LOST` of a column's spread."""
    if jax.config.jax_enable_x64 or not isinstance(x, np.ndarray) or x.dtype.kind not in "iuf":  # type: ignore[attr-defined]
        return False
    if x.dtype.itemsize < (8 if x.dtype.kind == "f" else 4) or x.ndim < 2 or 0 in x.shape:
        return False
    x = x.astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        spread = x.std(axis=-2)
        largest = np.abs(x).max(axis=-2) * np.finfo(np.float32).eps
        return bool(np.any((largest > _LOST * spread) & (spread > 0) & (largest < np.inf)))


def check_arguments(
    P: jax.Array,
    H: jax.Array,
    weights: jax.Array | None,
    *,
    check: bool,
    numbers: dict[str, Any],
) -> None:
    """Raises ValueError for wrong shapes and numbers, and for bad values if these are known."""
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
    _check_numbers(numbers)
    if check:
        _check_values(P, H, weights)


RULES: dict[str, tuple[Callable[[float], bool], str]] = {
    "p": (lambda p: 1 <= p <= 2, "lie in [1, 2]"),
    "ridge": (lambda ridge: ridge >= 0 and math.isfinite(ridge), "be at least 0 and finite"),
    "eps": (lambda eps: eps > 0 and math.isfinite(eps), "be positive and finite"),
    "widest": (lambda eps: eps > 0 and math.isfinite(eps), "be positive and finite"),
    "decay": (lambda decay: 0 < decay <= 1, "lie in (0, 1]"),
    "tolerance": (lambda tolerance: tolerance >= 0, "be at least 0"),
    "iterations": (lambda count: count >= 1, "be at least 1"),
    "max_iterations": (lambda count: count >= 1, "be at least 1"),
    "cg_steps": (lambda count: count >= 1, "be at least 1"),
}


COUNTS = ("iterations", "max_iterations", "cg_steps")  # Parts of the program, not its data.


def check_start(P: jax.Array, H: jax.Array, weights: jax.Array | None, start: jax.Array) -> None:
    """Raises ValueError unless `start` has the problem's shape; leading axes may be missing."""
    leading = [P.shape[:-2], H.shape[:-2], () if weights is None else weights.shape[:-1]]
    batch = jnp.broadcast_shapes(*leading)
    shape = (*batch, P.shape[-1], H.shape[-1])
    try:
        fits = start.ndim >= 2 and jnp.broadcast_shapes(start.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits or start.shape[-2:] != shape[-2:] or jnp.iscomplexobj(start):
        raise ValueError(
            f"start must be a real [..., d, D], here {shape} or with fewer leading axes; got "
            f"{start.dtype} {start.shape}"
        )


def _check_numbers(numbers: dict[str, Any]) -> None:
    """Raises ValueError for a number outside its range, unless it is traced."""
    for name, value in numbers.items():
        if jnp.ndim(value) != 0:
            raise ValueError(f"{name} must be one number; got an array {jnp.shape(value)}")
        holds, rule = RULES[name]
        if name in COUNTS and not isinstance(value, int | np.integer):
            raise ValueError(f"{name} must be a Python int; got {value!r}")
        if not isinstance(value, jax.core.Tracer) and not holds(float(value)):
            raise ValueError(f"{name} must {rule}; got {name} = {value}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises ValueError for a value that is not among the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}; got {value!r}")


def _check_values(P: jax.Array, H: jax.Array, weights: jax.Array | None) -> None:
    """Raises ValueError for negative or non-finite values, unless they are traced."""
    if isinstance(weights, jax.core.Tracer):
        return
    with jax.ensure_compile_time_eval(), jax.numpy_rank_promotion("allow"):
        _check_seen_values(P, H, weights)


def _check_seen_values(P: jax.Array, H: jax.Array, weights: jax.Array | None) -> None:
    masked: jax.Array | bool = False
    if weights is not None:
        if not bool(jnp.all((weights >= 0) & jnp.isfinite(weights))):
            raise ValueError(
                f"weights must be finite and at least 0; the weights {weights.shape} given are not"
            )
        masked = (weights == 0)[..., None]
    for name, array in (("P", P), ("H", H)):
        if isinstance(array, jax.core.Tracer):
            continue
        if not bool(jnp.all(jnp.isfinite(array) | masked)):
            raise ValueError(
                f"{name} {array.shape} holds NaN or infinity, as {array.dtype}, in a row of "
                "weight > 0"
            )
