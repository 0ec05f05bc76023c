"""The training loop: all side effects of training live here."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from pnr_jax import config as config_lib
from pnr_jax import figures
from pnr_jax.checkpoints import Checkpoints, export_model, open_checkpoints
from pnr_jax.data import sources
from pnr_jax.data.pipeline import Batch, gather, training_batches
from pnr_jax.errors import UserError
from pnr_jax.keypoints import draw_skeleton
from pnr_jax.nn import vgg19
from pnr_jax.nn.model import build_model, draw_batch
from pnr_jax.training.progress import Progress
from pnr_jax.training.state import (
    TrainState,
    init_state,
    learning_rate,
    parameter_count,
    trained_variables,
)
from pnr_jax.training.step import Step, make_step
from pnr_jax.training.writer import MetricWriter

SAMPLES = 8  # Rows of a sample grid.
SCORED = 64  # Fixed training examples that choose the best checkpoint; drawn SAMPLES at a time.

Say = Callable[[str], None]


def train(config: ConfigDict, workdir: Path, say: Say = print) -> bool:
    """Trains a configuration in its workdir, from its last checkpoint where there is one.

    Args:
      config: see `pnr_jax.config`.
      workdir: the run's folder.
      say: prints a line.

    Returns:
      Whether all steps are done; False after SIGTERM, with everything saved.

    Raises:
      UserError: for input that the user can mend.
    """
    config_lib.check(config)
    vgg = _perceptual_network(config, say)
    config_lib.check_workdir(config, workdir)
    examples = sources.load_training(config)
    say(f"{len(examples.tuples):,} training examples over {len(examples.images.names):,} images")
    config_lib.save(config, workdir)
    # The evaluation's "mean image" row needs it, and later commands need the workdir alone.
    figures.save_png(workdir / "mean_image.png", _mean_image(examples.images.images))
    state = init_state(config)
    say(_description(state))
    with open_checkpoints(workdir, config.keep_checkpoints) as checkpoints:
        if checkpoints.latest:
            state = checkpoints.restore(checkpoints.latest, like=state)
            say(f"resuming at step {int(state.step):,}")
        if int(state.step) < config.steps:
            state = _run(config, workdir, state, examples, checkpoints, vgg, say)
        path = export_model(workdir, trained_variables(state))
        if checkpoints.best is not None:
            best = checkpoints.restore(checkpoints.best, like=state)
            export_model(workdir, trained_variables(best), "model_best")
    done = int(state.step) >= config.steps
    say(f"{'trained' if done else 'stopped by SIGTERM'} at step {int(state.step):,}: {path}")
    return done


def _run(
    config: ConfigDict,
    workdir: Path,
    state: TrainState,
    examples: sources.Examples,
    checkpoints: Checkpoints,
    vgg: vgg19.VGG19 | None,
    say: Say,
) -> TrainState:
    """Steps from the state's step to the configuration's last, or to SIGTERM."""
    start = int(state.step)
    shown = _first(sources.load_test(config, "pairs"), SAMPLES)
    scored = _first(examples, SCORED)
    step_fn = _compile(make_step(config, vgg), state, _first(examples, config.batch_size), say)
    draw_compiled = jax.jit(partial(draw_batch, build_model(config)))
    rate = learning_rate(config)
    writer = MetricWriter(workdir, start)
    progress = Progress(start, config.steps, config.batch_size, say)
    batches = training_batches(
        *examples, batch_size=config.batch_size, seed=config.seed, start=start, stop=config.steps
    )

    def draw(batch: Batch) -> np.ndarray:
        slices = [slice(i, i + SAMPLES) for i in range(0, len(batch["target_image"]), SAMPLES)]
        parts = [{name: value[rows] for name, value in batch.items()} for rows in slices]
        variables = trained_variables(state)
        return np.concatenate([np.asarray(draw_compiled(variables, part)) for part in parts])

    with _sigterm() as stopping, contextlib.closing(writer), contextlib.closing(progress):
        for step, batch in enumerate(batches, start=start + 1):
            state, metrics = step_fn(state, batch)
            progress.advance()
            last = step == config.steps or stopping.is_set
            if step % config.log_every == 0 or last:
                values = {name: float(value) for name, value in metrics.items()}
                values |= {"learning_rate": float(rate(step - 1)), **progress.rates(step)}
                writer.scalars(step, values)
                progress.show(step, values)
            if step % config.sample_every == 0 or last:
                grid = sample_grid(shown, draw(shown))
                figures.save_png(workdir / "samples" / f"{step:08d}.png", grid)
                writer.image(step, "samples", grid)
            if step % config.checkpoint_every == 0 or last:
                generated = draw(scored)
                checkpoints.save(step, state, score=_mean_l1(generated, scored["target_image"]))
            if last:
                break
    return state


def sample_grid(batch: Batch, generated: np.ndarray) -> np.ndarray:
    """The sheet source | target pose | generated | target: uint8 [height, width, 3]."""
    size = generated.shape[1:3]
    poses = np.stack([draw_skeleton(size, keypoints) for keypoints in batch["target_keypoints"]])
    return figures.sheet(
        [
            ("source", batch["source_images"][:, 0]),
            ("target pose", poses),
            ("generated", generated),
            ("target", batch["target_image"]),
        ],
        blocks=2,
    )


def _perceptual_network(config: ConfigDict, say: Say) -> vgg19.VGG19 | None:
    if not config.loss.perceptual:
        if config.vgg19:
            say("--vgg19 is not used: loss.perceptual (λ2) is 0")
        return None
    if config.vgg19:
        return vgg19.load(config.vgg19)
    if config.loss.perceptual_required:
        raise UserError(
            "this configuration needs the perceptual loss: name VGG19's weights by --vgg19=FILE "
            "(.npz, .pth, .safetensors or .h5), or turn it off by --config.loss.perceptual=0"
        )
    say("no --vgg19 given: the perceptual loss is off (λ2 = 0)")
    return None


def _description(state: TrainState) -> str:
    sizes = {
        "generator and extractors": state.variables["params"],
        **{f"{name} discriminator": p for name, p in state.discriminators.items()},
    }
    counts = [f"{parameter_count(tree):,} in the {name}" for name, tree in sizes.items()]
    return "parameters: " + ", ".join(counts)


def _first(examples: sources.Examples, count: int) -> Batch:
    """The first `count` examples, over again where there are fewer."""
    return gather(examples.images, examples.tuples[np.arange(count) % len(examples.tuples)])


def _compile(step: Step, state: TrainState, batch: Batch, say: Say) -> Any:
    began = time.monotonic()
    compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
    say(f"compiled the training step in {time.monotonic() - began:.0f} s")
    return compiled


def _mean_image(images: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of uint8 [N, H, W, 3], in memory of one image."""
    return np.round(images.mean(axis=0)).astype(np.uint8)


def _mean_l1(generated: np.ndarray, target: np.ndarray) -> float:
    return float(np.abs(generated.astype(np.float32) - target).mean() / 127.5)


class _Flag:
    is_set = False


@contextlib.contextmanager
def _sigterm() -> Iterator[_Flag]:
    """Turns SIGTERM into a flag for the length of the block."""
    flag = _Flag()

    def on_sigterm(*_: Any) -> None:
        flag.is_set = True

    previous = signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGTERM, previous)
