"""The training loop: all side effects of training are here and in what it opens."""

import contextlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from pnr_jax import config as config_lib
from pnr_jax import examples as examples_lib
from pnr_jax import figures, sharding
from pnr_jax import metrics as metrics_lib
from pnr_jax.checkpoints import Checkpoints, export_model, open_checkpoints
from pnr_jax.config import Config
from pnr_jax.data.shuffle import batch_indices
from pnr_jax.distributed import check_same, is_main_process, stop_requests, with_partners
from pnr_jax.errors import UserError
from pnr_jax.examples import Examples
from pnr_jax.files import Staging, write_text
from pnr_jax.locks import locked
from pnr_jax.nn import vgg19
from pnr_jax.training import inputs, samples, writers
from pnr_jax.training import state as state_lib
from pnr_jax.training.logger import RunLogger
from pnr_jax.training.start import start_from
from pnr_jax.training.state import TrainState, trained_variables
from pnr_jax.training.step import Step, count_flops, lower_step, make_step

SCORED = 64  # Training examples, always the same, that choose the best checkpoint.

Log = Callable[[str], None]


class RunContext(NamedTuple):
    """The parts of a run that stay the same while it trains."""

    config: Config
    workdir: Path
    examples: Examples
    mesh: Mesh
    log: Log
    loggers: Sequence[str]


@with_partners()
def train(
    config: Config,
    workdir: Path,
    log: Log = print,
    profile: int = 0,
    loggers: Sequence[str] = (),
) -> bool:
    """Trains a configuration in its workdir, from its last checkpoint where there is one.

    It runs on all devices of all processes; the main process writes the files and logs.

    Args:
      config: what to train, see `pnr_jax.config`.
      workdir: the run's folder, on a disk or in a bucket (`pnr_jax.paths`).
      log: prints a line.
      profile: how many steps to trace into `profile/` of the workdir.
      loggers: where to log beside the workdir, keys of `pnr_jax.training.writers.WRITERS`.

    Returns:
      True if all steps are done; False after SIGTERM, with everything saved.

    Raises:
      UserError: the input is wrong in a way that the user can mend.
      KeyboardInterrupt: Ctrl-C came; in a run of one process, the checkpoint of the step is saved.
    """
    log = log if is_main_process() else lambda line: None
    writers.check_names(loggers)
    mesh = sharding.make_mesh()
    check_same(_shared(config), "`config`")
    _check_devices(config, mesh)
    vgg = _perceptual_network(config, log)
    config_lib.check_workdir(config, workdir)
    examples = examples_lib.load_training(config)
    log(f"{len(examples.tuples):,} training examples over {len(examples.images.names):,} images")
    chosen = inputs.choose_input(config, examples, log)
    run = RunContext(chosen, workdir, examples, mesh, log, loggers)
    lock = workdir / f".lock.{jax.process_index()}"  # One for each process.
    refusal = f"`workdir={workdir}`: another run is training here; wait for it, or choose another"
    with (
        locked(lock, refusal, log),
        open_checkpoints(workdir, config.keep_checkpoints) as checkpoints,
    ):
        config_lib.check_workdir(config, workdir)  # Again: another run may have ended meanwhile.
        if is_main_process():
            config_lib.write_config(config, workdir)
            _write_mean_image(run)
        state = state_lib.init_state(config, state_lib.state_shardings(config, mesh))
        log(_description(state, mesh))
        saved = checkpoints.restore_newest(state, log)
        if saved is not None:
            state = saved
            log(f"resuming at step {int(state.step):,}")
        elif config.init_from:
            state = start_from(config.init_from, state, config.build_system().counts, mesh, log)
        if int(state.step) < config.steps:
            state = _steps(run, make_step(config, vgg), state, checkpoints, profile)
        path = export_model(workdir, sharding.to_host(mesh, trained_variables(state)))
        best = checkpoints.restore_best(state, log)
        if best is not None:
            export_model(workdir, sharding.to_host(mesh, trained_variables(best)), "model_best")
    done = int(state.step) >= config.steps
    log(f"{'trained' if done else 'stopped by SIGTERM'} at step {int(state.step):,}: {path}")
    return done


def _steps(
    run: RunContext, step: Step, state: TrainState, checkpoints: Checkpoints, profile: int
) -> TrainState:
    """Trains from the state's step to the configuration's last, or until SIGTERM."""
    config, start, stride = run.config, int(state.step), run.config.steps_per_call
    if start % stride:
        raise UserError(
            f"`config.steps_per_call={stride}`: the run goes on from step {start}, between two "
            "calls; take a number that divides it, or 1"
        )
    shown = samples.first(examples_lib.load_test(config, "pairs"), samples.ROWS)
    scored = samples.spread(run.examples, SCORED)
    draw = samples.Drawer(config, run.mesh)
    feeds = inputs.feeds(config, run.examples, run.mesh, start)
    first = next(feeds)
    call = _compile(inputs.with_input(step, config, run.examples, run.mesh), state, first, run)
    numbers = range(start + stride, config.steps + 1, stride)
    logger = RunLogger(config, run.workdir, start, run.log, run.loggers)
    with (
        contextlib.closing(logger),
        stop_requests() as stopped_at,
        _tracing(run, start + stride, profile) as trace,
    ):
        for number, feed in zip(numbers, itertools.chain([first], feeds), strict=False):
            with jax.profiler.StepTraceAnnotation("train", step_num=number):
                state, metrics = call(state, feed)
            logger.advance(stride)
            stopped, last = stopped_at(number), number == config.steps
            if number % config.log_every == 0 or last:
                logger.scalars(number, metrics, state.skipped)
                _check_skipped(run, state, checkpoints)
            if number % config.sample_every == 0 or last:
                generated = draw(trained_variables(state), shown)
                logger.samples(number, figures.generated_sheet(shown, generated))
            due = number % config.checkpoint_every == 0 or last
            if due or stopped:
                score = math.inf  # Where there is no time to draw: never the best.
                if due:
                    generated = draw(trained_variables(state), scored)
                    score = float(metrics_lib.l1(scored["target_image"], generated).mean())
                try:
                    logger.flush()
                finally:
                    checkpoints.save(number, state, score)
            if stopped:
                break
            trace(number, state)
    return state


@contextlib.contextmanager
def _tracing(
    run: RunContext, first: int, steps: int
) -> Iterator[Callable[[int, TrainState], None]]:
    """Traces `steps` steps that follow step `first`, in whole calls; the main process does.

    Yields:
      A function of each call's last step and its state.
    """
    stride, folder = run.config.steps_per_call, run.workdir / "profile"
    last = min(first + math.ceil(steps / stride) * stride, run.config.steps)
    if steps and first >= last:
        run.log("no steps are left to trace")
        steps = 0
    with contextlib.ExitStack() as tracing:

        def after(number: int, state: TrainState) -> None:
            if not is_main_process() or not steps or number not in (first, last):
                return
            jax.block_until_ready(state)  # Devices lag behind: what was called has to be done.
            tracing.close()
            if number == last:
                run.log(f"steps {first + 1:,} to {last:,}, traced: {folder}")
            else:
                staging = tracing.enter_context(Staging(folder))
                tracing.enter_context(jax.profiler.trace(staging.path))

        yield after


def _shared(config: Config) -> str:
    """Returns all that the processes of a run must agree on; their paths may differ."""
    fields = config.to_dict()
    return json.dumps({k: v for k, v in fields.items() if k not in ("data_dir", "vgg19")})


def _check_devices(config: Config, mesh: Mesh) -> None:
    if config.batch_size % mesh.size:
        raise UserError(
            f"`config.batch_size={config.batch_size}`: is split over {mesh.size} devices; "
            f"choose a multiple of {mesh.size}"
        )


def _check_skipped(run: RunContext, state: TrainState, checkpoints: Checkpoints) -> None:
    """Stops a run whose losses or gradients have not been finite for too many steps."""
    count, last = int(state.skipped.in_a_row), int(state.skipped.last)
    if count <= run.config.max_skipped:
        return
    images, tuples = run.examples
    rows = batch_indices(np.uint32(last), run.config.batch_size, len(tuples), run.config.seed)
    names = [[images.names[i] for i in row if i >= 0] for row in tuples[rows]]
    checkpoints.save(int(state.step), state, score=math.inf)
    path = run.workdir / "not_finite.json"
    if is_main_process():
        write_text(path, json.dumps({"step": last, "batch": names}, indent=1) + "\n")
    before = f", as in the {count - 1} steps before" if count > 1 else ""
    raise UserError(
        f"step {last + 1:,}: a loss or a gradient is not finite{before} "
        f"(`config.max_skipped={run.config.max_skipped}`); {path} has the batch's names, the "
        f"checkpoint {int(state.step)} the state; `debug_nans` finds the operation"
    )


def _write_mean_image(run: RunContext) -> None:
    # The evaluation's "mean image" row needs it, and later commands need the workdir alone.
    mean = np.round(run.examples.images.images.mean(axis=0)).astype(np.uint8)
    figures.save_png(run.workdir / "mean_image.png", mean)


def _perceptual_network(config: Config, log: Log) -> vgg19.VGG19 | None:
    if not config.build_system().perceptual:
        if config.vgg19:
            log("vgg19 is not used: there is no perceptual loss")
        return None
    return vgg19.load_vgg19(config.vgg19 or vgg19.SHIPPED)


def _description(state: TrainState, mesh: Mesh) -> str:
    sizes = {
        "generator": state.variables["params"],
        **{f"{name} discriminator": p for name, p in state.discriminators.items()},
    }
    counts = [f"{state_lib.parameter_count(tree):,} in the {name}" for name, tree in sizes.items()]
    devices = f"{mesh.size} devices" if mesh.size > 1 else f"1 {jax.devices()[0].platform} device"
    processes = f" in {jax.process_count()} processes" if jax.process_count() > 1 else ""
    return f"parameters: {', '.join(counts)}; on {devices}{processes}"


def _compile(call: Step, state: TrainState, feed: Any, run: RunContext) -> Step:
    """Compiles the step ahead of time: a batch of another shape is refused, not compiled."""
    if jax.debug_nans.value:  # Runs a failing step again, so its state must not be given away.
        return jax.jit(call)
    began = time.monotonic()
    lowered = lower_step(call, state, feed, run.mesh)
    compiled = lowered.compile()
    seconds, gflop = time.monotonic() - began, count_flops(lowered) / 1e9
    run.log(f"compiled the training step in {seconds:.0f} s: {gflop:,.1f} GFLOP")
    return compiled
