"""One step of training: a readable function of (state, batch), jitted by the loop.

The generator's gradient, then the discriminators', all at the old parameters; one forward pass of
the generator serves both. Where a system has its discriminators first, they are updated on fakes of
a pass of their own, and the generator's gradient sees the new ones. All randomness is
`fold_in(seed, step)`. A step whose losses or gradients are not all finite changes nothing but the
counts.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from pnr_jax import sharding
from pnr_jax.config import Config
from pnr_jax.data.pipeline import Batch
from pnr_jax.nn.pixels import scale_images
from pnr_jax.nn.vgg19 import VGG19
from pnr_jax.systems.protocol import Drawn, Metrics
from pnr_jax.training import pool
from pnr_jax.training import state as state_lib
from pnr_jax.training.state import Skipped, TrainState

Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]


def make_step(config: Config, vgg: VGG19 | None) -> Step:
    """Returns the training step of a configuration, not yet jitted.

    Args:
      config: of the run.
      vgg: of the perceptual loss; None turns it off.
    """
    system = config.build_system()
    optimizer = state_lib.build_optimizer(config)
    judged_by = {name: state_lib.build_optimizer(config, name) for name in system.discriminators}

    def generator_loss(
        params: Any, state: TrainState, batch: Batch[jax.Array], key: jax.Array
    ) -> tuple[jax.Array, Drawn]:
        variables = state.variables | {"params": params}
        return system.generator_loss(variables, state.discriminators, batch, vgg, key)

    def discriminator_loss(params: Any, name: str, *shown: Any) -> jax.Array:
        return system.discriminator_loss(name, params, *shown)

    def judge(
        state: TrainState, images: jax.Array, batch: Batch[jax.Array], keys: list[jax.Array]
    ) -> tuple[TrainState, Metrics, dict[str, Any]]:
        """Updates the discriminators; returns their losses and gradients too."""
        pool_key, *keys = keys
        past, fake = state.pool, jax.lax.stop_gradient(system.shown(images, batch))
        if past is not None:
            past, fake = pool.exchange(past, fake, pool_key)
        real = system.shown(scale_images(batch["target_image"]), batch)
        metrics, grads, judges, opt_states = {}, {}, {}, {}
        for name, key in zip(system.discriminators, keys, strict=True):
            params, opt_state = state.discriminators[name], state.discriminator_opt_states[name]
            metrics[f"discriminator_{name}"], grads[name] = jax.value_and_grad(discriminator_loss)(
                params, name, real, fake, key
            )
            judges[name], opt_states[name] = _update(
                judged_by[name], grads[name], opt_state, params
            )
        judged = state.replace(
            discriminators=judges, discriminator_opt_states=opt_states, pool=past
        )
        return judged, metrics, grads

    def step(state: TrainState, batch: Batch[jax.Array]) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed + 1), state.step)
        generator_key, *keys = jax.random.split(key, 2 + len(system.discriminators))
        params, judged = state.variables["params"], state

        if system.discriminators_first:
            _, drawn = generator_loss(params, state, batch, generator_key)
            judged, losses, judge_grads = judge(state, drawn.images, batch, keys)
        gradient = jax.value_and_grad(generator_loss, has_aux=True)
        (_, drawn), grads = gradient(params, judged, batch, generator_key)
        if not system.discriminators_first:
            judged, losses, judge_grads = judge(state, drawn.images, batch, keys)

        params, opt_state = _update(optimizer, grads, state.opt_state, params)
        variables = {**state.variables, **drawn.updates, "params": params}
        new = judged.replace(
            variables=variables,
            opt_state=opt_state,
            ema=_average(state.ema, variables, config.ema) if config.ema else {},
        )
        metrics = drawn.metrics | losses
        finite = _all_finite((metrics, grads, judge_grads))
        new = jax.tree.map(lambda taken, kept: jnp.where(finite, taken, kept), new, state)
        skipped = _count(state.skipped, finite, state.step)
        return new.replace(step=state.step + 1, skipped=skipped), metrics

    return step


def lower_step(step: Step, state: TrainState, feed: Any, mesh: Mesh) -> jax.stages.Lowered:
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


def count_flops(lowered: jax.stages.Lowered) -> float:
    """Counts the floating point operations of a call as XLA does; NaN where it does not."""
    return (lowered.cost_analysis() or {}).get("flops", float("nan"))


def _all_finite(tree: Any) -> jax.Array:
    """Returns whether every number is finite, and small enough to be squared."""
    return jnp.isfinite(optax.tree.norm(tree))


def _count(skipped: Skipped, finite: jax.Array, step: jax.Array) -> Skipped:
    return Skipped(
        total=skipped.total + ~finite,
        in_a_row=jnp.where(finite, 0, skipped.in_a_row + 1),
        last=jnp.where(finite, skipped.last, step),
    )


def _update(
    optimizer: optax.GradientTransformation, grads: Any, opt_state: Any, params: Any
) -> tuple[Any, Any]:
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def _average(average: Any, new: Any, decay: float) -> Any:
    return jax.tree.map(lambda a, x: decay * a + (1 - decay) * x, average, new)
