"""Does the norm matter? Trains the quickstart's model with each norm and several seeds.

    nice python -m benchmarks.norms --workdir=runs/norms --steps=2000 --seeds=3

trains the runs that do not exist yet (an interrupted run continues), then scores all runs like
`python -m benchmarks.robustness runs/norms/*`. `--config` selects another configuration,
`--data_dir` its data.
"""

import argparse
from pathlib import Path

from benchmarks.robustness import METHODS, report
from pnr_jax import config_files
from pnr_jax.training.loop import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, default=Path("runs/norms"))
    parser.add_argument("--config", default="quickstart")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tuples", type=int, default=400)
    flags = parser.parse_args()
    workdirs = []
    for seed in range(flags.seeds):
        for name, settings in METHODS.items():
            config = config_files.find_config(flags.config).replace(
                steps=flags.steps,
                sample_every=flags.steps,
                seed=seed,
                data_dir=flags.data_dir,
                model=settings,
            )
            workdirs.append(flags.workdir / f"{name}, seed {seed}".replace(" ", "_"))
            if not (workdirs[-1] / "model").exists():
                train(config, workdirs[-1])
    report(workdirs, flags.data_dir, flags.tuples)


if __name__ == "__main__":
    main()
