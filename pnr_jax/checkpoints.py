"""Checkpoints by Orbax; the only file that knows its API."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.tree_util import keystr, tree_leaves_with_path
from orbax.checkpoint import v1 as ocp
from orbax.checkpoint.path import atomicity

from pnr_jax import box
from pnr_jax.checksum import checksum
from pnr_jax.errors import UserError, first_line
from pnr_jax.files import is_utf8
from pnr_jax.paths import absolute, is_remote, move, remove_tree
from pnr_jax.typing import Tree, Variables

# What "best" means: the lowest L1 over fixed training examples, spread over the people. Checkpoints
# of version 0.1 have another score, "l1" of the first examples, and are not compared by it.
SCORE = "spread_l1"


def check_folder(folder: Path) -> None:
    """Raises a `UserError` for a folder that Orbax can neither read nor write."""
    if not is_utf8(str(absolute(folder))):
        raise UserError(f"{folder}: the path is not UTF-8; rename it or choose another folder")


class Checkpoints:
    """The `checkpoints/` of a workdir: the latest few and the best."""

    def __init__(self, workdir: Path, keep: int):
        """Opens `workdir`/checkpoints, which need not exist, to keep the `keep` latest."""
        check_folder(workdir)
        self._workdir, self._keep = workdir, keep
        self._folder = absolute(workdir / "checkpoints")
        self._checkpointer = self._open()

    def _open(self) -> ocp.training.Checkpointer:
        policies = ocp.training.preservation_policies
        return ocp.training.Checkpointer(
            self._folder,
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(self._keep),
                    policies.BestN(get_metric_fn=_score, reverse=True, n=1),
                ]
            ),
            cleanup_tmp_directories=True,
        )

    @property
    def steps(self) -> list[int]:
        """The steps saved, in order."""
        return sorted(checkpoint.step for checkpoint in self._checkpointer.checkpoints)

    @property
    def latest(self) -> int | None:
        """The last step saved, None where there is none."""
        return max(self.steps, default=None)

    @property
    def _by_score(self) -> list[int]:
        """The steps saved, the best first."""
        scored = [c for c in self._checkpointer.checkpoints if c.metrics and SCORE in c.metrics]
        return [c.step for c in sorted(scored, key=lambda c: _score(c.metrics))]

    def save(self, step: int, state: object, score: float) -> None:
        """Saves a tree of arrays as the state after `step` steps, once.

        Raises:
          UserError: it cannot be written, or the one before could not be.
        """
        if step == self.latest:
            return
        tree = {"state": state, "digest": checksum(state)}  # Orbax checks its index alone.
        with self._writing():
            self._checkpointer.save(step, tree, metrics={SCORE: score}, force=True)

    def restore(self, step: int, like: Tree) -> Tree:
        """Restores the state saved at `step`, with the structure and placement of `like`.

        Raises:
          UserError: the checkpoint is damaged or of another configuration.
        """
        return _read(self._folder / str(step), like)

    def restore_newest(self, like: Tree, log: Callable[[str], None]) -> Tree | None:
        """Restores the newest sound checkpoint; returns None if there is no checkpoint at all.

        Damaged newer ones are logged and moved to `workdir`/damaged once a sound one is found.

        Raises:
          UserError: there are checkpoints, and none can be restored.
        """
        return self._restore_first(self.steps[::-1], like, log)

    def restore_best(self, like: Tree, log: Callable[[str], None]) -> Tree | None:
        """Restores the sound checkpoint of the lowest score, otherwise like `restore_newest`."""
        return self._restore_first(self._by_score, like, log)

    def _restore_first(
        self, steps: list[int], like: Tree, log: Callable[[str], None]
    ) -> Tree | None:
        damaged: dict[int, UserError] = {}
        for step in steps:
            try:
                state = self.restore(step, like)
            except UserError as error:
                damaged[step] = error
                continue
            for reason in damaged.values():
                log(f"{reason}; step {step:,} takes its place, that folder is now in damaged/")
            self._set_aside(list(damaged))
            return state
        if damaged:
            raise next(iter(damaged.values()))
        return None

    def _set_aside(self, steps: list[int]) -> None:
        if not steps:
            return
        folder = self._workdir / "damaged"
        folder.mkdir(exist_ok=True)
        self._checkpointer.close()
        if jax.process_index() == 0:
            for step in steps:
                move(self._folder / str(step), _unused(folder / str(step)))
        multihost_utils.sync_global_devices("damaged checkpoints are set aside")
        self._checkpointer = self._open()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except jax.errors.JaxRuntimeError:
            raise  # Not the disk: a process with which this one saves is gone.
        except Exception as error:
            raise UserError(
                f"{self._checkpointer.directory}: a checkpoint could not be written "
                f"({_reason(error)}); those before it are whole, so make room and run again"
            ) from error

    def close(self) -> None:
        """Waits for what is being written."""
        with self._writing():
            self._checkpointer.close()


@contextmanager
def open_checkpoints(workdir: Path, keep: int = 1) -> Iterator[Checkpoints]:
    """Opens the checkpoints of a workdir and closes them at the end of the block.

    Orbax logs every step, and a page about damage; inside the block it is silent, since what goes
    wrong is raised.
    """
    with _silent("absl", "asyncio"):
        checkpoints = Checkpoints(workdir, keep)
        try:
            yield checkpoints
        finally:
            checkpoints.close()


@contextmanager
def _silent(*names: str) -> Iterator[None]:
    """Lets loggers log nothing below CRITICAL while the block runs."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def read_latest(workdir: Path, like: Tree) -> Tree | None:
    """Reads the latest checkpoint of a run, None if there is none; leaves the folder untouched.

    So the run may be training meanwhile.

    Args:
      workdir: the run's folder.
      like: arrays, or their shapes, with the structure and placement of the state.

    Raises:
      UserError: the checkpoint is damaged or of another configuration.
    """
    folder = absolute(workdir / "checkpoints")
    steps = [path for path in folder.glob("*") if path.name.isdecimal() and _is_committed(path)]
    if not steps:
        return None
    return _read(max(steps, key=lambda path: int(path.name)), like)


def export_model(workdir: Path, variables: Variables, name: str = "model") -> Path:
    """Writes a plain nested dict of arrays that Orbax restores without this package.

    Args:
      workdir: the run's folder.
      variables: nested dict of arrays, none of them split over processes.
      name: the folder's name: "model" (the latest) or "model_best".
    """
    path, arrays = absolute(workdir / name), jax.tree.map(np.asarray, variables)
    if is_remote(path):  # Where nothing can be renamed, Orbax writes last that it is whole.
        ocp.save(path, arrays, overwrite=True)
        return path
    temporary = path.with_name(f"{name}.new")
    if jax.process_index() == 0:
        remove_tree(temporary)
    ocp.save(temporary, arrays)
    if jax.process_index() == 0:
        remove_tree(path)
        temporary.rename(path)
    return path


def load_model(workdir: Path, name: str = "model") -> Variables:
    """Loads the variables that `export_model` wrote, or a model's by its name: NumPy arrays.

    Raises:
      UserError: the run has not written them yet, or they are damaged.
    """
    workdir = box.find(workdir)
    packed = workdir / box.WEIGHTS
    if name == "model" and packed.is_file():
        return box.load_weights(packed)
    check_folder(workdir)
    path = workdir / name
    if not path.is_dir() or not _is_committed(path):
        raise UserError(f"{workdir}: no trained model here yet ({name}/ is missing)")
    try:
        return ocp.load(absolute(path))
    except Exception as error:
        raise UserError(f"{path}: cannot be restored ({_reason(error)})") from error


def _score(metrics: Mapping[str, float]) -> float:
    return metrics.get(SCORE, math.inf)


def _is_committed(path: Path) -> bool:
    """Returns whether a tree is whole; on a disk it has another name until it is."""
    return not is_remote(path) or (path / atomicity.COMMIT_SUCCESS_FILE).exists()


def _read(path: Path, like: Tree) -> Tree:
    """Returns the state of one checkpoint, with the structure and placement of `like`."""
    leaves = jax.tree.leaves(like)
    # Where the smallest array lies: on all devices, also where large ones are split.
    placed = min(leaves, key=lambda x: x.size).sharding
    tree = {
        "state": like,
        "digest": jax.ShapeDtypeStruct((len(leaves),), "uint32", sharding=placed),
    }
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), tree
    )
    try:
        _check_shapes(ocp.metadata(path).metadata, abstract)
        restored = ocp.load(path, abstract)
    except Exception as error:
        raise UserError(f"{path}: cannot be restored ({_reason(error)})") from error
    if not np.array_equal(checksum(restored["state"]), restored["digest"]):
        raise UserError(f"{path}: its bytes are not those that were saved")
    return restored["state"]


def _check_shapes(saved: object, wanted: object) -> None:
    """Raises a `ValueError` for the first array that was saved with another shape.

    Orbax would find out while it reads, and leave the reads it had begun to the garbage collector,
    which reports each of them.
    """
    shapes = _shapes(saved)
    for name, shape in _shapes(wanted).items():
        if shapes.get(name, shape) != shape:
            raise ValueError(f"{name} was saved as {shapes[name]}, here it is {shape}")


def _shapes(tree: object) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the arrays of a tree by their paths in it."""
    leaves = tree_leaves_with_path(tree)
    return {keystr(path, simple=True, separator="/"): x.shape for path, x in leaves}


def _unused(path: Path) -> Path:
    """Returns `path`, or with a number behind it where that exists."""
    number = 1
    unused = path
    while unused.exists():
        unused = path.with_name(f"{path.name}.{number}")
        number += 1
    return unused


def _reason(error: BaseException) -> str:
    """Returns the first line of the root error: Orbax wraps it in a page of its own types."""
    while error.__cause__:
        error = error.__cause__
    return first_line(error)
