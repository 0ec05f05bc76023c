"""MediaPipe's pose landmarker (`.task`) as an estimator: its 33 landmarks as the 18 joints.

It has no neck: ours is the middle of the shoulders. Needs the extra `mediapipe`.

Reference: Bazarevsky et al., BlazePose: On-device Real-time Body Pose Tracking, 2020.
"""

import atexit
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.pose_estimation.poses import Poses, to_pixels

VISIBLE = 0.5  # A landmark that is less likely visible is missing.
MOST_PEOPLE = 5

# fmt: off
# BlazePose's number of each joint; the neck is made of both shoulders.
LANDMARK = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14,
    "left_wrist": 15, "right_wrist": 16, "left_hip": 23, "right_hip": 24,
    "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}
# fmt: on

# image uint8 [H, W, 3] -> landmarks float [people, 33, 3]: x and y as shares of the width and the
# height, and how likely each is visible.
Landmarker = Callable[[np.ndarray], np.ndarray]


class MediaPipe:
    """The estimator around a landmarker; see `pnr_jax.pose_estimation.Estimator`."""

    def __init__(self, landmarker: Landmarker):
        """An estimator of `landmarker`."""
        self._landmarker = landmarker

    def estimate(self, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """`detect(images).keypoints`: int32 [N, 18, 2]."""
        return self.detect(images).keypoints

    def detect(self, images: Sequence[np.ndarray] | np.ndarray) -> Poses:
        """The largest person's pose in each image, uint8 [H, W, 3]; sizes may differ."""
        keypoints = np.full((len(images), 18, 2), -1, np.int32)
        scores = np.zeros((len(images), 18), np.float32)
        people = np.zeros(len(images), np.int32)
        for i, image in enumerate(images):
            landmarks = self._landmarker(image)
            people[i] = len(landmarks)
            if len(landmarks):
                size = image.shape[:2]
                places, visible = to_joints(max(landmarks, key=lambda one: _extent(one, size)))
                found = visible >= VISIBLE
                keypoints[i] = to_pixels(places * size - 0.5, found, size)
                scores[i] = np.where(found, visible, 0)
        return Poses(keypoints, scores, people)


def to_joints(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 18 joints of 33 landmarks.

    Args:
      landmarks: float [33, 3], (x, y, visibility).

    Returns:
      places float [18, 2], (y, x), and visibility [18]; the neck is as visible as the less visible
      shoulder.

    Raises:
      ValueError: not 33 landmarks.
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


def load(path: str | Path) -> MediaPipe:
    """Reads a pose landmarker's `.task` file.

    Raises:
      UserError: the package `mediapipe` is not installed, or the file is absent or no pose
        landmarker.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"pose model not found: {path}")
    try:
        import mediapipe  # At use: an extra.
        from mediapipe.tasks import python as tasks
    except ImportError as error:
        raise UserError(
            f"{path}: needs the package mediapipe ({error}); pip install 'pnr-jax[mediapipe]'"
        ) from None
    options = tasks.vision.PoseLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=path.read_bytes()),
        num_poses=MOST_PEOPLE,
    )
    try:
        landmarker = tasks.vision.PoseLandmarker.create_from_options(options)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{path}: not a pose landmarker ({error})") from None
    atexit.register(landmarker.close)  # Its own finaliser fails when the interpreter ends.

    def landmarks(image: np.ndarray) -> np.ndarray:
        pixels = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image))
        people = landmarker.detect(pixels).pose_landmarks
        values = [[(mark.x, mark.y, mark.visibility) for mark in person] for person in people]
        return np.array(values, float).reshape(-1, 33, 3)

    return MediaPipe(landmarks)


def _extent(landmarks: np.ndarray, size: tuple[int, int]) -> float:
    """The diagonal of the box around the visible landmarks, in pixels."""
    places = landmarks[landmarks[:, 2] >= VISIBLE, 1::-1] * size
    return float(np.linalg.norm(np.ptp(places, axis=0))) if len(places) else 0.0
