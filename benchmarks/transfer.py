"""Times `render` against the full pass: what is gained by keeping F of a person.

    python -m benchmarks.transfer --workdir runs/quickstart runs/market_small

A full pass is `encode` (extractors and regression over M sources) and `render` (pose extractor and
generator). All take turns in one run, so that a busy machine slows each; medians of the turns. The
people are drawn, whatever the model was trained on: time does not depend on what an image shows.
"""

import argparse
import functools
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pnr_jax.data.images import Images, resize
from pnr_jax.data.synthetic import draw_people
from pnr_jax.transfer import PoseTransfer

POSES = 100


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def contestants(transfer: PoseTransfer, sources: list[int], batch: int) -> dict[str, Any]:
    """Functions without arguments: encode and the full pass for each M, and render."""
    drawn = Images(*draw_people(range(1, batch + 1), views=max(sources) + 1))
    people = resize(drawn, transfer.image_size)
    tuples = np.arange(len(people.names)).reshape(batch, -1)
    poses = people.keypoints[tuples[:, -1]]
    functions: dict[str, Any] = {}
    for M in sources:
        photos = people.images[tuples[:, :M]], people.keypoints[tuples[:, :M]]
        functions[f"encode {M}"] = functools.partial(transfer.encode, *photos)
        functions[f"full {M}"] = functools.partial(transfer.transfer, *photos, poses)
    F = transfer.encode(*photos)
    functions["render"] = functools.partial(transfer.render, F, poses)
    return functions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", nargs="+", required=True, help="folders of runs")
    parser.add_argument("--sources", type=int, nargs="+", default=[1, 3, 5])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()

    functions = {}
    for workdir in arguments.workdir:
        transfer = PoseTransfer.load(workdir)
        for name, function in contestants(transfer, arguments.sources, arguments.batch).items():
            functions[workdir, name] = function
    times: dict[Any, list[float]] = {key: [] for key in functions}
    for turn in range(arguments.rounds + 1):
        for key, function in functions.items():
            duration = seconds(function)
            if turn:  # The first compiles.
                times[key].append(duration / arguments.batch)
    median = {key: float(np.median(values)) for key, values in times.items()}

    cores = len(os.sched_getaffinity(0))
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, {cores} CPU cores, ", end="")
    print(f"batches of {arguments.batch}, medians of {arguments.rounds}\n")
    head = ["run", "M", "encode, people/s", "render, images/s", "full pass, images/s"]
    head += ["render / full pass", f"{POSES} poses of a person: F kept / not"]
    print(f"| {' | '.join(head)} |\n|" + " --- |" * len(head))
    for workdir in arguments.workdir:
        render = median[workdir, "render"]
        for M in arguments.sources:
            encode, full = median[workdir, f"encode {M}"], median[workdir, f"full {M}"]
            print(
                f"| {workdir} | {M} | {1 / encode:.1f} | {1 / render:.1f} | {1 / full:.1f} "
                f"| {full / render:.1f}× | {POSES * full / (encode + POSES * render):.1f}× |"
            )


if __name__ == "__main__":
    main()
