"""Smooths poses from a video, since estimates from single frames jitter."""

import itertools

import numpy as np


def smooth(poses: np.ndarray, sigma: float = 1.0, bridge: int = 5) -> np.ndarray:
    """Smooths each joint over time.

    1. A joint that is missing in up to `bridge` frames between two that have it is placed on the
       straight line between those two.
    2. It is replaced by the median of its positions in the previous, current and next frame. This
       removes errors in a single frame, such as left and right swapped, and joints that were seen
       in one frame only. If only two of the three have the joint, it stays as it is.
    3. It is moved onto the line that best fits its positions nearby, weighted by a Gaussian of
       `sigma` frames; away from ends and gaps this is their mean. A missing joint stays missing.

    Args:
      poses: [T, 18, 2], for frames evenly spaced in time; -1 or NaN where missing.
      sigma: σ of the Gaussian, in frames; 0 skips steps 2 and 3.
      bridge: the longest gap to fill, in frames.

    Returns:
      float64 [T, 18, 2], NaN where missing.

    Raises:
      ValueError: poses are not [T, 18, 2], or a setting is below 0.

    >>> poses = np.full((4, 18, 2), 10.0)
    >>> poses[1, 3], poses[3, 3] = -1, 40
    >>> smooth(poses, sigma=0)[:, 3, 0].tolist()
    [10.0, 10.0, 10.0, 40.0]
    """
    poses = np.asarray(poses, np.float64)
    if poses.ndim != 3 or poses.shape[1:] != (18, 2) or sigma < 0 or bridge < 0:
        raise ValueError(
            f"poses must be [T, 18, 2], sigma and bridge 0 or more, got {list(poses.shape)}, "
            f"{sigma}, {bridge}"
        )
    missing = (~np.isfinite(poses) | (poses == -1)).any(axis=-1, keepdims=True)
    placed = _bridged(np.where(missing, np.nan, poses), bridge)
    return gaussian_line(_medians(placed), sigma) if sigma else placed


def gaussian_line(track: np.ndarray, sigma: float) -> np.ndarray:
    """Smooths [T, ...] over time: fits a line around each frame and evaluates it there.

    Frames up to 3 σ away are weighted by a Gaussian of `sigma` frames; NaN is ignored. With the
    same frames on either side, the result is their mean; at the ends, unlike a mean, it does not
    lag behind. NaN stays NaN.
    """
    reach = int(np.ceil(3 * sigma))
    seen = ~np.isnan(track)
    borders = [(reach, reach), *[(0, 0)] * (track.ndim - 1)]
    values, counts = (np.pad(x, borders) for x in (np.where(seen, track, 0), seen.astype(float)))
    sums = np.zeros((3, *track.shape))  # Of the weights times 1, the distance, and its square.
    totals = np.zeros((2, *track.shape))  # Of the weighted values times 1 and the distance.
    for k in range(2 * reach + 1):
        away = k - reach
        weight = np.exp(-0.5 * (away / sigma) ** 2)
        here = slice(k, k + len(track))
        for power in range(3):
            sums[power] += weight * away**power * counts[here]
        for power in range(2):
            totals[power] += weight * away**power * values[here]
    spread = sums[0] * sums[2] - sums[1] ** 2
    flat = spread < 1e-9  # A single frame has no slope.
    line = (sums[2] * totals[0] - sums[1] * totals[1]) / np.where(flat, 1, spread)
    mean = totals[0] / np.where(seen, sums[0], 1)
    return np.where(seen, np.where(flat, mean, line), np.nan)


def _bridged(poses: np.ndarray, bridge: int) -> np.ndarray:
    poses = poses.copy()
    for joint in range(poses.shape[1]):
        times = np.flatnonzero(~np.isnan(poses[:, joint, 0]))
        for before, after in itertools.pairwise(times.tolist()):
            if 1 < after - before <= bridge + 1:
                share = np.linspace(0, 1, after - before + 1)[:, None]
                ends = poses[before, joint], poses[after, joint]
                poses[before : after + 1, joint] = (1 - share) * ends[0] + share * ends[1]
    return poses


def _medians(poses: np.ndarray) -> np.ndarray:
    if len(poses) < 3:
        return poses
    three = np.stack([poses[:-2], poses[1:-1], poses[2:]])
    seen = (~np.isnan(three)).sum(axis=0)
    medians = poses.copy()
    medians[1:-1] = np.where(seen == 3, np.median(three, axis=0), poses[1:-1])
    medians[1:-1][seen == 1] = np.nan
    return medians
