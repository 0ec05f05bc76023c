"""The model as programs that run wherever JAX does: StableHLO, for any batch and any M.

The weights are arguments, so that one tree, restored by Orbax, serves all three programs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from ml_collections import ConfigDict

from pnr_jax.errors import UserError
from pnr_jax.nn.model import build_model, to_uint8

PLATFORMS = ("cpu", "cuda", "tpu")


def functions(config: ConfigDict) -> dict[str, Callable[..., jax.Array]]:
    """`encode`, `render` and `transfer` as pure functions of (variables, arrays ...).

    encode(variables, source_images uint8 [B, M, H, W, 3], source_keypoints int32 [B, M, 18, 2],
      source_valid bool [B, M]) -> F float32 [B, d, D];
    render(variables, F, target_keypoints int32 [B, 18, 2]) -> uint8 [B, H, W, 3];
    transfer(variables, the three of encode, target_keypoints) -> uint8 [B, H, W, 3].
    """
    model = build_model(config)

    def encode(variables: Any, images: Any, keypoints: Any, valid: Any) -> jax.Array:
        return jnp.asarray(model.apply(variables, images, keypoints, valid, method="encode"))

    def render(variables: Any, F: Any, poses: Any) -> jax.Array:
        return to_uint8(jnp.asarray(model.apply(variables, F, poses, method="render")))

    def transfer(variables: Any, images: Any, keypoints: Any, valid: Any, poses: Any) -> jax.Array:
        return render(variables, encode(variables, images, keypoints, valid), poses)

    return {"encode": encode, "render": render, "transfer": transfer}


def export_programs(config: ConfigDict, variables: dict[str, Any]) -> dict[str, export.Exported]:
    """The three `functions` for all `PLATFORMS`, with free B and M.

    Args:
      config: of the run.
      variables: of the model; only shapes and types are looked at.

    Raises:
      UserError: this process computes on something else than a CPU.
    """
    if jax.default_backend() != "cpu":  # No other has been tried.
        raise UserError("a portable program is made on a CPU; start Python with JAX_PLATFORMS=cpu")
    shape = jax.ShapeDtypeStruct
    B, M = export.symbolic_shape("B, M")
    weights = jax.tree.map(lambda x: shape(x.shape, x.dtype), variables)
    sources = (
        shape((B, M, *config.image_size, 3), np.uint8),
        shape((B, M, 18, 2), np.int32),
        shape((B, M), np.bool_),
    )
    F = shape((B, config.model.d, 4 * config.model.width), np.float32)
    poses = shape((B, 18, 2), np.int32)
    arguments = {"encode": sources, "render": (F, poses), "transfer": (*sources, poses)}
    with without_locations():
        return {
            name: export.export(jax.jit(function), platforms=PLATFORMS)(weights, *arguments[name])
            for name, function in functions(config).items()
        }


@contextmanager
def without_locations() -> Iterator[None]:
    """Programs lowered in this block do not name the source files of this machine."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)
