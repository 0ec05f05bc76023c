"""Sheets of images with headings: samples, figures, contact sheets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pnr_jax.errors import UserError
from pnr_jax.files import replacing
from pnr_jax.keypoints import draw_skeleton

GROUND, INK = (255, 255, 255), (40, 40, 40)
GAP = 4
CELL_HEIGHT = 192  # Least side of a cell in pixels: small images are enlarged by whole factors.


def sheet(columns: Sequence[tuple[str, np.ndarray]], blocks: int = 1) -> np.ndarray:
    """Lays images out, a row for each example and a column, with a heading, for each kind.

    Args:
      columns: (heading, uint8 [N, H, W, 3]) each; all N equal.
      blocks: the rows are split into this many blocks, side by side.

    Returns:
      uint8 [height, width, 3].
    """
    cells = [[enlarge(image) for image in images] for _, images in columns]
    height, width = cells[0][0].shape[:2]
    rows = -(-len(cells[0]) // blocks)
    font_size = max(11, min(20, width // 6))
    font = ImageFont.load_default(font_size)
    lines = [_wrap(heading, font, width) for heading, _ in columns]
    head = max(len(words) for words in lines) * (font_size + 3) + GAP
    block_width = len(columns) * (width + GAP) + 3 * GAP
    canvas = Image.new(
        "RGB", (blocks * block_width - 2 * GAP, head + rows * (height + GAP) + GAP), GROUND
    )
    draw = ImageDraw.Draw(canvas)
    for block in range(blocks):
        for c, column in enumerate(cells):
            x = block * block_width + GAP + c * (width + GAP)
            draw.multiline_text(
                (x + width // 2, head - GAP), "\n".join(lines[c]), INK, font, "md", align="center"
            )
            for r, cell in enumerate(column[block * rows : (block + 1) * rows]):
                canvas.paste(Image.fromarray(cell), (x, head + r * (height + GAP)))
    return np.asarray(canvas)


def generated_sheet(batch: Mapping[str, Any], generated: np.ndarray, blocks: int = 2) -> np.ndarray:
    """Lays out the sheet source | target pose | generated | target.

    Args:
      batch: a batch of B examples, see `pnr_jax.data.pipeline`.
      generated: uint8 [B, H, W, 3].
      blocks: as for `sheet`.

    Returns:
      uint8 [height, width, 3].
    """
    columns = [
        ("source", batch["source_images"][:, 0]),
        ("target pose", draw_skeleton(generated.shape[1:3], batch["target_keypoints"])),
        ("generated", generated),
        ("target", batch["target_image"]),
    ]
    return sheet(columns, blocks)


def enlarge(image: np.ndarray, height: int = CELL_HEIGHT) -> np.ndarray:
    """Enlarges uint8 [H, W, 3] by the whole factor that brings it nearest to a height."""
    zoom = max(1, round(height / image.shape[0]))
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


# How files are written by their suffix.
_SUFFIXES: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "optimize": True},
    ".jpg": {"format": "JPEG", "quality": 95},
    ".jpeg": {"format": "JPEG", "quality": 95},
    ".webp": {"format": "WEBP", "lossless": True},
}


def check_suffix(path: str | Path) -> None:
    """Raises a `UserError` for a file that `save_image` cannot write."""
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise UserError(f"{path}: the suffix must be {', '.join(_SUFFIXES)}")


def save_image(path: str | Path, image: np.ndarray) -> None:
    """Writes uint8 [H, W, 3] as what the suffix of `path` says, whole.

    Raises:
      UserError: another suffix than .png, .jpg, .jpeg or .webp.
    """
    check_suffix(path)
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, **_SUFFIXES[Path(path).suffix.lower()])


def save_png(path: str | Path, image: np.ndarray) -> None:
    """Writes uint8 [H, W, 3] as PNG, whole."""
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG", optimize=True)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Breaks a heading into lines that fit a column."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
