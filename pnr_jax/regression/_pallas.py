"""The iteration as one fused kernel: what GPUs and TPUs need, where small factorisations are slow.

A program of the grid owns a block of columns of one problem. Batch entries and columns do not see
each other, so that a sharded batch, or sharded columns, need no communication, which the compiler
cannot know of a kernel: `custom_partitioning` tells it.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.experimental import pallas as pl
from jax.experimental.custom_partitioning import custom_partitioning
from jax.experimental.pallas import triton
from jax.sharding import NamedSharding, PartitionSpec

from pnr_jax.regression._irls import least_squares_solution
from pnr_jax.regression._kernels import ROWS, iterations_kernel, solve_kernel
from pnr_jax.regression._problem import Problem
from pnr_jax.regression._smoothing import Smoothing

Arrays = tuple[jax.Array, ...]


def pallas_iterations(problem: Problem, smoothing: Smoothing, iterations: int) -> jax.Array:
    """The same as `inexact_iterations`, in one kernel."""
    start = least_squares_solution(problem)
    if iterations == 0:
        return start
    kernel = functools.partial(iterations_kernel, smoothing=smoothing, iterations=iterations)
    operands = [("nd", problem.P), ("nD", problem.H), ("n1", problem.v), ("dd", problem.penalty)]
    return _call(kernel, [*operands, ("1D", problem.size), ("dD", start)])


def pallas_inverse(problem: Problem, w: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """The same as `factorised`, in one kernel, which factorises anew for each b."""
    operands = [("nd", problem.P), ("nD", problem.v * w), ("dd", problem.penalty)]
    return lambda b: _call(solve_kernel, [*operands, ("dD", b)])


def _call(kernel: Any, operands: list[tuple[str, jax.Array]]) -> jax.Array:
    """Runs the kernel over batch × blocks of columns; the result has the shape of the last operand.

    Operands are named by their last two axes, of n rows, d, D columns or 1.
    """
    names, arrays = zip(*operands, strict=True)
    batch = arrays[-1].shape[:-2]
    arrays = tuple(
        jnp.broadcast_to(a, (*batch, *a.shape[-2:])).reshape(-1, *a.shape[-2:]) for a in arrays
    )
    run = _partitioned(functools.partial(_on_this_platform, kernel, names), names)

    @custom_vmap
    def mapped(*arrays: jax.Array) -> jax.Array:
        return run(*arrays)

    @mapped.def_vmap
    def _(size: int, is_mapped: list[bool], *arrays: jax.Array) -> tuple[jax.Array, bool]:
        full = (
            a if m else jnp.broadcast_to(a, (size, *a.shape))
            for a, m in zip(arrays, is_mapped, strict=True)
        )
        out = mapped(*(a.reshape(-1, *a.shape[-2:]) for a in full))
        return out.reshape(size, -1, *out.shape[-2:]), True

    return mapped(*arrays).reshape(*batch, *arrays[-1].shape[-2:])


def _partitioned(run: Callable[..., jax.Array], names: tuple[str, ...]) -> Callable[..., jax.Array]:
    """The same function, of which each device computes its own batch entries and columns."""

    def partition(mesh: Any, _: Any, result: Any) -> tuple[Any, ...]:
        batch, _, columns = (*result.sharding.spec, None, None, None)[:3]

        def of(axes: str) -> NamedSharding:
            spec = PartitionSpec(batch, None, columns if axes[1] == "D" else None)
            return NamedSharding(mesh, spec)

        return mesh, run, of("dD"), tuple(of(axes) for axes in names)

    rows = [f"b r{i} {'c' if axes[1] == 'D' else f'o{i}'}" for i, axes in enumerate(names)]
    function = custom_partitioning(run)
    rule = f"{', '.join(rows)} -> {rows[-1]}"
    function.def_partition(partition=partition, sharding_rule=rule)
    return function


def _on_this_platform(kernel: Any, names: tuple[str, ...], *arrays: jax.Array) -> jax.Array:
    """A block has the columns of a TPU's lanes; on a GPU so few that there is one for each core."""

    def on(width: int, **how: Any) -> Callable[..., jax.Array]:
        return lambda *arrays: _in_blocks(kernel, names, arrays, width, how)

    # Mosaic, the other way to compile for NVIDIA, copies blocks of at most 256 rows.
    nvidia = on(16, compiler_params=triton.CompilerParams(num_warps=8))
    return lax.platform_dependent(*arrays, cpu=on(128, interpret=True), cuda=nvidia, tpu=on(128))


def _in_blocks(
    kernel: Any, names: tuple[str, ...], arrays: Arrays, width: int, how: dict[str, Any]
) -> jax.Array:
    """Pads to whole blocks: rows and columns of 0 change nothing."""
    n, x = arrays[0].shape[-2], arrays[-1]
    batch, d, D = x.shape
    width = min(width, _power_of_two(D))
    block = {"n": -(-n // ROWS) * ROWS, "d": _power_of_two(d), "D": width, "1": 1}
    columns = -(-D // width)

    def padded(axes: str, a: jax.Array) -> jax.Array:
        shape = [block[axis] * (columns if axis == "D" else 1) for axis in axes]
        padding = [(0, 0)] + [(0, s - t) for s, t in zip(shape, a.shape[1:], strict=True)]
        return jnp.pad(a, padding, constant_values=axes == "1D")  # sizes are divided by

    def spec(axes: str) -> pl.BlockSpec:
        def index(b: Any, c: Any) -> tuple[Any, ...]:
            return b, 0, c if axes[1] == "D" else 0

        return pl.BlockSpec((None, block[axes[0]], block[axes[1]]), index)

    out = pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((batch, block["d"], columns * width), x.dtype),
        grid=(batch, columns),
        in_specs=[spec(axes) for axes in names],
        out_specs=spec("dD"),
        **how,
    )(*(padded(axes, a) for axes, a in zip(names, arrays, strict=True)))
    return out[:, :d, :D]


def _power_of_two(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())
