"""Trained systems as the page uses them: regions hidden by hand, poses to a fraction of a pixel."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from pnr_jax import box
from pnr_jax import config as config_lib
from pnr_jax.checkpoints import load_model
from pnr_jax.errors import UserError
from pnr_jax.mixing import blend
from pnr_jax.paths import absolute
from pnr_jax.pretrained import is_address
from pnr_jax.systems import System
from pnr_jax.transfer import PoseTransfer
from pnr_jax.typing import Code, Variables

MAX_SOURCES = 5
REGION = 4  # Side in pixels of the squares that are hidden or painted over on the page.


class StudioModel:
    """A trained system on the page.

    Attributes:
      name: the system's name, with the run's folder behind it where two would be alike.
      note: where the networks come from, for the picture's caption.
      image_size: (H, W), pixels.
      mixes: whether two people can be mixed: their codes are matrices F.
    """

    def __init__(self, system: System, variables: Variables, note: str):
        """Wraps a system with its trained variables."""
        self.name = system.label
        self.note = note
        self.image_size = system.image_size
        self.mixes = system.mixes
        self._transfer = PoseTransfer(system, variables)

    def encode(self, images: np.ndarray, keypoints: np.ndarray, visible: np.ndarray) -> Code:
        """Returns the code of one person, from the regions that may be seen (v of eq. 4).

        A system without regions sees them all; one that takes fewer sources sees the first.

        Args:
          images: uint8 [M, H, W, 3], 1 to 5 sources.
          keypoints: float [M, 18, 2], (y, x) pixels, -1 where missing.
          visible: bool [M, H/4, W/4], False for a region that the regression must not see.
        """
        system = self._transfer.system
        M = min(len(images), system.most_sources or MAX_SOURCES)
        slots = 1 if M == 1 else MAX_SOURCES  # Two shapes to compile, not five.

        def padded(x: np.ndarray) -> np.ndarray:
            return np.pad(x[:M], [(0, slots - M)] + [(0, 0)] * (x.ndim - 1))[None]

        code = self._transfer.encode(
            padded(images),
            padded(keypoints.astype(np.float32)),
            padded(np.ones(M, bool)),
            padded(visible) if system.regions else None,
        )
        return jax.block_until_ready(code)

    def mix(self, code: Code, other: Code, share: float) -> np.ndarray:
        """Returns (1 - share) F + share F of the other person, for a model that `mixes`."""
        return blend(np.concatenate([code, other]), np.array([[1 - share, share]]))

    def render(self, code: Code, keypoints: np.ndarray) -> np.ndarray:
        """Draws one person in the pose float [18, 2]: uint8 [H, W, 3]."""
        return self._transfer.render(code, np.asarray(keypoints, np.float32)[None])[0]

    def warm_up(self) -> None:
        """Compiles the programs that the page will call."""
        height, width = self.image_size
        for M in (1, MAX_SOURCES):
            code = self.encode(
                np.zeros((M, height, width, 3), np.uint8),
                np.zeros((M, 18, 2)),
                np.ones((M, height // REGION, width // REGION), bool),
            )
        self.render(code, np.zeros((18, 2)))


def load_models(
    workdir: str | Path, workdir_beside: str | Path | None = None
) -> Sequence[StudioModel]:
    """Loads the system of a run and, beside it, one to compare with.

    Without a second run it is the system's counterpart on the same networks, where there is one:
    the norm of pNR's regression is no parameter, so LSE stands beside LAD.

    Raises:
      UserError: there is no trained run, or the two draw images of different sizes or have one
        name and folders of one name.
    """
    system, variables = _load(workdir)
    first = StudioModel(system, variables, "as trained")
    if workdir_beside is None:
        counterpart = system.counterpart()
        return (
            [first]
            if counterpart is None
            else [first, StudioModel(counterpart, variables, "same networks")]
        )
    second = StudioModel(*_load(workdir_beside), "as trained")
    if second.image_size != first.image_size:
        raise UserError(
            f"{workdir_beside} draws {_size(second)}, {workdir} draws {_size(first)}; "
            "both must draw images of one size"
        )
    if first.name == second.name:
        for model, folder in ((first, workdir), (second, workdir_beside)):
            model.name += f", {_name(folder)}"
    if first.name == second.name:
        raise UserError(
            f"{workdir} and {workdir_beside} are both called {first.name} on the page; "
            "rename one of the folders"
        )
    return [first, second]


def _load(workdir: str | Path) -> tuple[System, Variables]:
    folder = box.find(workdir)
    return config_lib.read_config(folder).build_system(), load_model(folder)


def _name(workdir: str | Path) -> str:
    return (Path(workdir) if is_address(workdir) else absolute(workdir)).name


def _size(model: StudioModel) -> str:
    return "{}x{} (height x width)".format(*model.image_size)
