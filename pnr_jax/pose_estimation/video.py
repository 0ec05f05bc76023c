"""Finds the poses of a person in a video, smoothed and framed for use in an animation."""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax.animation import gaussian_line, read_frames, smooth
from pnr_jax.data.crops import HIPS, SHOULDERS, person_box
from pnr_jax.errors import UserError
from pnr_jax.pose_estimation.cutting import cut
from pnr_jax.pose_estimation.poses import Estimator

BATCH = 16
STEADY = 0.5  # Seconds: σ of the Gaussian that smooths the box around the person.
BRIDGE = 0.5  # Seconds for which a missing joint is filled in between two detections.
SHOWN = 12  # Frames in a strip.


class VideoPoses(NamedTuple):
    """The poses found in a video of T frames.

    Attributes:
      poses: int32 [T, 18, 2], (y, x) pixels of the boxes resized to one size, -1 where missing.
      boxes: float [T, 2, 2], [[top, left], [bottom, right]] of each in the video's pixels.
      nobody: the numbers, from 1, of the frames in which nobody was found.
      several: the numbers of the frames in which several people were found; the largest was used.
    """

    poses: np.ndarray
    boxes: np.ndarray
    nobody: list[int]
    several: list[int]


def estimate(
    path: str | Path,
    estimator: Estimator,
    size: tuple[int, int],
    fps: float = 10.0,
    sigma: float = 1.0,
) -> VideoPoses:
    """Finds the poses of the largest person in a video.

    Each frame is processed by itself; `smooth` then smooths the joints over time. A box follows the
    person, framed as in Market-1501. Its position and height are averaged over a second or so, so
    that neither the camera nor the swing of an arm shakes it.

    Args:
      path: the video file.
      estimator: the pose estimator.
      size: (H, W) that each box is resized to, pixels.
      fps: the number of frames per second to process.
      sigma: σ of the smoothing, in frames; 0 for none.

    Raises:
      UserError: the video cannot be read, or no frame shows both shoulders and hips.
    """
    keypoints, people = [], []
    video_size = (0, 0)
    stream = read_frames(path, fps)
    while frames := list(itertools.islice(stream, BATCH)):
        poses = estimator.detect(frames)
        keypoints.append(poses.keypoints)
        people.append(poses.people)
        video_size = frames[0].shape[:2]
    counts = np.concatenate(people)
    smoothed = smooth(np.concatenate(keypoints), sigma, bridge=round(BRIDGE * fps))
    boxes = _boxes(smoothed, video_size, size, STEADY * fps)
    if boxes is None:
        raise UserError(f"{path}: no frame shows a person's shoulders and hips")
    nobody, several = (np.flatnonzero(wanted) + 1 for wanted in (counts == 0, counts > 1))
    return VideoPoses(_framed(smoothed, boxes, size), boxes, nobody.tolist(), several.tolist())


def strip(
    path: str | Path, found: VideoPoses, size: tuple[int, int], fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Reads up to 12 evenly spaced frames again, and returns their boxes' contents and poses."""
    chosen = np.unique(np.linspace(0, len(found.poses) - 1, SHOWN).round().astype(int))
    shown = [
        cut(frame, found.boxes[i, 0], found.boxes[i, 1], np.array(size))
        for i, frame in enumerate(read_frames(path, fps))
        if i in chosen
    ]
    return np.stack(shown), found.poses[chosen]


def _boxes(
    poses: np.ndarray, video_size: tuple[int, int], size: tuple[int, int], sigma: float
) -> np.ndarray | None:
    """Returns the box around the person in each frame, with the aspect ratio of `size`."""
    whole = ~np.isnan(poses[:, [*SHOULDERS, *HIPS]]).any(axis=(1, 2))
    if not whole.any():
        return None
    found = [person_box(np.where(np.isnan(p), -1, p), video_size) for p in poses[whole]]
    times, every = np.flatnonzero(whole), np.arange(len(poses))
    middle, height = np.mean(found, axis=1), np.ptp(found, axis=1)[:, :1]
    track = np.stack(
        [np.interp(every, times, column) for column in np.concatenate([middle, height], axis=1).T],
        axis=1,
    )
    track = gaussian_line(track, sigma)
    half = track[:, 2:] / 2 * np.array([1, size[1] / size[0]])
    return np.stack([track[:, :2] - half, track[:, :2] + half], axis=1)


def _framed(poses: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns poses in the pixels of their boxes at `size`; -1 where missing or outside."""
    low, high = boxes[:, None, 0], boxes[:, None, 1]
    moved = np.rint((poses + 0.5 - low) * np.array(size) / (high - low) - 0.5)
    inside = ((moved >= 0) & (moved < np.array(size))).all(axis=-1, keepdims=True)
    return np.where(inside, moved, -1).astype(np.int32)
