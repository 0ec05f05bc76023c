"""Finds people in OpenPose's maps: peaks of heatmaps, connected along the part affinity fields.

Reference: Cao et al., OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity
Fields, TPAMI 2021. Pure NumPy on the maps of one image; coordinates are in cells of the maps.
"""

from typing import NamedTuple

import numpy as np

from pnr_jax.keypoints import LIMBS

PEAK = 0.15  # The heatmap of a joint must be above this.
FIELD = 0.05  # The field of a limb must be above this at 4 of 5 points of the limb.
FEWEST_JOINTS = 4  # Fewer joints are not a person.
MARGIN = 0.25  # A loose joint lies at most this far outside a person's box, in heights of the box.
HEAD_LIMBS = LIMBS[-2:]  # Shoulder to ear: these limbs connect, but start no person.


class Peaks(NamedTuple):
    """N candidates for joints, over all joints.

    Attributes:
      joint: int [N].
      place: float [N, 2], (y, x) in cells.
      score: float [N], the height of the heatmap.
    """

    joint: np.ndarray
    place: np.ndarray
    score: np.ndarray


def find_peaks(heatmaps: np.ndarray, threshold: float = PEAK) -> Peaks:
    """Finds the local maxima of each joint's heatmap, refined by a parabola.

    Args:
      heatmaps: float [h, w, 18].
      threshold: the minimum height of a peak.
    """
    padded = np.pad(heatmaps, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    h, w, _ = heatmaps.shape
    shifted = [padded[y : y + h, x : x + w] for y in range(3) for x in range(3)]
    top = heatmaps > threshold
    for i, neighbour in enumerate(shifted):
        # Among equal neighbours, the first is the peak.
        top &= heatmaps > neighbour if i < 4 else heatmaps >= neighbour
    y, x, joint = np.nonzero(top)
    score = heatmaps[y, x, joint]
    place = np.stack([y, x], axis=-1).astype(np.float64)
    for axis, (before, after) in enumerate(((1, 7), (3, 5))):
        low, high = shifted[before][y, x, joint], shifted[after][y, x, joint]
        inside = np.isfinite(low) & np.isfinite(high)
        low, high = np.where(inside, low, score), np.where(inside, high, score)
        curvature = np.maximum(2 * score - low - high, 1e-6)
        place[:, axis] += np.clip((high - low) / (2 * curvature), -0.5, 0.5)
    return Peaks(joint, place, score)


def assemble(peaks: Peaks, fields: np.ndarray) -> np.ndarray:
    """Groups peaks into people: int [people, 18], indices into `peaks`, -1 where there is none.

    For each limb, the candidates with the strongest field between them are connected, each once.
    Limbs that share a joint belong to one person. People with fewer than 4 joints are left out.

    Args:
      peaks: the peaks of the heatmaps.
      fields: float [h, w, 19, 2], the fields of the limbs in the order of `LIMBS`, (y, x)
        components.
    """
    people: list[np.ndarray] = []
    for limb, (start, end) in enumerate(LIMBS):
        for a, b in _connect(peaks, fields[:, :, limb], start, end):
            _join(people, (start, a), (end, b), begins=(start, end) not in HEAD_LIMBS)
    kept = [person for person in people if (person >= 0).sum() >= FEWEST_JOINTS]
    return np.array(kept, int).reshape(-1, 18)


def add_loose(person: np.ndarray, others: np.ndarray, peaks: Peaks) -> np.ndarray:
    """Fills a person's missing joints with the highest unused peaks nearby.

    Args:
      person: int [18], a row that `assemble` returned.
      others: all people, int [people, 18].
      peaks: the peaks of the heatmaps.
    """
    places = peaks.place[person[person >= 0]]
    low, high = places.min(axis=0), places.max(axis=0)
    margin = MARGIN * (high - low).max()
    near = np.all((peaks.place >= low - margin) & (peaks.place <= high + margin), axis=-1)
    near &= ~np.isin(np.arange(len(near)), others)
    person = person.copy()
    for joint in np.flatnonzero(person < 0):
        candidates = np.flatnonzero(near & (peaks.joint == joint))
        if len(candidates):
            person[joint] = candidates[np.argmax(peaks.score[candidates])]
    return person


def extent(person: np.ndarray, peaks: Peaks) -> float:
    """Returns the diagonal of a person's box, in cells."""
    places = peaks.place[person[person >= 0]]
    return float(np.linalg.norm(places.max(axis=0) - places.min(axis=0)))


def _connect(peaks: Peaks, field: np.ndarray, start: int, end: int) -> list[tuple[int, int]]:
    """Returns pairs of peaks that a limb connects, the strongest first, using no peak twice."""
    a, b = np.flatnonzero(peaks.joint == start), np.flatnonzero(peaks.joint == end)
    if not len(a) or not len(b):
        return []
    between = peaks.place[b][None] - peaks.place[a][:, None]  # [a, b, 2]
    length = np.linalg.norm(between, axis=-1)
    direction = between / np.maximum(length, 1e-6)[..., None]
    steps = np.linspace(0, 1, 10)[:, None]
    points = peaks.place[a][:, None, None] + steps * between[:, :, None]  # [a, b, 10, 2]
    along = np.einsum("abpc,abc->abp", _sample(field, points), direction)
    # A limb longer than half of the map is unlikely.
    score = along.mean(axis=-1) + np.minimum(0.5 * field.shape[0] / np.maximum(length, 1e-6) - 1, 0)
    strong = ((along > FIELD).mean(axis=-1) >= 0.8) & (score > 0)
    i, j = np.nonzero(strong)
    pairs: list[tuple[int, int]] = []
    for k in np.argsort(-score[i, j], kind="stable"):
        pair = int(a[i[k]]), int(b[j[k]])
        if all(pair[0] != p and pair[1] != q for p, q in pairs):
            pairs.append(pair)
    return pairs


def _sample(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Samples the field [h, w, 2] at points [..., 2], bilinearly."""
    limit = np.array(field.shape[:2]) - 1
    points = np.clip(points, 0, limit)
    low = np.minimum(points.astype(int), np.maximum(limit - 1, 0))
    high = np.minimum(low + 1, limit)
    fy, fx = np.moveaxis(points - low, -1, 0)[..., None]
    (y0, x0), (y1, x1) = np.moveaxis(low, -1, 0), np.moveaxis(high, -1, 0)
    above = field[y0, x0] * (1 - fx) + field[y0, x1] * fx
    below = field[y1, x0] * (1 - fx) + field[y1, x1] * fx
    return above * (1 - fy) + below * fy


def _join(people: list[np.ndarray], a: tuple[int, int], b: tuple[int, int], begins: bool) -> None:
    """Adds the limb between (joint, peak) a and b to the list of people."""
    (start, p), (end, q) = a, b
    holders = [i for i, person in enumerate(people) if person[start] == p or person[end] == q]
    if len(holders) == 2:
        one, other = (people[i] for i in holders)
        if not np.any((one >= 0) & (other >= 0)):
            people[holders[0]] = np.maximum(one, other)
            del people[holders[1]]
    elif len(holders) == 1:
        person = people[holders[0]]
        if person[start] < 0:
            person[start] = p
        if person[end] < 0:
            person[end] = q
    elif begins:
        person = np.full(18, -1)
        person[start], person[end] = p, q
        people.append(person)
