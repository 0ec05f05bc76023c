"""Pictures of skeletons."""

import numpy as np
from PIL import Image, ImageDraw

from pnr_jax.keypoints.skeleton import LIMBS, check_shape

# fmt: off
_COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)
# fmt: on


def draw_skeleton(image_size: tuple[int, int], keypoints: np.ndarray) -> np.ndarray:
    """Draws the skeleton in OpenPose's colours on a dark ground, smooth at any size.

    Args:
      image_size: (height, width) in pixels; lines and joints grow with the height.
      keypoints: [..., 18, 2], (y, x) in pixels of image_size, -1 = missing.

    Returns:
      uint8 [..., height, width, 3].

    Raises:
      ValueError: keypoints are not [..., 18, 2].
    """
    keypoints = np.asarray(keypoints)
    check_shape(keypoints.shape)
    drawn = [_draw(image_size, pose) for pose in keypoints.reshape(-1, 18, 2)]
    return np.array(drawn, np.uint8).reshape(*keypoints.shape[:-2], *image_size, 3)


def _draw(image_size: tuple[int, int], keypoints: np.ndarray) -> np.ndarray:
    height, width = image_size
    scale = 8  # drawn large and averaged down: PIL's own lines are not anti-aliased
    unit = scale * height / 128
    image = Image.new("RGB", (width * scale, height * scale), (18, 20, 26))
    draw = ImageDraw.Draw(image)
    points = [((x + 0.5) * scale, (y + 0.5) * scale) for y, x in keypoints.tolist()]
    present = np.all(keypoints != -1, axis=-1)

    def disc(point: tuple[float, float], radius: float, colour: tuple[int, ...]) -> None:
        x, y = point
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    for colour, (start, end) in zip(_COLOURS, LIMBS[:-2], strict=False):
        if present[start] and present[end]:
            muted = tuple(round(0.6 * c) + 40 for c in colour)
            draw.line((points[start], points[end]), fill=muted, width=round(2.6 * unit))
    for joint, colour in enumerate(_COLOURS):
        if present[joint]:
            disc(points[joint], 1.9 * unit, colour)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))
