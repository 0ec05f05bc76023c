"""A small depth-buffered canvas: round limbs and turned solids, textured, lit and smoothed.

The camera is orthographic. Canvas coordinates are ``(x right, y down, z towards the camera)``,
all in canvas pixels. A part writes, where it is nearest, its depth, its texel and its normal;
colour and light follow in one pass at the end, whatever the number of parts.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

Point = tuple[float, float, float]
TEXELS = 32  # along a limb: its radius and its colour are tables of this length
_ROWS = np.linspace(0.0, 1.0, TEXELS, dtype=np.float32)


class Texture(NamedTuple):
    """A rectangle of the atlas: first texel, rows along the part, columns around it."""

    start: int
    rows: int
    columns: int


class Profile(NamedTuple):
    """Half-axes of a turned solid from top (t = 0) to bottom (t = 1)."""

    t: np.ndarray
    side: np.ndarray
    front: np.ndarray


class Light(NamedTuple):
    """Direction to the light (unit vector) and the colours of full light and of full shade."""

    direction: tuple[float, float, float]
    lit: np.ndarray
    shade: np.ndarray


@functools.cache
def taper(*radii: float) -> np.ndarray:
    """Returns radii of a limb, spread evenly from its start to its end."""
    return np.interp(_ROWS, np.linspace(0.0, 1.0, len(radii)), radii).astype(np.float32)


class Canvas:
    """Buffers of one picture; ``atlas`` holds every texel's colour, float32 [texels, 3]."""

    def __init__(self, height: int, width: int, atlas: np.ndarray):
        self.atlas = atlas
        self.depth = np.full((height, width), -np.inf, np.float32)
        self.texel = np.zeros((height, width), np.int32)
        self.normal_x = np.zeros((height, width), np.float32)
        self.normal_y = np.zeros((height, width), np.float32)

    def _box(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice]:
        height, width = self.depth.shape
        rows = slice(max(math.floor(y0), 0), min(math.ceil(y1), height))
        columns = slice(max(math.floor(x0), 0), min(math.ceil(x1), width))
        return rows, columns

    def _write(
        self,
        box: tuple[slice, slice],
        inside: np.ndarray,
        z: np.ndarray,
        texel: np.ndarray,
        normal_x: np.ndarray,
        normal_y: np.ndarray,
    ) -> None:
        depth = self.depth[box]
        nearest = inside & (z > depth)
        np.copyto(depth, z, where=nearest)
        np.copyto(self.texel[box], texel, where=nearest)
        np.copyto(self.normal_x[box], normal_x, where=nearest)
        np.copyto(self.normal_y[box], normal_y, where=nearest)

    def limb(self, start: Point, end: Point, radii: np.ndarray, texture: Texture) -> None:
        """Draws a round limb between two points, ``radii`` [TEXELS] in canvas pixels."""
        reach = float(radii.max())
        (ax, ay, az), (bx, by, bz) = start, end
        box = self._box(
            min(ax, bx) - reach, max(ax, bx) + reach, min(ay, by) - reach, max(ay, by) + reach
        )
        rows, columns = box
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        dx = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - ax)
        dy = (np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5 - ay))[:, None]
        vx, vy, vz = bx - ax, by - ay, bz - az
        squared = vx * vx + vy * vy + 1e-6
        t = np.clip(dx * np.float32(vx / squared) + dy * np.float32(vy / squared), 0.0, 1.0)
        row = (t * np.float32(TEXELS - 0.01)).astype(np.int32)
        inverse = (1.0 / radii)[row]
        nx = (dx - t * np.float32(vx)) * inverse
        ny = (dy - t * np.float32(vy)) * inverse
        rest = 1.0 - nx * nx - ny * ny
        z = np.float32(az) + t * np.float32(vz) + np.sqrt(np.maximum(rest, 0.0)) / inverse
        self._write(box, rest > 0.0, z, texture.start + row, nx, ny)

    def lathe(
        self,
        top: Point,
        bottom: Point,
        profile: Profile,
        yaw: float,
        texture: Texture,
        cover: np.ndarray | None = None,
    ) -> None:
        """Draws an upright solid with elliptic sections, turned by ``yaw``.

        With half-axes a (side) and b (front), the section's point at body angle φ (0 is the
        front, π/2 the person's left) is seen at x = w sin(φ + δ), where w cos δ = a cos yaw and
        w sin δ = b sin yaw; its near half is φ + δ in [-π/2, π/2], at depth
        (ab / w) cos(φ + δ) + ((b² - a²) / w) sin yaw cos yaw sin(φ + δ).

        ``cover`` (bool, the texture's shape) is False where the solid has a hole.
        """
        reach = float(max(profile.side.max(), profile.front.max()))
        (ax, ay, az), (bx, by, bz) = top, bottom
        box = self._box(min(ax, bx) - reach, max(ax, bx) + reach, ay, by)
        rows, columns = box
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        y = np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5
        t = np.clip((y - ay) / (by - ay), 0.0, 1.0)
        side = np.interp(t, profile.t, profile.side).astype(np.float32)
        front = np.interp(t, profile.t, profile.front).astype(np.float32)
        cos, sin = math.cos(yaw), math.sin(yaw)
        half = np.hypot(side * np.float32(cos), front * np.float32(sin))
        slope = np.gradient(half) if len(half) > 1 else np.zeros_like(half)
        normal_y = (-slope / np.hypot(slope, 1.6))[:, None]  # softer than the true slope
        delta = np.arctan2(front * np.float32(sin), side * np.float32(cos))[:, None]
        near = (side * front / half)[:, None]
        tilt = ((front**2 - side**2) / half * np.float32(sin * cos))[:, None]
        x = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5)
        u = (x - (ax + t * (bx - ax))[:, None]) / half[:, None]
        inside = np.abs(u) < 1.0
        u = np.clip(u, -1.0, 1.0)
        z = (az + t * (bz - az))[:, None] + near * np.sqrt(1.0 - u * u) + tilt * u
        phi = np.arcsin(u) - delta
        count = texture.columns
        column = (phi * np.float32(count / math.tau) + np.float32(2.5 * count)).astype(np.int32)
        column %= count
        row = (t * np.float32(texture.rows - 0.01)).astype(np.int32)[:, None]
        if cover is not None:
            inside &= cover[row, column]
        flat = np.sqrt(1.0 - normal_y * normal_y)
        texel = texture.start + row * count + column
        self._write(box, inside, z, texel, u * flat, np.broadcast_to(normal_y, u.shape))

    def shade(self, light: Light, crease: float) -> tuple[np.ndarray, np.ndarray]:
        """Colours and lights every pixel.

        Args:
          light: where the light comes from, and its colours.
          crease: depth step (pixels) past which the farther part lies in contact shadow.

        Returns:
          float32 [H, W, 3] colours, zero off the figure, and bool [H, W], the figure.
        """
        figure = np.isfinite(self.depth)
        contact = np.ones_like(self.depth)
        with np.errstate(invalid="ignore"):  # -inf less -inf, off the figure
            contact[:, 2:][self.depth[:, :-2] - self.depth[:, 2:] > crease] *= 0.6
            contact[:, :-2][self.depth[:, 2:] - self.depth[:, :-2] > crease] *= 0.6
            contact[2:][self.depth[:-2] - self.depth[2:] > crease] *= 0.5
        nx, ny = self.normal_x[figure], self.normal_y[figure]
        nz = np.sqrt(np.maximum(1.0 - nx * nx - ny * ny, 0.0))
        lx, ly, lz = (np.float32(axis) for axis in light.direction)
        lit = np.clip(nx * lx + ny * ly + nz * lz, 0.0, 1.0) * contact[figure]
        picture = np.zeros((*figure.shape, 3), np.float32)
        tint = light.shade + lit[:, None] * (light.lit - light.shade)
        picture[figure] = self.atlas[self.texel[figure]] * tint
        return picture, figure
