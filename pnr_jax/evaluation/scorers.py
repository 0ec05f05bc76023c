"""The metrics: what each computes from a chunk of image pairs, and its columns in the table.

A new metric is a function that returns a `Scorer`, and a line in `pnr_jax.evaluation.METRICS`.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image

from pnr_jax import metrics
from pnr_jax.evaluation.methods import NamedBatch
from pnr_jax.keypoints import body_mask

Scores = dict[str, np.ndarray]
Ratios = dict[str, tuple[np.ndarray, np.ndarray]]

SQUARE = 256  # The side that GFLA stretches images to.


class Column(NamedTuple):
    """A score in the table.

    Attributes:
      score: its key in a row.
      heading: its heading in the table.
      digits: decimal places.
    """

    score: str
    heading: str
    digits: int = 4


class Scorer(NamedTuple):
    """A metric, or several that share their work.

    Attributes:
      key: identifies what it computes, weights included; the same key gives the same scores.
      score: (batch, generated uint8 [B, H, W, 3]) -> arrays [B, ...] by name; the batch has
        `target_image` and `target_keypoints`.
      columns: its columns in the table.
      ratios: arrays of all images -> {column: (numerators [N], denominators [N])}, whose sums'
        ratio is the score, with an interval over people; None: each column is the mean of the array
        of its name.
      totals: arrays of all images -> scores that only the whole set has.
      least: the fewest images that it needs.
      fit: arrays of the training images -> the scorer that compares with them; None if it does
        not need them.
      note: a line under the tables that have its columns.
    """

    key: str
    score: Callable[[NamedBatch, np.ndarray], Scores]
    columns: tuple[Column, ...] = ()
    ratios: Callable[[Scores], Ratios] | None = None
    totals: Callable[[Scores], dict[str, float]] = lambda arrays: {}
    least: int = 1
    fit: Callable[[Scores], "Scorer"] | None = None
    note: str = ""

    def parts(self, arrays: Scores) -> Ratios:
        """Returns numerators and denominators by column."""
        if self.ratios is not None:
            return self.ratios(arrays)
        means = (column.score for column in self.columns if column.score in arrays)
        return {name: (arrays[name], np.ones(len(arrays[name]))) for name in means}


def merged(chunks: Iterable[Scores]) -> Scores:
    """Concatenates the arrays of all chunks."""
    parts: dict[str, list[np.ndarray]] = {}
    for chunk in chunks:
        for name, array in chunk.items():
            parts.setdefault(name, []).append(array)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def pixel_scorer() -> Scorer:
    """Returns SSIM in its four forms and L1, which need no network."""

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        target, masks = batch["target_image"], body_masks(batch)
        return {
            "ssim": metrics.ssim(target, generated),
            "masked_ssim": metrics.masked_ssim(target, generated, masks),
            "ssim_inside_mask": metrics.ssim_inside_mask(target, generated, masks),
            "l1": metrics.l1(target, generated),
            "ssim_255": metrics.ssim(target, generated, data_range=255),
        }

    columns = (
        Column("ssim", "SSIM"),
        Column("masked_ssim", "masked SSIM"),
        Column("ssim_inside_mask", "SSIM inside mask"),
        Column("l1", "L1"),
        Column("ssim_255", "SSIM, range 255"),
    )
    return Scorer("pixels", score, columns)


def family_scorer() -> Scorer:
    """Returns SSIM of PATN (in a white square), GFLA (two) and PIDM (σ = 1.2), stretched.

    They are each family's own, on DeepFashion, and differ by up to 0.1 on the same images, so no
    two of them compare (docs/evaluation.md).
    """

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        target = batch["target_image"]
        on_white = in_white_square(target), in_white_square(generated)
        stretched = to_square(target), to_square(generated)
        return {
            "ssim_patn_padded": metrics.ssim(*on_white),
            "ssim_gfla": metrics.ssim(*stretched, data_range=255, window=metrics.flat_window(51)),
            "ssim_gfla_256": metrics.ssim(*stretched),
            "ssim_pidm_256": metrics.ssim(*stretched, window=metrics.gaussian_window(1.2)),
        }

    columns = (
        Column("ssim_patn_padded", "SSIM, PATN's on white"),
        Column("ssim_gfla", "SSIM, GFLA's window of 51"),
        Column("ssim_gfla_256", "SSIM, GFLA's ssim_256"),
        Column("ssim_pidm_256", "SSIM, PIDM's ssim_256"),
    )
    note = (
        "SSIM of PATN, GFLA and PIDM: by their formulas, on images as they are drawn here; "
        "each compares with its own family's alone."
    )
    return Scorer("families", score, columns, note=note)


def body_masks(batch: NamedBatch) -> np.ndarray:
    """Returns the masks of the targets' bodies, bool [B, H, W]."""
    return body_mask(batch["target_keypoints"], batch["target_image"].shape[1:3])


def in_white_square(images: np.ndarray) -> np.ndarray:
    """Sets images uint8 [N, H, W, 3], higher than wide, into the middle of white squares."""
    side = max(0, images.shape[1] - images.shape[2])
    borders = ((0, 0), (0, 0), (side // 2, side - side // 2), (0, 0))
    return np.pad(images, borders, constant_values=255)


def to_square(images: np.ndarray) -> np.ndarray:
    """Stretches images uint8 [N, H, W, 3] to 256×256, bicubic."""
    size, how = (SQUARE, SQUARE), Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(image).resize(size, how)) for image in images])
