"""From a file's bytes to a source: decoded within limits, cropped to the person, resized."""

import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image

from pnr_jax.data.crops import crop_person
from pnr_jax.data.images import decode, resize_image
from pnr_jax.data.pairs import BODY_JOINTS
from pnr_jax.errors import UserError
from pnr_jax.keypoints import resize_keypoints
from pnr_jax.pose_estimation import Estimator
from pnr_jax.studio.refusals import Refusal

MAX_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP")
_VIEW_HEIGHT = 512  # Of the photo as the page shows it, at most.
_ESTIMATE_SIDE = 512  # Of the photo as the pose estimator sees it, at most.


class Photo(NamedTuple):
    """A source as the server keeps it.

    Attributes:
      image: uint8 [H, W, 3], what the model sees.
      keypoints: float [18, 2], (y, x) pixels of `image`; None where nobody was found.
      view: WebP file of the same crop, finer, for the page.
      note: one sentence for the page, or "".
    """

    image: np.ndarray
    keypoints: np.ndarray | None
    view: bytes
    note: str


def open_photo(data: bytes, size: tuple[int, int], estimator: Estimator | None) -> Photo:
    """Reads an uploaded file.

    Args:
      data: the file's bytes.
      size: (H, W) of the model's images.
      estimator: finds the joints; None leaves them to the user.

    Raises:
      UserError: not a JPEG, PNG or WebP, damaged, or of too many pixels; the sentence says which.
    """
    _check_header(data)
    try:
        image = decode(data, "the photo")
    except UserError as error:
        reason = str(error).removeprefix("the photo: ")
        raise Refusal(415, f"This photo is damaged or of an odd kind: {reason}.") from None
    found, note = (None, "") if estimator is None else _estimate(image, estimator)
    if found is None:
        return make_photo(_middle(image), size, None, note)
    person, keypoints = crop_person(image, found, _VIEW_HEIGHT)
    return make_photo(person, size, resize_keypoints(keypoints, person.shape[:2], size), note)


def make_photo(
    image: np.ndarray, size: tuple[int, int], keypoints: np.ndarray | None, note: str = ""
) -> Photo:
    """Makes a photo of a crop uint8 [h, w, 3], with keypoints in pixels of the model's `size`."""
    height = max(size[0], min(image.shape[0], _VIEW_HEIGHT))
    view = io.BytesIO()
    shown = resize_image(image, (height, round(height * size[1] / size[0])))
    Image.fromarray(shown).save(view, "WEBP", quality=88)
    return Photo(resize_image(image, size), keypoints, view.getvalue(), note)


def _middle(image: np.ndarray) -> np.ndarray:
    """Crops the largest part in the middle that is twice as high as wide."""
    height = min(image.shape[0], 2 * image.shape[1])
    width = max(1, height // 2)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _check_header(data: bytes) -> None:
    """Refuses by the header alone, before any pixel is decoded."""
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(io.BytesIO(data), formats=FORMATS) as image,
        ):
            pixels = image.width * image.height
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        pixels = MAX_PIXELS + 1
    except (OSError, SyntaxError, ValueError):
        raise Refusal(415, "This file is not a readable photo: JPEG, PNG or WebP.") from None
    if pixels > MAX_PIXELS:
        raise Refusal(
            413, f"This photo has more than {MAX_PIXELS // 10**6} megapixels: make it smaller."
        )


def _estimate(image: np.ndarray, estimator: Estimator) -> tuple[np.ndarray | None, str]:
    """Returns joints in pixels, None where no body was found, and what to say about it."""
    height, width = image.shape[:2]
    scale = min(1.0, _ESTIMATE_SIDE / max(height, width))
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    poses = estimator.detect(resize_image(image, small)[None])
    keypoints = poses.keypoints[0]
    if (keypoints[BODY_JOINTS, :] == -1).any():
        return None, "No shoulders and hips were found: drag the skeleton onto the person."
    several = "Several people were found: the largest was taken." if poses.people[0] > 1 else ""
    return resize_keypoints(keypoints, small, (height, width)), several
