"""Crops a part of a photo with subpixel corners and resizes it."""

import numpy as np
from PIL import Image


def cut(image: np.ndarray, low: np.ndarray, high: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Crops the area between two corners and resizes it; outside the photo it is black.

    Args:
      image: uint8 [H, W, 3].
      low: (top, left), pixels; a pixel is an area, so the photo extends from (0, 0) to (H, W).
      high: (bottom, right).
      size: int [2], (height, width) of the result.

    Returns:
      uint8 [height, width, 3].

    >>> photo = np.full((4, 4, 3), 9, np.uint8)
    >>> cut(photo, np.array([2, 0]), np.array([6, 4]), np.array([4, 4]))[:, 0, 0].tolist()
    [9, 9, 0, 0]
    """
    (top, left), (bottom, right) = np.floor(low).astype(int), np.ceil(high).astype(int)
    part = Image.fromarray(image).crop((int(left), int(top), int(right), int(bottom)))
    (y0, x0), (y1, x1) = low - np.array((top, left)), high - np.array((top, left))
    shape = int(size[1]), int(size[0])
    return np.asarray(part.resize(shape, Image.Resampling.BILINEAR, box=(x0, y0, x1, y1)))
