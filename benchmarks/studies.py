"""Studies the method's settings: each varied alone, trained briefly, scored on unseen people.

    python -m benchmarks.studies --workdir=runs/studies
    python -m benchmarks.studies --solve=runs/market1501_small --data_dir=DATA

The first command trains the quickstart's model on its drawn people, 600 steps for each line, with
the same seed and batches for all; a finished line is read back. The second trains nothing: it
solves a trained run with other norms, iterations and ridges than those it was trained with. "PᵀP"
is the condition number of the source's pose features, the median of 32 test tuples. A second table
shows it during the training of the first line.
"""

import argparse
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.paired import difference
from benchmarks.robustness import LAD, METHODS
from benchmarks.turns import table
from pnr_jax import config as config_lib
from pnr_jax import config_files, examples, metrics
from pnr_jax.checkpoints import load_model, open_checkpoints
from pnr_jax.config import Config
from pnr_jax.data.pipeline import gather
from pnr_jax.systems.pnr import PNRSystem
from pnr_jax.training.loop import train
from pnr_jax.training.state import init_state, trained_variables
from pnr_jax.transfer import PoseTransfer

COMMON: dict[str, dict[str, Any]] = {
    **METHODS,
    **{f"LAD, IRLS({n})": LAD | {"iterations": n} for n in (1, 2, 10, 20)},
    **{f"p={p}, IRLS(5)": LAD | {"p": p} for p in (1.25, 1.5, 1.75)},
}
SMOOTH = LAD | {"iterations": 20, "eps": 0.01}
TRAINED: dict[str, dict[str, Any]] = {
    "LAD, IRLS(5)": LAD,  # The first line, with which the others are compared.
    **COMMON,
    "LAD, IRLS(5), unrolled": LAD | {"gradient": "unrolled"},
    "LAD, IRLS(20, eps=0.01)": SMOOTH,
    "LAD, IRLS(20, eps=0.01), implicit": SMOOTH | {"gradient": "implicit"},
    **{f"LAD, IRLS(5), d={d}": LAD | {"d": d} for d in (10, 40)},
    **{f"LAD, IRLS(5), ridge={ridge}": LAD | {"ridge": ridge} for ridge in (0.0, 1e-4, 0.1)},
}
SOLVED: dict[str, dict[str, Any]] = {
    "as trained": {},
    **COMMON,
    "LAD, PrimalDual()": LAD | {"solver": "primal_dual", "iterations": 100},
    **{f"as trained, ridge={ridge}": {"ridge": ridge} for ridge in (0.0, 1e-4, 1e-3, 0.1)},
}


def condition(config: Config, variables: Any, batch: dict[str, np.ndarray]) -> float:
    """Returns the median condition number of PᵀP of the first source."""
    system = config.build_system()
    assert isinstance(system, PNRSystem)
    features = jax.jit(
        lambda *x: system.network.apply(variables, *x, False, method="pose_features")
    )
    keypoints, valid = batch["source_keypoints"][:, :1], batch["source_valid"][:, :1]
    P = np.asarray(features(keypoints, valid), np.float64)
    P = P.reshape(len(P), -1, P.shape[-1])
    return float(np.median(np.linalg.cond(P) ** 2))


def conditions(config: Config, workdir: Path, batch: dict[str, np.ndarray]) -> list[list[str]]:
    """Returns the condition number at each checkpoint."""
    state = init_state(config)
    with open_checkpoints(workdir, config.keep_checkpoints) as checkpoints:
        saved = {step: checkpoints.restore(step, like=state) for step in checkpoints.steps}
    found = {step: condition(config, trained_variables(x), batch) for step, x in saved.items()}
    return [[f"{step:,}", f"{number:.1f}"] for step, number in found.items()]


def scores(transfer: PoseTransfer, batch: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the SSIM and L1 of each image, with one source."""
    drawn = [
        transfer.transfer(
            batch["source_images"][at : at + 32, :1],
            batch["source_keypoints"][at : at + 32, :1],
            batch["target_keypoints"][at : at + 32],
        )
        for at in range(0, len(batch["target_image"]), 32)
    ]
    target, generated = batch["target_image"], np.concatenate(drawn)
    return metrics.ssim(target, generated), metrics.l1(target, generated)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, default=Path("runs/studies"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--tuples", type=int, default=400)
    parser.add_argument("--solve", type=Path, help="a trained run, solved otherwise")
    parser.add_argument("--data_dir")
    flags = parser.parse_args()
    if flags.solve:
        base = config_lib.read_config(flags.solve)
        base = base.replace(data_dir=flags.data_dir or base.data_dir)
    else:
        base = config_files.find_config("quickstart").replace(
            steps=flags.steps,
            sample_every=flags.steps,
            checkpoint_every=flags.steps // 6,
            keep_checkpoints=6,
        )
    images, tuples = examples.load_test(base, "tuples")
    batch = gather(images, tuples[: flags.tuples])
    people = np.array([images.identity_of(images.names[row[-1]]) for row in tuples[: flags.tuples]])
    few = {name: array[:32] for name, array in batch.items()}
    rows, found = [], []
    for name, changes in (SOLVED if flags.solve else TRAINED).items():
        config = base.replace(model=changes)
        workdir = flags.solve or flags.workdir / name.replace(" ", "_")
        if not (workdir / "model").exists():
            train(config, workdir)
        variables = load_model(workdir, "model")
        ssim, l1 = scores(PoseTransfer(config.build_system(), variables), batch)
        found.append(ssim)
        row = [f"{ssim.mean():.4f}", difference(ssim, found[0], people), f"{l1.mean():.4f}"]
        rows.append([name, *row, f"{condition(config, variables, few):.1f}"])
        print(rows[-1], flush=True)
    print("\n" + table(["", "SSIM", "difference to the first line", "L1", "PᵀP"], rows))
    if not flags.solve:
        first = flags.workdir / next(iter(TRAINED)).replace(" ", "_")
        print("\n" + table(["steps", "PᵀP"], conditions(base, first, few)))


if __name__ == "__main__":
    main()
