"""What bad source rows do to the image: least absolute deviations against least squares.

    python -m benchmarks.robustness runs/lad runs/lse --data_dir=DATA --plot=docs/robustness.png

Sources are spoilt on purpose, on the first test tuples, a growing share of them, and the image is
compared with the target: boxes (one grey rectangle over a share of the only source), tiles
(scattered 8×8 squares of noise in it), strangers (of five sources, some show another person, each
in its own pose). Every run is scored with p = 1 and p = 2 in the same networks at test time: that
isolates the regression from the training. The plot, solid where p is that of the training, needs
matplotlib.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.turns import table
from pnr_jax import config as config_lib
from pnr_jax import metrics
from pnr_jax.checkpoints import load_model
from pnr_jax.data import sources
from pnr_jax.data.images import Images
from pnr_jax.data.pairs import identity_of
from pnr_jax.data.pipeline import gather
from pnr_jax.transfer import PoseTransfer

Spoil = Callable[[np.random.Generator, Images, np.ndarray, float], dict[str, np.ndarray]]

BATCH, TILE = 32, 8
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)


def boxes(rng: np.random.Generator, images: Images, tuples: np.ndarray, share: float) -> dict:
    """One source with a grey rectangle of the image's proportions over a share of it."""
    batch = gather(images, tuples[:, [0, -1]])
    H, W = images.images.shape[1:3]
    h, w = round(H * share**0.5), round(W * share**0.5)
    for image in batch["source_images"][:, 0]:
        top, left = rng.integers(0, H - h + 1), rng.integers(0, W - w + 1)
        image[top : top + h, left : left + w] = 127
    return batch


def tiles(rng: np.random.Generator, images: Images, tuples: np.ndarray, share: float) -> dict:
    """One source of whose tiles a share is noise."""
    batch = gather(images, tuples[:, [0, -1]])
    count, _, H, W, _ = batch["source_images"].shape
    rows, columns = H // TILE, W // TILE
    order = np.argsort(rng.random((count, rows * columns)), axis=1)
    bad = (order < round(share * rows * columns)).reshape(count, 1, rows, columns, 1)
    bad = bad.repeat(TILE, axis=2).repeat(TILE, axis=3)
    noise = rng.integers(0, 256, batch["source_images"].shape).astype(np.uint8)
    whole = batch["source_images"][:, :, : rows * TILE, : columns * TILE]
    whole[:] = np.where(bad, noise[:, :, : rows * TILE, : columns * TILE], whole)
    return batch


def strangers(rng: np.random.Generator, images: Images, tuples: np.ndarray, share: float) -> dict:
    """All sources, of which a share shows other people, each in its own pose."""
    tuples, M = tuples.copy(), tuples.shape[1] - 1
    identities = np.array([identity_of(name) for name in images.names])
    for row in tuples:
        for slot in rng.permutation(M)[: round(share * M)]:
            row[slot] = rng.choice(np.flatnonzero(identities != identities[row[-1]]))
    return gather(images, tuples)


SPOILS: dict[str, Spoil] = {"boxes": boxes, "tiles": tiles, "strangers": strangers}


def models(workdirs: list[Path], data_dir: str | None) -> tuple[dict[str, PoseTransfer], Images]:
    """Each run by the norm it was trained with, and by the other one."""
    found = {}
    for workdir in workdirs:
        config = config_lib.load(workdir)
        variables, trained = load_model(workdir, "model"), config.model.p
        for p in (1.0, 2.0):
            config.model.p = p
            name = f"{workdir.name}, trained with p = {trained:g}, solved with p = {p:g}"
            found[name] = PoseTransfer(config, variables)
    config = config_lib.load(workdirs[0])
    config.data_dir = data_dir or config.data_dir
    return found, sources.load_test(config, "tuples")


def scored(transfer: PoseTransfer, batch: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean scores of a batch."""
    parts = []
    for at in range(0, len(batch["target_image"]), BATCH):
        x = {name: array[at : at + BATCH] for name, array in batch.items()}
        parts.append(
            transfer.transfer(
                x["source_images"], x["source_keypoints"], x["target_keypoints"], x["source_valid"]
            )
        )
    drawn, target = np.concatenate(parts), batch["target_image"]
    return {"SSIM": metrics.ssim(target, drawn).mean(), "L1": metrics.l1(target, drawn).mean()}


def plot(scores: dict[str, dict[str, list[float]]], path: str) -> None:
    """A panel for each way to spoil, SSIM over the share."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(scores), figsize=(11, 3.6), sharey=True)
    for axis, (spoil, lines) in zip(axes, scores.items(), strict=True):
        for i, (name, values) in enumerate(lines.items()):
            trained, solved = re.findall(r"p = ([\d.]+)", name)
            line = "-" if trained == solved else "--"
            axis.plot(
                SHARES, values, line, marker="o", markersize=3, label=name, color=f"C{i // 2}"
            )
        axis.set_title(spoil)
        axis.set_xlabel("share that is bad")
    axes[0].set_ylabel("SSIM")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, loc="lower center", ncols=2)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workdirs", type=Path, nargs="+")
    parser.add_argument("--data_dir")
    parser.add_argument("--tuples", type=int, default=300)
    parser.add_argument("--plot", help="file for the plot")
    flags = parser.parse_args()
    if flags.plot:  # Now, not after an hour.
        import matplotlib

        matplotlib.use("Agg")
    transfers, (images, tuples) = models(flags.workdirs, flags.data_dir)
    tuples = tuples[: flags.tuples]
    curves: dict[str, dict[str, list[float]]] = {}
    for title, spoil in SPOILS.items():
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in transfers}
        for share in SHARES:
            batch = spoil(np.random.default_rng(0), images, tuples, share)
            for name, transfer in transfers.items():
                rows[name].append(scored(transfer, batch))
        for score in ("SSIM", "L1"):
            print(f"\n{title}, {score}, {len(tuples)} tuples\n")
            lines = [[name, *(f"{x[score]:.4f}" for x in found)] for name, found in rows.items()]
            print(table(["", *(f"{share:.0%}" for share in SHARES)], lines), flush=True)
        curves[title] = {name: [x["SSIM"] for x in found] for name, found in rows.items()}
    if flags.plot:
        plot(curves, flags.plot)


if __name__ == "__main__":
    main()
