"""Which implementation runs: the fused kernel where it is known to work, else plain XLA."""

import functools
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import jax
import jax.numpy as jnp

from pnr_jax.regression._irls import factorised, inexact_iterations, least_squares_solution
from pnr_jax.regression._problem import normalise
from pnr_jax.regression._smoothing import Smoothing

Implementation = Literal["xla", "pallas"]

_LARGEST_POSE = 32  # columns of P: a block's Gram matrices must fit on chip
_log = logging.getLogger("pnr_jax.regression")


def choose(
    implementation: Implementation | None, P: jax.Array, H: jax.Array
) -> tuple[Implementation, str]:
    """The implementation to use and why; what the caller names, or the best that is sure to run."""
    if implementation is not None:
        return implementation, "asked for"
    reason = _objection(jnp.result_type(P, H) == jnp.float64, P.shape[-1] > _LARGEST_POSE)
    _log.debug("p-norm regression by %s: %s", "xla" if reason else "pallas", reason or "a GPU")
    return ("xla", reason) if reason else ("pallas", "a GPU")


def _objection(double: bool, wide: bool) -> str:
    """Why not the kernel; nothing if it will do."""
    if jax.default_backend() != "gpu":
        return f"the platform is {jax.default_backend()}; the kernel is for GPUs"
    if double:
        return "the kernel computes in float32"
    if wide:
        return f"the kernel holds at most {_LARGEST_POSE} columns of P"
    return _trial()


@functools.cache
def _trial() -> str:
    """Runs the kernels once on this machine against XLA; what went wrong, if anything."""
    # In a thread of its own, where values are values even while the caller is being traced.
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            return thread.submit(_difference).result()
        except Exception as error:  # whatever a compiler may raise is a reason, not a failure
            return f"the kernel does not run here: {type(error).__name__}: {error}"


def _difference() -> str:
    from pnr_jax.regression._pallas import pallas_inverse, pallas_iterations

    P = jnp.linspace(-1.0, 1.0, 100)[:, None] ** jnp.arange(5)
    problem = normalise(P, P[:, ::-1] + jnp.sin(1e3 * P) ** 9, None, 0.0)
    smoothing, x = Smoothing(1.0, 1e-3), least_squares_solution(problem)
    w = smoothing.weights(problem.scaled_residual(x), smoothing.scheduled(5, x.dtype))
    pairs = (
        (pallas_iterations(problem, smoothing, 7), inexact_iterations(problem, smoothing, 7)),
        (pallas_inverse(problem, w)(x), factorised(problem, w)(x)),
    )
    same = [bool(jnp.allclose(a, b, rtol=0, atol=1e-2 * jnp.max(jnp.abs(b)))) for a, b in pairs]
    return "" if all(same) else "the kernel computes something else here"
