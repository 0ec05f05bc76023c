"""One step of training: a readable function of (state, batch), jitted by the loop.

It takes the generator's gradient, then the discriminators', all at the old parameters; one forward
pass of the generator serves both. A system with `discriminators_first` updates its discriminators
on fakes of a separate pass, and the generator's gradient sees the new ones. All randomness is
`fold_in(seed, step)`. A step whose losses or gradients are not all finite changes only the counts.
"""

from collections.abc import Callable, Collection
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
from pnr_jax.typing import Params, Variables

Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]


def make_step(config: Config, vgg: VGG19 | None) -> Step:
    """Returns the training step of a configuration, not yet jitted.

    Args:
      config: the run's configuration.
      vgg: network of the perceptual loss; None turns the loss off.
    """
    system = config.build_system()
    optimizer = state_lib.build_optimizer(config)
    discriminator_optimizers = {
        name: state_lib.build_optimizer(config, name) for name in system.discriminators
    }

    def generator_loss(
        params: Params, state: TrainState, batch: Batch[jax.Array], key: jax.Array
    ) -> tuple[jax.Array, Drawn]:
        variables = state.variables | {"params": params}
        return system.generator_loss(variables, state.discriminators, batch, vgg, key)

    def discriminator_loss(params: Params, name: str, *inputs: Any) -> jax.Array:
        return system.discriminator_loss(name, params, *inputs)

    def update_discriminators(
        state: TrainState, images: jax.Array, batch: Batch[jax.Array], keys: list[jax.Array]
    ) -> tuple[TrainState, Metrics, Params]:
        """Updates the discriminators; returns their losses and gradients too."""
        pool_key, *keys = keys
        past, fake = state.pool, jax.lax.stop_gradient(system.discriminator_inputs(images, batch))
        if past is not None:
            past, fake = pool.exchange(past, fake, pool_key)
        real = system.discriminator_inputs(scale_images(batch["target_image"]), batch)
        metrics, grads, new_params, opt_states = {}, {}, {}, {}
        for name, key in zip(system.discriminators, keys, strict=True):
            params, opt_state = state.discriminators[name], state.discriminator_opt_states[name]
            metrics[f"discriminator_{name}"], grads[name] = jax.value_and_grad(discriminator_loss)(
                params, name, real, fake, key
            )
            new_params[name], opt_states[name] = _update(
                discriminator_optimizers[name], grads[name], opt_state, params
            )
        new = state.replace(
            discriminators=new_params, discriminator_opt_states=opt_states, pool=past
        )
        return new, metrics, grads

    def step(state: TrainState, batch: Batch[jax.Array]) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed + 1), state.step)
        generator_key, *keys = jax.random.split(key, 2 + len(system.discriminators))
        params, updated = state.variables["params"], state

        if system.discriminators_first:
            _, drawn = generator_loss(params, state, batch, generator_key)
            updated, losses, discriminator_grads = update_discriminators(
                state, drawn.images, batch, keys
            )
        gradient = jax.value_and_grad(generator_loss, has_aux=True)
        (_, drawn), grads = gradient(params, updated, batch, generator_key)
        if not system.discriminators_first:
            updated, losses, discriminator_grads = update_discriminators(
                state, drawn.images, batch, keys
            )

        params, opt_state = _update(optimizer, grads, state.opt_state, params)
        variables = {**state.variables, **drawn.updates, "params": params}
        new = updated.replace(
            variables=variables,
            opt_state=opt_state,
            ema=_average(state.ema, variables, config.ema, system.counts) if config.ema else {},
        )
        metrics = drawn.metrics | losses
        finite = _all_finite((metrics, grads, discriminator_grads))
        new = jax.tree.map(lambda taken, kept: jnp.where(finite, taken, kept), new, state)
        skipped = _count(state.skipped, finite, state.step)
        return new.replace(step=state.step + 1, skipped=skipped), metrics

    return step


def lower_step(step: Step, state: TrainState, feed: Any, mesh: Mesh) -> jax.stages.Lowered:
    """Traces a step for arguments like `state` and `feed`; what it compiles to takes no others.

    The new state lies where the given one does and takes over its memory; every device gets the
    metrics.

    Args:
      step: what `pnr_jax.training.inputs.with_input` returned.
      state: a state on its devices.
      feed: what `pnr_jax.training.inputs.feeds` yields.
      mesh: the devices, from `pnr_jax.sharding.make_mesh`.
    """
    shardings = jax.tree.map(lambda x: x.sharding, state)
    jitted = jax.jit(step, donate_argnums=0, out_shardings=(shardings, sharding.copied(mesh)))
    return jitted.lower(state, feed)


def count_flops(lowered: jax.stages.Lowered) -> float:
    """Counts the floating point operations of a call as XLA does; NaN where it does not."""
    return (lowered.cost_analysis() or {}).get("flops", float("nan"))


def _all_finite(tree: object) -> jax.Array:
    """Returns whether every number is finite, and small enough to be squared."""
    return jnp.isfinite(optax.tree.norm(tree))


def _count(skipped: Skipped, finite: jax.Array, step: jax.Array) -> Skipped:
    return Skipped(
        total=skipped.total + ~finite,
        in_a_row=jnp.where(finite, 0, skipped.in_a_row + 1),
        last=jnp.where(finite, skipped.last, step),
    )


def _update(
    optimizer: optax.GradientTransformation,
    grads: Params,
    opt_state: optax.OptState,
    params: Params,
) -> tuple[Params, optax.OptState]:
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def _average(
    average: Variables, new: Variables, decay: float, counts: Collection[str]
) -> Variables:
    """Returns the running average of the networks, and `counts`, which are none, as they are."""
    networks = {name: x for name, x in new.items() if name not in counts}
    before = {name: average[name] for name in networks}
    return new | jax.tree.map(lambda a, x: decay * a + (1 - decay) * x, before, networks)
