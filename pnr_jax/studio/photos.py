"""From a file's bytes to a source: decoded within limits, cropped to the person, resized."""

import io
import warnings
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from pnr_jax.data.images import decode, resize_image
from pnr_jax.errors import UserError
from pnr_jax.keypoints import resize_keypoints
from pnr_jax.studio.refusals import Refusal

MAX_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP")
_VIEW_HEIGHT = 512  # Of the photo as the page shows it, at most.
_ESTIMATE_SIDE = 512  # Of the photo as the pose estimator sees it, at most.
_ROOM = 1.3  # Height of the crop in heights of the joints: hair and shoes lie beyond them.


class PoseEstimator(Protocol):
    """What finds the joints in photos."""

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Joints int32 [N, 18, 2] of images uint8 [N, H, W, 3], (y, x) pixels, -1 missing."""
        ...


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


def open_photo(data: bytes, size: tuple[int, int], estimator: PoseEstimator | None) -> Photo:
    """Reads an uploaded file.

    Args:
      data: of the file.
      size: (H, W) of the model's images.
      estimator: finds the joints; None leaves them to the user.

    Raises:
      UserError: not a JPEG, PNG or WebP, damaged, or of too many pixels; the sentence says which.
    """
    _check_header(data)
    try:
        image = decode(data, "the photo")
    except UserError:
        raise Refusal(415, "This photo is damaged: it cannot be read to its end.") from None
    found = None if estimator is None else _estimate(image, estimator)
    box = crop_box(image.shape[:2], size, found)
    keypoints = None
    if found is not None:
        shifted = np.where(found == -1, -1, found - box[:2])
        keypoints = resize_keypoints(shifted, (box[2] - box[0], box[3] - box[1]), size)
    note = ""
    if estimator is not None and found is None:
        note = "No person was found in this photo: drag the skeleton onto the person."
    return make_photo(crop(image, box), size, keypoints, note)


def make_photo(
    image: np.ndarray, size: tuple[int, int], keypoints: np.ndarray | None, note: str = ""
) -> Photo:
    """A photo of the model's aspect, uint8 [h, w, 3], with keypoints in pixels of `size`."""
    height = max(size[0], min(image.shape[0], _VIEW_HEIGHT))
    view = io.BytesIO()
    shown = resize_image(image, (height, round(height * size[1] / size[0])))
    Image.fromarray(shown).save(view, "WEBP", quality=88)
    return Photo(resize_image(image, size), keypoints, view.getvalue(), note)


def crop_box(
    image_size: tuple[int, int], size: tuple[int, int], keypoints: np.ndarray | None
) -> tuple[int, int, int, int]:
    """The crop (top, left, bottom, right) of the aspect of `size`: around the joints, if any.

    Without joints it is the largest in the middle; with them it may reach beyond the image.
    """
    aspect = size[1] / size[0]
    if keypoints is None:
        height = min(float(image_size[0]), image_size[1] / aspect)
        centre = np.array(image_size) / 2
    else:
        seen = keypoints[(keypoints != -1).all(axis=-1)]
        low, high = seen.min(axis=0), seen.max(axis=0) + 1
        spread = high - low
        height = max(_ROOM * max(spread[0], spread[1] / aspect), 8.0)
        centre = (low + high) / 2
    extent = np.array([height, height * aspect])
    top, left = np.rint(centre - extent / 2).astype(int).tolist()
    tall, wide = np.maximum(np.rint(extent), 1).astype(int).tolist()
    return top, left, top + tall, left + wide


def crop(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The crop of uint8 [h, w, 3]; beyond the image its border goes on."""
    rows = np.clip(np.arange(box[0], box[2]), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(box[1], box[3]), 0, image.shape[1] - 1)
    return image[rows[:, None], columns]


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


def _estimate(image: np.ndarray, estimator: PoseEstimator) -> np.ndarray | None:
    """Joints in pixels of the image, None where no pose can be told."""
    height, width = image.shape[:2]
    scale = min(1.0, _ESTIMATE_SIDE / max(height, width))
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    keypoints = np.asarray(estimator.estimate(resize_image(image, small)[None]))[0]
    if keypoints.shape != (18, 2):
        raise UserError(f"the pose model found joints {keypoints.shape}, expected (18, 2)")
    if (keypoints != -1).all(axis=-1).sum() < 2:
        return None
    return resize_keypoints(keypoints, small, (height, width))
