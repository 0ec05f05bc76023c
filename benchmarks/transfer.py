"""Times `render` against the full pass: the gain from keeping a person's F.

    python -m benchmarks.transfer --workdir runs/quickstart runs/market_small

A full pass is `encode` (extractors and regression over M sources) plus `render` (pose extractor and
generator). All take turns in one run, so that a busy machine slows each; the results are medians
over the turns. Drawn people are used whatever the model was trained on, since the time does not
depend on the image content.
"""

import argparse
import functools
from typing import Any

import numpy as np

from benchmarks.turns import machine, medians, table
from pnr_jax.data.images import Images, resize
from pnr_jax.data.synthetic import draw_people
from pnr_jax.transfer import PoseTransfer

POSES = 100


def contestants(transfer: PoseTransfer, sources: list[int], batch: int) -> dict[str, Any]:
    """Returns functions without arguments: encode and full pass for each M, and render."""
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
    median = {
        key: seconds / arguments.batch
        for key, seconds in medians(functions, arguments.rounds).items()
    }

    print(f"batches of {arguments.batch}, medians of {arguments.rounds}; {machine()}\n")
    head = ["run", "M", "encode, people/s", "render, images/s", "full pass, images/s"]
    head += ["render / full pass", f"{POSES} poses of a person: F kept / not"]
    rows = []
    for workdir in arguments.workdir:
        render = median[workdir, "render"]
        for M in arguments.sources:
            encode, full = median[workdir, f"encode {M}"], median[workdir, f"full {M}"]
            rows.append(
                [workdir, str(M), f"{1 / encode:.1f}", f"{1 / render:.1f}", f"{1 / full:.1f}",
                 f"{full / render:.1f}×", f"{POSES * full / (encode + POSES * render):.1f}×"]
            )  # fmt: skip
    print(table(head, rows))


if __name__ == "__main__":
    main()
