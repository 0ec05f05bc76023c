"""The evaluation protocol: a table of methods and the qualitative figures.

Rows: the model with M = 1, 3, 5 sources, and two trivial methods, "copy source" and "mean image",
below which nothing has been learnt.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from pnr_jax import figures, metrics
from pnr_jax.data.pipeline import Batch, gather
from pnr_jax.data.sources import Examples
from pnr_jax.files import write_text
from pnr_jax.keypoints import body_mask, draw_skeleton
from pnr_jax.transfer import PoseTransfer

BATCH = 32
METRICS = ("ssim", "masked_ssim", "ssim_inside_mask", "l1")
HEADINGS = ("SSIM", "masked SSIM", "SSIM inside mask", "L1")
FIGURE_ROWS = 12

Row = dict[str, Any]
Generate = Callable[[Batch], np.ndarray]


class Method(NamedTuple):
    """Something that draws the target from sources.

    Attributes:
      name: in the table.
      sources: M, how many of a tuple's sources it sees.
      generate: batch -> uint8 [B, H, W, 3].
    """

    name: str
    sources: int
    generate: Generate


def model_methods(name: str, transfer: PoseTransfer, sources: Sequence[int]) -> list[Method]:
    """The model with each number of sources."""

    def generate(batch: Batch) -> np.ndarray:
        return transfer.transfer(
            batch["source_images"],
            batch["source_keypoints"],
            batch["target_keypoints"],
            batch["source_valid"],
        )

    return [Method(name, M, generate) for M in sources]


def trivial_methods(mean_image: np.ndarray) -> list[Method]:
    """The rows "copy source" and "mean image" (uint8 [H, W, 3])."""
    return [
        Method("copy source", 1, lambda batch: batch["source_images"][:, 0]),
        Method(
            "mean image",
            1,
            lambda batch: np.repeat(mean_image[None], len(batch["target_image"]), 0),
        ),
    ]


def evaluate(method: Method, examples: Examples, which: str) -> Row:
    """Scores a method on every tuple of `examples`: one row of the table.

    Args:
      method: what draws.
      examples: tuples of at least `method.sources` sources; the first ones are taken.
      which: "pairs" or "tuples", the name of the set in the row.
    """
    scores = {name: np.zeros(len(examples.tuples)) for name in METRICS}
    for start, batch, generated in _generated(method, examples):
        stop = start + len(generated)
        for name, values in _score(batch, generated).items():
            scores[name][start:stop] = values
    return {
        "method": method.name,
        "set": which,
        "sources": method.sources,
        "pairs": len(examples.tuples),
        **{name: float(values.mean()) for name, values in scores.items()},
    }


def write_table(rows: Sequence[Row], folder: Path) -> str:
    """Writes `table.json` and `table.md`; returns the Markdown."""
    lines = [
        "| method | test set | M | pairs | " + " | ".join(HEADINGS) + " |",
        "| --- | --- | ---: | ---: |" + " ---: |" * len(HEADINGS),
    ]
    for row in rows:
        numbers = " | ".join(f"{row[name]:.4f}" for name in METRICS)
        lines.append(
            f"| {row['method']} | {row['set']} | {row['sources']} | {row['pairs']:,} | {numbers} |"
        )
    markdown = "\n".join(lines) + "\n"
    write_text(folder / "table.json", json.dumps(list(rows), indent=2) + "\n")
    write_text(folder / "table.md", markdown)
    return markdown


def write_figures(methods: Sequence[Method], examples: Examples, folder: Path) -> list[Path]:
    """Draws the paper's Fig. 2 (single-shot) and Fig. 3 (growing M) for the first identities.

    Args:
      methods: the model's, by growing M.
      examples: the test tuples; one of each of the first 12 identities is shown, none chosen.
      folder: where `figure.png` and `figure_multi_shot.png` go.
    """
    names = examples.images.names
    identities = [names[i].split("_")[0] for i in examples.tuples[:, -1]]
    _, first = np.unique(identities, return_index=True)
    tuples = examples.tuples[np.sort(first)[:FIGURE_ROWS]]
    batch = gather(examples.images, tuples)
    size = batch["target_image"].shape[1:3]
    pose = np.stack([draw_skeleton(size, keypoints) for keypoints in batch["target_keypoints"]])
    shown_examples = examples._replace(tuples=tuples)
    drawn = {
        method.sources: np.concatenate([g for _, _, g in _generated(method, shown_examples)])
        for method in methods
    }
    sources = batch["source_images"]
    single = [
        ("source", sources[:, 0]),
        ("target pose", pose),
        ("generated", drawn[min(drawn)]),
        ("target", batch["target_image"]),
    ]
    paths = [folder / "figure.png"]
    figures.save_png(paths[0], figures.sheet(single, blocks=3))
    if max(drawn) > 1:
        shown = [(f"source {i + 1}", sources[:, i]) for i in range(max(drawn))]
        shown += [("target pose", pose)]
        shown += [(f"M = {M}", images) for M, images in sorted(drawn.items())]
        shown += [("target", batch["target_image"])]
        paths.append(folder / "figure_multi_shot.png")
        half = [(heading, images[: FIGURE_ROWS // 2]) for heading, images in shown]
        figures.save_png(paths[1], figures.sheet(half))
    return paths


def _first_sources(tuples: np.ndarray, sources: int) -> np.ndarray:
    return np.concatenate([tuples[:, :sources], tuples[:, -1:]], axis=1)


def _generated(method: Method, examples: Examples) -> Iterator[tuple[int, Batch, np.ndarray]]:
    """Yields (first row, batch, generated) in batches of one shape, the last one's padding cut."""
    tuples = _first_sources(examples.tuples, method.sources)
    label = f"{method.name}, M = {method.sources}"
    for start in tqdm(range(0, len(tuples), BATCH), desc=label, disable=None, leave=False):
        rows = tuples[start : start + BATCH]
        padded = np.concatenate([rows, np.repeat(rows[:1], BATCH - len(rows), axis=0)])
        batch = gather(examples.images, padded)
        generated = method.generate(batch)[: len(rows)]
        yield start, {name: value[: len(rows)] for name, value in batch.items()}, generated


def _score(batch: Batch, generated: np.ndarray) -> dict[str, np.ndarray]:
    target = batch["target_image"]
    masks = body_mask(batch["target_keypoints"], target.shape[1:3])
    return {
        "ssim": metrics.ssim(target, generated),
        "masked_ssim": metrics.masked_ssim(target, generated, masks),
        "ssim_inside_mask": metrics.ssim_inside_mask(target, generated, masks),
        "l1": metrics.l1(target, generated),
    }
