"""What training carries from step to step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.sharding import Mesh
from ml_collections import ConfigDict

from pnr_jax import sharding
from pnr_jax.nn.discriminators import Discriminator
from pnr_jax.nn.model import build_model
from pnr_jax.training import pool as pool_lib
from pnr_jax.training.pool import Pool

# Channels of what a discriminator sees beside the image: a source image, or pose heatmaps.
CONDITIONS = {"image": 3, "pose": 18}


class Skipped(struct.PyTreeNode):
    """Steps that were not taken because a loss or a gradient was not finite: int32 [] each.

    Attributes:
      total: how many.
      in_a_row: how many since the last step that was taken.
      last: the number of the last one, from 0; -1 where there was none.
    """

    total: jax.Array
    in_a_row: jax.Array
    last: jax.Array


class TrainState(struct.PyTreeNode):
    """All of a run's state; arrays only.

    Attributes:
      step: int32 [], steps done.
      variables: of f_a, f_p and G: {"params": ..., "batch_stats": ...}.
      opt_state: of their optimiser.
      ema: running average of `variables`, or an empty dict where it is off.
      discriminators: parameters by name: "image" (D_I, supervised only) and "pose" (D_K).
      discriminator_opt_states: of their optimisers.
      pool: past fakes with their conditions, or None where it is off.
      skipped: steps that were counted, but not taken.
    """

    step: jax.Array
    variables: dict[str, Any]
    opt_state: Any
    ema: dict[str, Any]
    discriminators: dict[str, Any]
    discriminator_opt_states: dict[str, Any]
    pool: Pool | None
    skipped: Skipped


def build_discriminators(config: ConfigDict) -> dict[str, Discriminator]:
    """D_I and D_K by name; one whose loss has weight 0 does not exist, nor D_I unsupervised."""
    dtype = jnp.dtype(config.compute_dtype)
    weights = {"image": config.loss.gan_image, "pose": config.loss.gan_pose}
    if not config.supervised:
        weights.pop("image")
    return {
        name: Discriminator(dtype=dtype, **config.discriminator)
        for name, weight in weights.items()
        if weight
    }


def build_optimizer(config: ConfigDict) -> optax.GradientTransformation:
    """Adam, at a constant rate that from `decay_from` of the steps on falls linearly to 0."""
    return optax.adam(learning_rate(config), b1=config.adam_b1, b2=config.adam_b2)


def learning_rate(config: ConfigDict) -> optax.Schedule:
    """The learning rate as a function of the step."""
    start = int(config.decay_from * config.steps)
    return optax.schedules.join_schedules(
        [
            optax.schedules.constant_schedule(config.learning_rate),
            optax.schedules.linear_schedule(
                config.learning_rate, 0.0, max(1, config.steps - start)
            ),
        ],
        [start],
    )


def state_shardings(config: ConfigDict, mesh: Mesh) -> TrainState:
    """Where the state lies: a `TrainState` of shardings, split where the configuration says so."""
    shapes = jax.eval_shape(lambda: _init_state(config))
    everywhere = jax.tree.map(lambda _: sharding.copied(mesh), shapes)
    if not config.shard_parameters:
        return everywhere
    return sharding.split_largest(shapes, mesh).replace(pool=everywhere.pool)


def init_state(config: ConfigDict, shardings: TrainState | None = None) -> TrainState:
    """The state at step 0, a function of the configuration's seed.

    Compiled without optimisation: it runs once, and optimising dozens of random number generators
    would take many times longer than running them.

    Args:
      config: of the run.
      shardings: of `state_shardings`; None puts all on one device.
    """
    draw = jax.jit(lambda: _init_state(config), out_shardings=shardings).lower()
    quick: dict[str, str | bool] = {
        "xla_backend_optimization_level": "0",
        "xla_llvm_disable_expensive_passes": True,
    }
    state = draw.compile(compiler_options=quick)()
    # Training donates its state, where no two entries may share a buffer; constants here do.
    return jax.tree.map(jnp.copy, state)


def _init_state(config: ConfigDict) -> TrainState:
    model_key, *discriminator_keys = jax.random.split(jax.random.key(config.seed), 3)
    H, W = config.image_size
    image = jnp.zeros((1, H, W, 3))
    keypoints = jnp.zeros((1, 18, 2), jnp.int32)
    model, discriminators = build_model(config), build_discriminators(config)
    variables = dict(
        model.init(
            model_key,
            image[:, None].astype(jnp.uint8),
            keypoints[:, None],
            jnp.ones((1, 1), bool),
            keypoints,
        )
    )
    optimizer = build_optimizer(config)
    params = {
        name: discriminator.init(key, image, jnp.zeros((1, H, W, CONDITIONS[name])))["params"]
        for (name, discriminator), key in zip(
            discriminators.items(), discriminator_keys, strict=False
        )
    }
    fakes = {"image": image, "source_image": image.astype(jnp.uint8), "target_keypoints": keypoints}
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=variables,
        opt_state=optimizer.init(variables["params"]),
        ema=jax.tree.map(jnp.copy, variables) if config.ema else {},
        discriminators=params,
        discriminator_opt_states={name: optimizer.init(p) for name, p in params.items()},
        pool=pool_lib.empty(config.pool_size, fakes) if params and config.pool_size else None,
        skipped=Skipped(*(jnp.asarray(count, jnp.int32) for count in (0, 0, -1))),
    )


def trained_variables(state: TrainState) -> dict[str, Any]:
    """The variables to generate with: the running average where there is one."""
    return state.ema or state.variables


def parameter_count(tree: Any) -> int:
    """How many numbers a tree of parameters has."""
    return sum(x.size for x in jax.tree.leaves(tree))
