"""SSIM as each family of methods computes it on DeepFashion: columns that say whose they are.

They differ by up to 0.1 on the same images, so no two of them compare (docs/evaluation.md).
"""

import numpy as np
from PIL import Image

from pnr_jax.evaluation.methods import NamedBatch
from pnr_jax.evaluation.scorers import Column, Scorer, Scores
from pnr_jax.metrics import flat_window, gaussian_window, ssim

SQUARE = 256


def family_scorer() -> Scorer:
    """SSIM of PATN (in a white square), GFLA (two) and PIDM (σ = 1.2), stretched to a square."""

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        target = batch["target_image"]
        on_white = in_white_square(target), in_white_square(generated)
        stretched = to_square(target), to_square(generated)
        return {
            "ssim_patn_padded": ssim(*on_white),
            "ssim_gfla": ssim(*stretched, data_range=255, window=flat_window(51)),
            "ssim_gfla_256": ssim(*stretched),
            "ssim_pidm_256": ssim(*stretched, window=gaussian_window(1.2)),
        }

    columns = (
        Column("ssim_patn_padded", "SSIM, PATN's on white"),
        Column("ssim_gfla", "SSIM, GFLA's window of 51"),
        Column("ssim_gfla_256", "SSIM, GFLA's ssim_256"),
        Column("ssim_pidm_256", "SSIM, PIDM's ssim_256"),
    )
    return Scorer("families", score, columns)


def in_white_square(images: np.ndarray) -> np.ndarray:
    """Sets images uint8 [N, H, W, 3], higher than wide, into the middle of white squares."""
    side = max(0, images.shape[1] - images.shape[2])
    borders = ((0, 0), (0, 0), (side // 2, side - side // 2), (0, 0))
    return np.pad(images, borders, constant_values=255)


def to_square(images: np.ndarray) -> np.ndarray:
    """Stretches images uint8 [N, H, W, 3] to 256×256, bicubic."""
    size, how = (SQUARE, SQUARE), Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(image).resize(size, how)) for image in images])
