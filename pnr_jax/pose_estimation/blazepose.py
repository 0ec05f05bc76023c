"""MediaPipe's pose landmarker (`.task`) as an estimator: maps its 33 landmarks to the 18 joints.

MediaPipe has no neck; ours is the midpoint of the shoulders. Needs the extra `mediapipe`.

Reference: Bazarevsky et al., BlazePose: On-device Real-time Body Pose Tracking, 2020.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.pose_estimation.poses import Poses, to_pixels

VISIBLE = 0.5  # A landmark that is less likely to be visible is missing.
MOST_PEOPLE = 5
# Border around the image, as a share of the height; without it MediaPipe finds only half of the
# people who fill the picture.
BORDER = 0.25

# fmt: off
# BlazePose's index of each joint; the neck is computed from both shoulders.
LANDMARK = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14,
    "left_wrist": 15, "right_wrist": 16, "left_hip": 23, "right_hip": 24,
    "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}
# fmt: on

# uint8 [H, W, 3] images -> the landmarks of each, float [people, 33, 3]: x and y as shares of the
# width and the height, and the likelihood that each is visible.
Images = Sequence[np.ndarray] | np.ndarray
Landmarker = Callable[[Images], Sequence[np.ndarray]]


class MediaPipe:
    """An estimator that wraps a landmarker; see `pnr_jax.pose_estimation.Estimator`."""

    def __init__(self, landmarker: Landmarker):
        """Wraps `landmarker`."""
        self._landmarker = landmarker

    def estimate(self, images: Images) -> np.ndarray:
        """Returns `detect(images).keypoints`: int32 [N, 18, 2]."""
        return self.detect(images).keypoints

    def detect(self, images: Images) -> Poses:
        """Returns the largest person's pose in each image, uint8 [H, W, 3]; sizes may differ."""
        keypoints = np.full((len(images), 18, 2), -1, np.int32)
        scores = np.zeros((len(images), 18), np.float32)
        people = np.zeros(len(images), np.int32)
        borders = [max(1, round(BORDER * image.shape[0])) for image in images]
        padded = [
            np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
            for image, border in zip(images, borders, strict=True)
        ]
        for i, landmarks in enumerate(self._landmarker(padded)):
            people[i] = len(landmarks)
            if len(landmarks):
                size = padded[i].shape[:2]
                places, visible = to_joints(max(landmarks, key=lambda one: _extent(one, size)))
                found = visible >= VISIBLE
                pixels = places * size - 0.5 - borders[i]
                keypoints[i] = to_pixels(pixels, found, images[i].shape[:2])
                scores[i] = np.where(found, visible, 0)
        return Poses(keypoints, scores, people)


def to_joints(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Converts 33 landmarks to the 18 joints.

    Args:
      landmarks: float [33, 3], (x, y, visibility).

    Returns:
      Positions, float [18, 2], (y, x), and visibility [18]. The neck's visibility is that of the
      less visible shoulder.

    Raises:
      ValueError: there are not 33 landmarks.
    """
    if landmarks.shape != (33, 3):
        raise ValueError(f"landmarks must be [33, 3], not {list(landmarks.shape)}")
    joints = np.empty((18, 3))
    for name, number in LANDMARK.items():
        joints[JOINTS.index(name)] = landmarks[number]
    shoulders = landmarks[[LANDMARK["left_shoulder"], LANDMARK["right_shoulder"]]]
    joints[JOINTS.index("neck"), :2] = shoulders[:, :2].mean(axis=0)
    joints[JOINTS.index("neck"), 2] = shoulders[:, 2].min()
    return joints[:, 1::-1], joints[:, 2]


def load_blazepose(path: str | Path) -> MediaPipe:
    """Reads the `.task` file of a pose landmarker.

    Raises:
      UserError: the package `mediapipe` is not installed, or the file does not exist or is not a
        pose landmarker.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"pose model not found: {path}")
    try:
        import mediapipe  # Imported here: an extra.
        from mediapipe.tasks import python as tasks
    except ImportError as error:
        raise UserError(
            f"{path}: needs the package mediapipe ({error}); pip install 'pnr-jax[mediapipe]'"
        ) from None
    options = tasks.vision.PoseLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=path.read_bytes()),
        num_poses=MOST_PEOPLE,
    )

    def landmarker(images: Images) -> list[np.ndarray]:
        # Opened for each batch: one that is left open fails when the interpreter exits.
        with tasks.vision.PoseLandmarker.create_from_options(options) as opened:
            return [_landmarks(opened.detect(pixels(image)).pose_landmarks) for image in images]

    def pixels(image: np.ndarray) -> Any:
        return mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image))

    try:
        landmarker([])
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{path}: not a pose landmarker ({error})") from None
    return MediaPipe(landmarker)


def _landmarks(people: Any) -> np.ndarray:
    values = [[(mark.x, mark.y, mark.visibility) for mark in person] for person in people]
    return np.array(values, float).reshape(-1, 33, 3)


def _extent(landmarks: np.ndarray, size: tuple[int, int]) -> float:
    """Returns the diagonal of the box around the visible landmarks, in pixels."""
    places = landmarks[landmarks[:, 2] >= VISIBLE, 1::-1] * size
    return float(np.linalg.norm(np.ptp(places, axis=0))) if len(places) else 0.0
