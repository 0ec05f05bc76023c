"""The model as programs that run wherever JAX does: StableHLO, for any batch and any M.

The weights are arguments, so that one tree, restored by Orbax, serves all programs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax import export

from pnr_jax.errors import UserError
from pnr_jax.nn.pixels import to_uint8
from pnr_jax.systems import Sources, System
from pnr_jax.typing import Code, Variables

PLATFORMS = ("cpu", "cuda", "tpu")


def functions(system: System) -> dict[str, Callable[..., Any]]:
    """Returns a system's pure functions of (variables, arrays ...) by name.

    transfer(variables, source_images uint8 [B, M, H, W, 3], source_keypoints int32 [B, M, 18, 2],
      source_valid bool [B, M], target_keypoints int32 [B, 18, 2]) -> uint8 [B, H, W, 3];
    and where the system encodes, its two halves:
    encode(variables, the three of the sources) -> code, with pNR F, float32 [B, d, D];
    render(variables, code, target_keypoints) -> uint8 [B, H, W, 3].
    """

    def encode(
        variables: Variables, images: jax.Array, keypoints: jax.Array, valid: jax.Array
    ) -> Code:
        return system.encode(variables, Sources(images, keypoints, valid))

    def render(variables: Variables, code: Code, poses: jax.Array) -> jax.Array:
        return to_uint8(system.render(variables, code, poses))

    def transfer(
        variables: Variables,
        images: jax.Array,
        keypoints: jax.Array,
        valid: jax.Array,
        poses: jax.Array,
    ) -> jax.Array:
        return render(variables, encode(variables, images, keypoints, valid), poses)

    if not system.encodes:
        return {"transfer": transfer}
    return {"encode": encode, "render": render, "transfer": transfer}


def code_shape(system: System, variables: Variables) -> tuple[int, ...]:
    """Returns (d, D) of a pNR: the shape of a person's F."""
    sources = (
        jax.ShapeDtypeStruct((1, 1, *system.image_size, 3), np.uint8),
        jax.ShapeDtypeStruct((1, 1, 18, 2), np.int32),
        jax.ShapeDtypeStruct((1, 1), np.bool_),
    )
    code: Any = jax.eval_shape(functions(system)["encode"], variables, *sources)
    return tuple(code.shape[1:])


def export_programs(system: System, variables: Variables) -> dict[str, export.Exported]:
    """Exports all `functions` for all `PLATFORMS`, with free B and, if the system takes any, M.

    Args:
      system: the system that draws.
      variables: the system's variables; only shapes and types matter.

    Raises:
      UserError: this process does not compute on a CPU.
    """
    if jax.default_backend() != "cpu":  # No other has been tried.
        raise UserError("a portable program is made on a CPU; start Python with JAX_PLATFORMS=cpu")
    B, M = export.symbolic_shape("B, M")
    M = M if system.most_sources is None else system.most_sources
    weights = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), variables)
    sources = (
        jax.ShapeDtypeStruct((B, M, *system.image_size, 3), np.uint8),
        jax.ShapeDtypeStruct((B, M, 18, 2), np.int32),
        jax.ShapeDtypeStruct((B, M), np.bool_),
    )
    poses = jax.ShapeDtypeStruct((B, 18, 2), np.int32)
    arguments = {"encode": sources, "transfer": (*sources, poses)}
    programs = functions(system)
    if "encode" in programs:
        arguments["render"] = (jax.eval_shape(programs["encode"], weights, *sources), poses)
    with without_locations():
        return {
            name: export.export(jax.jit(function), platforms=PLATFORMS)(weights, *arguments[name])
            for name, function in programs.items()
        }


@contextmanager
def without_locations() -> Iterator[None]:
    """Keeps programs that are lowered in this block from naming this machine's source files."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)
