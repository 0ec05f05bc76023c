"""Pictures to files: PNG for one, GIF for many."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

_GIF_HEIGHT = 256  # Small pictures are enlarged to it.
_GAP = 8


def to_png(image: np.ndarray) -> bytes:
    """A PNG of uint8 [H, W, 3], packed lightly: it goes over the loopback at once."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def to_gif(frames: Sequence[Sequence[np.ndarray]], milliseconds: int) -> bytes:
    """A GIF that loops.

    Args:
      frames: of each moment the pictures side by side, uint8 [H, W, 3].
      milliseconds: that each moment is shown.
    """
    height, width = frames[0][0].shape[:2]
    zoom = max(1, round(_GIF_HEIGHT / height))
    cell = (width * zoom, height * zoom)
    sheets = []
    for pictures in frames:
        sheet = Image.new("RGB", (len(pictures) * (cell[0] + _GAP) - _GAP, cell[1]), "white")
        for i, picture in enumerate(pictures):
            large = Image.fromarray(picture).resize(cell, Image.Resampling.BICUBIC)
            sheet.paste(large, (i * (cell[0] + _GAP), 0))
        sheets.append(sheet.quantize(255, method=Image.Quantize.MEDIANCUT))
    file = io.BytesIO()
    sheets[0].save(
        file, "GIF", save_all=True, append_images=sheets[1:], duration=milliseconds, loop=0
    )
    return file.getvalue()
