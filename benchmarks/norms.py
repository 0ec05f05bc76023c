"""Does the norm matter? The quickstart's model trained with each, several seeds, scored alike.

    nice python -m benchmarks.norms --workdir=runs/norms --steps=2000 --seeds=3

trains what is not there yet (a run that was cut off goes on), then scores every run on the same
test tuples: one, three and five clean sources; one source with boxes or tiles over a share of it;
five sources of which a share are strangers (`benchmarks.robustness` makes them). A cell is the mean
SSIM over seeds ± the half-width of the 95% t-interval; the second table is the difference to LSE,
seed by seed. `--config` takes another configuration, `--data_dir` its data.
"""

import argparse
import runpy
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from scipy.stats import t

from benchmarks.robustness import SPOILS, scored
from benchmarks.turns import table
from pnr_jax.checkpoints import load_model
from pnr_jax.data import sources
from pnr_jax.data.pipeline import gather
from pnr_jax.training.loop import train
from pnr_jax.transfer import PoseTransfer

NORMS: dict[str, dict[str, Any]] = {
    "LSE": {"p": 2.0},
    "LAD, IRLS(5)": {"p": 1.0},
    "LAD of rows, IRLS(5)": {"p": 1.0, "rowwise": True},
    "LAD smoothed, InexactIRLS(5, eps=0.019)": {"solver": "inexact_irls", "eps": 0.019},
}
SHARES = (0.2, 0.4, 0.6)


def conditions(config: ConfigDict, count: int) -> dict[str, dict[str, np.ndarray]]:
    """Makes the batches that every run is scored on, by name."""
    images, tuples = sources.load_test(config, "tuples")
    tuples = tuples[:count]
    found = {f"M = {M}": gather(images, tuples[:, [*range(M), -1]]) for M in (1, 3, 5)}
    for name, spoil in SPOILS.items():
        for share in SHARES:
            rng = np.random.default_rng(0)
            found[f"{name} {share:.0%}"] = spoil(rng, images, tuples, share)
    return found


def interval(values: np.ndarray) -> str:
    """Writes the mean and the half-width of the 95% t-interval of the first axis."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.4f} ± {half:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, default=Path("runs/norms"))
    parser.add_argument("--config", default="configs/quickstart.py")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tuples", type=int, default=400)
    flags = parser.parse_args()
    scores: dict[str, list[list[float]]] = {name: [] for name in NORMS}
    batches: dict[str, dict[str, np.ndarray]] = {}
    for seed in range(flags.seeds):
        for name, changes in NORMS.items():
            config = runpy.run_path(flags.config)["get_config"]()
            config.update(steps=flags.steps, sample_every=flags.steps, seed=seed)
            config.data_dir = flags.data_dir or config.data_dir
            config.model.update(changes)
            workdir = flags.workdir / f"{name}, seed {seed}".replace(" ", "_")
            if not (workdir / "model").exists():
                train(config, workdir)
            transfer = PoseTransfer(config, load_model(workdir, "model"))
            batches = batches or conditions(config, flags.tuples)
            scores[name].append([scored(transfer, batch)["SSIM"] for batch in batches.values()])
            print(name, seed, dict(zip(batches, scores[name][-1], strict=True)), flush=True)
    values = {name: np.array(found) for name, found in scores.items()}
    for title, base in (("SSIM", 0.0), ("Difference to LSE", values["LSE"])):
        rows = [
            [condition, *(interval((x - base)[:, k]) for x in values.values())]
            for k, condition in enumerate(batches)
        ]
        print(f"\n{title}, {flags.seeds} seeds\n\n" + table(["", *values], rows))


if __name__ == "__main__":
    main()
