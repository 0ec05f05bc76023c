"""Checkpoints by Orbax; the only file that knows its API."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from pnr_jax.errors import UserError

SCORE = "l1"  # What "best" means: the lowest L1 over fixed training pairs.


class Checkpoints:
    """The `checkpoints/` of a workdir: the latest few and the best."""

    def __init__(self, workdir: Path, keep: int):
        """Opens `workdir`/checkpoints, which need not exist, to keep the `keep` latest."""
        logging.getLogger("absl").setLevel(logging.WARNING)  # Orbax tells every step at INFO.
        policies = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            (workdir / "checkpoints").resolve(),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(keep),
                    policies.BestN(get_metric_fn=lambda m: m[SCORE], reverse=True, n=1),
                ]
            ),
            cleanup_tmp_directories=True,
        )

    @property
    def latest(self) -> int | None:
        """The last step saved, None where there is none."""
        steps = [checkpoint.step for checkpoint in self._checkpointer.checkpoints]
        return max(steps, default=None)

    @property
    def best(self) -> int | None:
        """The step of the lowest score."""
        scored = [c for c in self._checkpointer.checkpoints if c.metrics]
        return min(scored, key=lambda c: c.metrics[SCORE]).step if scored else self.latest

    def save(self, step: int, state: Any, score: float) -> None:
        """Saves a tree of arrays as the state after `step` steps, once."""
        if step != self.latest:
            self._checkpointer.save(step, state, metrics={SCORE: score}, force=True)

    def restore(self, step: int, like: Any) -> Any:
        """The state saved at `step`, with the structure and placement of `like`.

        Raises:
          UserError: the checkpoint is damaged or of another configuration.
        """
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        try:
            return self._checkpointer.load(step, abstract)
        except Exception as error:
            raise UserError(
                f"{self._checkpointer.directory}/{step}: cannot be restored ({_reason(error)}); "
                "remove that folder to go on from an older one"
            ) from error

    def close(self) -> None:
        """Waits for what is being written."""
        self._checkpointer.close()


@contextmanager
def open_checkpoints(workdir: Path, keep: int = 1) -> Iterator[Checkpoints]:
    """The checkpoints of a workdir, closed at the end of the block."""
    checkpoints = Checkpoints(workdir, keep)
    try:
        yield checkpoints
    finally:
        checkpoints.close()


def export_model(workdir: Path, variables: dict[str, Any], name: str = "model") -> Path:
    """Writes a plain nested dict of arrays that Orbax restores without this package.

    Args:
      workdir: of the run.
      variables: nested dict of arrays.
      name: of the folder: "model" (the latest) or "model_best".
    """
    path = (workdir / name).resolve()
    temporary = path.with_name(f"{name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    ocp.save(temporary, jax.tree.map(np.asarray, variables))
    shutil.rmtree(path, ignore_errors=True)
    temporary.rename(path)
    return path


def load_model(workdir: Path, name: str = "model") -> dict[str, Any]:
    """The variables that `export_model` wrote under `name`.

    Raises:
      UserError: the run has not written them yet, or they are damaged.
    """
    path = workdir / name
    if not path.is_dir():
        raise UserError(f"--workdir={workdir}: no trained model here yet ({name}/ is missing)")
    try:
        return ocp.load(path.resolve())
    except Exception as error:
        raise UserError(f"{path}: cannot be restored ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    """The first line of the error at the root: Orbax wraps it in a page of its own types."""
    while error.__cause__:
        error = error.__cause__
    return (str(error) or type(error).__name__).splitlines()[0]
