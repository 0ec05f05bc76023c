"""Measures the speed of both inputs: tf.data from memory, and the gather on the device.

python -m benchmarks.input_pipeline --batch_size=32
"""

import argparse
import itertools

import jax
import numpy as np

from benchmarks.setting import made_examples
from benchmarks.turns import machine, medians, table
from pnr_jax import sharding
from pnr_jax.config import Config
from pnr_jax.data.pipeline import training_batches
from pnr_jax.training import inputs
from pnr_jax.training.state import Skipped, TrainState

TURNS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--images", type=int, default=12_936, help="Market-1501's training images")
    parser.add_argument("--device_only", action="store_true", help="where TensorFlow is missing")
    flags = parser.parse_args()
    config = Config(batch_size=flags.batch_size)
    examples, mesh = made_examples(config, flags.images), sharding.make_mesh()

    feed = next(inputs.feeds(config, examples, mesh, 0))
    # A step that only reads its batch: it sums everything, so no part of the gather is skipped.
    taking = inputs.with_input(
        lambda state, batch: (state, jax.tree.map(lambda x: x.sum(), batch)), config, examples, mesh
    )
    zero = np.zeros((), np.int32)
    state = TrainState(zero, {}, {}, {}, {}, {}, None, Skipped(zero, zero, zero))
    device = jax.jit(taking)

    each = max(1, flags.batches // TURNS)
    steps = itertools.count()

    def on_device() -> None:
        for _ in range(each):
            jax.block_until_ready(device(state.replace(step=np.int32(next(steps))), feed))

    ways = {"on the device": on_device}
    if not flags.device_only:
        host = training_batches(*examples, batch_size=flags.batch_size, seed=0, start=0, stop=10**6)
        ways["tf.data, from memory"] = lambda: list(itertools.islice(host, each))
    rows = [
        [name, f"{seconds / each * 1e3:.2f}", f"{flags.batch_size * each / seconds:,.0f}"]
        for name, seconds in medians(ways, TURNS).items()
    ]
    print(f"{flags.images:,} images, batch {flags.batch_size}; {machine()}\n")
    print(table(["input", "ms a batch", "pairs/s"], rows))


if __name__ == "__main__":
    main()
