"""Contestants that take turns, so that a noisy machine is noisy to all."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

Name = TypeVar("Name")


def medians(contestants: Mapping[Name, Callable[[], Any]], turns: int) -> dict[Name, float]:
    """Median seconds of a call by name.

    In each turn a contestant is called twice, and the second call counts: the first pays for what
    the one before left behind in caches, in the allocator and in threads that still wait.
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
    """Markdown: the first column to the left, numbers to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """What the numbers were measured on."""
    device = jax.devices()[0]
    name = "CPU" if device.platform == "cpu" else device.device_kind
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{jax.device_count()} {name} device, {cores} CPU cores, jax {jax.__version__}"
