"""One step of training: a readable function of (state, batch), jitted by the loop.

The generator's gradient, then the discriminators', all at the old parameters; one forward pass of
the generator serves both. All randomness is `fold_in(seed, step)`. A step whose losses or gradients
are not all finite changes nothing but the counts.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

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

    def generator_loss(
        params: Any, state: TrainState, batch: Batch[jax.Array], key: jax.Array
    ) -> tuple[jax.Array, Drawn]:
        variables = state.variables | {"params": params}
        return system.generator_loss(variables, state.discriminators, batch, vgg, key)

    def discriminator_loss(params: Any, name: str, *shown: Any) -> jax.Array:
        return system.discriminator_loss(name, params, *shown)

    def step(state: TrainState, batch: Batch[jax.Array]) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed + 1), state.step)
        generator_key, pool_key, *keys = jax.random.split(key, 2 + len(system.discriminators))

        gradient = jax.value_and_grad(generator_loss, has_aux=True)
        (_, drawn), grads = gradient(state.variables["params"], state, batch, generator_key)

        metrics, past = drawn.metrics, state.pool
        fake = jax.lax.stop_gradient(system.shown(drawn.images, batch))
        if past is not None:
            past, fake = pool.exchange(past, fake, pool_key)
        real = system.shown(scale_images(batch["target_image"]), batch)
        judge_grads = {}
        for name, judge_key in zip(system.discriminators, keys, strict=True):
            metrics[f"discriminator_{name}"], judge_grads[name] = jax.value_and_grad(
                discriminator_loss
            )(state.discriminators[name], name, real, fake, judge_key)

        params, opt_state = _update(optimizer, grads, state.opt_state, state.variables["params"])
        variables = {**state.variables, **drawn.updates, "params": params}
        judges = {
            name: _update(
                optimizer, g, state.discriminator_opt_states[name], state.discriminators[name]
            )
            for name, g in judge_grads.items()
        }
        new = state.replace(
            variables=variables,
            opt_state=opt_state,
            ema=_average(state.ema, variables, config.ema) if config.ema else {},
            discriminators={name: params for name, (params, _) in judges.items()},
            discriminator_opt_states={name: opt_state for name, (_, opt_state) in judges.items()},
            pool=past,
        )
        finite = _all_finite((metrics, grads, judge_grads))
        new = jax.tree.map(lambda taken, kept: jnp.where(finite, taken, kept), new, state)
        skipped = _count(state.skipped, finite, state.step)
        return new.replace(step=state.step + 1, skipped=skipped), metrics

    return step


def _all_finite(tree: Any) -> jax.Array:
    """Whether every number is finite, and small enough to be squared."""
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
