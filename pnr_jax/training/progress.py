"""What a person sees while a run trains: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping

from tqdm import tqdm

LINE_EVERY = 20.0  # Seconds.


class Progress:
    """Rates and remaining time of a run of steps."""

    def __init__(self, start: int, stop: int, batch_size: int, say: Callable[[str], None]):
        """Counts from step `start` to `stop`."""
        self._start, self._stop, self._batch_size, self._say = start, stop, batch_size, say
        self._began = self._said = self._logged = time.monotonic()
        self._logged_step = start
        terminal = sys.stderr.isatty()
        self._bar = tqdm(total=stop, initial=start, unit="step", disable=not terminal)
        self._lines = not terminal

    def advance(self, steps: int) -> None:
        """Counts steps."""
        self._bar.update(steps)

    def rates(self, step: int) -> dict[str, float]:
        """Images a second and seconds a step since the last call."""
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
        self._say(
            f"step {step:,}/{self._stop:,}  l1 {values['l1']:.4f}  loss {values['loss']:.4f}  "
            f"{values['images_per_second']:.0f} images/s  {_duration(left)} left"
        )

    def close(self) -> None:
        """Ends the bar."""
        self._bar.close()


def _duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> _duration(42), _duration(600), _duration(7300)
    ('42 s', '10 min', '2 h 2 min')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
