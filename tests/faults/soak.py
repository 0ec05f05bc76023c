"""Trains a shrunk configuration for long and fails if memory, open files or programs keep growing.

python tests/faults/soak.py --minutes=60

A checkpoint, with its score over fixed examples, and a sheet of samples come every 100 steps. The
process is looked at once a second; after the warm-up (a quarter of the time) straight lines are
fitted. At the end the run is stopped by SIGTERM and evaluated by launch/evaluate.py.
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

ROOT = Path(__file__).parents[2]
WARM_UP = 0.25
MB_PER_HOUR = 30.0
NOISE_MB = 15.0  # What an allocator may hold more at the end than at the beginning, once.
CONFIG = {"steps": 10_000_000, "checkpoint_every": 100, "sample_every": 100, "log_every": 20}


class Sample(NamedTuple):
    """A look at the process: hours since its start, resident MB, open files, compiled programs."""

    hours: float
    megabytes: float
    files: int
    compiled: int


class Growth(NamedTuple):
    """Slopes after the warm-up and what speaks against them (nothing: "")."""

    hours: float
    megabytes_per_hour: float
    files_per_hour: float
    compiled: int
    fault: str


def growth(samples: list[Sample]) -> Growth:
    """Slopes over the samples that come after the warm-up; of memory by least squares."""
    warm = [s for s in samples if s.hours >= WARM_UP * samples[-1].hours]
    hours = np.array([s.hours for s in warm])
    span = float(np.ptp(hours))
    memory = float(np.polyfit(hours - hours[0], [s.megabytes for s in warm], 1)[0])
    # A checkpoint opens twenty for a moment: what counts is how few there are at rest.
    first, second = np.array_split([s.files for s in warm], 2)
    files = 2 * float(second.min() - first.min()) / span
    compiled = warm[-1].compiled - warm[0].compiled
    allowed = MB_PER_HOUR + NOISE_MB / span
    faults = [
        f"memory grows by {memory:.0f} MB an hour, allowed {allowed:.0f}" * (memory > allowed),
        f"{files * span:.1f} more files stay open" * (files * span >= 1),
        f"{compiled} programs were compiled again" * (compiled > 0),
    ]
    return Growth(span, memory, files, compiled, "; ".join(filter(None, faults)))


def soak(minutes: float, workdir: Path) -> list[Sample]:
    """Trains for some minutes after the first compilation and looks at the process."""
    command = [sys.executable, ROOT / "launch" / "train.py", f"--workdir={workdir}"]
    command += [f"--config={Path(__file__).with_name('config.py')}"]
    command += [f"--config.{name}={value}" for name, value in CONFIG.items()]
    workdir.mkdir(parents=True, exist_ok=True)
    output = workdir / "output.txt"
    environment = os.environ | {"JAX_LOG_COMPILES": "1", "PYTHONUNBUFFERED": "1"}
    # Huge pages come and go by the system's choice, hundreds of MB at a time.
    environment["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=0"
    with output.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        while not (workdir / "metrics.jsonl").exists():
            assert process.poll() is None, output.read_text()
            time.sleep(0.5)
        began, samples = time.monotonic(), []
        while time.monotonic() - began < 60 * minutes:
            assert process.poll() is None, output.read_text()
            samples.append(look(process.pid, (time.monotonic() - began) / 3600, output))
            time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0, output.read_text()
    finally:
        process.kill()
    return samples


def look(pid: int, hours: float, output: Path) -> Sample:
    """One sample of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGESIZE") / 2**20
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    compiled = output.read_text().count("Finished XLA compilation")
    return Sample(hours, megabytes, files, compiled)


def main() -> None:
    """Runs and prints a line for each result; exit code 1 for growth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder) / "run"
        samples = soak(minutes, workdir)
        last = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])["step"]
        evaluate = [sys.executable, ROOT / "launch" / "evaluate.py", f"--workdir={workdir}"]
        subprocess.run(evaluate, check=True, stdout=subprocess.DEVNULL)
    found = growth(samples)
    print(f"{last:,} steps, {last // CONFIG['checkpoint_every']} checkpoints, {minutes:g} minutes")
    seen = [sample.megabytes for sample in samples]
    print(f"memory  {seen[0]:.0f} -> {seen[-1]:.0f} MB, {min(seen):.0f} to {max(seen):.0f}")
    print(f"        {found.megabytes_per_hour:+.1f} MB an hour after the warm-up")
    print(f"files   {samples[-1].files} open, {found.files_per_hour:+.2f} an hour")
    print(f"compiled {samples[-1].compiled} programs, {found.compiled} of them after the warm-up")
    if found.fault:
        sys.exit(f"error: {found.fault}")


if __name__ == "__main__":
    main()
