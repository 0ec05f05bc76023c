"""FID and LPIPS by the resizes of PIDM's script, as columns of their own.

PIDM's images are PNGs of 256×256, photos brought to that by PIL's bicubic; before FID and LPIPS its
script brings them to 256×176 by OpenCV's bilinear, which does not smooth. What is drawn at 256×176
here goes the same way, so that it is blurred as theirs is.
"""

from collections.abc import Sequence

import jax
import numpy as np

from pnr_jax.evaluation.methods import NamedBatch
from pnr_jax.evaluation.scorers import Column, Scorer, Scores, to_square

SIZE = (256, 176)
SUFFIX = "_pidm"
RESIZED = ("fid", "lpips_alex")  # What PIDM's script computes on resized images.


def pidm_scorers(scorers: Sequence[Scorer]) -> list[Scorer]:
    """Returns FID and LPIPS (AlexNet) of the scorers that have them, on images as PIDM's."""
    return [
        resized(scorer, column)
        for scorer in scorers
        for column in scorer.columns
        if column.score in RESIZED
    ]


def resized(scorer: Scorer, column: Column) -> Scorer:
    """Returns one column of a scorer, on images resized as PIDM's; its name ends in `_pidm`."""
    name = f"{column.score}{SUFFIX}"

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        batch = batch | {"target_image": resize(batch["target_image"])}
        scores = scorer.score(batch, resize(generated))
        return {f"{key}{SUFFIX}": array for key, array in scores.items()}

    def totals(arrays: Scores) -> dict[str, float]:
        found = scorer.totals(_own(arrays))
        return {name: found[column.score]} if column.score in found else {}

    def fit(training: Scores) -> Scorer:
        assert scorer.fit is not None
        return resized(scorer.fit(_own(training)), column)

    return Scorer(
        f"pidm {scorer.key}",
        score,
        (column._replace(score=name, heading=f"{column.heading}, PIDM's resizes"),),
        totals=totals,
        least=scorer.least,
        fit=fit if scorer.fit else None,
        note="PIDM's resizes: to 256×256 by PIL's bicubic, back to 256×176 by OpenCV's bilinear; "
        "rounded to grey levels.",
    )


def resize(images: np.ndarray) -> np.ndarray:
    """Brings images uint8 [N, H, W, 3] to 256×256, bicubic, and to 256×176, bilinear; rounded."""
    square = to_square(images).astype(np.float32)
    shape = (len(images), *SIZE, 3)
    narrow = jax.image.resize(square, shape, "linear", antialias=False)
    return np.rint(np.asarray(narrow)).astype(np.uint8)


def _own(arrays: Scores) -> Scores:
    """Returns the arrays that a resized scorer made, by the scorer's own names."""
    return {
        name.removesuffix(SUFFIX): array for name, array in arrays.items() if name.endswith(SUFFIX)
    }
