"""How batches reach the training step: gathered on the device from a resident data set, or fed.

Both ways give the same batch for the same seed and step (`pnr_jax.data.shuffle`), augmented if the
configuration says so (`pnr_jax.data.warps`). A resident data set (Market-1501's training images are
318 MB) needs nothing from the host but the call; one that does not fit is fed by tf.data.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from pnr_jax import sharding
from pnr_jax.config import Config
from pnr_jax.data.pipeline import Batch, gather, training_batches
from pnr_jax.data.shuffle import batch_indices
from pnr_jax.data.warps import augment
from pnr_jax.examples import Examples
from pnr_jax.systems.protocol import Metrics
from pnr_jax.training.state import TrainState
from pnr_jax.training.step import Step


def choose_input(config: Config, examples: Examples, log: Callable[[str], None]) -> Config:
    """Returns the configuration with "device" or "host" in place of input="auto", and logs why.

    Resident images may take half of the memory that is free on the device that has the least, of
    all processes.
    """
    if config.input != "auto":
        return config
    size = examples.images.images.nbytes
    free = float(multihost_utils.process_allgather(np.float32(free_memory())).min())
    chosen = "device" if size <= free / 2 else "host"
    where = "lie on every device" if chosen == "device" else "are fed by the host"
    log(f"the training images take {size / 1e9:.1f} of {free / 1e9:.1f} GB and {where}")
    return config.replace(input=chosen)


def free_memory() -> int:
    """Returns the bytes free on the smallest local device.

    Where devices do not say, they are the host's CPUs and share what it has free; 0 on systems that
    do not say it either.
    """
    stats = [device.memory_stats() for device in jax.local_devices()]
    free = [x["bytes_limit"] - x["bytes_in_use"] for x in stats if x and "bytes_limit" in x]
    if free:
        return min(free)
    return _free_on_host() // jax.local_device_count()


def _free_on_host(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Returns the bytes that programs may have: on Linux those of the file cache too."""
    if meminfo.exists():
        found = re.search(r"MemAvailable: *(\d+) kB", meminfo.read_text(encoding="utf-8"))
        if found:
            return int(found[1]) * 1024
    if "SC_AVPHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return 0
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def with_input(step: Step, config: Config, examples: Examples, mesh: Mesh) -> Step:
    """Returns a step of (state, feed) that takes the feeds of `feeds`, `steps_per_call` at a call.

    Args:
      step: a function of (state, batch).
      config: the run's configuration.
      examples: the training examples.
      mesh: the devices, from `pnr_jax.sharding.make_mesh`.
    """
    step = _augmented(step, config)
    if config.input == "host":
        return step
    size = len(examples.tuples)
    pick = partial(batch_indices, batch_size=config.batch_size, size=size, seed=config.seed)

    def one(state: TrainState, resident: dict[str, Any]) -> tuple[TrainState, Metrics]:
        # Every device picks its own rows; else XLA gathers by parts of images and exchanges them.
        rows = jax.lax.with_sharding_constraint(
            pick(state.step.astype(np.uint32)), sharding.split(mesh)
        )
        images = examples.images._replace(
            images=resident["images"], keypoints=resident["keypoints"]
        )
        tuples = jax.lax.with_sharding_constraint(resident["tuples"][rows], sharding.split(mesh))
        return step(state, gather(images, tuples))

    def several(state: TrainState, resident: dict[str, Any]) -> tuple[TrainState, Metrics]:
        state, metrics = jax.lax.scan(
            lambda carry, _: one(carry, resident), state, length=config.steps_per_call
        )
        return state, jax.tree.map(lambda x: x[-1], metrics)

    return one if config.steps_per_call == 1 else several


def feeds(config: Config, examples: Examples, mesh: Mesh, start: int) -> Iterator[Any]:
    """Yields the second argument of the step of `with_input`, call after call."""
    if config.input == "device":
        images, keypoints, *_ = examples.images
        resident = {"images": images, "keypoints": keypoints, "tuples": examples.tuples}
        return itertools.repeat(sharding.to_all(mesh, resident))
    batches = training_batches(
        *examples,
        batch_size=config.batch_size,
        seed=config.seed,
        start=start,
        stop=config.steps,
        rows=sharding.own_rows(mesh, config.batch_size),
    )
    return (sharding.from_own_rows(mesh, batch, config.batch_size) for batch in batches)


def _augmented(step: Step, config: Config) -> Step:
    """Returns the step that first moves the batch's images, by (seed, step) alone."""
    settings = config.augment
    if not (settings.mirror or settings.moves):
        return step

    def moved(state: TrainState, batch: Batch[jax.Array]) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed + 2), state.step)
        return step(state, augment(batch, key, settings, together=not config.supervised))

    return moved
