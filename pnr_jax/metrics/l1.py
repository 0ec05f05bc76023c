"""Mean absolute difference of image pairs."""

import numpy as np

from pnr_jax.metrics.images import check_images


def l1(reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Returns the mean absolute difference on training's scale, [-1, 1]: twice that of [0, 1].

    Args:
      reference: uint8 [N, H, W, 3].
      generated: uint8 [N, H, W, 3].

    Returns:
      float64 [N], from 0 (equal) to 2 (black against white).

    Raises:
      ValueError: the batches are not uint8 of one shape [N, H, W, 3].

    >>> black, white = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8)
    >>> l1(black, white).tolist()
    [2.0]
    """
    check_images(reference, generated)
    # One image at a time: a signed copy of all of them would triple the memory.
    difference = [
        np.abs(a.astype(np.int16) - b).mean() for a, b in zip(reference, generated, strict=True)
    ]
    return np.array(difference, np.float64) * (2 / 255)
