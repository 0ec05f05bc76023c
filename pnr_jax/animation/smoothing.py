"""Poses of a video's frames, smoothed: what an estimator says of each frame alone trembles."""

import itertools

import numpy as np


def smooth(poses: np.ndarray, sigma: float = 1.0, bridge: int = 5) -> np.ndarray:
    """Smooths each joint over time.

    1. A joint that is missing in up to `bridge` frames between two that have it lies on the
       straight line between these.
    2. It takes the median of its places in the frame before, this one and the next: what is off in
       one frame, such as left taken for right, goes, and so does what is seen in one frame alone.
       With two of the three it stays as it is.
    3. It takes its place on the line that fits its places nearby best, weighed by a Gaussian of
       `sigma` frames; away from ends and gaps that is their mean. Where it is missing nothing is
       made up.

    Args:
      poses: [T, 18, 2] of frames evenly in time, -1 or NaN where missing.
      sigma: of the Gaussian, frames; 0 leaves steps 2 and 3 out.
      bridge: frames.

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
    """Evens [T, ...] out over time: at each frame, the line that fits best around it.

    Frames up to 3 σ away count by a Gaussian of `sigma` frames, where they are not NaN. With as
    many on either side this is their mean; at the ends, unlike a mean, it does not lag behind.
    NaN stays.
    """
    reach = int(np.ceil(3 * sigma))
    seen = ~np.isnan(track)
    borders = [(reach, reach), *[(0, 0)] * (track.ndim - 1)]
    values, counts = (np.pad(x, borders) for x in (np.where(seen, track, 0), seen.astype(float)))
    sums = np.zeros((3, *track.shape))  # Of weights, times the distance, times its square.
    totals = np.zeros((2, *track.shape))  # Of values, times the distance.
    for k in range(2 * reach + 1):
        away = k - reach
        weight = np.exp(-0.5 * (away / sigma) ** 2)
        here = slice(k, k + len(track))
        for power in range(3):
            sums[power] += weight * away**power * counts[here]
        for power in range(2):
            totals[power] += weight * away**power * values[here]
    spread = sums[0] * sums[2] - sums[1] ** 2
    flat = spread < 1e-9  # A frame alone has no slope.
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
