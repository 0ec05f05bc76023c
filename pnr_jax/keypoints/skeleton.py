"""The 18 joints of OpenPose's COCO-18 skeleton and their limbs."""

from typing import Any

import numpy as np

JOINTS = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
"""The names of the 18 joints, in their order in arrays."""

# fmt: off
# The last two, shoulder to ear, tell the sides of the head apart: 16 belongs to the right shoulder
# and 17 to the left one. They guide the estimator's assembly and are not drawn.
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12),
    (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
)
"""Pairs of joints, as indices into `JOINTS`; the last two are not drawn."""
# fmt: on


def _other_side(name: str) -> str:
    side, _, part = name.partition("_")
    return f"{ {'left': 'right', 'right': 'left'}[side] }_{part}" if part else name


MIRROR_JOINT = np.array([JOINTS.index(_other_side(name)) for name in JOINTS])
"""The joint that a mirror shows in each one's place, int [18]."""


def check_shape(shape: tuple[int, ...]) -> None:
    """Raises a `ValueError` for a shape that is not [..., 18, 2]."""
    if shape[-2:] != (18, 2):
        raise ValueError(f"keypoints must be [..., 18, 2], got {list(shape)}")


def resize_keypoints(
    keypoints: np.ndarray, from_size: tuple[int, int], to_size: tuple[int, int]
) -> np.ndarray:
    """Moves keypoints to where a resized image shows them, to the nearest pixel.

    A joint inside of the image stays inside, one outside of it may stay there. Pixels are areas, as
    image resizing has it: ``y' = (y + 1/2)·to/from - 1/2``.

    Args:
      keypoints: [..., 18, 2], (y, x) in pixels of from_size, -1 = missing.
      from_size: (height, width) in pixels.
      to_size: (height, width) in pixels.

    Returns:
      int32 [..., 18, 2]; a missing joint is (-1, -1), one that would come to lie on -1 lies on 0.

    Raises:
      ValueError: keypoints are not [..., 18, 2].
    """
    keypoints = np.asarray(keypoints)
    check_shape(keypoints.shape)
    moved = np.rint((keypoints + 0.5) * (np.array(to_size) / np.array(from_size)) - 0.5)
    outside = (keypoints < 0) | (keypoints >= np.array(from_size))
    moved = np.where(outside, moved, np.clip(moved, 0, np.array(to_size) - 1)).astype(np.int32)
    missing = np.any(keypoints == -1, axis=-1, keepdims=True)
    return np.where(missing, np.int32(-1), np.where(moved == -1, 0, moved))


def mirror_keypoints(keypoints: Any, width: int) -> Any:
    """Moves keypoints to where the mirrored image shows them: x' = width - 1 - x, sides swapped.

    Args:
      keypoints: int [..., 18, 2], NumPy or JAX, (y, x) pixels, -1 = missing, which stays so.
      width: the image's width, pixels.

    Returns:
      Keypoints alike; a joint that would come to lie on -1, which means missing, lies on 0.
    """
    check_shape(keypoints.shape)
    swapped = keypoints[..., MIRROR_JOINT, :]
    missing = (swapped == -1).any(axis=-1, keepdims=True)
    mirrored = swapped * np.array([1, -1]) + np.array([0, width - 1])
    mirrored = mirrored + (mirrored == -1)
    return (mirrored * ~missing - missing).astype(keypoints.dtype)
