"""Photos of people and their poses from a CSV, at a model's size."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pnr_jax.data import images as images_lib
from pnr_jax.errors import UserError
from pnr_jax.keypoints import resize_keypoints
from pnr_jax.paths import to_path

Size = tuple[int, int]


def read_photos(
    paths: Sequence[str | Path], annotations: Mapping[str, np.ndarray], size: Size, csv: str | Path
) -> tuple[np.ndarray, np.ndarray, list[Size]]:
    """Reads image files and their keypoints, resized to what a model takes.

    Args:
      paths: paths of the images.
      annotations: {name: int [18, 2]}, (y, x) pixels of the files, -1 = missing. An image's row is
        the one with the longest name that its path ends with.
      size: (H, W) of the result.
      csv: where the annotations come from, for messages.

    Returns:
      images uint8 [M, H, W, 3], keypoints int32 [M, 18, 2], and the (H, W) that each file had.

    Raises:
      UserError: an image cannot be read, or its keypoints are absent, outside it or all missing.
    """
    if not paths:
        raise UserError("no photo is named as a source; name one at least")
    images = [images_lib.read_image(path) for path in paths]
    sizes: list[Size] = [(image.shape[0], image.shape[1]) for image in images]
    keypoints = [
        resize_keypoints(_pose(Path(path), annotations, old, csv), old, size)
        for path, old in zip(paths, sizes, strict=True)
    ]
    resized = [images_lib.resize_image(image, size) for image in images]
    return np.stack(resized), np.stack(keypoints), sizes


def read_poses(
    paths: Sequence[str | Path],
    annotations: Mapping[str, np.ndarray],
    default: Size,
    size: Size,
    csv: str | Path,
) -> np.ndarray:
    """Reads keypoints int32 [K, 18, 2] of images that need not exist, resized to `size`.

    Args:
      paths: paths of the images; only their sizes are read.
      annotations: {name: int [18, 2]}, (y, x) pixels of the files, -1 = missing. An image's row is
        the one with the longest name that its path ends with.
      default: (H, W) of an image that does not exist.
      size: (H, W) of the result.
      csv: where the annotations come from, for messages.

    Raises:
      UserError: an image cannot be read, or its keypoints are absent, outside it or all missing.
    """
    if not paths:
        raise UserError("no image is named as a target; name one at least")
    poses = []
    for path in map(to_path, paths):
        height, width = images_lib.read_image(path).shape[:2] if path.is_file() else default
        pose = _pose(path, annotations, (height, width), csv)
        poses.append(resize_keypoints(pose, (height, width), size))
    return np.stack(poses)


def _pose(
    path: Path, annotations: Mapping[str, np.ndarray], size: Size, csv: str | Path
) -> np.ndarray:
    parts = path.absolute().parts
    ends = ["/".join(parts[start:]) for start in range(1, len(parts))]
    names = [*ends, *(end.removesuffix(path.suffix) for end in ends)]  # JSON's have no suffix.
    name = next((name for name in names if name in annotations), None)
    if name is None:
        raise UserError(f"{csv}: has no row for {path.name}; add its 18 keypoints")
    pose = annotations[name]
    images_lib.check_keypoints(pose, size, f"{csv}: {name}")
    if (pose == -1).all():
        raise UserError(f"{csv}: {name} has no visible joint, so no pose")
    return pose
