"""The figures: the paper's Fig. 2 and Fig. 3, and the best and worst images of a method."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pnr_jax import figures
from pnr_jax.data.images import Images
from pnr_jax.data.pipeline import Batch, gather
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.results import Result
from pnr_jax.evaluation.scoring import draw, first_sources
from pnr_jax.examples import Examples
from pnr_jax.keypoints import draw_skeleton

FIGURE_ROWS = 12
EXTREMES = 16
# What chooses the best and the worst: the background, most of an image, has no say in it.
RANKED_BY = "ssim_inside_mask"


def write_figures(results: Sequence[Result], folder: Path) -> list[Path]:
    """Writes the figures of the methods that have learnt something.

    `figure.png`, `best.png` and `worst.png` are the first one's; `comparison.png` has all side by
    side, `figure_multi_shot.png` the first one's growing M.
    """
    learnt = [result for result in results if result.method.learnt]
    if not learnt:
        return []
    first = learnt[0]
    images, tuples = first.test.examples
    paths = [write_figure(first.method, images, tuples, folder / "figure.png")]
    same = [result for result in learnt if result.method.name == first.method.name]
    growing = {result.method.sources: result for result in same if result.test is same[-1].test}
    if len(growing) > 1:
        methods = [result.method for _, result in sorted(growing.items())]
        path = folder / "figure_multi_shot.png"
        paths.append(write_growing(methods, *same[-1].test.examples, path))
    paths += write_extremes(first, folder)
    rivals = [result for result in learnt if result.test.name == first.test.name]
    rivals = list({result.method.name: result for result in reversed(rivals)}.values())[::-1]
    if len(rivals) > 1:
        methods = [result.method for result in rivals]
        shared = _shared_tuples([result.test.examples for result in rivals])
        if len(shared):
            path = folder / "comparison.png"
            paths.append(write_comparison(methods, images, shared, path))
    return paths


def write_figure(method: Method, images: Images, tuples: np.ndarray, path: Path) -> Path:
    """Draws source, target pose, generated and target of one tuple of each first identity.

    Args:
      method: what draws.
      images: the data set.
      tuples: int [T, M + 1]; one of each of the first 12 identities is shown, none chosen.
      path: the PNG file.
    """
    return _sheet(method, images, _first_of_identities(images, tuples)[:FIGURE_ROWS], path, 3)


def write_comparison(
    methods: Sequence[Method], images: Images, tuples: np.ndarray, path: Path
) -> Path:
    """Draws source, target pose and target with all methods side by side, as Fig. 2 does.

    Args:
      methods: what draws.
      images: the data set.
      tuples: int [T, M + 1] that every method can draw.
      path: the PNG file.
    """
    rows = _first_of_identities(images, tuples)[:FIGURE_ROWS]
    batch = gather(images, rows)
    columns = [
        ("source", batch["source_images"][:, 0]),
        ("target pose", _poses(batch)),
        ("target", batch["target_image"]),
        *((method.name, _drawn(method, images, rows)) for method in methods),
    ]
    figures.save_png(path, figures.sheet(columns, blocks=2))
    return path


def write_growing(
    methods: Sequence[Method], images: Images, tuples: np.ndarray, path: Path
) -> Path:
    """Draws the sources and what each number M of them gives, as Fig. 3 does.

    Args:
      methods: one model, by growing M.
      images: the data set.
      tuples: int [T, M + 1], at least as many sources as the last method sees.
      path: the PNG file.
    """
    rows = _first_of_identities(images, tuples)[: FIGURE_ROWS // 2]
    batch = gather(images, rows)
    most = max(method.sources for method in methods)
    columns = [
        *((f"source {i + 1}", batch["source_images"][:, i]) for i in range(most)),
        ("target pose", _poses(batch)),
        *((f"M = {method.sources}", _drawn(method, images, rows)) for method in methods),
        ("target", batch["target_image"]),
    ]
    figures.save_png(path, figures.sheet(columns))
    return path


def write_extremes(result: Result, folder: Path) -> list[Path]:
    """Draws the 16 images of the highest and of the lowest SSIM inside the mask, the first first.

    Args:
      result: what the method has reached.
      folder: where `best.png` and `worst.png` go.
    """
    images, tuples = result.test.examples
    order = np.argsort(-result.scores[RANKED_BY], kind="stable")
    chosen = {"best": order[:EXTREMES], "worst": order[::-1][:EXTREMES]}
    return [
        _sheet(result.method, images, tuples[rows], folder / f"{name}.png", 4)
        for name, rows in chosen.items()
    ]


def _sheet(method: Method, images: Images, rows: np.ndarray, path: Path, blocks: int) -> Path:
    drawn = _drawn(method, images, rows)
    sheet = figures.generated_sheet(gather(images, rows), drawn, min(blocks, len(rows)))
    figures.save_png(path, sheet)
    return path


def _drawn(method: Method, images: Images, rows: np.ndarray) -> np.ndarray:
    return draw(method, images, first_sources(rows, method.sources))[1]


def _poses(batch: Batch[np.ndarray]) -> np.ndarray:
    return draw_skeleton(batch["target_image"].shape[1:3], batch["target_keypoints"])


def _first_of_identities(images: Images, tuples: np.ndarray) -> np.ndarray:
    identities = [images.identity_of(images.names[i]) for i in tuples[:, -1]]
    _, first = np.unique(identities, return_index=True)
    return tuples[np.sort(first)]


def _shared_tuples(examples: Sequence[Examples]) -> np.ndarray:
    """Returns the first one's tuples that all others have too; all are over the same images."""
    shared = set.intersection(*({tuple(row) for row in e.tuples.tolist()} for e in examples))
    return np.array([row for row in examples[0].tuples if tuple(row.tolist()) in shared])
