"""Street cameras: where a person is seen, in which light, before which background."""

import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from pnr_jax.data.synthetic.canvas import Light, Point

CAMERAS = 6  # each has walls, a ground and a light of its own
_WALLS = np.array(
    (
        (168, 164, 156),
        (150, 158, 168),
        (176, 162, 146),
        (142, 150, 142),
        (160, 152, 160),
        (184, 182, 178),
    )
)
_GROUNDS = np.array(
    (
        (138, 136, 134),
        (152, 148, 142),
        (128, 130, 136),
        (160, 154, 144),
        (140, 144, 138),
        (148, 146, 150),
    )
)


class View(NamedTuple):
    """A camera's view of a person: geometry in pixels of the picture, light, and film."""

    yaw: float
    pitch: float
    scale: float
    x: float
    y: float
    camera: int
    light: Light
    blur: float
    quality: int


class Camera:
    """An orthographic camera, ``pitch`` radians above the level, before a person.

    Yaw 0 shows the front, π/2 the person's right side, the face towards the right of the picture.
    """

    def __init__(self, yaw: float, pitch: float, scale: float, x: float, y: float):
        self.yaw, self.scale, self.x, self.y = yaw, scale, x, y
        self._turn = (math.cos(yaw), math.sin(yaw))
        self._tilt = (math.cos(pitch), math.sin(pitch))

    def __call__(self, point: Point) -> Point:
        """Canvas coordinates (x, y, z) of a point in body coordinates."""
        (cos, sin), (flat, down), (px, py, pz) = self._turn, self._tilt, point
        x, z = px * cos + pz * sin, pz * cos - px * sin
        return (
            self.x + self.scale * x,
            self.y + self.scale * (z * down - py * flat),
            self.scale * (z * flat + py * down),
        )


def draw_view(rng: np.random.Generator, height: int, width: int) -> View:
    """Draws a view; in one of eight the camera stands too close and cuts feet or head."""
    if rng.random() < 0.5:
        yaw = float(rng.uniform(-math.pi, math.pi))
    else:
        yaw = math.pi / 2 * float(rng.integers(4)) + float(rng.normal(0.0, 0.2))
    pitch = float(rng.uniform(0.0, 0.16))
    scale = float(rng.uniform(0.81, 0.91)) * height
    foot = float(rng.uniform(0.94, 0.985)) * height
    if rng.random() < 0.125:
        scale *= float(rng.uniform(1.08, 1.2))
        foot += float(rng.uniform(0.0, 0.16)) * height
    camera = int(rng.integers(CAMERAS))
    angle = 2.4 * camera + float(rng.normal(0.0, 0.25))
    x, y = 0.72 * math.cos(angle), -0.5
    warmth = 0.05 * math.cos(1.7 * camera) + float(rng.normal(0.0, 0.025))
    bright = float(rng.uniform(0.86, 1.1))
    tint = bright * np.array((1.0 + warmth, 1.0, 1.0 - warmth), np.float32)
    light = Light(
        (x, y, math.sqrt(max(1.0 - x * x - y * y, 0.05))),
        (1.03 * tint).astype(np.float32),
        (0.56 * tint * np.array((0.96, 0.99, 1.06))).astype(np.float32),
    )
    return View(
        yaw,
        pitch,
        scale,
        width * (0.5 + float(rng.normal(0.0, 0.045))),
        foot,
        camera,
        light,
        float(rng.uniform(0.0, 0.5)),
        int(rng.integers(70, 96)),
    )


def draw_background(rng: np.random.Generator, view: View, height: int, width: int) -> np.ndarray:
    """Paints a wall, a few blurred things before it and the ground with the person's shadow.

    Args:
      rng: source of the things and of the shift along the street.
      view: the camera, and where the person stands.
      height: the picture's height in pixels.
      width: the picture's width in pixels.

    Returns:
      float32 [height, width, 3].
    """
    step = 4
    rows, columns = height // step, width // step
    y = np.arange(rows)[:, None, None] / rows
    wall = _WALLS[view.camera] + rng.normal(0.0, 7.0) + rng.normal(0.0, 2.0, 3)
    ground = _GROUNDS[view.camera] + rng.normal(0.0, 7.0) + rng.normal(0.0, 2.0, 3)
    picture = np.broadcast_to(wall * (0.92 + 0.16 * y), (rows, columns, 3)).copy()
    horizon = int(rows * (0.56 + 0.05 * math.sin(2.0 * view.camera) + rng.uniform(-0.05, 0.05)))
    for _ in range(rng.integers(1, 4)):
        left, wide = int(rng.integers(-3, columns)), int(rng.integers(2, 7))
        top, tall = int(rng.integers(0, horizon)), int(rng.integers(6, rows // 2))
        patch = picture[top : min(top + tall, horizon + 2), max(left, 0) : max(left + wide, 0)]
        patch[:] = 0.55 * patch + 0.45 * (wall + rng.normal(0.0, 34.0) + rng.normal(0.0, 12.0, 3))
    picture[horizon:] = ground * (0.9 + 0.25 * (y[horizon:] - 0.5))
    picture[horizon] *= 0.9
    small = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    large = small.resize((width, height), Image.Resampling.BICUBIC)
    soft = np.asarray(large.filter(ImageFilter.BoxBlur(2)), np.float32)
    fy = (np.arange(height, dtype=np.float32)[:, None] - view.y) / (0.03 * height)
    fx = (np.arange(width, dtype=np.float32) - view.x) / (0.22 * width)
    shadow = (np.exp(-fy * fy) * np.exp(-fx * fx))[..., None]
    return soft * (1.0 - 0.4 * shadow) * (view.light.lit / 1.03)


def photograph(rng: np.random.Generator, picture: np.ndarray, view: View) -> np.ndarray:
    """Exposes with a slight fall of light across the picture, blur, and save as JPEG."""
    height, width, _ = picture.shape
    across, down = rng.uniform(-0.09, 0.09, 2)
    ramp = 1.0 + (
        np.linspace(-down, down, height, dtype=np.float32)[:, None]
        + np.linspace(-across, across, width, dtype=np.float32)
    )
    image = Image.fromarray(np.clip(picture * ramp[..., None], 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.BoxBlur(view.blur))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=view.quality)
    return np.asarray(Image.open(file))
