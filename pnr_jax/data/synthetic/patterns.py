"""Tops: what is painted on the trunk and on the sleeves.

A texture of the trunk is a map of the body: rows run down from the collar, columns run around it
from the back over the person's right, the front (the middle column) and the left. So an emblem on
the chest leaves the picture when the person turns, as it should.
"""

import numpy as np

from pnr_jax.data.synthetic.canvas import TEXELS
from pnr_jax.data.synthetic.clothes import Outfit

TRUNK_ROWS, TRUNK_COLUMNS = 64, 96
FRONT, BACK = TRUNK_COLUMNS // 2, 0

# Digits on a 3 x 5 grid: one octal number a row.
_DIGITS = (
    "75557",
    "26227",
    "71747",
    "71717",
    "55711",
    "74717",
    "74757",
    "71222",
    "75757",
    "75717",
)


def angles(columns: int) -> np.ndarray:
    """Returns the body angle of each column of a texture: 0 is the front, π/2 the person's left."""
    return (np.arange(columns) + 0.5) / columns * 2 * np.pi - np.pi


def _emblem(rng: np.random.Generator, size: int) -> np.ndarray:
    """Returns a disc, a diamond, a heart, a cross or a triangle, bool [size, size]."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    shapes = (
        x**2 + y**2 < 0.9,
        np.abs(x) + np.abs(y) < 1.05,
        1.15 * x**2 + (1.1 * y + 0.5 - 0.75 * np.abs(x) ** 0.6) ** 2 < 0.85,
        (np.abs(x) < 0.34) | (np.abs(y) < 0.34),
        (y > -0.9) & (np.abs(x) < (y + 1.0) / 2),
    )
    return shapes[rng.integers(len(shapes))]


def _number(rng: np.random.Generator) -> np.ndarray:
    """Returns one digit or two, bool [20, columns]."""
    digits = [_DIGITS[i] for i in rng.integers(0, 10, size=rng.integers(1, 3))]
    bits = [[int(bit) for row in digit for bit in f"{int(row):03b}"] for digit in digits]
    glyphs = [np.pad(np.array(bit, bool).reshape(5, 3), ((0, 0), (0, 1))) for bit in bits]
    wide = 5 if len(digits) == 1 else 4
    return np.kron(np.hstack(glyphs)[:, :-1], np.ones((4, wide), bool))


def _stamp(trunk: np.ndarray, mask: np.ndarray, row: int, column: int, colour: np.ndarray) -> None:
    rows, columns = np.nonzero(mask)
    around = (column - mask.shape[1] // 2 + columns) % TRUNK_COLUMNS
    trunk[row + rows, around] = colour


def paint_top(
    rng: np.random.Generator, outfit: Outfit
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paints the top.

    Args:
      rng: source of the pattern's sizes and shapes.
      outfit: the pattern and its colours, base and accent.

    Returns:
      The trunk, float [64, 96, 3], and the right and the left sleeve, float [TEXELS, 1, 3], from
      shoulder to elbow.
    """
    pattern, base, accent = outfit.pattern, outfit.base, outfit.accent
    rows, phi = np.arange(TRUNK_ROWS), angles(TRUNK_COLUMNS)
    trunk = np.tile(base, (TRUNK_ROWS, TRUNK_COLUMNS, 1))
    right, left = (np.tile(base, (TEXELS, 1, 1)) for _ in range(2))
    if pattern == "hoops":
        width = rng.uniform(5.0, 8.0)
        trunk[(rows / width).astype(int) % 2 == 1] = accent
        # A sleeve's texels are 0.78 of a trunk's row, and start 8 rows below the collar.
        striped = ((np.arange(TEXELS) * 0.78 + 8.0) / width).astype(int) % 2 == 1
        right[striped] = left[striped] = accent
    elif pattern == "pinstripes":
        period = int(rng.choice((12, 16)))
        trunk[:, (np.arange(TRUNK_COLUMNS) + period // 4) % period >= 0.6 * period] = accent
    elif pattern == "halves" and rng.random() < 0.6:
        trunk[:, phi > 0] = left[:] = accent
    elif pattern == "halves":
        trunk[rows >= rng.integers(18, 28)] = accent
    elif pattern == "band":
        trunk[14:26] = right[13:25] = left[13:25] = accent
    elif pattern == "emblem":
        _stamp(trunk, _emblem(rng, 18), 13, FRONT, accent)
    elif pattern == "number":
        _stamp(trunk, _number(rng), 13, BACK, accent)
        if rng.random() < 0.5:
            _stamp(trunk, _emblem(rng, 7), 14, FRONT + 9, accent)
    if pattern == "jacket":
        opening = (0.3 + 0.45 * rows / TRUNK_ROWS)[:, None]
        trunk[np.abs(phi) < opening + 0.09] = 0.6 * base
        trunk[np.abs(phi) < opening] = accent
    else:
        trunk[:3] = 0.8 * base
    return trunk, right, left
