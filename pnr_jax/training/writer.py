"""Scalars of a run: one JSON object a line in `metrics.jsonl`, and TensorBoard."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter

from pnr_jax.files import write_text


class MetricWriter:
    """Appends to `metrics.jsonl` and `tensorboard/` of a workdir."""

    def __init__(self, workdir: Path, step: int):
        """Opens the files for a run that goes on after `step`.

        Lines of later steps, which a killed run wrote after its last checkpoint, are dropped: the
        resumed run writes them again.
        """
        self._path = workdir / "metrics.jsonl"
        if self._path.exists():
            lines = self._path.read_text(encoding="utf-8").split("\n")
            kept = [line for line in lines if _step(line) <= step]
            write_text(self._path, "".join(line + "\n" for line in kept))
        self._tensorboard = SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes named numbers of a step; one that is not finite is null, as JSON has no word."""
        finite = {name: float(v) if math.isfinite(v) else None for name, v in values.items()}
        line = {"step": step} | finite
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self._tensorboard.add_scalar(name, float(value), step)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes uint8 [H, W, 3] to TensorBoard."""
        self._tensorboard.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Flushes TensorBoard's file."""
        self._tensorboard.close()


def _step(line: str) -> float:
    """The step of a line; a torn last line counts as later than any."""
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return float("inf")
