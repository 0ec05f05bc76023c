"""Keypoint annotations in the field's CSV format (`name:keypoints_y:keypoints_x`)."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from pnr_jax.errors import UserError
from pnr_jax.files import is_utf8, read_lines, write_text

HEADER = "name:keypoints_y:keypoints_x"
JOINT_COUNT = 18
# Joint lists that are often taken for ours.
OTHER_ORDERS = {
    17: " (17 is COCO's own, which has no neck)",
    25: " (25 is OpenPose's BODY_25, which has feet)",
    33: " (33 is MediaPipe's)",
}


def read_annotations(path: str | Path, rounded: list[str] | None = None) -> dict[str, np.ndarray]:
    """Reads `{name: int32 [18, 2]}`, (y, x) pixels in the CSV's order, -1 where a joint is missing.

    Fractions of a pixel are rounded. A joint is missing when either coordinate is -1; both are -1
    in the result. A joint outside of its image, as in DeepFashion's files, may have any other
    number.

    Args:
      path: the CSV.
      rounded: receives the names of the rows that had fractions, for a caller who reports them.

    Raises:
      UserError: the file is absent, has a wrong header or a row that is not a name and two lists of
        18 numbers in pixels; the message names the file and the line.
    """
    lines = read_lines(path, "annotations")
    if not lines or lines[0].strip() != HEADER:
        found = lines[0][:60] if lines else "an empty file"
        raise UserError(f"{path}:1: expected the header '{HEADER}', found '{found}'")
    annotations: dict[str, np.ndarray] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        name, exact = _parse_row(line, f"{path}:{number}")
        keypoints = _to_pixels(exact)
        if rounded is not None and (keypoints != exact).any():
            rounded.append(name)
        if name in annotations:
            raise UserError(f"{path}:{number}: {name} is annotated twice; keep one of the rows")
        annotations[name] = keypoints
    return annotations


def check_names(names: Iterable[str], where: str | Path) -> None:
    """Raises a `UserError` for an image's name that the CSV cannot hold or would change.

    Args:
      names: names of images.
      where: the folder or file that they come from, for the message.
    """
    for name in names:
        if any(mark in name for mark in ":\n\r") or not name or name != name.strip():
            raise UserError(
                f"{where}: {name!r}: no ':', line end or outer space in a name; rename it"
            )
        if "\0" in name or not is_utf8(name):
            raise UserError(f"{where}: {name!r}: the name is not UTF-8; rename it")


def write_annotations(path: str | Path, annotations: Mapping[str, np.ndarray]) -> None:
    """Writes `{name: [18, 2]}` in the format that `read_annotations` reads.

    Raises:
      UserError: a name is not one of `check_names`; nothing is written.
    """
    check_names(annotations, path)
    rows = [HEADER]
    for name, keypoints in annotations.items():
        y, x = np.asarray(keypoints).T.tolist()
        rows.append(f"{name}: {y}: {x}")
    write_text(path, "\n".join(rows) + "\n")


def _to_pixels(exact: np.ndarray) -> np.ndarray:
    """Returns the nearest pixels, int32; what would lie on -1, which means missing, lies on 0."""
    pixels = np.rint(exact).astype(np.int32)
    return np.where((pixels == -1) & (exact != -1), np.int32(0), pixels)


def _parse_row(line: str, where: str) -> tuple[str, np.ndarray]:
    fields = line.split(":")
    if len(fields) != 3 or not fields[0].strip():
        raise UserError(f"{where}: expected 'name: [18 y]: [18 x]', found {len(fields)} field(s)")
    y, x = (_parse_list(field, axis, where) for field, axis in zip(fields[1:], "yx", strict=True))
    keypoints = np.stack([y, x], axis=-1)
    keypoints[(keypoints == -1).any(axis=-1)] = -1
    return fields[0].strip(), keypoints


def _parse_list(field: str, axis: str, where: str) -> np.ndarray:
    try:
        values = json.loads(field)
    except (ValueError, RecursionError):  # Of many digits or brackets, too.
        raise UserError(
            f"{where}: keypoints_{axis} is not a list of numbers: {field[:40]}"
        ) from None
    if not isinstance(values, list) or not all(_is_number(v) for v in values):
        raise UserError(f"{where}: keypoints_{axis} is not a list of numbers: {field[:40]}")
    if len(values) != JOINT_COUNT:
        raise UserError(
            f"{where}: keypoints_{axis} has {len(values)} numbers, expected 18 in OpenPose's COCO "
            f"order{OTHER_ORDERS.get(len(values), '')}; launch/estimate_poses.py writes them"
        )
    if not all(abs(v) < 2**31 - 1 for v in values):
        raise UserError(f"{where}: keypoints_{axis} has a number of more than 31 bits")
    found = [v for v in values if v != -1]
    if any(v % 1 for v in found) and all(0 <= v <= 1 for v in found):
        raise UserError(
            f"{where}: keypoints_{axis} lies between 0 and 1; expected pixels, so multiply by the "
            f"image's {'height' if axis == 'y' else 'width'}"
        )
    return np.array(values, np.float64)


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))
