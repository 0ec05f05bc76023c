"""Pairs and tuples of images: the field's published rule, and its CSV files."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax.data.images import before_underscore
from pnr_jax.errors import UserError
from pnr_jax.files import read_lines, write_text

# Right and left shoulder, right and left hip: "a body was detected" (Def-GAN, PATN).
BODY_JOINTS = (2, 5, 8, 11)
# Market-1501's junk boxes and distractors belong to nobody.
NOBODY = ("-1", "0000")

IdentityOf = Callable[[str], str]


class Listing(NamedTuple):
    """A CSV of pairs or tuples.

    Attributes:
      tuples: names of sources and target.
      files: the generated image of each, where the CSV has the column `image`.
    """

    tuples: list[tuple[str, ...]]
    files: list[str] | None


def market1501_identity(name: str) -> str:
    """Returns Market-1501's identity of an image, "" for its junk boxes and distractors.

    >>> market1501_identity("0002_c1s1_000451_03.jpg"), market1501_identity("-1_c1s1_000451_03.jpg")
    ('0002', '')
    """
    identity = before_underscore(name)
    return "" if identity in NOBODY else identity


def usable_names(
    annotations: Mapping[str, np.ndarray], identity_of: IdentityOf = market1501_identity
) -> list[str]:
    """Returns the images that may enter a pair: of somebody, both shoulders and hips visible."""
    return [
        name
        for name, keypoints in annotations.items()
        if identity_of(name) and (np.asarray(keypoints)[BODY_JOINTS, :] != -1).all()
    ]


def make_pairs(
    annotations: Mapping[str, np.ndarray], identity_of: IdentityOf = market1501_identity
) -> list[tuple[str, str]]:
    """Returns all ordered pairs of two usable images of one identity, in the CSV's order.

    On Market-1501's training annotations these are the 263,632 published pairs, in their order.
    """
    return [
        pair
        for names in _by_identity(annotations, identity_of).values()
        for pair in itertools.permutations(names, 2)
    ]


def sample_pairs(
    pairs: Sequence[tuple[str, str]], count: int = 12_000, seed: int = 0
) -> list[tuple[str, str]]:
    """Draws `count` pairs without replacement; seed 0 gives Market-1501's published test pairs.

    The published file was drawn by pandas' `DataFrame.sample(n=12000, random_state=0)`, which is
    NumPy's legacy `RandomState.choice`; where it asks for all of them, they are shuffled.
    """
    count = min(count, len(pairs))
    chosen = np.random.RandomState(seed).choice(len(pairs), size=count, replace=False)
    return [pairs[i] for i in chosen]


def sample_tuples(
    annotations: Mapping[str, np.ndarray],
    sources: int,
    count: int,
    seed: int,
    identity_of: IdentityOf = market1501_identity,
) -> list[tuple[str, ...]]:
    """Draws tuples (from_0, ..., from_{sources-1}, to) of one identity, all images different.

    The target is uniform over the usable images of identities that have at least `sources` + 1 of
    them, the sources are uniform over the rest of that identity's, in order; no tuple comes twice.
    (All permutations cannot be listed: 20 images and 5 sources make 28 million.)

    Args:
      annotations: {name: int [18, 2]}.
      sources: how many sources a tuple has, M >= 1.
      count: how many tuples; fewer are returned if the annotations hold fewer.
      seed: seed of the draw.
      identity_of: returns the identity in an image's name.

    Raises:
      UserError: no identity has enough images.
    """
    identities = _by_identity(annotations, identity_of).values()
    groups = [names for names in identities if len(names) > sources]
    if not groups:
        raise UserError(
            f"no identity has {sources + 1} usable images (both shoulders and hips visible), "
            f"which tuples of {sources} sources and a target need"
        )
    possible = sum(_permutations(len(names), sources + 1) for names in groups)
    if possible <= 2 * count:  # few enough to list, too few to draw without many repeats
        every = [t for names in groups for t in itertools.permutations(names, sources + 1)]
        order = np.random.default_rng(seed).permutation(len(every))[:count]
        return [every[i] for i in order]
    rng = np.random.default_rng(seed)
    group_of_target = np.repeat(np.arange(len(groups)), [len(names) for names in groups])
    drawn: dict[tuple[str, ...], None] = {}
    while len(drawn) < count:
        names = groups[rng.choice(group_of_target)]
        chosen = rng.choice(len(names), size=sources + 1, replace=False)
        drawn[tuple(names[i] for i in chosen)] = None
    return list(drawn)


def read_tuples(path: str | Path) -> list[tuple[str, ...]]:
    """Reads a CSV of `from,to` pairs or `from_0,...,from_{n-1},to` tuples."""
    return _read(path, with_files=False).tuples


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Reads the field's pairs CSV, header `from,to`."""
    tuples = read_tuples(path)
    if tuples and len(tuples[0]) != 2:
        raise UserError(f"{path}:1: expected pairs (from,to), found {len(tuples[0])} columns")
    return [(source, target) for source, target in tuples]


def read_listing(path: str | Path) -> Listing:
    """Reads a CSV `from,to` or `from_0,...,to`, with or without a last column `image`.

    Raises:
      UserError: the file is missing or of another form; the message names the line.
    """
    return _read(path, with_files=True)


def write_tuples(path: str | Path, tuples: Sequence[tuple[str, ...]]) -> None:
    """Writes tuples in the format that `read_tuples` reads."""
    sources = len(tuples[0]) - 1 if tuples else 1
    rows = [_header(sources), *tuples]
    write_text(path, "".join(",".join(row) + "\n" for row in rows))


def _read(path: str | Path, with_files: bool) -> Listing:
    """Reads a CSV of tuples, whose last column may be `image` if `with_files`."""
    lines = read_lines(path, "pairs") or [""]
    header = lines[0].strip().split(",")
    has_files = with_files and header[-1].strip() == "image"
    if has_files:  # Written by hand, unlike the field's own files.
        header = [field.strip() for field in header]
    columns, sources = len(header), len(header) - 1 - has_files
    if sources < 1 or header[: sources + 1] not in (_header(1), _header(sources)):
        found = lines[0][:60] or "an empty file"
        forms = "'from,to' or 'from_0,...,to'" + ", then 'image' or nothing" * with_files
        raise UserError(f"{path}:1: expected the header {forms}, not '{found}'")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        row = tuple(field.strip() for field in line.split(","))
        if not line.strip():
            continue
        if len(row) != columns or not all(row):
            raise UserError(f"{path}:{number}: expected {columns} names, found {len(row)}")
        rows.append(row)
    if not has_files:
        return Listing(rows, None)
    return Listing([row[:-1] for row in rows], [row[-1] for row in rows])


def _header(sources: int) -> list[str]:
    return ["from", "to"] if sources == 1 else [*(f"from_{i}" for i in range(sources)), "to"]


def _by_identity(
    annotations: Mapping[str, np.ndarray], identity_of: IdentityOf
) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in usable_names(annotations, identity_of):
        groups.setdefault(identity_of(name), []).append(name)
    return groups


def _permutations(n: int, k: int) -> int:
    return int(np.prod([float(n - i) for i in range(k)]))
