"""Where tests keep the programs that jax compiled for them."""

import contextlib
import os
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".pytest_cache/jax"


def folder() -> Path:
    """Returns this worker's folder, with what all workers have compiled in earlier runs.

    There is one for each worker, since jax does not write its files atomically. If a killed run
    left a damaged file, remove `.pytest_cache/jax`.
    """
    mine = CACHE / os.environ.get("PYTEST_XDIST_WORKER", "main")
    mine.mkdir(parents=True, exist_ok=True)
    for program in CACHE.glob("*/*-cache"):
        with contextlib.suppress(OSError):
            os.link(program, mine / program.name)
    return mine
