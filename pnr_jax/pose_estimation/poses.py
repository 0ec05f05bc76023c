"""The interface of a pose estimator, and the type of its result."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

Image = np.ndarray  # uint8 [H, W, 3]


class Poses(NamedTuple):
    """The pose of the largest person in each of N images.

    Attributes:
      keypoints: int32 [N, 18, 2], (y, x) pixels, -1 where missing; all -1 where nobody was found.
      scores: float32 [N, 18], the estimator's confidence, 0 where missing.
      people: int32 [N], the number of people found.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    people: np.ndarray


class Estimator(Protocol):
    """Finds the 18 joints of `pnr_jax.keypoints.JOINTS`."""

    def detect(self, images: Sequence[Image] | np.ndarray) -> Poses:
        """Returns the largest person's pose in each image, uint8 [H, W, 3]; sizes may differ."""

    def estimate(self, images: Sequence[Image] | np.ndarray) -> np.ndarray:
        """Returns `detect(images).keypoints`."""


def to_pixels(places: np.ndarray, found: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Rounds positions [18, 2] to int32 pixels of an image of `size`; others become missing.

    A position up to 2% of the height outside the image is moved to the nearest pixel, as for a foot
    at the edge of the picture; farther away it becomes missing.

    >>> places = np.array([[3.6, -0.4], [50.0, 2.0], [1.0, 1.0]])
    >>> to_pixels(places, np.array([True, True, False]), (10, 8)).tolist()
    [[4, 0], [-1, -1], [-1, -1]]
    """
    limit = np.array(size) - 1
    inside = np.clip(places, 0, limit)
    near = np.abs(inside - places).max(axis=-1) <= 0.02 * size[0] + 0.5
    return np.where((found & near)[:, None], np.rint(inside), -1).astype(np.int32)
