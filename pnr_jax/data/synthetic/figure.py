"""A dressed, posed person on a canvas, and which joints one can see."""

from typing import NamedTuple

import numpy as np

from pnr_jax.data.synthetic.body import SIDES, Body, Pose, moved, skeleton, turned
from pnr_jax.data.synthetic.camera import Camera
from pnr_jax.data.synthetic.canvas import Canvas, Point, Profile, taper
from pnr_jax.data.synthetic.clothes import Outfit
from pnr_jax.data.synthetic.paint import HEM, Paint
from pnr_jax.data.synthetic.patterns import TRUNK_ROWS
from pnr_jax.keypoints import JOINTS

# How much flesh, cloth and hair may lie over a visible joint, in body heights. Trunk joints are
# found wherever they lie in the picture.
_COVER = {"neck": 1.0, "shoulder": 1.0, "hip": 1.0, "knee": 0.085, "ankle": 0.06}
_COVER |= {"elbow": 0.065, "wrist": 0.055, "nose": 0.03, "eye": 0.026, "ear": 0.05}

_TRUNK_T = np.array((0.0, 0.025, 0.05, 0.08, 0.14, 0.35, 0.56, 0.7, 0.8, 0.88, 1.0))
_TRUNK_SIDE = np.array((0.036, 0.05, 0.078, 0.104, 0.119, 0.108, 0.09, 0.096, 0.104, 0.1, 0.05))
_TRUNK_FRONT = np.array(
    (0.034, 0.042, 0.048, 0.056, 0.066, 0.073, 0.063, 0.064, 0.066, 0.058, 0.02)
)
_HEAD_T = np.array((0.0, 0.02, 0.06, 0.12, 0.22, 0.35, 0.5, 0.63, 0.76, 0.88, 0.95, 1.0))
_HEAD = np.array((0.05, 0.3, 0.5, 0.68, 0.86, 0.97, 1.0, 0.97, 0.86, 0.66, 0.46, 0.1))
_HAIR = np.array((0.05, 0.32, 0.54, 0.72, 0.9, 1.0, 1.03, 1.03, 1.0, 0.95, 0.92, 0.9))
_BARE_HEAD = Profile(_HEAD_T, 0.058 * _HEAD, 0.067 * _HEAD)
_FLAT_HAIR = Profile(_HEAD_T, 0.063 * _HAIR, 0.073 * _HAIR)
_ROUND_HAIR = Profile(_HEAD_T, 0.083 * _HAIR, 0.088 * _HAIR)
_LONG_HAIR = Profile(
    np.array((0.0, 0.3, 0.8, 1.0)),
    np.array((0.045, 0.058, 0.062, 0.04)),
    np.array((0.03, 0.036, 0.03, 0.015)),
)
_BACKPACK = Profile(
    np.array((0.0, 0.04, 0.12, 0.3, 0.7, 0.93, 1.0)),
    np.array((0.03, 0.055, 0.072, 0.082, 0.09, 0.088, 0.07)),
    np.array((0.02, 0.036, 0.046, 0.054, 0.062, 0.06, 0.045)),
)
_SKIRT = Profile(
    np.array((0.0, 0.2, 0.5, 1.0)),
    np.array((0.094, 0.112, 0.128, 0.15)),
    np.array((0.068, 0.086, 0.105, 0.13)),
)
# Radii from joint to joint, by what covers the limb.
_ARMS = {
    "short": ((0.034, 0.042, 0.044, 0.043, 0.03, 0.027), (0.027, 0.029, 0.024, 0.018)),
    "long": ((0.034, 0.042, 0.041, 0.038, 0.035), (0.035, 0.033, 0.029, 0.025)),
}
_LEGS = {
    "trousers": ((0.055, 0.063, 0.061, 0.055, 0.05), (0.05, 0.046, 0.041, 0.038)),
    "shorts": ((0.055, 0.064, 0.064, 0.062, 0.042), (0.04, 0.044, 0.036, 0.025)),
    "skirt": ((0.052, 0.056, 0.05, 0.04), (0.038, 0.042, 0.032, 0.023)),
}


class _Figure(NamedTuple):
    """A person in the making: where to draw, seen by whom, in which paint."""

    canvas: Canvas
    camera: Camera
    paint: Paint
    wide: float  # girth: factor on the radii of the body's limbs

    def limb(self, texture: str, start: Point, end: Point, *radii: float) -> None:
        self.canvas.limb(
            self.camera(start),
            self.camera(end),
            self.camera.scale * taper(*radii),
            self.paint.textures[texture],
        )

    def lathe(
        self,
        texture: str,
        top: Point,
        bottom: Point,
        profile: Profile,
        turn: float = 0.0,
        cover: np.ndarray | None = None,
    ) -> None:
        scale = self.camera.scale
        self.canvas.lathe(
            self.camera(top),
            self.camera(bottom),
            Profile(profile.t, scale * profile.side, scale * profile.front),
            self.camera.yaw + turn,
            self.paint.textures[texture],
            cover,
        )


def draw_figure(
    canvas: Canvas, body: Body, pose: Pose, outfit: Outfit, paint: Paint, camera: Camera
) -> np.ndarray:
    """Draws a person.

    Args:
      canvas: what to draw on.
      body: the person's shape; its height is already in the camera's scale.
      pose: the person's pose.
      outfit: what the person wears.
      paint: the outfit's colours.
      camera: maps body to canvas coordinates.

    Returns:
      float [18, 3]: the joints' canvas (y, x), and 1 where a joint can be seen, else 0.
    """
    figure = _Figure(canvas, camera, paint, 0.4 + 0.6 * body.build)
    points = skeleton(body, pose)
    figure.lathe("trunk", points["collar"], points["crotch"], _trunk(body, outfit))
    for side, _ in SIDES:
        _draw_limbs(figure, points, side, outfit)
    if outfit.lower == "skirt":
        _draw_skirt(figure, points, body.hips)
    _draw_head(figure, points, pose.head_turn, outfit)
    _draw_bag(figure, points, outfit)
    return _joints(canvas, camera, points)


def _trunk(body: Body, outfit: Outfit) -> Profile:
    """Returns the trunk with its top on: a loose one stands off and ends below the belt."""
    t = np.linspace(0.0, 1.0, 2 * TRUNK_ROWS)
    width = body.build * np.where(_TRUNK_T < 0.45, body.shoulders, body.hips)
    side = np.interp(t, _TRUNK_T, _TRUNK_SIDE * width)
    front = np.interp(t, _TRUNK_T, _TRUNK_FRONT * body.build)
    if outfit.loose:
        cloth = np.interp(t, (0.1, 0.6), (0.0, 1.0)) * (t < HEM / TRUNK_ROWS)
        side, front = side * (1.0 + 0.1 * cloth), front * (1.0 + 0.2 * cloth)
    return Profile(t, side, front)


def _draw_limbs(figure: _Figure, points: dict[str, Point], side: str, outfit: Outfit) -> None:
    at = {name: points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist", "hand")}
    at |= {name: points[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "heel", "toe")}
    upper, fore = ([figure.wide * radius for radius in radii] for radii in _ARMS[outfit.sleeves])
    figure.limb(f"{side}_arm", at["shoulder"], at["elbow"], *upper)
    figure.limb(f"{side}_forearm", at["elbow"], at["wrist"], *fore)
    figure.limb("skin", at["wrist"], at["hand"], 0.016, 0.021, 0.02, 0.014)
    thigh, shin = ([figure.wide * radius for radius in radii] for radii in _LEGS[outfit.lower])
    figure.limb("thigh", at["hip"], at["knee"], *thigh)
    figure.limb("shin", at["knee"], at["ankle"], *shin)
    figure.limb("shoe", at["heel"], at["toe"], 0.027, 0.027, 0.025, 0.02)
    heel, toe = moved(at["heel"], 0, -0.012, 0), moved(at["toe"], 0, -0.008, 0.006)
    figure.limb("sole", heel, toe, 0.022, 0.02, 0.02, 0.016)


def _draw_skirt(figure: _Figure, points: dict[str, Point], hips: float) -> None:
    pelvis, girth = points["pelvis"], figure.wide * hips
    stride = max(abs(points[f"{side}_knee"][2] - pelvis[2]) for side, _ in SIDES)
    give = max(0.0, 0.85 * stride - 0.06)  # the knees push the hem outwards
    profile = Profile(_SKIRT.t, girth * _SKIRT.side, girth * _SKIRT.front + give * _SKIRT.t)
    figure.lathe("skirt", moved(pelvis, 0, 0.095, 0), moved(pelvis, 0, -0.2, 0), profile)


def _draw_head(figure: _Figure, points: dict[str, Point], turn: float, outfit: Outfit) -> None:
    head, collar, haircut = points["head"], points["collar"], outfit.haircut

    def on_head(x: float, y: float, z: float) -> Point:
        return turned(moved(head, x, y, z), head, turn)

    figure.limb("skin", collar, head, 0.036, 0.031, 0.031)
    figure.lathe("head", moved(head, 0, 0.083, 0), moved(head, 0, -0.081, 0.006), _BARE_HEAD, turn)
    crown, nape = moved(head, 0, 0.091, -0.005), moved(head, 0, -0.076, -0.008)
    hair = _ROUND_HAIR if haircut == "round" else _FLAT_HAIR
    figure.lathe("hair", crown, nape, hair, turn, figure.paint.hair)
    figure.limb("skin", on_head(0, 0, 0.058), on_head(0, -0.018, 0.067), 0.006, 0.01)
    if haircut not in ("long", "bob", "round"):  # else the hair hides the ears
        for side, _ in SIDES:
            figure.limb("skin", points[f"{side}_ear"], points[f"{side}_ear"], 0.013)
    if outfit.hat == "cap":
        figure.limb("hat", on_head(0, 0.03, 0.055), on_head(0, 0.02, 0.11), 0.034, 0.03, 0.02)
    if haircut == "tail":
        figure.limb(
            "strands", on_head(0, 0.03, -0.07), on_head(0, -0.1, -0.09), 0.018, 0.024, 0.012
        )
    elif haircut == "bun":
        figure.limb("strands", on_head(0, 0.055, -0.06), on_head(0, 0.055, -0.06), 0.03)
    elif haircut == "long":
        figure.lathe("hair", on_head(0, 0.02, -0.035), on_head(0, -0.16, -0.05), _LONG_HAIR, turn)
    if outfit.hood:
        for _, sign in SIDES:
            start, end = moved(collar, sign * 0.045, -0.01, -0.03), moved(collar, 0, -0.035, -0.055)
            figure.limb("hood", start, end, 0.026, 0.034)


def _draw_bag(figure: _Figure, points: dict[str, Point], outfit: Outfit) -> None:
    collar, hip = points["collar"], points["right_hip"]
    if outfit.bag == "backpack":
        top, bottom = moved(collar, 0, -0.035, -0.095), moved(collar, 0, -0.26, -0.105)
        figure.lathe("bag", top, bottom, _BACKPACK)
    elif outfit.bag == "satchel":
        start, end = moved(hip, -0.075, 0.03, -0.01), moved(hip, -0.08, -0.03, 0)
        figure.limb("bag", start, end, 0.036, 0.046)


def _joints(canvas: Canvas, camera: Camera, points: dict[str, Point]) -> np.ndarray:
    height, width = canvas.depth.shape
    joints = np.zeros((len(JOINTS), 3))
    for i, name in enumerate(JOINTS):
        x, y, z = camera(points[name])
        joints[i, :2] = y, x
        if 0 <= y < height and 0 <= x < width:
            over = float(canvas.depth[int(y), int(x)]) - z
            joints[i, 2] = over < camera.scale * _COVER[name.rsplit("_", 1)[-1]]
    return joints
