"""One step of training: a readable function of (state, batch), jitted by the loop.

The order is PATN's: the generator, then the discriminators; one forward pass of the generator
serves both. All randomness is `fold_in(seed, step)`. A step whose losses or gradients are not all
finite changes nothing but the counts.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from pnr_jax.keypoints import heatmaps
from pnr_jax.nn.discriminators import Discriminator
from pnr_jax.nn.model import build_model, scale_images
from pnr_jax.nn.vgg19 import VGG19
from pnr_jax.training import losses, pool
from pnr_jax.training import state as state_lib
from pnr_jax.training.state import Skipped, TrainState

Metrics = dict[str, jax.Array]
Step = Callable[[TrainState, dict[str, Any]], tuple[TrainState, Metrics]]


def make_step(config: ConfigDict, vgg: VGG19 | None) -> Step:
    """The training step of a configuration, not yet jitted.

    Args:
      config: of the run.
      vgg: of the perceptual loss; None turns it off.
    """
    model = build_model(config)
    discriminators = state_lib.build_discriminators(config)
    optimizer = state_lib.build_optimizer(config)
    gan_weights = {"image": config.loss.gan_image, "pose": config.loss.gan_pose}

    def generator_loss(
        params: Any, state: TrainState, batch: dict[str, Any], key: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, Any, Metrics]]:
        rows_key, dropout_key, judge_key = jax.random.split(key, 3)
        generated, updates = model.apply(
            state.variables | {"params": params},
            batch["source_images"],
            batch["source_keypoints"],
            batch["source_valid"],
            batch["target_keypoints"] if config.supervised else None,
            row_weights=None if config.supervised else _row_mask(config, batch, rows_key),
            train=True,
            rngs={"dropout": dropout_key},
            mutable=["batch_stats"],
        )
        target = scale_images(batch["target_image"])
        parts = {"l1": losses.l1(generated, target)}
        total = config.loss.l1 * parts["l1"]
        if vgg is not None and config.loss.perceptual:
            parts["perceptual"] = losses.perceptual(vgg, generated, target)
            total += config.loss.perceptual * parts["perceptual"]
        fake = _shown(generated, batch)
        for name, discriminator in discriminators.items():
            logits = _judge(
                discriminator, state.discriminators[name], name, fake, config, judge_key
            )
            parts[f"gan_{name}"] = losses.adversarial(logits, True)
            total += gan_weights[name] * parts[f"gan_{name}"]
        return total, (generated, updates, parts | {"loss": total})

    def discriminator_loss(
        params: Any, name: str, real: Any, fake: Any, key: jax.Array
    ) -> jax.Array:
        real_key, fake_key = jax.random.split(key)
        judge = discriminators[name]
        return losses.discriminator(
            _judge(judge, params, name, real, config, real_key),
            _judge(judge, params, name, fake, config, fake_key),
        )

    def step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed + 1), state.step)
        generator_key, pool_key, *discriminator_keys = jax.random.split(key, 4)

        gradient = jax.value_and_grad(generator_loss, has_aux=True)
        (_, (generated, updates, metrics)), grads = gradient(
            state.variables["params"], state, batch, generator_key
        )

        fake, past = jax.lax.stop_gradient(_shown(generated, batch)), state.pool
        if past is not None:
            past, fake = pool.exchange(past, fake, pool_key)
        real = _shown(scale_images(batch["target_image"]), batch)
        judge_grads = {}
        for name, judge_key in zip(discriminators, discriminator_keys, strict=False):
            metrics[f"discriminator_{name}"], judge_grads[name] = jax.value_and_grad(
                discriminator_loss
            )(state.discriminators[name], name, real, fake, judge_key)

        params, opt_state = _update(optimizer, grads, state.opt_state, state.variables["params"])
        variables = {**state.variables, **updates, "params": params}
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


def _row_mask(config: ConfigDict, batch: dict[str, Any], key: jax.Array) -> jax.Array:
    """Draws v of eq. 4, [B, M·n]: which of the h·w rows of each source the regression sees."""
    B, M = batch["source_images"].shape[:2]
    n = (config.image_size[0] // 4) * (config.image_size[1] // 4)
    return jax.random.bernoulli(key, config.model.keep_rows, (B, M * n)).astype(jnp.float32)


def _shown(images: jax.Array, batch: dict[str, Any]) -> dict[str, jax.Array]:
    """Images to be judged with what they are judged beside: the first source, the target's pose."""
    return {
        "image": images,
        "source_image": batch["source_images"][:, 0],
        "target_keypoints": batch["target_keypoints"],
    }


def _judge(
    discriminator: Discriminator,
    params: Any,
    name: str,
    shown: dict[str, jax.Array],
    config: ConfigDict,
    key: jax.Array,
) -> jax.Array:
    """Logits of a discriminator; batch norm takes the batch's statistics, none are kept."""
    if name == "image":
        condition = scale_images(shown["source_image"])
    else:
        condition = heatmaps(shown["target_keypoints"], config.image_size, config.model.sigma)
    logits, _ = discriminator.apply(
        {"params": params},
        shown["image"],
        condition,
        rngs={"dropout": key},
        mutable=["batch_stats"],
    )
    return logits


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
