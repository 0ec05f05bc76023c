"""The state that training carries from step to step."""

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.sharding import Mesh

from pnr_jax import sharding
from pnr_jax.config import Config
from pnr_jax.data.pipeline import Batch
from pnr_jax.systems import System
from pnr_jax.training import pool as pool_lib
from pnr_jax.training.pool import Pool
from pnr_jax.typing import Params, Variables


class Skipped(struct.PyTreeNode):
    """Steps that were skipped because a loss or a gradient was not finite: int32 [] each.

    Attributes:
      total: how many.
      in_a_row: how many since the last step that was not skipped.
      last: the number of the last one, from 0; -1 where there was none.
    """

    total: jax.Array
    in_a_row: jax.Array
    last: jax.Array


class TrainState(struct.PyTreeNode):
    """The whole state of a run; arrays only.

    Attributes:
      step: int32 [], steps done.
      variables: the generator's variables: {"params": ..., "batch_stats": ...}.
      opt_state: state of the generator's optimiser.
      ema: running average of `variables`, or an empty dict where it is off.
      discriminators: parameters by name, such as "image" (D_I) and "pose" (D_K).
      discriminator_opt_states: states of their optimisers, by name.
      pool: past fakes with their conditions, or None where it is off.
      skipped: counts of skipped steps.
    """

    step: jax.Array
    variables: Variables
    opt_state: optax.OptState
    ema: Variables
    discriminators: dict[str, Params]
    discriminator_opt_states: dict[str, optax.OptState]
    pool: Pool | None
    skipped: Skipped


def build_optimizer(
    config: Config, discriminator: str | None = None
) -> optax.GradientTransformation:
    """Returns Adam, at a constant rate that falls linearly to 0 after `decay_from` of the steps.

    What a system trains only during a period keeps its values and moments outside of that period.

    Args:
      config: the run's configuration.
      discriminator: name of the discriminator to optimise; None is the generator.
    """
    system = config.build_system()
    moments = optax.scale_by_adam(b1=config.adam_b1, b2=config.adam_b2)

    def within(name: str) -> optax.GradientTransformation:
        first, last = system.periods[name]
        return optax.transforms.conditionally_mask(
            moments, lambda step: (step >= first) & (step < last)
        )

    parts = [name for name in system.periods if name not in system.discriminators]
    if discriminator is not None and discriminator in system.periods:
        moments = within(discriminator)
    elif discriminator is None and parts:
        moments = optax.partition(
            {name: within(name) for name in parts}, {name: name for name in parts}
        )
    return optax.chain(moments, optax.scale_by_learning_rate(learning_rate(config)))


def learning_rate(config: Config) -> optax.Schedule:
    """Returns the learning rate as a function of the step."""
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


def state_shardings(config: Config, mesh: Mesh) -> TrainState:
    """Returns where the state lies: a `TrainState` of shardings, split if `shard_parameters` is."""
    shapes = jax.eval_shape(lambda: fresh_state(config))
    everywhere = jax.tree.map(lambda _: sharding.copied(mesh), shapes)
    if not config.shard_parameters:
        return everywhere
    return sharding.split_largest(shapes, mesh).replace(pool=everywhere.pool)


def init_state(config: Config, shardings: TrainState | None = None) -> TrainState:
    """Draws the state at step 0, a function of the configuration's seed.

    It is compiled without optimisation: it runs once, and optimising dozens of random number
    generators would take many times longer than running them.

    Args:
      config: the run's configuration.
      shardings: what `state_shardings` returned; None puts all on one device.
    """
    draw = jax.jit(lambda: fresh_state(config), out_shardings=shardings).lower()
    quick: dict[str, str | bool] = {
        "xla_backend_optimization_level": "0",
        "xla_llvm_disable_expensive_passes": True,
    }
    state = draw.compile(compiler_options=quick)()
    # Training donates its state, where no two entries may share a buffer; constants here do.
    return jax.tree.map(jnp.copy, state)


def fresh_state(config: Config) -> TrainState:
    """Draws the state at step 0, to be traced: see `init_state`."""
    system, optimizer = config.build_system(), build_optimizer(config)
    optimizers = {name: build_optimizer(config, name) for name in system.discriminators}
    variables, discriminators = system.init(jax.random.key(config.seed))
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=variables,
        opt_state=optimizer.init(variables["params"]),
        ema=jax.tree.map(jnp.copy, variables) if config.ema else {},
        discriminators=discriminators,
        discriminator_opt_states={
            name: optimizers[name].init(p) for name, p in discriminators.items()
        },
        pool=_empty_pool(config, system) if discriminators and config.pool_size else None,
        skipped=Skipped(*(jnp.asarray(count, jnp.int32) for count in (0, 0, -1))),
    )


def _empty_pool(config: Config, system: System) -> Pool:
    """Returns a pool of the discriminators' inputs, each of one image."""
    image, keypoints = jnp.zeros((1, *config.image_size, 3)), jnp.zeros((1, 18, 2), jnp.int32)
    batch: Batch[jax.Array] = {
        "source_images": jnp.stack([image] * config.sources, axis=1).astype(jnp.uint8),
        "source_keypoints": jnp.stack([keypoints] * config.sources, axis=1),
        "source_valid": jnp.ones((1, config.sources), bool),
        "target_image": image.astype(jnp.uint8),
        "target_keypoints": keypoints,
    }
    return pool_lib.empty(config.pool_size, system.discriminator_inputs(image, batch))


def trained_variables(state: TrainState) -> Variables:
    """Returns the variables to generate with: the running average where there is one."""
    return state.ema or state.variables


def parameter_count(tree: object) -> int:
    """Counts the numbers in a tree of parameters."""
    return sum(x.size for x in jax.tree.leaves(tree))
