"""Poses as OpenPose writes them (`--write_json`): a JSON file for each image, with several people.

References:
  Cao et al., OpenPose: Realtime Multi-Person 2D Pose Estimation, TPAMI 2021.
"""

import json
from pathlib import Path

import numpy as np

from pnr_jax.data.annotations import read_annotations
from pnr_jax.errors import UserError
from pnr_jax.files import read_text
from pnr_jax.paths import to_path
from pnr_jax.walk import list_files

ENDING = "_keypoints"  # OpenPose calls the poses of a.jpg a_keypoints.json.
# Where BODY_25 has the 18 joints: it counts a hip's middle (8) and the feet (19 to 24) too.
FROM_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)


def is_json(path: str | Path) -> bool:
    """Returns whether `read_keypoints` takes a path for OpenPose's JSON, or a folder of it."""
    path = to_path(path)
    return path.is_dir() or path.suffix == ".json"


def read_keypoints(path: str | Path, rounded: list[str] | None = None) -> dict[str, np.ndarray]:
    """Reads {name: int32 [18, 2]} of a CSV, of OpenPose's JSON, or of a folder of it, by name.

    The poses of JSON are called by their image's name without its suffix, in a folder inside the
    folder by its path: `anna/1_keypoints.json` is of `anna/1`.

    Args:
      path: of the CSV, the JSON or the folder.
      rounded: takes the names of a CSV's rows that had fractions of a pixel. OpenPose's always do.

    Raises:
      UserError: names the file at fault.
    """
    path = to_path(path)
    if not is_json(path):
        return read_annotations(path, rounded)
    if not path.is_dir():
        return {_image(path.name): read_pose(path)}
    poses: dict[str, np.ndarray] = {}
    for file in list_files(path).files:
        if file.suffix == ".json":
            name = _image(file.relative_to(path).as_posix())
            if name in poses:
                raise UserError(f"{path}: two files have the pose of {name}; keep one of them")
            poses[name] = read_pose(file)
    if not poses:
        raise UserError(f"{path}: no .json inside; expected the folder of OpenPose's --write_json")
    return poses


def read_pose(path: Path) -> np.ndarray:
    """Reads the pose of the largest person in OpenPose's JSON, rounded to pixels.

    Args:
      path: a file with `people`, each with `pose_keypoints_2d`: x, y, confidence of 18 (COCO) or
        25 joints (BODY_25); a joint of confidence 0 is missing.

    Returns:
      int32 [18, 2], (y, x) pixels, -1 where missing; all -1 where nobody was found.

    Raises:
      UserError: it is no such file, or its numbers are no pixels.
    """
    text = read_text(path, "poses")
    try:
        people = json.loads(text)["people"]
        poses = [np.array(person["pose_keypoints_2d"], float).reshape(-1, 3) for person in people]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise UserError(
            f"{path}: not OpenPose's JSON (people, each with pose_keypoints_2d)"
        ) from None
    for pose in poses:
        if len(pose) not in (18, 25):
            raise UserError(
                f"{path}: a person has {len(pose)} joints, expected 18 (COCO) or 25 (BODY_25)"
            )
        found = pose[pose[:, 2] > 0]
        if not np.isfinite(pose).all() or (len(found) > 1 and abs(found[:, :2]).max() <= 1):
            raise UserError(
                f"{path}: its joints are no pixels; run OpenPose with --keypoint_scale=0"
            )
    if not poses:
        return np.full((18, 2), -1, np.int32)
    largest = max(poses, key=_size)
    joints = largest[list(FROM_25)] if len(largest) == 25 else largest
    places = np.rint(joints[:, 1::-1]).astype(np.int32)
    return np.where(joints[:, 2:] > 0, np.maximum(places, 0), np.int32(-1))


def _size(pose: np.ndarray) -> float:
    """Returns the diagonal of the box around the joints that were found."""
    found = pose[pose[:, 2] > 0, :2]
    return float(np.linalg.norm(np.ptp(found, axis=0))) if len(found) else -1.0


def _image(file: str) -> str:
    return file.removesuffix(".json").removesuffix(ENDING)
