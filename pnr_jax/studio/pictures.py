"""Pictures to files: PNG for one, GIF for many."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from pnr_jax import animation, figures

_GIF_HEIGHT = 256  # Small pictures are enlarged to it.
_GAP = 8


def to_png(image: np.ndarray) -> bytes:
    """Encodes uint8 [H, W, 3] as PNG, packed lightly: it goes over the loopback at once."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def to_gif(frames: Sequence[Sequence[np.ndarray]], milliseconds: int) -> bytes:
    """Encodes a GIF that loops.

    Args:
      frames: for each moment the pictures side by side, uint8 [H, W, 3].
      milliseconds: that each moment is shown.
    """
    return animation.to_gif([_side_by_side(pictures) for pictures in frames], milliseconds)


def _side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    cells = [figures.enlarge(picture, _GIF_HEIGHT) for picture in pictures]
    gap = np.full((len(cells[0]), _GAP, 3), 255, np.uint8)
    return np.concatenate([cells[0], *(part for cell in cells[1:] for part in (gap, cell))], axis=1)
