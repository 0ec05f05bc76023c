"""Fine-tuning: a run that starts from the weights of another one."""

from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.sharding import Mesh

from pnr_jax import box, checkpoints, sharding
from pnr_jax import config as config_lib
from pnr_jax.errors import UserError
from pnr_jax.training import state as state_lib
from pnr_jax.training.state import TrainState

Networks = dict[str, Any]  # {"variables": ..., "discriminators": ...}


def start_from(
    name: str, state: TrainState, counts: Collection[str], mesh: Mesh, log: Callable[[str], None]
) -> TrainState:
    """Puts another run's weights into a state at step 0, wherever they fit.

    The generator comes from the other run's running average if it has one, the discriminators from
    its latest checkpoint; an exported model has none. Optimisers, the pool of past fakes and the
    step start afresh, as does a count of steps that a system keeps. Each layer that does not fit
    keeps its initial weights and is logged.

    Args:
      name: folder of a run or of an exported model, or a model's name (`pnr_jax.box.find`).
      state: what `pnr_jax.training.state.init_state` returned.
      counts: the system's collections that are no networks.
      mesh: the devices, from `pnr_jax.sharding.make_mesh`.
      log: prints a line.

    Raises:
      UserError: there is no model, or not one of its arrays fits.
    """
    networks = {name: x for name, x in state.variables.items() if name not in counts}
    own = flatten_dict({"variables": networks, "discriminators": state.discriminators})
    others = flatten_dict(_read(name, mesh))
    others = {path: x for path, x in others.items() if path[1] not in counts}
    fitting = {path for path, x in own.items() if path in others and _fit(x, others[path])}
    if not any(path[0] == "variables" for path in fitting):
        raise UserError(f"init_from={name}: no layer fits this run's; begin from another model")
    log(f"starting from {name}: {len(fitting)} of {len(own)} arrays fit")
    for line in _misfits(own, others):
        log(line)
    new = unflatten_dict(
        {path: _placed(others[path], x) if path in fitting else x for path, x in own.items()}
    )
    variables = state.variables | new["variables"]
    return state.replace(
        variables=variables,
        discriminators=new.get("discriminators", {}),
        ema=jax.tree.map(jnp.copy, variables) if state.ema else {},
    )


def _read(name: str, mesh: Mesh) -> Networks:
    """Reads the networks of a run as NumPy arrays."""
    folder = box.find(name)
    config = config_lib.read_config(folder)
    shapes = jax.eval_shape(lambda: state_lib.fresh_state(config))
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding.copied(mesh)), shapes
    )
    saved = checkpoints.read_latest(folder, like)
    if saved is None:
        return {"variables": checkpoints.load_model(folder)}
    networks = {
        "variables": state_lib.trained_variables(saved),
        "discriminators": saved.discriminators,
    }
    return sharding.to_host(mesh, networks)


def _fit(x: Any, other: Any) -> bool:
    return np.shape(x) == np.shape(other)


def _misfits(own: dict[tuple[str, ...], Any], others: dict[tuple[str, ...], Any]) -> list[str]:
    """Returns a line for each layer that cannot be taken over whole."""
    lines: dict[str, str] = {}
    networks = {path[:2] for path in others}
    for path, x in own.items():
        layer = "/".join(path[1:-1])
        if path[0] == "discriminators" and path[:2] not in networks:
            lines[path[1]] = f"{path[1]} discriminator: begins anew, there is none there"
        elif path not in others:
            lines.setdefault(layer, f"{layer}: begins anew, {path[-1]} is not there")
        elif not _fit(x, others[path]):
            there, here = (list(np.shape(array)) for array in (others[path], x))
            lines.setdefault(
                layer, f"{layer}: begins anew, {path[-1]} is {there} there and {here} here"
            )
    for path in others.keys() - own.keys():
        layer = "/".join(path[1:-1])
        lines.setdefault(layer, f"{layer}: is left out, this run has no such {path[-1]}")
    return [lines[layer] for layer in sorted(lines)]


def _placed(x: Any, like: jax.Array) -> jax.Array:
    """Places an array as parameters of a state, where `like` lies."""
    array = np.asarray(x, like.dtype)
    return jax.make_array_from_callback(array.shape, like.sharding, lambda index: array[index])
