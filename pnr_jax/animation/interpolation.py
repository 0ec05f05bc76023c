"""Interpolation of poses: a sequence that goes through given poses.

The joints form a tree that is rooted at the neck (`keypoints.LIMBS`). Between two poses the neck
moves on a straight line, and every other joint on a circle about its parent while the limb's
length changes evenly. If a limb of the trunk or head turns by more than a quarter turn, the body
turns round in depth: the limb shrinks and grows again instead of rotating in the picture.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from pnr_jax.keypoints import JOINTS, LIMBS

# A parent comes before its children; the last two limbs tie the ears to the shoulders as well.
_PARENT = {child: parent for parent, child in LIMBS[:-2]}
_ORDER = (JOINTS.index("neck"), *_PARENT)
_SWINGING = {i for i, name in enumerate(JOINTS) if name.split("_")[-1] in
             ("elbow", "wrist", "knee", "ankle")}  # fmt: skip
_FACE = [JOINTS.index(name) for name in ("nose", "right_eye", "left_eye")]
_SHOULDERS = [JOINTS.index(name) for name in ("right_shoulder", "left_shoulder")]


def interpolate(
    poses: np.ndarray, frames: int, image_size: tuple[int, int], loop: bool = False
) -> np.ndarray:
    """Returns a sequence that goes through all `poses`, evenly in time.

    A joint that is missing in some poses, but present before and after them, is filled in. The
    exception is the nose and eyes if all three are missing above visible shoulders: the person is
    seen from behind. Before the first and after the last pose that has a joint, it stays missing;
    the change is half way between two poses.

    Args:
      poses: int [K, 18, 2], (y, x) pixels, -1 = missing.
      frames: the number of frames from one pose to the next; 1 only fills in missing joints.
      image_size: (height, width) in pixels; joints that leave the image are missing there.
      loop: whether to continue from the last pose to the first.

    Returns:
      int32 [T, 18, 2], T = (K - 1)·frames + 1, or K·frames with `loop`.

    Raises:
      ValueError: poses are not [K, 18, 2] with K >= 1, or frames is below 1.

    >>> shoulder, elbow = JOINTS.index("right_shoulder"), JOINTS.index("right_elbow")
    >>> poses = np.full((2, 18, 2), -1)
    >>> poses[:, shoulder], poses[:, elbow] = (20, 20), [(20, 10), (30, 20)]  # The arm falls.
    >>> interpolate(poses, frames=2, image_size=(64, 64))[1, elbow]  # Half way: 45 degrees.
    array([27, 13], dtype=int32)
    """
    poses = np.asarray(poses)
    if poses.ndim != 3 or poses.shape[1:] != (18, 2) or not len(poses) or frames < 1:
        raise ValueError(
            f"poses must be [K, 18, 2] with K >= 1 and frames >= 1, got {poses.shape}, {frames}"
        )
    missing = (poses == -1).any(axis=-1, keepdims=True)
    filled = _fill(np.where(missing, np.nan, poses.astype(float)))
    stops = [*filled, filled[0]] if loop else [*filled]
    sequence = [
        _between(a, b, i / frames) for a, b in itertools.pairwise(stops) for i in range(frames)
    ]
    sequence += [] if loop else [filled[-1]]
    return _pixels(np.stack(sequence), image_size)


def _fill(poses: np.ndarray) -> np.ndarray:
    """Fills in joints that are missing between two poses that have them; NaN is missing."""
    poses, given = poses.copy(), _seen(poses)
    behind = np.all(given[:, _SHOULDERS], axis=1) & ~np.any(given[:, _FACE], axis=1)
    for joint in _ORDER:
        times = np.flatnonzero(given[:, joint]).tolist()
        for before, after in itertools.pairwise(times):
            for k in range(before + 1, after):
                if not (joint in _FACE and behind[k]):
                    t = (k - before) / (after - before)
                    poses[k, joint] = _place(joint, poses[before], poses[after], t, poses[k])
    return poses


def _between(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Returns the pose [18, 2] at time t from pose a (t = 0) to pose b (t = 1)."""
    pose = np.full((18, 2), np.nan)
    for joint in _ORDER:
        pose[joint] = _place(joint, a, b, t, pose)
    return pose


def _place(joint: int, a: np.ndarray, b: np.ndarray, t: float, pose: np.ndarray) -> np.ndarray:
    """Returns where `joint` is at time t from a to b, given its ancestors in `pose`."""
    anchors = (j for j in _ancestors(joint) if _seen(np.stack([a, b, pose]))[:, j].all())
    anchor = next(anchors, None)
    if anchor is None:
        return _straight(a[joint], b[joint], t)
    start, end = a[joint] - a[anchor], b[joint] - b[anchor]
    return pose[anchor] + _swing(start, end, t, turns=joint not in _SWINGING)


def _swing(start: np.ndarray, end: np.ndarray, t: float, turns: bool) -> np.ndarray:
    """Returns the limb (y, x) at time t; its length and angle change evenly, the shorter way."""
    lengths, angle = (np.hypot(*start), np.hypot(*end)), np.arctan2(*start)
    turn = (np.arctan2(*end) - angle + np.pi) % (2 * np.pi) - np.pi
    # A missing limb (NaN) has no angle, nor has one of length 0.
    if np.isnan(turn) or min(lengths) == 0 or (turns and abs(turn) > np.pi / 2):
        return _straight(start, end, t)
    angle += t * turn
    return ((1 - t) * lengths[0] + t * lengths[1]) * np.array([np.sin(angle), np.cos(angle)])


def _straight(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    if np.isnan(start + end).any():
        return start if t < 0.5 else end
    return (1 - t) * start + t * end


def _ancestors(joint: int) -> Iterator[int]:
    while joint in _PARENT:
        joint = _PARENT[joint]
        yield joint


def _seen(poses: np.ndarray) -> np.ndarray:
    return np.all(~np.isnan(poses), axis=-1)


def _pixels(poses: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Replaces NaN and joints outside the image by -1."""
    pixels = np.rint(np.where(np.isnan(poses), -1, poses)).astype(np.int32)
    outside = ((pixels < 0) | (pixels >= image_size)).any(axis=-1, keepdims=True)
    return np.where(outside, np.int32(-1), pixels)
