"""Maps and people drawn for known joints: what a perfect network would give."""

import numpy as np
import pytest

from pnr_jax.keypoints import JOINTS, LIMBS

# A person facing us in a box of height 1 and width 1/2, (y, x) from the box's top middle.
# fmt: off
FIGURE = {
    "nose": (.06, 0), "neck": (.17, 0), "right_shoulder": (.18, -.13), "right_elbow": (.34, -.18),
    "right_wrist": (.5, -.2), "left_shoulder": (.18, .13), "left_elbow": (.34, .18),
    "left_wrist": (.5, .2), "right_hip": (.52, -.08), "right_knee": (.75, -.09),
    "right_ankle": (1, -.1), "left_hip": (.52, .08), "left_knee": (.75, .09),
    "left_ankle": (1, .1), "right_eye": (.03, -.03), "left_eye": (.03, .03),
    "right_ear": (.045, -.08), "left_ear": (.045, .08),
}
# fmt: on


@pytest.fixture
def person():
    """A function (top middle, height) -> float [18, 2], (y, x)."""
    return lambda top, height: np.array([FIGURE[name] for name in JOINTS]) * height + top


@pytest.fixture
def draw_maps():
    """A function (people, size) -> heatmaps [h, w, 18] and fields [h, w, 19, 2], (y, x)."""

    def draw(people, size, limbs=True):
        grid = np.stack(np.mgrid[: size[0], : size[1]], axis=-1).astype(float)
        heatmaps, fields = np.zeros((*size, 18)), np.zeros((*size, len(LIMBS), 2))
        for joints in people:
            for joint, place in enumerate(joints):
                if place[0] >= 0:
                    blob = np.exp(-np.square(grid - place).sum(-1) / 2)
                    heatmaps[..., joint] = np.maximum(heatmaps[..., joint], blob)
            for limb, (a, b) in enumerate(LIMBS):
                if not limbs or joints[a][0] < 0 or joints[b][0] < 0:
                    continue
                length = np.linalg.norm(joints[b] - joints[a])
                unit = (joints[b] - joints[a]) / length
                offset = grid - joints[a]
                along, across = offset @ unit, np.abs(offset @ (-unit[1], unit[0]))
                fields[(along >= -1) & (along <= length + 1) & (across <= 1), limb] = unit
        return heatmaps, fields

    return draw
