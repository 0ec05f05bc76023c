"""Contestants that take turns, so that a noisy machine is noisy to all."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

Name = TypeVar("Name")


def medians(contestants: Mapping[Name, Callable[[], Any]], turns: int) -> dict[Name, float]:
    """Median seconds of a call by name, each called once before to warm up."""
    times: dict[Name, list[float]] = {name: [] for name in contestants}
    for turn in range(turns + 1):
        for name, call in contestants.items():
            began = time.perf_counter()
            jax.block_until_ready(call())
            if turn:
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
