"""Images with their keypoints, in memory, and tuples of indices into them."""

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pnr_jax.data import formats
from pnr_jax.data.colours import to_rgb
from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS, resize_keypoints
from pnr_jax.paths import to_path


def before_underscore(name: str) -> str:
    """Returns the identity in an image's name: what stands before the first underscore.

    >>> before_underscore("0002_c1s1_000451_03.jpg")
    '0002'
    """
    return name.split("_")[0]


# Market-1501's _c1s3_, DukeMTMC's _c1_ and MSMT17's 0000_000_14_0303morning_; a prepared folder has
# hyphens.
_CAMERA = re.compile(r"[_-]c(\d+)(?:s(\d+))?[_-]")
_MSMT17 = re.compile(r"(?:^|_)\d{4}[_-]\d{3}[_-](\d{2})[_-]\d{4}(?:morning|noon|afternoon)[_-]")


def camera_in(name: str) -> tuple[int, int]:
    """Returns camera and sequence in an image's name, 1 where it states none.

    >>> camera_in("0002_c3s2_000451_03.jpg"), camera_in("0001_c2_f0046182.jpg")
    ((3, 2), (2, 1))
    >>> camera_in("0000_000_14_0303morning_0015_0.jpg"), camera_in("anna_7.jpg")
    ((14, 1), (1, 1))
    """
    found = _CAMERA.search(name) or _MSMT17.search(name)
    camera, sequence = (*(found.groups() if found else ()), None, None)[:2]
    return int(camera or 1), int(sequence or 1)


class Images(NamedTuple):
    """A set of images of people.

    Attributes:
      images: uint8 [N, H, W, 3].
      keypoints: int32 [N, 18, 2], (y, x) pixels, -1 where missing.
      names: N file names.
      identity_of: the identity in a name, "" for one that shows nobody; by default what stands
        before the first underscore.
      camera_of: camera and sequence in a name, from 1.
    """

    images: np.ndarray
    keypoints: np.ndarray
    names: Sequence[str]
    identity_of: Callable[[str], str] = before_underscore
    camera_of: Callable[[str], tuple[int, int]] = camera_in

    @property
    def annotations(self) -> dict[str, np.ndarray]:
        """{name: keypoints}, as `read_annotations` returns it."""
        return dict(zip(self.names, self.keypoints, strict=True))


def leave_out(image: str, error: UserError, damaged: list[str], max_damaged: int) -> None:
    """Adds an unreadable image to `damaged`.

    Raises:
      UserError: these are more than `max_damaged`; it is `error`, with the way out.
    """
    damaged.append(image)
    if len(damaged) > max_damaged:
        raise UserError(f"{error}; `max_damaged=N` leaves out up to N images") from None


def decode(data: bytes, where: str) -> np.ndarray:
    """Decodes one image file to uint8 [H, W, 3], sRGB, upright.

    Grey, palette, CMYK and 16-bit images become RGB, by the profile in the file where there is one;
    transparent pixels become white.

    Raises:
      UserError: it is no image, damaged, an animation, or its header declares more than 64
        megapixels or has 100 scans.
    """
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(io.BytesIO(data), formats=formats.FORMATS) as image,
        ):
            formats.check_picture(image, data, where)
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(to_rgb(image))
    except UserError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"{where}: {formats.TOO_LARGE}") from None
    except UnidentifiedImageError:
        raise UserError(f"{where}: {formats.unknown(data)}") from None
    except Exception as error:  # For damage, Pillow raises almost any type.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{where}: not a readable image ({reason})") from None


def read_image(path: str | Path) -> np.ndarray:
    """Reads one image file as uint8 [H, W, 3], upright."""
    path = to_path(path)
    if not path.is_file():
        raise UserError(f"image not found: {path}")
    return decode(path.read_bytes(), str(path))


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes uint8 [h, w, 3] to `size` = (H, W), antialiased, without blocks if it grows."""
    if image.shape[:2] == tuple(size):
        return image
    grows = size[0] > image.shape[0] or size[1] > image.shape[1]
    how = Image.Resampling.BICUBIC if grows else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), how))


def resize(images: Images, size: tuple[int, int]) -> Images:
    """Resizes every image and its keypoints to `size` = (H, W)."""
    old = images.images.shape[1:3]
    if old == tuple(size):
        return images
    resized = np.stack([resize_image(image, size) for image in images.images])
    keypoints = resize_keypoints(images.keypoints, old, size)
    return images._replace(images=resized, keypoints=keypoints)


def check_keypoints(keypoints: np.ndarray, size: tuple[int, int], where: str) -> None:
    """Raises a `UserError` naming the first joint of [18, 2] outside an image of `size`."""
    outside = ((keypoints < -1) | (keypoints >= np.array(size))).any(axis=-1)
    if outside.any():
        joint = int(np.argmax(outside))
        y, x = keypoints[joint]
        raise UserError(
            f"{where}: {JOINTS[joint]} at (y={y}, x={x}) lies outside the image of "
            f"{size[0]}x{size[1]} (height x width); mend the row or mark the joint missing (-1)"
        )


def encode_png(image: np.ndarray) -> bytes:
    """Encodes uint8 [H, W, 3] as PNG."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def index_tuples(
    names: Sequence[str], tuples: Sequence[tuple[str, ...]], where: str, sources: int = 1
) -> np.ndarray:
    """Turns tuples of names into int32 [T, M + 1] indices into `names`.

    Args:
      names: names of the images.
      tuples: M sources and a target each.
      where: the file of the tuples.
      sources: the fewest sources that are needed.

    Raises:
      UserError: there is no tuple, one names an absent image, or M is less than `sources`.
    """
    if not tuples:
        raise UserError(
            f"{where}: names no pair or tuple; add a row, or prepare the data set with more images "
            "of each person"
        )
    found = len(tuples[0]) - 1
    if found < sources:
        raise UserError(
            f"{where}: has {found} source{'s' * (found > 1)} a row, `sources` asks for {sources}; "
            f"ask for {found} at most"
        )
    position: Mapping[str, int] = {name: i for i, name in enumerate(names)}
    try:
        return np.array([[position[name] for name in row] for row in tuples], np.int32)
    except KeyError as error:
        raise UserError(
            f"{where}: names the image {error}, which the data set does not have"
        ) from None
