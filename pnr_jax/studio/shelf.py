"""Poses to start from: a 3-D skeleton, posed by hand and seen by a level camera."""

import math

import numpy as np

from pnr_jax.data.synthetic import HEIGHT, WIDTH
from pnr_jax.data.synthetic.body import Arm, Body, Leg, Pose, skeleton
from pnr_jax.data.synthetic.camera import Camera
from pnr_jax.keypoints import JOINTS

_BODY = Body(height=1.0, build=1.0, shoulders=1.0, hips=1.0)
_FACE = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
_REST = Arm(0.0, 0.14, 0.2, 0.12)
_PLANTED = Leg(0.0, 0.05, 0.06)
_SIDE = math.pi / 2

Shelf = dict[str, np.ndarray]


def poses(size: tuple[int, int]) -> Shelf:
    """Returns named poses, float [18, 2] each, (y, x) pixels of an image of `size`, -1 missing."""
    raised, phone = Arm(2.7, 0.25, 0.25, 0.1), Arm(0.25, 0.15, 1.9, 0.45)
    ahead, akimbo = Arm(1.45, 0.1, 0.1, 0.1), Arm(-0.25, 0.75, 0.3, 1.1)
    high = Leg(1.15, 0.05, 1.35)
    shelf = {
        "Stand": (_stand(), 0.0),
        "Back": (_stand(), math.pi),
        "Right": (_stand(), _SIDE),
        "Left": (_stand(), -_SIDE),
        "Walk right": (_walk(0.3), _SIDE),
        "Walk left": (_walk(0.3), -_SIDE),
        "Walk here": (_walk(0.9), 0.35),
        "Walk away": (_walk(0.9), math.pi - 0.35),
        "Wave": (_stand(right=raised), 0.0),
        "Cheer": (_stand(raised, raised), 0.0),
        "Akimbo": (_stand(akimbo, akimbo), 0.0),
        "Phone": (_stand(right=phone), 0.5),
        "Point": (_stand(right=ahead), 1.3),
        "Astride": (_stand(legs=(Leg(0.0, 0.3, 0.05), Leg(0.0, 0.3, 0.05))), 0.0),
        "High knee": (_stand(legs=(high, _PLANTED)), 1.2),
        "Run": (_walk(0.2, stride=0.75, elbow=1.3), _SIDE),
    }
    return {name: _project(pose, yaw, size) for name, (pose, yaw) in shelf.items()}


def motions(size: tuple[int, int]) -> dict[str, list[np.ndarray]]:
    """Returns named loops of key poses, as `poses` returns poses."""
    eighths = [math.tau * i / 8 for i in range(8)]
    waves = [_stand(right=Arm(2.6, spread, bend, 0.1)) for spread, bend in ((0.1, 0.9), (0.5, 0.1))]
    return {
        "Walk": [_project(_walk(phase), _SIDE, size) for phase in eighths],
        "Turn": [_project(_stand(), yaw, size) for yaw in eighths],
        "Wave": [_project(pose, 0.0, size) for pose in waves],
    }


def _stand(
    right: Arm = _REST, left: Arm = _REST, legs: tuple[Leg, Leg] = (_PLANTED, _PLANTED)
) -> Pose:
    return Pose(lean=0.0, head_turn=0.0, arms=(right, left), legs=legs)


def _walk(phase: float, stride: float = 0.42, elbow: float = 0.4) -> Pose:
    """Returns a step of a walk at `phase` in [0, 2π): legs in turn, arms against them."""
    legs, arms = [], []
    for turn in (0.0, math.pi):
        swing = stride * math.sin(phase + turn)
        knee = 0.06 + stride * (0.35 + 1.7 * max(0.0, math.cos(phase + turn)))
        legs.append(Leg(swing + 0.4 * (knee - 0.06), 0.03, knee))
        arms.append(Arm(-0.9 * swing, 0.14, elbow, 0.15))
    return Pose(0.08 * stride, 0.0, (arms[0], arms[1]), (legs[0], legs[1]))


def _project(pose: Pose, yaw: float, size: tuple[int, int]) -> np.ndarray:
    """Returns where the joints are seen; a part of the face that looks away is missing."""
    camera = Camera(yaw, 0.0, 0.83 * HEIGHT, WIDTH / 2, 0.965 * HEIGHT)
    points = skeleton(_BODY, pose)
    depth = camera(points["head"])[2] - 0.02 * camera.scale
    keypoints = np.full((len(JOINTS), 2), -1.0)
    for i, name in enumerate(JOINTS):
        x, y, z = camera(points[name])
        if name not in _FACE or z > depth:
            keypoints[i] = y * size[0] / HEIGHT - 0.5, x * size[1] / WIDTH - 0.5
    return np.where(keypoints == -1, -1, np.clip(keypoints, 0, np.array(size) - 1.0)).round(2)
