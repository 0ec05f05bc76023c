"""An identity's textures: clothes, face and hair, packed into one atlas."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from pnr_jax.data.synthetic.canvas import TEXELS, Texture
from pnr_jax.data.synthetic.clothes import Outfit
from pnr_jax.data.synthetic.patterns import FRONT, TRUNK_COLUMNS, TRUNK_ROWS, angles, paint_top

HEAD_ROWS, HEAD_COLUMNS = 40, 64
WAIST, HEM = 40, 53  # rows of the trunk: where a tucked-in and a loose top end
_DARK, _WHITE = np.array((30.0, 27.0, 28.0)), np.array((240.0, 238.0, 234.0))

# Where the hair ends (fraction of the head, down) at an angle (radians) from the front.
_HAIRLINES = {
    "short": ((0.0, 0.7, 0.95, 1.3, 1.6, 3.2), (0.2, 0.22, 0.44, 0.5, 0.66, 0.74)),
    "long": ((0.0, 0.5, 0.75, 0.95, 3.2), (0.19, 0.26, 0.7, 1.0, 1.0)),
    "bob": ((0.0, 0.6, 0.8, 1.0, 3.2), (0.3, 0.3, 0.8, 1.0, 1.0)),
    "tail": ((0.0, 0.7, 1.0, 1.4, 3.2), (0.17, 0.2, 0.42, 0.5, 0.76)),
    "bun": ((0.0, 0.7, 1.0, 1.4, 3.2), (0.17, 0.2, 0.42, 0.5, 0.76)),
    "round": ((0.0, 0.7, 0.95, 1.2, 3.2), (0.2, 0.24, 0.6, 0.78, 0.86)),
    "bald": ((0.0, 3.2), (0.0, 0.0)),
}


class Paint(NamedTuple):
    """Every texel of an identity, float32 [texels, 3], where each texture lies, and the hair.

    ``hair`` is bool [HEAD_ROWS, HEAD_COLUMNS]: where hair or a hat covers the head.
    """

    atlas: np.ndarray
    textures: dict[str, Texture]
    hair: np.ndarray


def _strip(*parts: tuple[float, np.ndarray]) -> np.ndarray:
    """Returns colours along a limb, float [TEXELS, 1, 3]: each part ends at a fraction of it."""
    ends = [end for end, _ in parts]
    at = np.searchsorted(ends, (np.arange(TEXELS) + 0.5) / TEXELS)
    return np.stack([colour for _, colour in parts])[at][:, None]


def _paint_lower(trunk: np.ndarray, outfit: Outfit) -> None:
    """Paints the trunk below the top: belt, a fly in front, pockets behind."""
    start = HEM if outfit.loose else WAIST
    trunk[start:] = outfit.lower_colour
    trunk[start + 3 :, FRONT] *= 0.75
    for column in (6, TRUNK_COLUMNS - 16):
        trunk[54:60, column : column + 10] *= 0.84
    trunk[start : start + 2] *= 0.7


def _paint_straps(trunk: np.ndarray, outfit: Outfit) -> None:
    """Paints a backpack's two straps, or a satchel's one from left shoulder to right hip."""
    for row in range(48):
        starts: tuple[int, ...] = ()
        if outfit.bag == "backpack" and row < 30:
            starts = (FRONT - 13, FRONT + 9)
        elif outfit.bag == "satchel":
            starts = (FRONT + 12 - row * 36 // 48, TRUNK_COLUMNS - 16 + row * 40 // 48)
        for start in starts:
            trunk[row, np.arange(start, start + 4) % TRUNK_COLUMNS] = 0.8 * outfit.bag_colour


def _paint_face(outfit: Outfit) -> np.ndarray:
    """Paints a face on the front of a bare head."""
    skin, hair = outfit.skin, outfit.hair
    head = np.tile(skin, (HEAD_ROWS, HEAD_COLUMNS, 1))
    middle, phi = HEAD_COLUMNS // 2, np.abs(angles(HEAD_COLUMNS))
    if outfit.beard:
        edge = np.interp(phi, (0.0, 0.3, 0.45, 1.1, 1.3, 1.31), (26, 26, 29, 24, 18, 99))
        head[np.arange(HEAD_ROWS)[:, None] >= edge] = 0.7 * hair + 0.2 * skin
    for brow, cheek in ((middle - 6, middle - 9), (middle + 2, middle + 5)):
        head[14:16, brow : brow + 4] = 0.5 * hair + 0.2 * skin
        head[17:20, brow : brow + 4] = _WHITE
        head[17:20, brow + 1 : brow + 3] = _DARK
        if outfit.glasses:
            head[16:21, brow - 1 : brow + 5] = _DARK
        head[23:27, cheek : cheek + 4] *= (0.98, 0.88, 0.86)
    if outfit.glasses:
        head[17, phi < 1.7] = _DARK
    head[29:31, middle - 3 : middle + 3] = 0.5 * skin + 0.5 * np.array((170, 40, 50))
    return head


def _paint_hair(rng: np.random.Generator, outfit: Outfit) -> tuple[np.ndarray, np.ndarray]:
    """Paints hair with a sheen, and a hat over it; also where the two cover the head."""
    strands = rng.normal(1.0, 0.05, (1, HEAD_COLUMNS, 1))
    paint = np.tile(outfit.hair, (HEAD_ROWS, HEAD_COLUMNS, 1)) * strands
    paint[8:13] = 1.15 * paint[8:13] + 8.0
    limit = np.interp(np.abs(angles(HEAD_COLUMNS)), *_HAIRLINES[outfit.haircut])
    if outfit.hat != "none":
        paint[:14] = outfit.hat_colour
        paint[11:14] = 0.8 * outfit.hat_colour
        limit = np.maximum(limit, 0.34)
    return paint, np.arange(HEAD_ROWS)[:, None] / HEAD_ROWS < limit


def _paint_arms(outfit: Outfit, right: np.ndarray, left: np.ndarray) -> dict[str, np.ndarray]:
    paints: dict[str, np.ndarray] = {}
    for side, sleeve in (("right", right), ("left", left)):
        end = sleeve[-1, 0]
        if outfit.sleeves == "short":
            sleeve[18:20] = 0.8 * sleeve[17]
            sleeve[20:] = outfit.skin
            forearm = _strip((1.0, outfit.skin))
        elif outfit.pattern == "hoops":
            forearm = sleeve[::-1].copy()
            forearm[29:] = 0.75 * outfit.base
        else:
            forearm = _strip((0.9, end), (1.0, 0.75 * end))
        paints |= {f"{side}_arm": sleeve, f"{side}_forearm": forearm}
    return paints


def _paint_legs(rng: np.random.Generator, outfit: Outfit) -> dict[str, np.ndarray]:
    cloth, skin = outfit.lower_colour, outfit.skin
    skirt = np.tile(cloth, (TRUNK_ROWS, TRUNK_COLUMNS, 1))
    skirt *= (1.0 + 0.07 * np.cos(12 * angles(TRUNK_COLUMNS)))[:, None]
    skirt[-4:] = outfit.accent if rng.random() < 0.4 else 0.8 * cloth
    thigh, shin = {
        "trousers": (_strip((1.0, cloth)), _strip((0.94, cloth), (1.0, 0.8 * cloth))),
        "shorts": (_strip((0.86, cloth), (1.0, skin)), _strip((0.84, skin), (1.0, _WHITE))),
        "skirt": (_strip((0.3, cloth), (1.0, skin)), _strip((1.0, skin))),
    }[outfit.lower]
    sole = 0.92 * _WHITE if outfit.shoe.sum() < 500 else 0.5 * outfit.shoe
    return {
        "thigh": thigh,
        "shin": shin,
        "skirt": skirt,
        "shoe": _strip((0.35, 0.85 * outfit.shoe), (1.0, outfit.shoe)),
        "sole": _strip((1.0, sole)),
    }


def paint_outfit(rng: np.random.Generator, outfit: Outfit) -> Paint:
    """Paints all that an identity wears."""
    trunk, right, left = paint_top(rng, outfit)
    _paint_lower(trunk, outfit)
    folds = Image.fromarray(rng.normal(1.0, 0.05, (9, 13)).astype(np.float32))
    smooth = folds.resize((TRUNK_COLUMNS, TRUNK_ROWS), Image.Resampling.BICUBIC)
    trunk *= np.asarray(smooth)[..., None]
    _paint_straps(trunk, outfit)
    hair, cover = _paint_hair(rng, outfit)
    bag = outfit.bag_colour
    paints = {
        "trunk": trunk,
        "head": _paint_face(outfit),
        "hair": hair,
        "skin": _strip((1.0, outfit.skin)),
        "strands": _strip((0.2, 1.1 * outfit.hair), (1.0, outfit.hair)),
        "hat": _strip((1.0, outfit.hat_colour)),
        "hood": _strip((1.0, 0.9 * outfit.base)),
        "bag": _strip((0.4, bag), (0.48, 0.6 * bag), (1.0, 0.9 * bag)),
    }
    paints |= _paint_arms(outfit, right, left) | _paint_legs(rng, outfit)
    textures, start = {}, 0
    for name, paint in paints.items():
        rows, columns, _ = paint.shape
        textures[name] = Texture(start, rows, columns)
        start += rows * columns
    atlas = np.concatenate([paint.reshape(-1, 3) for paint in paints.values()])
    return Paint(np.clip(atlas, 0, 255).astype(np.float32), textures, cover)
