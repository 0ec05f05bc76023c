"""The iterations as one fused kernel, for GPUs and TPUs, where small factorisations are slow.

Each program of the grid owns a block of columns of one problem. Batch entries and columns are
independent, so a sharded batch, or sharded columns, need no communication. The compiler cannot
infer this for a kernel; `custom_partitioning` declares it.
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
from jax.lax import stop_gradient
from jax.sharding import NamedSharding, PartitionSpec, auto_axes

from pnr_jax.regression._inexact import InexactIRLS
from pnr_jax.regression._irls import IRLS, Inverse, Progress
from pnr_jax.regression._kernels import ROWS, iterations_kernel, solve_kernel
from pnr_jax.regression._primal_dual import PrimalDual
from pnr_jax.regression._problem import Problem

Arrays = tuple[jax.Array, ...]


def approach(
    solver: IRLS | InexactIRLS | PrimalDual, problem: Problem, p: jax.Array | float, x: jax.Array
) -> Progress:
    """Runs all iterations but the last in one kernel, which the derivative treats as constant.

    p and the solver's numbers are operands of the kernel, so new values need no recompilation.
    """
    assert not isinstance(solver, PrimalDual)  # `_pnorm` rejects it.
    eps = jnp.asarray(solver.eps, x.dtype)
    if solver.iterations > 1:
        known = isinstance(p, int | float) and p == 1
        numbers, structure = jax.tree.flatten((solver, None if known else p))
        operands = [("nd", problem.P), ("nD", problem.H), ("n1", problem.v), ("dd", problem.ridge)]
        one = (1,) * x.ndim
        operands += [("11", jnp.asarray(number, x.dtype).reshape(one)) for number in numbers]
        operands = [(axes, stop_gradient(a)) for axes, a in [*operands, ("dD", x)]]
        x = _call(functools.partial(iterations_kernel, numbers=structure), operands)
    return Progress(x, eps, solver.iterations - 1, False)


def inverse_of(problem: Problem, W: jax.Array) -> Inverse:
    """Returns b ↦ (Pᵀ v W P + ridge)⁻¹ b as one kernel, which refactorises for each b."""
    operands = [("nd", problem.P), ("nD", problem.v * W), ("dd", problem.ridge)]
    return lambda b: _call(solve_kernel, [*operands, ("dD", b)])


def _call(kernel: Any, operands: list[tuple[str, jax.Array]]) -> jax.Array:
    """Runs the kernel over batch × blocks of columns; the result has the shape of the last operand.

    Operands are named after their last two axes: n rows, d, D columns, or 1.
    """
    names, arrays = zip(*operands, strict=True)
    batch = arrays[-1].shape[:-2]
    arrays = tuple(
        jnp.broadcast_to(a, (*batch, *a.shape[-2:])).reshape(-1, *a.shape[-2:]) for a in arrays
    )
    run = _partitioned(functools.partial(_on_this_platform, kernel, names), names)

    @custom_vmap
    def mapped(*arrays: jax.Array) -> jax.Array:
        sharding = jax.typeof(arrays[-1]).sharding
        if explicit := sharding.mesh.explicit_axes:  # Blocks of a kernel have no explicit sharding.
            return auto_axes(run, axes=explicit, out_sharding=sharding)(*arrays)
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
    """Returns the same function; each device computes its own batch entries and columns."""

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
    """Uses blocks as wide as a TPU's lanes, but narrow ones on a GPU, to occupy all its cores."""

    def on(width: int, **how: Any) -> Callable[..., jax.Array]:
        return lambda *arrays: _in_blocks(kernel, names, arrays, width, how)

    # Mosaic, the other compiler for NVIDIA, copies blocks of at most 256 rows.
    nvidia = on(16, compiler_params=triton.CompilerParams(num_warps=8))
    return lax.platform_dependent(*arrays, cpu=on(128, interpret=True), cuda=nvidia, tpu=on(128))


def _in_blocks(
    kernel: Any, names: tuple[str, ...], arrays: Arrays, width: int, how: dict[str, Any]
) -> jax.Array:
    """Runs the kernel on arrays padded to whole blocks; rows and columns of 0 change nothing."""
    n, x = arrays[0].shape[-2], arrays[-1]
    batch, d, D = x.shape
    width = min(width, _power_of_two(D))
    columns = -(-D // width)
    block = {"n": -(-n // ROWS) * ROWS, "d": _power_of_two(d), "D": width, "1": 1}

    def padded(axes: str, a: jax.Array) -> jax.Array:
        shape = [block[axis] * (columns if axis == "D" else 1) for axis in axes]
        return jnp.pad(a, [(0, 0), *((0, s - t) for s, t in zip(shape, a.shape[1:], strict=True))])

    def spec(axes: str) -> pl.BlockSpec:
        def index(b: Any, c: Any) -> tuple[Any, ...]:
            return b, 0, c if axes[1] == "D" else 0

        return pl.BlockSpec((None, block[axes[0]], block[axes[1]]), index)

    out = pl.pallas_call(
        functools.partial(kernel, d=d),
        out_shape=jax.ShapeDtypeStruct(
            (batch, block["d"], columns * width),
            x.dtype,
            manual_axis_type=jax.typeof(x).manual_axis_type,
        ),
        grid=(batch, columns),
        in_specs=[spec(axes) for axes in names],
        out_specs=spec("dD"),
        **how,
    )(*(padded(axes, a) for axes, a in zip(names, arrays, strict=True)))
    return out[:, :d, :D]


def _power_of_two(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())
