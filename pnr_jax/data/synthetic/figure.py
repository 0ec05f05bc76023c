"""A dressed, posed person on a canvas, and which joints one can see."""

import math
from collections.abc import Mapping

import numpy as np

from pnr_jax.data.synthetic.body import JOINTS, SIDES, Body, Point, Pose, skeleton, turned
from pnr_jax.data.synthetic.canvas import Canvas, Profile, taper
from pnr_jax.data.synthetic.clothes import HEM, TRUNK_ROWS, WAIST, Outfit

# How much flesh, cloth and hair may lie over a visible joint, in body heights.
COVER = {"hip": 1.0, "shoulder": 1.0, "neck": 1.0, "knee": 0.085, "ankle": 0.06}
COVER |= {"elbow": 0.065, "wrist": 0.055, "nose": 0.03, "eye": 0.026, "ear": 0.05}

_TRUNK_T = np.array((0.0, 0.025, 0.05, 0.08, 0.14, 0.35, 0.56, 0.7, 0.82, 0.9, 1.0))
_TRUNK_SIDE = np.array((0.036, 0.05, 0.078, 0.104, 0.119, 0.108, 0.09, 0.096, 0.103, 0.098, 0.07))
_TRUNK_FRONT = np.array((0.034, 0.042, 0.048, 0.056, 0.066, 0.073, 0.063, 0.066, 0.07, 0.06, 0.03))
_HEAD_T = np.array((0.0, 0.02, 0.06, 0.12, 0.22, 0.35, 0.5, 0.63, 0.76, 0.88, 0.95, 1.0))
_HEAD = np.array((0.05, 0.3, 0.5, 0.68, 0.86, 0.97, 1.0, 0.97, 0.86, 0.66, 0.46, 0.1))
_HAIR = np.array((0.05, 0.32, 0.54, 0.72, 0.9, 1.0, 1.03, 1.03, 1.0, 0.95, 0.92, 0.9))
HEAD = Profile(_HEAD_T, 0.058 * _HEAD, 0.067 * _HEAD)
HAIR = Profile(_HEAD_T, 0.063 * _HAIR, 0.073 * _HAIR)
ROUND_HAIR = Profile(_HEAD_T, 0.083 * _HAIR, 0.088 * _HAIR)
LONG_HAIR = Profile(
    np.array((0.0, 0.3, 0.8, 1.0)),
    np.array((0.045, 0.058, 0.062, 0.04)),
    np.array((0.03, 0.036, 0.03, 0.015)),
)
PACK = Profile(
    np.array((0.0, 0.04, 0.12, 0.3, 0.7, 0.93, 1.0)),
    np.array((0.03, 0.055, 0.072, 0.082, 0.09, 0.088, 0.07)),
    np.array((0.02, 0.036, 0.046, 0.054, 0.062, 0.06, 0.045)),
)
SKIRT = Profile(
    np.array((0.0, 0.2, 0.5, 1.0)),
    np.array((0.094, 0.112, 0.128, 0.15)),
    np.array((0.068, 0.086, 0.105, 0.13)),
)


class Camera:
    """An orthographic camera that looks down a little at a person turned by ``yaw``.

    Yaw 0 is the front, π/2 shows the person's right side with the face towards image right.
    """

    def __init__(self, yaw: float, pitch: float, scale: float, x: float, y: float):
        self.yaw, self.scale = yaw, scale
        cos, sin, down, flat = math.cos(yaw), math.sin(yaw), math.sin(pitch), math.cos(pitch)
        self.matrix = scale * np.array(
            ((cos, 0.0, sin), (-sin * down, -flat, cos * down), (-sin * flat, down, cos * flat))
        )
        self.origin = np.array((x, y, 0.0))

    def __call__(self, points: Mapping[str, Point]) -> dict[str, np.ndarray]:
        """Canvas coordinates of points in body coordinates."""
        seen = np.array(list(points.values())) @ self.matrix.T + self.origin
        return dict(zip(points, seen, strict=True))


def _moved(point: Point, x: float, y: float, z: float) -> Point:
    return (point[0] + x, point[1] + y, point[2] + z)


def _trunk_profile(body: Body, outfit: Outfit) -> Profile:
    side, front = _TRUNK_SIDE * body.build, _TRUNK_FRONT * body.build
    upper = _TRUNK_T < 0.45
    side = side * np.where(upper, body.shoulders, body.hips)
    end = (HEM if outfit.loose > 1.0 else WAIST) / TRUNK_ROWS
    t = np.linspace(0.0, 1.0, 2 * TRUNK_ROWS)
    cloth = np.where(t < end, np.interp(t, (0.1, 0.5), (1.0, outfit.loose * 1.03)), 1.0)
    return Profile(t, np.interp(t, _TRUNK_T, side) * cloth, np.interp(t, _TRUNK_T, front) * cloth)


def draw_figure(
    canvas: Canvas, body: Body, pose: Pose, outfit: Outfit, camera: Camera
) -> np.ndarray:
    """Draw a person.

    Returns:
      float [18, 3]: the joints' canvas (y, x), and 1 where a joint can be seen, else 0.
    """
    points = skeleton(body, pose)
    head, collar = points["head"], points["collar"]
    for side, sign in SIDES:
        points[f"{side}_sole"] = _moved(points[f"{side}_heel"], 0.0, -0.012, 0.0)
        points[f"{side}_tip"] = _moved(points[f"{side}_toe"], 0.0, -0.008, 0.006)
        points[f"{side}_hood"] = _moved(collar, sign * 0.045, -0.01, -0.03)
    points |= {
        "hood": _moved(collar, 0.0, -0.035, -0.055),
        "head_top": _moved(head, 0.0, 0.083, 0.0),
        "chin": _moved(head, 0.0, -0.081, 0.006),
        "hair_top": _moved(head, 0.0, 0.091, -0.005),
        "hair_end": _moved(head, 0.0, -0.076, -0.008),
        "satchel": _moved(points["right_hip"], -0.075, 0.03, -0.01),
        "satchel_low": _moved(points["right_hip"], -0.08, -0.03, 0.0),
        "pack": _moved(collar, 0.0, -0.035, -0.095),
        "pack_low": _moved(collar, 0.0, -0.26, -0.105),
        "skirt_top": _moved(points["pelvis"], 0.0, 0.095, 0.0),
        "skirt_end": _moved(points["pelvis"], 0.0, -0.2, 0.0),
    }
    offsets = {
        "nose_top": (0.0, 0.0, 0.058),
        "nose_tip": (0.0, -0.018, 0.067),
        "brim": (0.0, 0.03, 0.055),
        "brim_end": (0.0, 0.02, 0.11),
        "tail": (0.0, 0.03, -0.07),
        "tail_end": (0.0, -0.1, -0.09),
        "bun": (0.0, 0.055, -0.06),
        "back_hair": (0.0, 0.02, -0.035),
        "back_hair_end": (0.0, -0.16, -0.05),
    }
    for name, offset in offsets.items():
        points[name] = turned(_moved(head, *offset), head, pose.head_turn)
    at = camera(
        {
            name: (x * body.height, y * body.height, z * body.height)
            for name, (x, y, z) in points.items()
        }
    )
    scale = camera.scale * body.height
    wide = scale * (0.4 + 0.6 * body.build)
    textures = outfit.textures

    def limb(start: str, end: str, texture: str, *radii: float, size: float = scale) -> None:
        canvas.limb(at[start], at[end], size * taper(*radii), textures[texture])

    canvas.lathe(
        at["collar"],
        at["crotch"],
        _trunk_profile(body, outfit),
        scale,
        camera.yaw,
        textures["trunk"],
    )
    for side, _ in SIDES:
        _draw_limbs(limb, side, outfit, wide)
    if outfit.lower == "skirt":
        canvas.lathe(
            at["skirt_top"], at["skirt_end"], SKIRT, wide * body.hips, camera.yaw, textures["skirt"]
        )
    limb("collar", "head", "skin", 0.036, 0.031, 0.031)
    _draw_head(canvas, limb, at, outfit, scale, camera.yaw + pose.head_turn)
    if outfit.hood:
        limb("right_hood", "hood", "hood", 0.026, 0.034)
        limb("left_hood", "hood", "hood", 0.026, 0.034)
    if outfit.bag == "backpack":
        canvas.lathe(at["pack"], at["pack_low"], PACK, scale, camera.yaw, textures["bag"])
    elif outfit.bag == "satchel":
        limb("satchel", "satchel_low", "bag", 0.036, 0.046)
    return _joints(canvas, at, scale)


def _draw_limbs(limb, side: str, outfit: Outfit, wide: float) -> None:
    short = outfit.sleeves == "short"
    if short:
        upper, fore = (0.034, 0.042, 0.044, 0.043, 0.03, 0.027), (0.027, 0.029, 0.024, 0.018)
    else:
        upper, fore = (0.034, 0.042, 0.041, 0.038, 0.035), (0.035, 0.033, 0.029, 0.025)
    limb(f"{side}_shoulder", f"{side}_elbow", f"{side}_arm", *upper, size=wide)
    limb(f"{side}_elbow", f"{side}_wrist", f"{side}_forearm", *fore, size=wide)
    limb(f"{side}_wrist", f"{side}_hand", "skin", 0.016, 0.021, 0.02, 0.014)
    if outfit.lower == "trousers":
        thigh, shin = (0.056, 0.062, 0.058, 0.05), (0.05, 0.046, 0.041, 0.037)
    elif outfit.lower == "shorts":
        thigh, shin = (0.056, 0.064, 0.063, 0.061, 0.042), (0.04, 0.044, 0.036, 0.025)
    else:
        thigh, shin = (0.052, 0.056, 0.05, 0.04), (0.038, 0.042, 0.032, 0.023)
    limb(f"{side}_hip", f"{side}_knee", "thigh", *thigh, size=wide)
    limb(f"{side}_knee", f"{side}_ankle", "shin", *shin, size=wide)
    limb(f"{side}_heel", f"{side}_toe", "shoe", 0.027, 0.027, 0.025, 0.02)
    limb(f"{side}_sole", f"{side}_tip", "sole", 0.022, 0.02, 0.02, 0.016)


def _draw_head(canvas: Canvas, limb, at, outfit: Outfit, scale: float, yaw: float) -> None:
    textures, haircut = outfit.textures, outfit.haircut
    canvas.lathe(at["head_top"], at["chin"], HEAD, scale, yaw, textures["head"])
    hair = ROUND_HAIR if haircut == "round" else HAIR
    canvas.lathe(
        at["hair_top"], at["hair_end"], hair, scale, yaw, textures["hair"], outfit.hair_cover
    )
    limb("nose_top", "nose_tip", "skin", 0.006, 0.010)
    limb("right_ear", "right_ear", "skin", 0.013)
    limb("left_ear", "left_ear", "skin", 0.013)
    if outfit.cap:
        limb("brim", "brim_end", "headwear", 0.034, 0.03, 0.02)
    if haircut == "tail":
        limb("tail", "tail_end", "strands", 0.018, 0.024, 0.012)
    elif haircut == "bun":
        limb("bun", "bun", "strands", 0.03)
    elif haircut == "long":
        canvas.lathe(at["back_hair"], at["back_hair_end"], LONG_HAIR, scale, yaw, textures["hair"])


def _joints(canvas: Canvas, at: Mapping[str, np.ndarray], scale: float) -> np.ndarray:
    height, width = canvas.depth.shape
    joints = np.zeros((len(JOINTS), 3))
    for i, name in enumerate(JOINTS):
        x, y, z = at[name].tolist()
        joints[i, :2] = y, x
        if 0 <= y < height and 0 <= x < width:
            over = float(canvas.depth[int(y), int(x)]) - z
            joints[i, 2] = over < scale * COVER[name.rsplit("_", 1)[-1]]
    return joints
