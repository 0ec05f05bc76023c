"""What an identity wears and looks like, painted into textures.

A texture of the trunk or the head is a map of the body: rows run down, columns run around it from
the back over the person's right, the front (the middle column) and the left. So a logo on the chest
leaves the picture when the person turns, as it should.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from pnr_jax.data.synthetic.canvas import TEXELS, Texture

Colour = tuple[int, int, int]
TRUNK_ROWS, TRUNK_COLUMNS = 64, 96
HEAD_ROWS, HEAD_COLUMNS = 40, 64
WAIST, HEM = 40, 53  # rows of the trunk: where a tucked-in and a loose top end

CLOTH: tuple[Colour, ...] = (
    (214, 40, 44),
    (240, 122, 28),
    (248, 202, 50),
    (62, 158, 66),
    (22, 128, 124),
    (64, 160, 226),
    (36, 78, 184),
    (112, 58, 160),
    (236, 106, 156),
    (238, 236, 228),
    (30, 32, 38),
    (128, 26, 48),
    (126, 206, 186),
)
LOWER: tuple[Colour, ...] = (
    (44, 62, 108),
    (86, 118, 168),
    (30, 30, 36),
    (96, 98, 104),
    (206, 184, 142),
    (108, 74, 48),
    (84, 96, 56),
    (232, 230, 222),
    (150, 34, 52),
    (24, 104, 110),
)
SHOES: tuple[Colour, ...] = (
    (240, 240, 238),
    (34, 34, 38),
    (204, 48, 48),
    (118, 74, 44),
    (48, 92, 190),
    (244, 196, 60),
)
SKIN: tuple[Colour, ...] = (
    (244, 204, 176),
    (234, 186, 150),
    (222, 170, 128),
    (192, 134, 94),
    (142, 92, 62),
    (98, 62, 44),
)
HAIR: tuple[Colour, ...] = (
    (28, 24, 24),
    (62, 40, 28),
    (110, 66, 36),
    (152, 70, 34),
    (222, 182, 104),
    (140, 136, 134),
)
PATTERNS = {
    "plain": 0.2,
    "hoops": 0.15,
    "pinstripes": 0.08,
    "halves": 0.09,
    "chest band": 0.08,
    "logo": 0.11,
    "number": 0.14,
    "jacket": 0.15,
}
HAIRCUTS = {
    "short": 0.3,
    "long": 0.17,
    "bob": 0.13,
    "tail": 0.12,
    "bun": 0.08,
    "round": 0.08,
    "bald": 0.05,
    "beanie": 0.07,
}
# Digits on a 3 x 5 grid: one octal number a row.
DIGITS = (
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
# Where the hair ends (fraction of the head, down) at an angle (radians) from the front.
HAIRLINES = {
    "short": ((0.0, 0.7, 0.95, 1.3, 1.6, 3.2), (0.2, 0.22, 0.44, 0.5, 0.66, 0.74)),
    "long": ((0.0, 0.5, 0.75, 0.95, 3.2), (0.19, 0.26, 0.7, 1.0, 1.0)),
    "bob": ((0.0, 0.6, 0.8, 1.0, 3.2), (0.3, 0.3, 0.8, 1.0, 1.0)),
    "tail": ((0.0, 0.7, 1.0, 1.4, 3.2), (0.17, 0.2, 0.42, 0.5, 0.76)),
    "bun": ((0.0, 0.7, 1.0, 1.4, 3.2), (0.17, 0.2, 0.42, 0.5, 0.76)),
    "round": ((0.0, 0.7, 0.95, 1.2, 3.2), (0.2, 0.24, 0.6, 0.78, 0.86)),
    "bald": ((0.0, 3.2), (0.0, 0.0)),
    "beanie": ((0.0, 0.9, 1.1, 3.2), (0.34, 0.34, 0.42, 0.76)),
}


class Outfit(NamedTuple):
    """Clothes and looks of one identity, with the atlas that they are painted in."""

    sleeves: str
    lower: str
    haircut: str
    cap: bool
    bag: str
    hood: bool
    loose: float
    atlas: np.ndarray
    textures: dict[str, Texture]
    hair_cover: np.ndarray


def _pick(rng: np.random.Generator, choices: dict[str, float]) -> str:
    shares = np.cumsum(list(choices.values()))
    return list(choices)[int(np.searchsorted(shares, rng.random() * shares[-1]))]


def _colour(
    rng: np.random.Generator, palette: tuple[Colour, ...], *others: np.ndarray
) -> np.ndarray:
    """A colour of the palette, jittered, well apart from the others."""
    while True:
        colour = np.array(palette[rng.integers(len(palette))]) + rng.normal(0.0, 6.0, 3)
        if all(np.abs(colour - other).sum() > 150 for other in others):
            return np.clip(colour, 14, 246)


def _angles(columns: int) -> np.ndarray:
    return (np.arange(columns) + 0.5) / columns * 2 * np.pi - np.pi


def _emblem(rng: np.random.Generator, size: int) -> np.ndarray:
    """A disc, a diamond, a heart, a cross or a triangle, bool [size, size]."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    shapes = (
        x**2 + y**2 < 0.9,
        np.abs(x) + np.abs(y) < 1.05,
        (1.15 * x**2 + (1.1 * y + 0.1 - 0.75 * np.abs(x) ** 0.6) ** 2) < 0.85,
        (np.abs(x) < 0.34) | (np.abs(y) < 0.34),
        (y > -0.9) & (np.abs(x) < (y + 1.0) / 2),
    )
    return shapes[rng.integers(len(shapes))]


def _number(rng: np.random.Generator) -> np.ndarray:
    """One digit or two, bool [20, columns]."""
    digits = [DIGITS[i] for i in rng.integers(0, 10, size=rng.integers(1, 3))]
    bits = [[int(c) for row in digit for c in f"{int(row):03b}"] for digit in digits]
    glyphs = [np.pad(np.array(bit, bool).reshape(5, 3), ((0, 0), (0, 1))) for bit in bits]
    wide = 5 if len(digits) == 1 else 4
    return np.kron(np.hstack(glyphs)[:, :-1], np.ones((4, wide), bool)).astype(bool)


def _stamp(trunk: np.ndarray, mask: np.ndarray, row: int, column: int, colour: np.ndarray) -> None:
    rows, columns = np.nonzero(mask)
    around = (column - mask.shape[1] // 2 + columns) % trunk.shape[1]
    trunk[row + rows, around] = colour


def _paint_top(
    rng: np.random.Generator, pattern: str, base: np.ndarray, accent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paint the top on the whole trunk, and its right and left sleeve [TEXELS, 1, 3]."""
    phi = _angles(TRUNK_COLUMNS)
    rows = np.arange(TRUNK_ROWS)
    front, back = TRUNK_COLUMNS // 2, 0
    trunk = np.tile(base, (TRUNK_ROWS, TRUNK_COLUMNS, 1))
    sleeves = [np.tile(base, (TEXELS, 1, 1)) for _ in range(2)]
    if pattern == "hoops":
        width = rng.uniform(5.0, 8.0)
        trunk[(rows / width).astype(int) % 2 == 1] = accent
        for sleeve in sleeves:
            sleeve[((np.arange(TEXELS) * 0.78 + 8.0) / width).astype(int) % 2 == 1] = accent
    elif pattern == "pinstripes":
        period = rng.choice((12, 16))
        trunk[:, (np.arange(TRUNK_COLUMNS) + period // 4) % period >= 0.6 * period] = accent
    elif pattern == "halves":
        if rng.random() < 0.6:  # the person's left half
            trunk[:, phi > 0] = accent
            sleeves[1][:] = accent
        else:
            trunk[rows >= rng.integers(22, 34)] = accent
    elif pattern == "chest band":
        trunk[14:26] = accent
        for sleeve in sleeves:
            sleeve[13:25] = accent
    elif pattern == "logo":
        _stamp(trunk, _emblem(rng, 18), 13, front, accent)
    elif pattern == "number":
        _stamp(trunk, _number(rng), 13, back, accent)
        if rng.random() < 0.5:
            _stamp(trunk, _emblem(rng, 7), 14, front + 9, accent)
    elif pattern == "jacket":
        opening = (0.3 + 0.45 * rows / TRUNK_ROWS)[:, None]
        trunk[np.abs(phi) < opening + 0.09] = base * 0.6
        trunk[np.abs(phi) < opening] = accent
    if pattern != "jacket":
        trunk[:3] = base * 0.8
    return trunk, sleeves[0], sleeves[1]


def _paint_lower(trunk: np.ndarray, colour: np.ndarray, start: int) -> None:
    """Paint trousers or a skirt on the trunk from a row down: pockets behind, a fly in front."""
    front = TRUNK_COLUMNS // 2
    trunk[start:] = colour
    trunk[start + 3 :, front : front + 1] *= 0.75
    for column in (6, TRUNK_COLUMNS - 16):
        trunk[54:60, column : column + 10] *= 0.84
    trunk[start : start + 2] *= 0.7


def _paint_strap(trunk: np.ndarray, bag: str, colour: np.ndarray) -> None:
    """Paint a backpack's two straps, or a satchel's one from left shoulder to right hip."""
    front, back = TRUNK_COLUMNS // 2, TRUNK_COLUMNS
    for row in range(48):
        if bag == "backpack":
            starts = [front - 13, front + 9] if row < 30 else []
        elif bag == "satchel":
            starts = [front + 12 - row * 36 // 48, back - 16 + row * 40 // 48]
        else:
            starts = []
        for start in starts:
            trunk[row, np.arange(start, start + 4) % TRUNK_COLUMNS] = colour


def _paint_head(rng: np.random.Generator, skin: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """Paint a face on the front of a bare head."""
    head = np.tile(skin, (HEAD_ROWS, HEAD_COLUMNS, 1))
    middle = HEAD_COLUMNS // 2
    phi = np.abs(_angles(HEAD_COLUMNS))
    if rng.random() < 0.2:  # a beard
        edge = np.interp(phi, (0.0, 0.25, 0.3, 1.2, 1.3, 3.2), (26, 26, 25, 20, 99, 99))
        head[np.arange(HEAD_ROWS)[:, None] >= edge] = 0.75 * hair + 0.25 * skin
    glasses = rng.random() < 0.12
    for sign in (-1, 1):
        column = middle + (2 if sign > 0 else -6)
        head[14:16, column : column + 4] = 0.5 * hair + 0.2 * skin
        if glasses:
            head[16:21, column - 1 : column + 5] = (26, 26, 30)
        else:
            head[17:20, column : column + 4] = (244, 242, 238)
            pupil = column + 1
            head[17:20, pupil : pupil + 2] = (38, 28, 26)
        cheek = middle + (5 if sign > 0 else -9)
        head[23:27, cheek : cheek + 4] = 0.85 * skin + 0.15 * np.array((230, 70, 70))
    if glasses:
        head[17, np.abs(phi) < 1.7] = (26, 26, 30)
    head[29:31, middle - 3 : middle + 3] = 0.5 * skin + 0.5 * np.array((170, 40, 50))
    return head


def _paint_hair(
    rng: np.random.Generator, haircut: str, cap: bool, hair: np.ndarray, cloth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Paint hair, and a cap or beanie over it; also where it covers the head."""
    strands = 1.0 + 0.05 * rng.standard_normal(HEAD_COLUMNS)
    paint = np.tile(hair, (HEAD_ROWS, 1, 1)) * strands[None, :, None]
    paint[8:13] = paint[8:13] * 1.15 + 8.0
    rows = np.arange(HEAD_ROWS)[:, None] / HEAD_ROWS
    limit = np.interp(np.abs(_angles(HEAD_COLUMNS)), *HAIRLINES[haircut])
    if cap or haircut == "beanie":
        paint[:14] = cloth
        paint[12:14] = cloth * 0.8
        limit = np.maximum(limit, 0.33)
    return paint, rows < limit


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Draw what an identity wears and looks like."""
    pattern, haircut = _pick(rng, PATTERNS), _pick(rng, HAIRCUTS)
    base = _colour(rng, CLOTH)
    accent = _colour(rng, CLOTH, base)
    lower_colour = _colour(rng, LOWER, base)
    shoe, bag_colour = _colour(rng, SHOES, lower_colour), _colour(rng, CLOTH, base)
    skin, hair = _colour(rng, SKIN), _colour(rng, HAIR)
    lower = _pick(rng, {"trousers": 0.62, "shorts": 0.2, "skirt": 0.18})
    sleeves = "long" if pattern == "jacket" or rng.random() < 0.4 else "short"
    bag = _pick(rng, {"none": 0.62, "backpack": 0.22, "satchel": 0.16})
    hood = sleeves == "long" and bag != "backpack" and rng.random() < 0.3
    cap = haircut in ("short", "tail", "bald") and rng.random() < 0.2

    trunk, right, left = _paint_top(rng, pattern, base, accent)
    loose = pattern == "jacket" or rng.random() < 0.6
    _paint_lower(trunk, lower_colour, HEM if loose else WAIST)
    folds = Image.fromarray(rng.normal(1.0, 0.05, (9, 13)).astype(np.float32))
    trunk *= np.asarray(folds.resize((TRUNK_COLUMNS, TRUNK_ROWS), Image.Resampling.BICUBIC))[
        ..., None
    ]
    _paint_strap(trunk, bag, bag_colour * 0.8)
    hair_paint, cover = _paint_hair(rng, haircut, cap, hair, _colour(rng, CLOTH, base))

    def strip(*parts: tuple[float, np.ndarray]) -> np.ndarray:
        """A limb's colours: each part ends at a fraction of the limb."""
        ends = np.array([end for end, _ in parts])
        at = np.searchsorted(ends, (np.arange(TEXELS) + 0.5) / TEXELS)
        return np.stack([colour for _, colour in parts])[at][:, None]

    paints = {
        "trunk": trunk,
        "head": _paint_head(rng, skin, hair),
        "hair": hair_paint,
        "skin": strip((1.0, skin)),
        "strands": strip((0.2, hair * 1.1), (1.0, hair)),
        "headwear": strip((1.0, hair_paint[0, 0])),
        "bag": strip((0.4, bag_colour), (0.48, bag_colour * 0.6), (1.0, bag_colour * 0.9)),
        "shoe": strip((0.35, shoe * 0.85), (1.0, shoe)),
        "sole": strip((1.0, np.array((226.0, 224, 218)) if shoe.sum() < 500 else shoe * 0.5)),
        "hood": strip((1.0, base * 0.9)),
    }
    for side, sleeve in (("right", right), ("left", left)):
        cuff = sleeve[-1, 0] * 0.75
        if sleeves == "short":
            sleeve[18:20] = sleeve[17] * 0.8
            sleeve[20:] = skin
            paints[f"{side}_forearm"] = strip((1.0, skin))
        else:
            paints[f"{side}_forearm"] = strip((0.9, sleeve[-1, 0]), (1.0, cuff))
            if pattern == "hoops":
                paints[f"{side}_forearm"][:29] = sleeve[:29][::-1]
        paints[f"{side}_arm"] = sleeve
    bare = {"trousers": 1.0, "shorts": 0.86, "skirt": 0.3}[lower]
    paints["thigh"] = strip((bare, lower_colour), (1.0, lower_colour if bare == 1.0 else skin))
    hose = lower_colour if lower == "trousers" else skin
    sock = {"trousers": hose * 0.8, "shorts": np.array((236.0, 234, 230)), "skirt": hose}[lower]
    paints["shin"] = strip((0.94 if lower == "trousers" else 0.84, hose), (1.0, sock))
    skirt = np.tile(lower_colour, (TRUNK_ROWS, TRUNK_COLUMNS, 1))
    skirt *= (1.0 + 0.07 * np.cos(_angles(TRUNK_COLUMNS) * 12))[None, :, None]
    skirt[-4:] = accent if rng.random() < 0.4 else lower_colour * 0.8
    paints["skirt"] = skirt

    textures, start = {}, 0
    for name, paint in paints.items():
        textures[name] = Texture(start, paint.shape[0], paint.shape[1])
        start += paint.shape[0] * paint.shape[1]
    atlas = np.concatenate([paint.reshape(-1, 3) for paint in paints.values()])
    return Outfit(
        sleeves,
        lower,
        haircut,
        cap,
        bag,
        hood,
        1.08 if loose else 1.0,
        np.clip(atlas, 0, 255).astype(np.float32),
        textures,
        cover,
    )
