"""What the page sends, checked: poses, sources, regions."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeGuard, TypeVar

import numpy as np
from starlette.requests import Request

from pnr_jax.keypoints import JOINTS
from pnr_jax.studio.models import MAX_SOURCES, REGION
from pnr_jax.studio.refusals import Refusal

ORDER = "coco18"

Size = tuple[int, int]
Json = Mapping[str, object]
Kind = TypeVar("Kind")


class SourcePhoto(NamedTuple):
    """A photo as a source of a person.

    Attributes:
      photo: its key on the server.
      keypoints: float [18, 2].
      hidden: bool [H/4, W/4], regions that the regression must not see.
      painted: bool [H/4, W/4], regions that are painted over: gross outliers, seen.
    """

    photo: str
    keypoints: np.ndarray
    hidden: np.ndarray
    painted: np.ndarray


async def read_body(request: Request, limit: int) -> bytes:
    """Reads a body of at most `limit` bytes; refuses it as soon as it is longer."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Refusal(413, f"This is larger than {limit:,} bytes, the most that is taken.")
    return bytes(body)


async def read_json(request: Request, limit: int) -> Json:
    """Reads the JSON object of a body."""
    try:
        value = json.loads(await read_body(request, limit))
    except (ValueError, RecursionError):
        raise Refusal(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return value


def field(body: Json, name: str, kind: type[Kind]) -> Kind:
    """Returns a required field of one type."""
    value = body.get(name)
    if not isinstance(value, kind):
        raise Refusal(400, f"The field '{name}' is missing or not a {kind.__name__}.")
    return value


def pose(body: Json, size: Size) -> np.ndarray:
    """Returns the keypoints of `body`, float [18, 2] within `size`, both -1 where missing.

    A pose is {"order": "coco18", "keypoints": [[y, x], ...]}; the order may be left out.

    Raises:
      Refusal: another joint order or count, something not a number, a joint outside the image, or
        no visible joint.
    """
    order = body.get("order", ORDER)
    if order != ORDER:
        raise Refusal(
            400,
            f"The joint order {json.dumps(order)[:40]} is unknown: a pose is {len(JOINTS)} joints "
            f"[y, x] in the order {ORDER} ({', '.join(JOINTS)}).",
        )
    rows = field(body, "keypoints", list)
    if len(rows) != len(JOINTS):
        raise Refusal(
            400, f"A pose has {len(JOINTS)} joints in the order {ORDER}, this one {len(rows)}."
        )
    keypoints = np.array([_joint(*pair, size) for pair in zip(JOINTS, rows, strict=True)])
    if (keypoints == -1).all():
        raise Refusal(400, "No joint of this pose is visible: place at least one.")
    return keypoints


def poses(body: Json, size: Size, limit: int) -> list[np.ndarray]:
    """Returns the poses of an animation."""
    rows = field(body, "poses", list)
    if not 2 <= len(rows) <= limit:
        raise Refusal(400, f"An animation has 2 to {limit} pictures, this one {len(rows)}.")
    return [pose({"keypoints": keypoints}, size) for keypoints in rows]


def sources(body: Json, size: Size) -> list[SourcePhoto]:
    """Returns the 1 to 5 sources of a person."""
    rows = field(body, "sources", list)
    if not 1 <= len(rows) <= MAX_SOURCES:
        raise Refusal(400, f"A person takes 1 to {MAX_SOURCES} photos, not {len(rows)}.")
    return [_source(row, size) for row in rows]


def mixture(body: Json) -> tuple[list[str], float]:
    """Returns the keys of two people and the share of the second one, from 0 to 1."""
    keys, share = field(body, "people", list), body.get("share", -1)
    if len(keys) != 2 or not all(isinstance(key, str) for key in keys):
        raise Refusal(400, "The field 'people' must name two people.")
    if not (_is_number(share) and 0 <= share <= 1):
        raise Refusal(400, "The field 'share' must be a number from 0 to 1.")
    return keys, share


def names(body: Json, known: Sequence[str]) -> list[str]:
    """Returns the models to draw with, at least one of `known`."""
    chosen = field(body, "models", list)
    if not chosen or not all(name in known for name in chosen) or len(chosen) > len(known):
        raise Refusal(400, f"The field 'models' must name some of {', '.join(known)}.")
    return chosen


def _source(row: object, size: Size) -> SourcePhoto:
    if not isinstance(row, dict):
        raise Refusal(400, "A source must be a JSON object.")
    return SourcePhoto(
        field(row, "photo", str),
        pose(row, size),
        _regions(row.get("hidden", []), size),
        _regions(row.get("painted", []), size),
    )


def _joint(name: str, row: object, size: Size) -> tuple[float, float]:
    if not (isinstance(row, list) and len(row) == 2 and all(map(_is_number, row))):
        raise Refusal(400, f"The {_words(name)} must be two numbers [y, x].")
    y, x = map(float, row)
    if -1 in (y, x):
        return -1.0, -1.0
    if not (-0.5 <= y <= size[0] - 0.5 and -0.5 <= x <= size[1] - 0.5):
        raise Refusal(
            400,
            f"The {_words(name)} at y = {y:g}, x = {x:g} lies outside the image of "
            f"{size[0]}x{size[1]} pixels (height x width).",
        )
    return y, x


def _regions(rows: object, size: Size) -> np.ndarray:
    """Reads numbers of rows of H, 4x4-pixel regions from left to right and down, as a mask."""
    mask = np.zeros((size[0] // REGION, size[1] // REGION), bool)
    if not isinstance(rows, list) or not all(
        type(row) is int and 0 <= row < mask.size for row in rows
    ):
        raise Refusal(400, f"Regions must be a list of whole numbers from 0 to {mask.size - 1}.")
    mask.flat[np.array(rows, int)] = True
    return mask


def _is_number(value: object) -> TypeGuard[float]:
    # A whole number of JSON may be too large for a float.
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < 1e9 and math.isfinite(value)


def _words(joint: str) -> str:
    return joint.replace("_", " ")
