"""Trained models as the page uses them: regions hidden by hand, poses to a fraction of a pixel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from pnr_jax import config as config_lib
from pnr_jax.checkpoints import load_model
from pnr_jax.errors import UserError
from pnr_jax.nn.model import PNR, build_model, to_uint8

MAX_SOURCES = 5
REGION = 4  # Pixels that a row of H and P covers, each way: the extractors halve twice.


class Solver:
    """A model whose regression is solved with one norm.

    Attributes:
      name: of the norm, with the run's folder behind it where two would be alike.
      note: where the networks come from, for the picture's caption.
      image_size: (H, W), pixels.
    """

    def __init__(self, config: ConfigDict, variables: dict[str, Any], note: str):
        """A solver by the networks `variables` with the norm of `config`."""
        model = build_model(config)
        self.name = config_lib.norm_name(config)
        self.note = note
        self.image_size: tuple[int, int] = tuple(config.image_size)
        self._variables = jax.device_put(variables)

        def solve(model: PNR, images: Any, keypoints: Any, valid: Any, visible: Any) -> jax.Array:
            P = model.pose_features(keypoints, valid)
            H = model.appearance_features(images, valid)
            return model.estimate(P, H, valid, visible)

        @jax.jit
        def encode(variables: Any, *sources: Any) -> jax.Array:
            return jnp.asarray(model.apply(variables, *sources, method=solve))

        @jax.jit
        def render(variables: Any, F: Any, keypoints: Any) -> jax.Array:
            return to_uint8(jnp.asarray(model.apply(variables, F, keypoints, method="render")))

        self._encode, self._render = encode, render

    def encode(self, images: np.ndarray, keypoints: np.ndarray, visible: np.ndarray) -> jax.Array:
        """F of one person, from the regions that may be seen (v of eq. 4).

        Args:
          images: uint8 [M, H, W, 3], 1 to 5 sources.
          keypoints: float [M, 18, 2], (y, x) pixels, -1 where missing.
          visible: bool [M, H/4, W/4], False for a region that the regression must not see.

        Returns:
          F: float32 [1, d, D].
        """
        M = len(images)
        slots = 1 if M == 1 else MAX_SOURCES  # Two shapes to compile, not five.
        spare = [(0, slots - M)]
        F = self._encode(
            self._variables,
            np.pad(images, spare + [(0, 0)] * 3)[None],
            np.pad(keypoints.astype(np.float32), spare + [(0, 0)] * 2)[None],
            np.pad(np.ones(M, bool), spare)[None],
            np.pad(visible.astype(np.float32), spare + [(0, 0)] * 2).reshape(1, -1),
        )
        return F.block_until_ready()

    def render(self, F: jax.Array, keypoints: np.ndarray) -> np.ndarray:
        """The person F [1, d, D] in the pose float [18, 2]: uint8 [H, W, 3]."""
        pose = np.asarray(keypoints, np.float32)[None]
        return np.asarray(self._render(self._variables, F, pose))[0]

    def warm_up(self) -> None:
        """Compiles what the page will call."""
        height, width = self.image_size
        for M in (1, MAX_SOURCES):
            F = self.encode(
                np.zeros((M, height, width, 3), np.uint8),
                np.zeros((M, 18, 2)),
                np.ones((M, height // REGION, width // REGION), bool),
            )
        self.render(F, np.zeros((18, 2)))


def load_solvers(workdir: str | Path, workdir_lse: str | Path | None = None) -> Sequence[Solver]:
    """The solver of a run and, beside it, a second one to compare with.

    The norm of the regression is no parameter: without a second run, the second solver is of the
    same networks, by least squares (by least absolute deviations where the run itself is LSE).

    Raises:
      UserError: there is no trained run, or the two draw images of different sizes or are of one
        norm and folders of one name.
    """
    config, variables = config_lib.load(workdir), load_model(Path(workdir))
    first = Solver(config, variables, "as trained")
    if workdir_lse is None:
        config.model.p = 1.0 if config.model.p == 2 else 2.0
        return first, Solver(config, variables, "same networks")
    second = Solver(config_lib.load(workdir_lse), load_model(Path(workdir_lse)), "as trained")
    if second.image_size != first.image_size:
        raise UserError(
            f"--workdir_lse={workdir_lse} draws {_size(second)}, --workdir={workdir} draws "
            f"{_size(first)}; both must draw images of one size"
        )
    if first.name == second.name:
        for solver, folder in ((first, workdir), (second, workdir_lse)):
            solver.name += f", {Path(folder).resolve().name}"
    if first.name == second.name:
        raise UserError(
            f"--workdir={workdir} and --workdir_lse={workdir_lse} are both called {first.name} on "
            "the page; rename one of the folders"
        )
    return first, second


def _size(solver: Solver) -> str:
    return "{}x{} (height x width)".format(*solver.image_size)
