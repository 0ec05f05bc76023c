"""Times contestants in turns, so that noise on the machine affects all of them."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

Name = TypeVar("Name")


def medians(contestants: Mapping[Name, Callable[[], Any]], turns: int) -> dict[Name, float]:
    """Returns the median seconds of a call, by name.

    In each turn a contestant is called twice, and only the second call counts: the first pays for
    the state that the previous contestant left in caches, in the allocator and in waiting threads.
    """
    times: dict[Name, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, call in contestants.items():
            jax.block_until_ready(call())
            began = time.perf_counter()
            jax.block_until_ready(call())
            times[name].append(time.perf_counter() - began)
    return {name: float(np.median(values)) for name, values in times.items()}


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Returns a Markdown table, the first column left-aligned and the numbers right-aligned."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Describes the machine on which the numbers were measured."""
    device = jax.devices()[0]
    name = "CPU" if device.platform == "cpu" else device.device_kind
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{jax.device_count()} {name} device, {cores} CPU cores, jax {jax.__version__}"
