"""The training step as one compiled program."""

from typing import Any

import jax
from jax.sharding import Mesh

from pnr_jax import sharding
from pnr_jax.training.state import TrainState
from pnr_jax.training.step import Step


def lower(step: Step, state: TrainState, feed: Any, mesh: Mesh) -> jax.stages.Lowered:
    """Traces a step for arguments like `state` and `feed`; what it compiles to takes no others.

    The new state lies where the given one does, whose memory it takes over; metrics lie everywhere.

    Args:
      step: of `pnr_jax.training.inputs.with_input`.
      state: a state on its devices.
      feed: what `pnr_jax.training.inputs.feeds` yields.
      mesh: of `pnr_jax.sharding`.
    """
    shardings = jax.tree.map(lambda x: x.sharding, state)
    jitted = jax.jit(step, donate_argnums=0, out_shardings=(shardings, sharding.copied(mesh)))
    return jitted.lower(state, feed)


def flops(lowered: jax.stages.Lowered) -> float:
    """Floating point operations of a call as XLA counts them; NaN where it does not."""
    return (lowered.cost_analysis() or {}).get("flops", float("nan"))
