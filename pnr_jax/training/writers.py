"""Where a run's log goes beside its folder, by name: what a writer is, and Weights & Biases."""

import importlib.util
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from pnr_jax.config import Config
from pnr_jax.errors import UserError, first_line
from pnr_jax.files import write_text
from pnr_jax.paths import absolute, is_remote


class Writer(Protocol):
    """Takes a run's numbers and images."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes named numbers of a step."""

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes uint8 [H, W, 3]."""

    def flush(self) -> None:
        """Brings what is written to where it stays."""

    def close(self) -> None:
        """Writes what is left."""


class WeightsAndBiases:
    """Logs to wandb.ai or, as the environment's `WANDB_*` say, elsewhere or to files alone.

    A workdir is one run there, however often it is resumed: its id is in `WORKDIR/wandb_id`. Steps
    that a killed run has sent already and the resumed one repeats are kept as they were sent.
    """

    def __init__(self, config: Config, workdir: Path):
        """Begins or goes on with the run of a workdir.

        Raises:
          UserError: nobody is logged in, or the server does not answer.
        """
        import wandb

        path = workdir / "wandb_id"
        if not path.is_file():
            write_text(path, secrets.token_hex(8))
        self._picture = wandb.Image
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "pnr_jax"),
                name=absolute(workdir).name,
                id=path.read_text(encoding="utf-8"),
                resume="allow",
                config=config.to_dict(),
                dir=None if is_remote(workdir) else workdir,
                settings=wandb.Settings(console="off"),  # What a terminal shows is left alone.
            )
        except wandb.Error as error:
            raise UserError(
                f"`logger=wandb`: {first_line(error)}; `wandb login` logs in, WANDB_MODE=offline "
                "writes files that `wandb sync` sends later"
            ) from None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Sends named numbers of a step."""
        self._run.log(dict(values), step=step)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Sends uint8 [H, W, 3]."""
        self._run.log({name: self._picture(image)}, step=step)

    def flush(self) -> None:
        """Does nothing: a thread of the package sends."""

    def close(self) -> None:
        """Waits until all is sent."""
        self._run.finish()


# Each is called like the package that it needs, which is an extra.
WRITERS: dict[str, Callable[[Config, Path], Writer]] = {"wandb": WeightsAndBiases}


def check_names(names: Iterable[str]) -> None:
    """Raises a `UserError` for a name that is not in `WRITERS`, or whose package is missing."""
    for name in names:
        if name not in WRITERS:
            raise UserError(f"`logger={name}`: expected {' or '.join(WRITERS)}")
        if importlib.util.find_spec(name) is None:
            raise UserError(f"`logger={name}`: is not installed; pip install 'pnr-jax[{name}]'")
