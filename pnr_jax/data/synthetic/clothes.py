"""What an identity wears and looks like: its choices and its colours."""

from typing import NamedTuple

import numpy as np

Colour = tuple[int, int, int]

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
    (246, 208, 182),
    (236, 188, 152),
    (220, 168, 126),
    (190, 132, 92),
    (142, 92, 62),
    (100, 64, 46),
)
HAIR: tuple[Colour, ...] = (
    (28, 24, 24),
    (46, 34, 28),
    (66, 42, 28),
    (110, 66, 36),
    (152, 70, 34),
    (214, 172, 96),
    (136, 132, 130),
)
PATTERNS = {
    "plain": 0.19,
    "hoops": 0.15,
    "pinstripes": 0.09,
    "halves": 0.09,
    "band": 0.08,
    "emblem": 0.11,
    "number": 0.14,
    "jacket": 0.15,
}
HAIRCUTS = {
    "short": 0.36,
    "long": 0.18,
    "bob": 0.13,
    "tail": 0.13,
    "bun": 0.08,
    "round": 0.07,
    "bald": 0.05,
}


class Outfit(NamedTuple):
    """Choices and colours (float [3], 0 to 255) of one identity."""

    pattern: str
    sleeves: str
    lower: str
    haircut: str
    hat: str
    bag: str
    hood: bool
    loose: bool
    beard: bool
    glasses: bool
    base: np.ndarray
    accent: np.ndarray
    lower_colour: np.ndarray
    shoe: np.ndarray
    bag_colour: np.ndarray
    hat_colour: np.ndarray
    skin: np.ndarray
    hair: np.ndarray


def _pick(rng: np.random.Generator, choices: dict[str, float]) -> str:
    shares = np.cumsum(list(choices.values()))
    return list(choices)[int(np.searchsorted(shares, rng.random() * shares[-1]))]


def _colour(
    rng: np.random.Generator,
    palette: tuple[Colour, ...],
    other: np.ndarray | None = None,
    apart: float = 150.0,
) -> np.ndarray:
    """Returns a colour of the palette, jittered, at least ``apart`` from the other."""
    while True:
        colour = np.array(palette[rng.integers(len(palette))]) + rng.normal(0.0, 6.0, 3)
        if other is None or np.abs(colour - other).sum() > apart:
            return np.clip(colour, 14, 246)


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Draws what an identity wears and looks like."""
    pattern, haircut = _pick(rng, PATTERNS), _pick(rng, HAIRCUTS)
    sleeves = "long" if pattern == "jacket" or rng.random() < 0.4 else "short"
    bag = _pick(rng, {"none": 0.62, "backpack": 0.22, "satchel": 0.16})
    hat = "none"
    if haircut in ("short", "tail", "bald"):
        hat = _pick(rng, {"none": 0.72, "cap": 0.16, "beanie": 0.12})
    base = _colour(rng, CLOTH)
    lower_colour = _colour(rng, LOWER, base)
    return Outfit(
        pattern=pattern,
        sleeves=sleeves,
        lower=_pick(rng, {"trousers": 0.62, "shorts": 0.2, "skirt": 0.18}),
        haircut=haircut,
        hat=hat,
        bag=bag,
        hood=sleeves == "long" and bag != "backpack" and bool(rng.random() < 0.3),
        loose=pattern == "jacket" or bool(rng.random() < 0.6),
        beard=haircut in ("short", "bald") and bool(rng.random() < 0.3),
        glasses=bool(rng.random() < 0.12),
        base=base,
        accent=_colour(rng, CLOTH, base, apart=220.0),
        lower_colour=lower_colour,
        shoe=_colour(rng, SHOES, lower_colour),
        bag_colour=_colour(rng, CLOTH, base),
        hat_colour=_colour(rng, CLOTH),
        skin=_colour(rng, SKIN),
        hair=_colour(rng, HAIR),
    )
