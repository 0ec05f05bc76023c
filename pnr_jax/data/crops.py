"""The part of a photo that shows a person, framed as Market-1501 frames people."""

import numpy as np
from PIL import Image

from pnr_jax.keypoints import JOINTS

SHOULDERS = [JOINTS.index("right_shoulder"), JOINTS.index("left_shoulder")]
HIPS = [JOINTS.index("right_hip"), JOINTS.index("left_hip")]
ANKLES = [JOINTS.index("right_ankle"), JOINTS.index("left_ankle")]
HEAD = [j for j, name in enumerate(JOINTS) if name.endswith(("nose", "eye", "ear"))]

# Medians of Market-1501's training annotations, whole people (7,715 images): the joints' height is
# 0.82 of the image's, 10 of 128 pixels are above them; the highest joint is 0.40 torsos (middle of
# the shoulders to middle of the hips) above the neck, the ankles 1.36 below the hips.
JOINTS_SHARE, ABOVE, NECK_TO_TOP, HIP_TO_ANKLE = 0.82, 10 / 128, 0.40, 1.36
SIDES = 0.9  # Share of the width that the joints take at most.


def person_box(keypoints: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Returns a person's box: [[top, left], [bottom, right]], pixels, twice as high as wide.

    It may reach out of the image. Where the head or the ankles are missing, the torso tells how far
    the person extends, up to the image's edge.

    Args:
      keypoints: int [18, 2], (y, x) pixels, -1 where missing; both shoulders and hips are visible.
      image_size: (H, W), pixels.
    """
    found = (keypoints != -1).all(axis=-1)
    y, x = keypoints[found].T.astype(float)
    shoulders, hips = keypoints[SHOULDERS].mean(axis=0), keypoints[HIPS].mean(axis=0)
    torso = float(np.linalg.norm(hips - shoulders))
    top, bottom = y.min(), y.max()
    if not found[HEAD].any():
        top = min(top, max(shoulders[0] - NECK_TO_TOP * torso, 0))
    if not found[ANKLES].any():
        bottom = max(bottom, min(hips[0] + HIP_TO_ANKLE * torso, image_size[0] - 1))
    framed = (bottom - top) / JOINTS_SHARE
    height = max(framed, 2 * np.ptp(x) / SIDES, 4.0)
    middle = (x.min() + x.max()) / 2
    # If the width needs more height, the parts above and below grow equally.
    upper = top - ABOVE * framed - (height - framed) / 2
    return np.array([(upper, middle - height / 4), (upper + height, middle + height / 4)]) + 0.5


def crop_person(
    image: np.ndarray, keypoints: np.ndarray, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts out a person and resizes it to height×height/2, with the keypoints.

    Parts of the box beyond the image are filled with the image's edge.

    Args:
      image: uint8 [H, W, 3].
      keypoints: int [18, 2], (y, x) pixels, -1 where missing; both shoulders and hips are visible.
      height: the result's height, even.

    Returns:
      uint8 [height, height / 2, 3] and int32 [18, 2].
    """
    size = np.array([height, height // 2])
    box = person_box(keypoints, image.shape[:2])
    scale = size / (box[1] - box[0])
    low = np.maximum(np.ceil(-box[0]), 0).astype(int)
    high = np.maximum(np.ceil(box[1] - image.shape[:2]), 0).astype(int)
    padded = np.pad(image, [*zip(low, high, strict=True), (0, 0)], mode="edge")
    (top, left), (bottom, right) = box + low
    person = Image.fromarray(padded).resize(
        (size[1], size[0]), Image.Resampling.BICUBIC, box=(left, top, right, bottom)
    )
    moved = np.rint((keypoints + 0.5 - box[0]) * scale - 0.5)
    missing = (keypoints == -1).any(axis=-1, keepdims=True)
    inside = np.clip(moved, 0, size - 1)
    return np.asarray(person), np.where(missing, -1, inside).astype(np.int32)
