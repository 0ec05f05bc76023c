"""Counts the operations of a function, with loops counted as often as they run."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun


def flops(function: Callable[..., Any], *arguments: Any) -> float:
    """Returns the floating point operations of a call as XLA counts them before compiling.

    XLA itself counts the body of a loop once, regardless of the number of iterations. Here this
    only holds for loops with an unknown number of iterations.
    """
    return _of(jax.make_jaxpr(function)(*arguments))


def _of(closed: ClosedJaxpr) -> float:
    return _once(closed) + _again(closed.jaxpr)


def _once(closed: ClosedJaxpr) -> float:
    lowered = jax.jit(jaxpr_as_fun(closed)).lower(*closed.in_avals)
    return (lowered.cost_analysis() or {}).get("flops", float("nan"))


def _again(jaxpr: Jaxpr) -> float:
    """Counts the operations that the second and all further iterations of loops add."""
    total = 0.0
    for equation in jaxpr.eqns:
        for inner in filter(None, map(_closed, jax.tree.leaves(equation.params))):
            if equation.primitive.name == "scan":
                length = equation.params["length"]
                total += length * _of(inner) - _once(inner)
            else:
                total += _again(inner.jaxpr)
    return total


def _closed(parameter: Any) -> ClosedJaxpr | None:
    if isinstance(parameter, Jaxpr) and not parameter.constvars:
        return ClosedJaxpr(parameter, ())
    return parameter if isinstance(parameter, ClosedJaxpr) else None
