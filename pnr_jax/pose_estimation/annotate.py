"""Annotates a folder of images."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from pnr_jax.data.images import leave_out, read_image
from pnr_jax.errors import UserError
from pnr_jax.keypoints import draw_skeleton, resize_keypoints
from pnr_jax.pose_estimation.poses import Estimator

BATCH = 16
SAVE_EVERY = 20  # Batches.
CELL = (256, 192)  # Cell of the sheet, pixels.

Annotations = dict[str, np.ndarray]


class Remarks(NamedTuple):
    """The names of the images that need a remark.

    Attributes:
      nobody: images in which nobody was found; all joints are missing.
      several: images with several people, of whom the largest was used.
      damaged: unreadable files that were left out, with the reason.
    """

    nobody: list[str]
    several: list[str]
    damaged: list[str]


def annotate(
    files: Mapping[str, Path],
    estimator: Estimator,
    annotations: Annotations,
    save: Callable[[], None] = lambda: None,
    max_damaged: int = 0,
) -> Remarks:
    """Estimates the poses of the images that have no row yet.

    Args:
      files: {name: path}.
      estimator: the pose estimator.
      annotations: {name: int32 [18, 2]}; rows are added in place.
      save: called periodically, and at the end, even after an error.
      max_damaged: the number of unreadable images to leave out before giving up.

    Raises:
      UserError: more images than that are unreadable; the message names the last one.
    """
    remarks = Remarks([], [], [])
    names = [name for name in files if name not in annotations]
    starts = range(0, len(names), BATCH)
    try:
        for number, start in enumerate(tqdm(starts, desc="poses", disable=None, leave=False), 1):
            images = _read(files, names[start : start + BATCH], remarks.damaged, max_damaged)
            if images:
                poses = estimator.detect(list(images.values()))
                annotations.update(zip(images, poses.keypoints, strict=True))
                for name, people in zip(images, poses.people, strict=True):
                    if people == 0:
                        remarks.nobody.append(name)
                    elif people > 1:
                        remarks.several.append(name)
            if number % SAVE_EVERY == 0:
                save()
    finally:
        save()
    return remarks


def overlay(image: np.ndarray, keypoints: np.ndarray, size: tuple[int, int] = CELL) -> np.ndarray:
    """Draws a skeleton over the image, which is dimmed and fitted into `size`.

    Args:
      image: uint8 [h, w, 3].
      keypoints: int [18, 2], (y, x) pixels, -1 where missing.
      size: (H, W) of the result, pixels.

    Returns:
      uint8 [H, W, 3].
    """
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(scale * side)) for side in image.shape[:2])
    fitted = np.asarray(Image.fromarray(image).resize((width, height)))
    joints = resize_keypoints(keypoints, image.shape[:2], (height, width))
    skeleton = draw_skeleton((height, width), joints)
    nothing = draw_skeleton((height, width), np.full((18, 2), -1))
    drawn = np.any(skeleton != nothing, axis=-1, keepdims=True)
    canvas = np.full((*size, 3), 255, np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = np.where(drawn, skeleton, fitted // 4 * 3)
    return canvas


def _read(
    files: Mapping[str, Path], names: list[str], damaged: list[str], max_damaged: int
) -> dict[str, np.ndarray]:
    images = {}
    for name in names:
        try:
            images[name] = read_image(files[name])
        except UserError as error:
            leave_out(str(error), error, damaged, max_damaged)
    return images
