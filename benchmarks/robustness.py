r"""Measures how bad sources affect the image, by the norm of the regression.

    python -m benchmarks.robustness runs/norms/*
    python -m benchmarks.robustness runs/lad runs/lse --data_dir=DATA --tuples=300 --crossed \
        --plot=docs/robustness.png

A growing share of the first test tuples, with one, three and five sources, is corrupted, and the
image is compared with the target. There are three kinds of corruption: boxes (a grey rectangle over
a share of every source, in a different place in each), tiles (a share of scattered 8×8 squares of
every source is noise), and strangers (a share of the sources shows other people, each in their own
pose). Runs of one method are its seeds. A cell is their mean ± the half-width of the 95%
t-interval; the second table has the difference from the first method, seed by seed, over the seeds
that both have. `--crossed` also solves every run with all other methods in the same networks, which
isolates the regression from the training. Needs scipy and, for the plot, matplotlib.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from benchmarks.turns import table
from pnr_jax import config as config_lib
from pnr_jax import examples, metrics
from pnr_jax.checkpoints import load_model
from pnr_jax.data.images import Images
from pnr_jax.data.pipeline import Batch, gather
from pnr_jax.errors import UserError
from pnr_jax.settings import Settings
from pnr_jax.systems.pnr import PNRSettings
from pnr_jax.transfer import PoseTransfer

BATCH, TILE = 32, 8

# Settings of `config.model` for the compared methods; eq. 2, eq. 3, eq. 3 with one weight
# for a row, and the smoothed problem that version 0.1 called LAD.
LAD: dict[str, Any] = {
    "p": 1.0,
    "rowwise": False,
    "solver": "irls",
    "iterations": 5,
    "eps": 1e-6,
    "gradient": "last_step",
}
METHODS: dict[str, dict[str, Any]] = {
    "LSE": LAD | {"p": 2.0},
    "LAD, IRLS(5)": LAD,
    "LAD of rows, IRLS(5)": LAD | {"rowwise": True},
    "LAD smoothed, InexactIRLS(5, eps=0.019)": LAD | {"solver": "inexact_irls", "eps": 0.019},
}

Condition = tuple[str, int, float]  # kind of corruption, number of sources, share
Scores = dict[str, dict[int, float]]  # by method and seed


def method_of(model: Settings) -> str:
    """Returns the name of the method, or its settings if it is none of `METHODS`."""
    assert isinstance(model, PNRSettings)
    for name, settings in METHODS.items():
        if model.replace(**settings) == model or model.p == settings["p"] == 2:
            return name
    rows = ", of rows" if model.rowwise else ""
    return f"p={model.p}{rows}, {model.solver}({model.iterations}, {model.eps}), {model.gradient}"


def boxes(rng: np.random.Generator, images: Images, tuples: np.ndarray, share: float) -> Batch:
    """Covers a share of every source with a grey rectangle of the image's proportions."""
    batch = gather(images, tuples)
    H, W = images.images.shape[1:3]
    h, w = round(H * share**0.5), round(W * share**0.5)
    for image in batch["source_images"].reshape(-1, H, W, 3):  # A view.
        top, left = rng.integers(0, H - h + 1), rng.integers(0, W - w + 1)
        image[top : top + h, left : left + w] = 127
    return batch


def tiles(rng: np.random.Generator, images: Images, tuples: np.ndarray, share: float) -> Batch:
    """Replaces a share of the tiles of every source with noise."""
    batch = gather(images, tuples)
    count, M, H, W, _ = batch["source_images"].shape
    rows, columns = H // TILE, W // TILE
    order = np.argsort(rng.random((count, M, rows * columns)), axis=2)
    bad = (order < round(share * rows * columns)).reshape(count, M, rows, columns, 1)
    bad = bad.repeat(TILE, axis=2).repeat(TILE, axis=3)
    noise = rng.integers(0, 256, batch["source_images"].shape, np.uint8)
    whole = batch["source_images"][:, :, : rows * TILE, : columns * TILE]
    whole[:] = np.where(bad, noise[:, :, : rows * TILE, : columns * TILE], whole)
    return batch


def strangers(rng: np.random.Generator, images: Images, tuples: np.ndarray, share: float) -> Batch:
    """Replaces a share of the sources with other people, each in their own pose."""
    tuples, M = tuples.copy(), tuples.shape[1] - 1
    identities = np.array([images.identity_of(name) for name in images.names])
    for row in tuples:
        for slot in rng.permutation(M)[: round(share * M)]:
            row[slot] = rng.choice(np.flatnonzero(identities != identities[row[-1]]))
    return gather(images, tuples)


SPOILS: dict[str, Callable[[np.random.Generator, Images, np.ndarray, float], Batch]] = {
    "boxes": boxes,
    "tiles": tiles,
    "strangers": strangers,
}


def conditions(images: Images, tuples: np.ndarray) -> Iterator[tuple[Condition, Batch]]:
    """Yields the batches that every run is scored on, one after the other."""
    counts = [M for M in (1, 3, 5) if tuples.shape[1] > M]
    for M in counts:
        yield ("clean", M, 0.0), gather(images, tuples[:, [*range(M), -1]])
    for name, spoil in SPOILS.items():
        for M in counts:
            shares = [k / M for k in range(1, M)] if spoil is strangers else (0.2, 0.4, 0.6, 0.8)
            for share in shares:
                chosen = tuples[:, [*range(M), -1]]
                yield (name, M, share), spoil(np.random.default_rng(0), images, chosen, share)


def scored(transfer: PoseTransfer, batch: Batch) -> dict[str, float]:
    """Computes the mean scores of a batch."""
    parts = []
    for at in range(0, len(batch["target_image"]), BATCH):
        x = {name: array[at : at + BATCH] for name, array in batch.items()}
        parts.append(
            transfer.transfer(
                x["source_images"], x["source_keypoints"], x["target_keypoints"], x["source_valid"]
            )
        )
    drawn, target = np.concatenate(parts), batch["target_image"]
    return {
        "SSIM": float(metrics.ssim(target, drawn).mean()),
        "L1": float(metrics.l1(target, drawn).mean()),
    }


def loaded(workdirs: list[Path], crossed: bool) -> dict[tuple[str, int], PoseTransfer]:
    """Loads the runs, by method and seed; if crossed, also each solved by the other methods."""
    found: dict[tuple[str, int], PoseTransfer] = {}
    data = config_lib.read_config(workdirs[0]).data
    for workdir in workdirs:
        config, variables = config_lib.read_config(workdir), load_model(workdir, "model")
        trained = method_of(config.model)
        if (trained, config.seed) in found or config.data != data:
            raise UserError(f"{workdir}: a second run of {trained}, one seed, or one of other data")
        found[trained, config.seed] = PoseTransfer(config.build_system(), variables)
        for name in METHODS if crossed else ():
            if name != trained:
                system = config.replace(model=METHODS[name]).build_system()
                key = (f"{trained}; solved by {name}", config.seed)
                found[key] = PoseTransfer(system, variables)
    return found


def interval(values: np.ndarray, sign: str = "") -> str:
    """Formats the mean and, for several values, the half-width of its 95% t-interval."""
    mean = f"{values.mean():{sign}.4f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5:.4f}"


def difference(values: dict[int, float], base: dict[int, float]) -> str:
    """Formats the mean difference over the seeds that both have, with its interval."""
    seeds = values.keys() & base.keys()
    return interval(np.array([values[x] - base[x] for x in seeds]), "+") if seeds else ""


def report(
    workdirs: list[Path], data_dir: str, count: int, crossed: bool = False, picture: str = ""
) -> None:
    """Scores the runs, prints the tables, draws the plot."""
    transfers = loaded(workdirs, crossed)
    config = config_lib.read_config(workdirs[0])
    config = config.replace(data_dir=data_dir or config.data_dir)
    images, tuples = examples.load_test(config, "tuples")
    methods = list(dict.fromkeys(name for name, _ in transfers))
    methods.sort(key=lambda name: [*METHODS, name].index(name))
    found: dict[Condition, dict[str, Scores]] = {}
    for condition, batch in conditions(images, tuples[:count]):
        found[condition] = {score: {name: {} for name in methods} for score in ("SSIM", "L1")}
        for (name, seed), transfer in transfers.items():
            for score, value in scored(transfer, batch).items():
                found[condition][score][name][seed] = value
        print(condition, found[condition]["SSIM"], flush=True)
    seeds = ", ".join(f"{name}: {sum(name == x for x, _ in transfers)}" for name in methods)
    print(f"\n{len(tuples[:count])} tuples; seeds: {seeds}")
    for score in ("SSIM", "L1"):
        cells, changes = [], []
        for (spoil, M, share), scores in found.items():
            label, lines = f"{spoil} {share:.0%}, M = {M}", scores[score]
            cells.append([label, *(interval(np.array([*x.values()])) for x in lines.values())])
            changes.append([label, *(difference(lines[x], lines[methods[0]]) for x in methods[1:])])
        print(f"\n{score}\n\n" + table(["", *methods], cells))
        if len(methods) > 1:
            print(f"\n{score}, difference to {methods[0]}\n\n" + table(["", *methods[1:]], changes))
    if picture:
        means = {
            condition: {name: np.mean([*x.values()]) for name, x in scores["SSIM"].items()}
            for condition, scores in found.items()
        }
        plot(means, picture)


def plot(means: dict[Condition, dict[str, Any]], path: str) -> None:
    """Draws SSIM against the share, a panel per corruption; dashed if solved otherwise."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = sorted({M for _, M, _ in means})
    shape = (len(counts), len(SPOILS))
    figure, axes = pyplot.subplots(
        *shape, figsize=(11, 3 * len(counts)), sharex=True, sharey=True, squeeze=False
    )
    for (row, column), axis in np.ndenumerate(axes):
        M, spoil = counts[row], list(SPOILS)[column]
        wanted = [x for x in means if x[1] == M and x[0] in ("clean", spoil)]
        for name in means[wanted[0]]:
            axis.plot(
                [share for _, _, share in wanted],
                [means[x][name] for x in wanted],
                "--" if "; solved by" in name else "-",
                marker="o",
                markersize=3,
                label=name,
            )
        axis.set_title(f"{spoil}, M = {M}")
    for axis in axes[-1]:
        axis.set_xlabel("share that is bad")
    for axis in axes[:, 0]:
        axis.set_ylabel("SSIM")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=7, loc="lower center", ncols=2)
    figure.tight_layout(rect=(0, 0.3 / len(counts), 1, 1))
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workdirs", type=Path, nargs="+")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--tuples", type=int, default=400)
    parser.add_argument("--crossed", action="store_true", help="solve every run by all methods")
    parser.add_argument("--plot", default="", help="file for the plot")
    flags = parser.parse_args()
    if flags.plot:
        import matplotlib  # noqa: F401 (Now, not after an hour.)
    report(flags.workdirs, flags.data_dir, flags.tuples, flags.crossed, flags.plot)


if __name__ == "__main__":
    main()
