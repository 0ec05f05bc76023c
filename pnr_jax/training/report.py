"""What a run tells: the terminal, `metrics.jsonl`, TensorBoard and `samples/`, by one process."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pnr_jax import figures
from pnr_jax.config import Config
from pnr_jax.training.progress import Progress
from pnr_jax.training.state import Skipped, learning_rate
from pnr_jax.training.writer import MetricWriter


def leads() -> bool:
    """Whether this process writes the run's files."""
    return jax.process_index() == 0


class Report:
    """Tells of steps; in processes that do not lead, nothing."""

    def __init__(self, config: Config, workdir: Path, start: int, say: Callable[[str], None]):
        """A report that goes on after step `start`."""
        self._workdir = workdir
        self._rate = learning_rate(config)
        self._progress = Progress(start, config.steps, config.batch_size, say)
        self._writer = MetricWriter(workdir, start) if leads() else None

    def advance(self, steps: int) -> None:
        """Counts steps."""
        self._progress.advance(steps)

    def scalars(self, step: int, metrics: Mapping[str, Any], skipped: Skipped) -> None:
        """Tells the losses of the last step and how many steps were skipped so far."""
        if not self._writer:
            return
        values = {name: float(value) for name, value in metrics.items()}
        # The optimiser counts the steps taken before this one; skipped ones it does not see.
        skipped_before = int(skipped.total) - (int(skipped.in_a_row) > 0)
        values["learning_rate"] = float(self._rate(step - 1 - skipped_before))
        values["skipped_steps"] = float(skipped.total)
        values |= self._progress.rates(step)
        self._writer.scalars(step, values)
        self._progress.show(step, values)

    def samples(self, step: int, grid: np.ndarray) -> None:
        """Shows a sample grid, uint8 [H, W, 3]."""
        if self._writer:
            figures.save_png(self._workdir / "samples" / f"{step:08d}.png", grid)
            self._writer.image(step, "samples", grid)

    def close(self) -> None:
        """Flushes the files and ends the bar."""
        self._progress.close()
        if self._writer:
            self._writer.close()
