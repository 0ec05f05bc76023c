"""Trains a shrunk configuration for long and fails if memory, open files or programs keep growing.

python tests/faults/soak.py --minutes=60

A checkpoint, with its score over fixed examples, and a sheet of samples come every 200 steps. From
the third on the process is looked at once a second, and the first quarter of that is warm-up. A
line is fitted to the memory of the rest: its medians over twelve stretches of time, of which the
scatter tells how sure the slope is. What is judged is the upper end of its 95% interval: a memory
that is too noisy to be called flat fails. At the end the run is stopped by SIGTERM and evaluated
by launch/evaluate.py.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax import cli

ROOT = Path(__file__).parents[2]
WARM_UP = 0.25
STRETCHES = 12
T_95 = 2.228  # Student's, two-sided, of 12 points about a line.
MB_PER_HOUR = 30.0
NOISE_MB = 10.0  # What an allocator may hold more at the end than at the beginning, once.
CHECKPOINT_MB = 0.2  # What tensorstore 0.1.86 leaks; docs/reliability.md.
EVERY = 200
CONFIG = {"steps": 10_000_000, "checkpoint_every": EVERY, "sample_every": EVERY, "log_every": 20}


class Sample(NamedTuple):
    """A look at the process: hours, steps, resident MB of its own, open files, compilations."""

    hours: float
    step: int
    megabytes: float
    files: int
    compiled: int


class Growth(NamedTuple):
    """What grew after the warm-up and what speaks against it (nothing: "").

    Attributes:
      steps: made after the warm-up.
      megabytes: by how much memory grew in them.
      uncertain: half of the 95% interval of that.
      allowed: for the upper end of the interval.
      files: how many more stay open.
      compiled: how many programs were compiled.
      fault: what exceeds its bound.
    """

    steps: int
    megabytes: float
    uncertain: float
    allowed: float
    files: int
    compiled: int
    fault: str


def growth(samples: list[Sample]) -> Growth:
    """What grew over the samples that come after the warm-up."""
    warm = [s for s in samples if s.hours >= WARM_UP * samples[-1].hours]
    hours, steps = warm[-1].hours - warm[0].hours, warm[-1].step - warm[0].step
    memory, uncertain = (hours * x for x in slope(warm))
    # A checkpoint opens twenty for a moment: what counts is how few there are at rest.
    first, second = np.array_split([s.files for s in warm], 2)
    files = int(second.min() - first.min())
    compiled = warm[-1].compiled - warm[0].compiled
    allowed = MB_PER_HOUR * hours + NOISE_MB + CHECKPOINT_MB * steps / EVERY
    much = bool(memory + uncertain > allowed)
    faults = [
        f"memory grew by {memory:.1f} ± {uncertain:.1f} MB, allowed {allowed:.1f}" * much,
        f"{files} more files stay open" * (files > 0),
        f"{compiled} programs were compiled again" * (compiled > 0),
    ]
    fault = "; ".join(filter(None, faults))
    return Growth(steps, memory, uncertain, allowed, files, compiled, fault)


def slope(samples: list[Sample]) -> tuple[float, float]:
    """MB an hour and half of its 95% interval, by least squares through medians of stretches."""
    parts = np.array_split(np.array([(s.hours, s.megabytes) for s in samples]), STRETCHES)
    x, y = np.array([np.median(part, axis=0) for part in parts]).T
    coefficients, covariance = np.polyfit(x, y, 1, cov=True)
    return float(coefficients[0]), T_95 * float(np.sqrt(covariance[0, 0]))


def soak(minutes: float, workdir: Path) -> list[Sample]:
    """Trains for some minutes after the third checkpoint and looks at the process."""
    command = [sys.executable, ROOT / "launch" / "train.py", f"--workdir={workdir}"]
    command += [f"--config={Path(__file__).with_name('config.py')}"]
    command += [f"--config.{name}={value}" for name, value in CONFIG.items()]
    workdir.mkdir(parents=True, exist_ok=True)
    output = workdir / "output.txt"
    environment = os.environ | {"JAX_LOG_COMPILES": "1", "PYTHONUNBUFFERED": "1"}
    # Huge pages come and go by the system's choice, hundreds of MB at a time.
    environment["GLIBC_TUNABLES"] = cli.MALLOC.replace("hugetlb=1", "hugetlb=0")
    with output.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        while latest_step(workdir) < 3 * EVERY:
            assert process.poll() is None, output.read_text()
            time.sleep(0.5)
        began, samples = time.monotonic(), []
        while time.monotonic() - began < 60 * minutes:
            assert process.poll() is None, output.read_text()
            samples.append(look(process.pid, (time.monotonic() - began) / 3600, workdir))
            time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0, output.read_text()
    finally:
        process.kill()
    return samples


def look(pid: int, hours: float, workdir: Path) -> Sample:
    """One sample of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    megabytes = int(status.split("RssAnon:")[1].split()[0]) / 1024
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    compiled = (workdir / "output.txt").read_text().count("Finished XLA compilation")
    return Sample(hours, latest_step(workdir), megabytes, files, compiled)


def latest_step(workdir: Path) -> int:
    """The last step in `metrics.jsonl`, 0 before the first."""
    try:
        return json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    except (FileNotFoundError, IndexError, json.JSONDecodeError):  # Or torn, being written.
        return 0


def main() -> None:
    """Runs and prints a line for each result; exit code 1 for growth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder) / "run"
        samples = soak(minutes, workdir)
        last = latest_step(workdir)
        evaluate = [sys.executable, ROOT / "launch" / "evaluate.py", f"--workdir={workdir}"]
        subprocess.run(evaluate, check=True, stdout=subprocess.DEVNULL)
    found = growth(samples)
    print(f"{last:,} steps, {last // EVERY} checkpoints, {minutes:g} minutes")
    seen = [sample.megabytes for sample in samples]
    print(f"memory   {seen[0]:.0f} -> {seen[-1]:.0f} MB, {min(seen):.0f} to {max(seen):.0f}; over")
    print(f"         {found.steps:,} steps {found.megabytes:+.1f} ± {found.uncertain:.1f} MB (95%)")
    print(f"         where {found.allowed:.1f} are allowed")
    print(f"files    {samples[-1].files} open, {found.files} more at rest than at first")
    print(f"compiled {samples[-1].compiled} programs, {found.compiled} of them after the warm-up")
    if found.fault:
        sys.exit(f"error: {found.fault}")


if __name__ == "__main__":
    main()
