"""Bodies and poses: a 3-D skeleton of a person who walks or stands.

Body coordinates, in units of an average person's height: x to the person's left, y up from the
ground, z to the person's front.
"""

import math
from typing import NamedTuple

import numpy as np

from pnr_jax.data.synthetic.canvas import Point

SIDES = (("right", -1.0), ("left", 1.0))


class Body(NamedTuple):
    """Shape of a person: factors around 1 on an average body."""

    height: float
    build: float
    shoulders: float
    hips: float


class Arm(NamedTuple):
    """Angles (radians): forward at the shoulder, away from the body, elbow, forearm inwards."""

    swing: float
    spread: float
    elbow: float
    inwards: float


class Leg(NamedTuple):
    """Angles (radians): forward at the hip, away from the body, knee."""

    swing: float
    spread: float
    knee: float


class Pose(NamedTuple):
    """A pose: forward lean, turn and nod of the head, limbs in the order right, left."""

    lean: float
    head_turn: float
    arms: tuple[Arm, Arm]
    legs: tuple[Leg, Leg]


def draw_body(rng: np.random.Generator) -> Body:
    """Draws the shape of a person."""
    return Body(
        height=float(rng.uniform(0.9, 1.06)),
        build=float(rng.uniform(0.92, 1.2)),
        shoulders=float(rng.uniform(0.92, 1.08)),
        hips=float(rng.uniform(0.95, 1.1)),
    )


def _draw_arm(rng: np.random.Generator, swing: float) -> Arm:
    kind = rng.random()
    spread = float(rng.uniform(0.1, 0.24))
    if kind < 0.07:  # raised: waves, or points ahead
        return Arm(float(rng.uniform(1.2, 2.7)), spread, float(rng.uniform(0.2, 1.2)), 0.1)
    if kind < 0.22:  # bent: looks at a phone, holds a strap
        return Arm(float(rng.uniform(-0.1, 0.5)), spread, float(rng.uniform(1.2, 2.2)), 0.5)
    return Arm(swing + float(rng.normal(0.0, 0.05)), spread, float(rng.uniform(0.1, 0.6)), 0.15)


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draws a pose: three in four walk, the others stand."""
    stride = float(rng.uniform(0.22, 0.5)) if rng.random() < 0.75 else float(rng.uniform(0, 0.06))
    phase = float(rng.uniform(0.0, math.tau))
    legs, arms = [], []
    for turn in (0.0, math.pi):
        swing = stride * math.sin(phase + turn)
        lifting = max(0.0, math.cos(phase + turn))  # the knee bends while the leg comes forward
        knee = 0.06 + stride * (0.35 + 1.7 * lifting)
        legs.append(Leg(swing + 0.4 * (knee - 0.06), float(rng.uniform(0.0, 0.07)), knee))
        arms.append(_draw_arm(rng, -0.9 * swing))
    return Pose(
        lean=float(rng.uniform(-0.02, 0.07)) + 0.08 * stride,
        head_turn=float(rng.normal(0.0, 0.22)),
        arms=(arms[0], arms[1]),
        legs=(legs[0], legs[1]),
    )


def _along(start: Point, length: float, forward: float, outward: float) -> Point:
    """Returns the end of a bone that hangs, turned ``forward``, then ``outward`` (signed, x)."""
    x, y, z = start
    down = math.cos(forward) * length
    return (
        x + math.sin(outward) * length,
        y - down * math.cos(outward),
        z + math.sin(forward) * length * math.cos(outward),
    )


def moved(point: Point, x: float, y: float, z: float) -> Point:
    """Moves ``point`` by (x, y, z)."""
    return (point[0] + x, point[1] + y, point[2] + z)


def turned(point: Point, centre: Point, angle: float) -> Point:
    """Turns ``point`` about the vertical through ``centre``, towards the person's left."""
    x, z = point[0] - centre[0], point[2] - centre[2]
    cos, sin = math.cos(angle), math.sin(angle)
    return (centre[0] + x * cos + z * sin, point[1], centre[2] + z * cos - x * sin)


# The face, from the head's centre.
_FACE: dict[str, Point] = {
    "nose": (0.0, -0.016, 0.074),
    "right_eye": (-0.023, 0.006, 0.06),
    "left_eye": (0.023, 0.006, 0.06),
    "right_ear": (-0.059, -0.006, -0.004),
    "left_ear": (0.059, -0.006, -0.004),
}


def _arm(shoulder: Point, sign: float, arm: Arm) -> dict[str, Point]:
    bend, inwards = arm.swing + arm.elbow, sign * (0.3 * arm.spread - arm.inwards)
    elbow = _along(shoulder, 0.165, arm.swing, sign * arm.spread)
    wrist = _along(elbow, 0.14, bend, inwards)
    hand = _along(wrist, 0.062, bend + 0.15, inwards)
    return {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hand": hand}


def _leg(hip: Point, sign: float, leg: Leg) -> dict[str, Point]:
    knee = _along(hip, 0.24, leg.swing, sign * leg.spread)
    ankle = _along(knee, 0.235, leg.swing - leg.knee, sign * leg.spread)
    pitch = 0.8 * (leg.swing - leg.knee)  # the foot follows the shin, most of the way
    ahead, up = math.cos(pitch), math.sin(pitch)
    heel = moved(ankle, 0, -0.026 * ahead - 0.018 * up, -0.018 * ahead + 0.026 * up)
    toe = moved(ankle, sign * 0.016, -0.03 * ahead + 0.078 * up, 0.078 * ahead + 0.03 * up)
    return {"hip": hip, "knee": knee, "ankle": ankle, "heel": heel, "toe": toe}


def skeleton(body: Body, pose: Pose) -> dict[str, Point]:
    """Returns the joints of a posed body on y = 0, its spine, and the ends of hands and feet."""
    wide = 0.5 + 0.5 * body.build
    cos, sin = math.cos(pose.lean), math.sin(pose.lean)

    def leaning(x: float, y: float, z: float) -> Point:
        return (x, y * cos, z + y * sin)

    head = leaning(0, 0.43, 0.014)
    points: dict[str, Point] = {
        "crotch": (0, -0.075, 0),
        "pelvis": (0, 0, 0),
        "neck": leaning(0, 0.315, 0),
        "collar": leaning(0, 0.353, 0),
        "head": head,
    }
    points |= {k: turned(moved(head, *at), head, pose.head_turn) for k, at in _FACE.items()}
    for (side, sign), arm, leg in zip(SIDES, pose.arms, pose.legs, strict=True):
        shoulder = leaning(sign * 0.104 * body.shoulders * wide, 0.29, 0)
        hip = (sign * 0.054 * body.hips * wide, 0.0, 0.0)
        limbs = _arm(shoulder, sign, arm) | _leg(hip, sign, leg)
        points |= {f"{side}_{name}": point for name, point in limbs.items()}
    lowest = min(points[f"{side}_{end}"][1] for side, _ in SIDES for end in ("heel", "toe"))
    return {name: moved(point, 0, 0.024 - lowest, 0) for name, point in points.items()}
