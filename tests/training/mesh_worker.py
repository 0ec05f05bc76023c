"""Trains on one device, on eight and, if asked for, on eight with split parameters.

Run by test_mesh.py, since the number of devices is set before JAX starts. Prints a line of JSON.
"""

import json
import sys
from collections import Counter

import jax
import numpy as np

from pnr_jax import sharding
from pnr_jax.config import Config
from pnr_jax.examples import load_training
from pnr_jax.training import inputs
from pnr_jax.training.state import init_state, state_shardings
from pnr_jax.training.step import lower_step, make_step

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


def train(config, devices):
    """What a run on so many devices did, as the report of `main` needs it."""
    mesh = sharding.make_mesh(jax.devices()[:devices])
    examples = load_training(config)
    state = init_state(config, state_shardings(config, mesh))
    start = jax.tree.map(np.array, sharding.to_host(mesh, state.variables["params"]))  # To keep.
    feed = next(inputs.feeds(config, examples, mesh, 0))
    step = inputs.with_input(make_step(config, None), config, examples, mesh)
    compiled = lower_step(step, state, feed, mesh).compile()
    history = []
    for _ in range(config.steps):
        state, metrics = compiled(state, feed)
        history.append({name: float(value) for name, value in metrics.items()})
    split = sum(not x.sharding.is_fully_replicated for x in jax.tree.leaves(state))
    return {
        "history": history,
        "params": sharding.to_host(mesh, state.variables["params"]),
        "start": start,
        "collectives": collectives(compiled.as_text()),
        "split": split,
    }


def collectives(hlo):
    """How many collectives of each kind a compiled program's text has."""
    lines = (line.split(" = ", 1)[1] for line in hlo.splitlines() if " = " in line)
    found = (name for line in lines for name in COLLECTIVES if f" {name}(" in line)
    return Counter(found)


def distance(a, b):
    """Euclidean distance of two trees."""
    squares = jax.tree.map(lambda x, y: np.sum((x.astype(np.float64) - y) ** 2), a, b)
    return float(np.sqrt(sum(jax.tree.leaves(squares))))


def main():
    """Trains two or three times and compares."""
    changes = json.loads(sys.argv[1])
    config = Config().replace(**changes | {"image_size": tuple(changes["image_size"])})
    sharding.SPLIT_FROM = 2**8  # The networks of this test are small.
    one = train(config, 1)
    runs = {"one": one, "eight": train(config, 8)}
    if sys.argv[2:] == ["split"]:
        runs["split"] = train(config.replace(shard_parameters=True), 8)
    moved = distance(one["params"], one["start"])
    report = {
        name: {
            "history": run["history"],
            "apart": distance(run["params"], one["params"]) / moved,
            "collectives": run["collectives"],
            "split": run["split"],
        }
        for name, run in runs.items()
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
