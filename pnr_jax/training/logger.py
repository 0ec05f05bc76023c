"""The log of a run: the terminal, `metrics.jsonl`, TensorBoard, `samples/`, other writers."""

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter
from tqdm import tqdm

from pnr_jax import figures
from pnr_jax.config import Config
from pnr_jax.distributed import is_main_process
from pnr_jax.files import Staging, write_text
from pnr_jax.training.state import Skipped, learning_rate
from pnr_jax.training.writers import WRITERS, Writer

LINE_EVERY = 20.0  # Seconds.


class RunLogger:
    """Logs a run; does nothing in processes other than the main one."""

    def __init__(
        self,
        config: Config,
        workdir: Path,
        start: int,
        log: Callable[[str], None],
        loggers: Sequence[str] = (),
    ):
        """Opens the log of a run that continues after step `start`, in those of `WRITERS` too."""
        self._workdir = workdir
        self._rate = learning_rate(config)
        self._progress = ProgressReporter(start, config.steps, config.batch_size, log)
        self._writers: list[Writer] = []
        if is_main_process():
            others = [WRITERS[name](config, workdir) for name in loggers]
            self._writers = [MetricWriter(workdir, start), *others]

    def advance(self, steps: int) -> None:
        """Counts steps."""
        self._progress.advance(steps)

    def scalars(self, step: int, metrics: Mapping[str, Any], skipped: Skipped) -> None:
        """Logs the losses of the last step and how many steps have been skipped so far."""
        if not self._writers:
            return
        values = {name: float(value) for name, value in metrics.items()}
        # The optimiser counts the steps taken before this one; skipped ones it does not see.
        skipped_before = int(skipped.total) - (int(skipped.in_a_row) > 0)
        values["learning_rate"] = float(self._rate(step - 1 - skipped_before))
        values["skipped_steps"] = float(skipped.total)
        values |= self._progress.rates(step)
        for writer in self._writers:
            writer.scalars(step, values)
        self._progress.show(step, values)

    def samples(self, step: int, grid: np.ndarray) -> None:
        """Saves a sample grid, uint8 [H, W, 3]."""
        if self._writers:
            figures.save_png(self._workdir / "samples" / f"{step:08d}.png", grid)
        for writer in self._writers:
            writer.image(step, "samples", grid)

    def flush(self) -> None:
        """Brings all that is logged to where it stays, before a checkpoint makes it the past."""
        for writer in self._writers:
            writer.flush()

    def close(self) -> None:
        """Flushes the files and ends the bar."""
        with contextlib.ExitStack() as closing:  # All of them, whichever fails.
            for writer in self._writers:
                closing.callback(writer.close)
            closing.callback(self._progress.close)


class MetricWriter:
    """Appends to `metrics.jsonl` and `tensorboard/` of a workdir."""

    def __init__(self, workdir: Path, step: int):
        """Opens the files for a run that continues after `step`.

        Lines of later steps, which a killed run wrote after its last checkpoint, are dropped: the
        resumed run writes them again. To a bucket, where nothing can be appended, the files go as
        a whole, by `flush`; what a killed run logged since is not missed, for the same reason.
        """
        self._staging = Staging(workdir)
        self._path = self._staging.path / "metrics.jsonl"
        earlier = workdir / "metrics.jsonl"
        if earlier.exists():
            lines = earlier.read_text(encoding="utf-8").split("\n")
            kept = [line for line in lines if _step(line) <= step]
            write_text(self._path, "".join(line + "\n" for line in kept))
        folder = self._staging.path / "tensorboard"
        self._tensorboard = SummaryWriter(str(folder), purge_step=step + 1)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes named numbers of a step; those that are not finite become null in JSON."""
        finite = {name: float(v) if math.isfinite(v) else None for name, v in values.items()}
        line = {"step": step} | finite
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self._tensorboard.add_scalar(name, float(value), step)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes uint8 [H, W, 3] to TensorBoard."""
        self._tensorboard.add_image(name, image, step, dataformats="HWC")

    def flush(self) -> None:
        """Writes out what is buffered, and all files to a bucket."""
        self._tensorboard.flush()
        self._staging.upload()

    def close(self) -> None:
        """Flushes and closes the files."""
        self._tensorboard.close()
        self._staging.upload()
        self._staging.close()


class ProgressReporter:
    """Reports the rates and remaining time of a run of steps."""

    def __init__(self, start: int, stop: int, batch_size: int, log: Callable[[str], None]):
        """Counts from step `start` to `stop`."""
        self._start, self._stop, self._batch_size, self._log = start, stop, batch_size, log
        self._began = self._said = self._logged = time.monotonic()
        self._logged_step = start
        terminal = sys.stderr.isatty() and is_main_process()
        self._bar = tqdm(total=stop, initial=start, unit="step", disable=not terminal)
        self._lines = not terminal

    def advance(self, steps: int) -> None:
        """Counts steps."""
        self._bar.update(steps)

    def rates(self, step: int) -> dict[str, float]:
        """Returns images a second and seconds a step since the last call."""
        now = time.monotonic()
        seconds = max(now - self._logged, 1e-9) / max(1, step - self._logged_step)
        self._logged, self._logged_step = now, step
        return {"images_per_second": self._batch_size / seconds, "step_seconds": seconds}

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Shows the losses: beside the bar, or as a line where there is none."""
        self._bar.set_postfix({"l1": f"{values['l1']:.3f}"})
        now = time.monotonic()
        if not self._lines or (now - self._said < LINE_EVERY and step < self._stop):
            return
        self._said = now
        left = (now - self._began) / max(1, step - self._start) * (self._stop - step)
        self._log(
            f"step {step:,}/{self._stop:,}  l1 {values['l1']:.4f}  loss {values['loss']:.4f}  "
            f"{values['images_per_second']:.0f} images/s  {_duration(left)} left"
        )

    def close(self) -> None:
        """Ends the bar."""
        self._bar.close()


def _step(line: str) -> float:
    """Returns the step of a line; a torn last line counts as later than any."""
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return float("inf")


def _duration(seconds: float) -> str:
    """Formats seconds as a person would say them.

    >>> _duration(42), _duration(600), _duration(7300)
    ('42 s', '10 min', '2 h 2 min')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
