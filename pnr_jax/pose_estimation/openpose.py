"""OpenPose from a frozen TensorFlow graph, such as tf-pose-estimation's `graph_opt.pb`.

The graph takes RGB images, float 0 to 255, and returns 57 maps at an eighth of their size: heatmaps
of 18 joints and of the background, then both components (x, y) of the part affinity fields of 19
limbs.

The network is run on each image and on its mirror image, 192 pixels high with a grey border. Small
networks find many more joints this way than in people who fill 368 pixels. If nobody is found, the
image is enlarged; if the person is small, the area around the person is enlarged.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from pnr_jax.keypoints import LIMBS, MIRROR_JOINT
from pnr_jax.pose_estimation import assembly
from pnr_jax.pose_estimation.graph import Network
from pnr_jax.pose_estimation.poses import Poses, to_pixels

STRIDE = 8
# The centre of a cell within the cell, (y, x) pixels: half of the stride, minus the measured offset
# of this family of networks.
CENTRE = np.array([1.7, 3.5])
HEIGHT = 192  # Height of a person in the network's input, pixels.
LARGEST = 4 * HEIGHT
BORDER, GREY = 32, 127
# For each of `LIMBS`: which of the 38 field maps is its x component; y follows.
FIELD_X = np.array([12, 20, 14, 16, 22, 24, 0, 2, 4, 6, 8, 10, 28, 30, 34, 32, 36, 18, 26])


# For each limb, its counterpart in a mirror image.
MIRROR_LIMB = np.array(
    [LIMBS.index((int(MIRROR_JOINT[a]), int(MIRROR_JOINT[b]))) for a, b in LIMBS]
)


class Crop(NamedTuple):
    """A part of an image as the network sees it.

    Attributes:
      pixels: uint8 [h, w, 3].
      scale: float [2], pixels of the crop per pixel of the image, (y, x).
      origin: float [2], the corner of the image in the crop.
    """

    pixels: np.ndarray
    scale: np.ndarray
    origin: np.ndarray

    def to_image(self, cells: np.ndarray) -> np.ndarray:
        """Converts positions in cells of the maps to image pixels (y, x)."""
        pixels = cells * STRIDE + CENTRE
        return (pixels + 0.5 - self.origin) / self.scale - 0.5


class Detection(NamedTuple):
    """The largest person found: places float [18, 2] in image pixels, scores [18]; of `people`."""

    places: np.ndarray
    scores: np.ndarray
    people: int

    @property
    def box(self) -> np.ndarray:
        """Returns [[top, left], [bottom, right]] of the joints."""
        places = self.places[self.scores > 0]
        return np.stack([places.min(axis=0), places.max(axis=0)])


class OpenPose:
    """An estimator that wraps a network; see `pnr_jax.pose_estimation.Estimator`."""

    def __init__(self, network: Network):
        """Wraps `network`."""
        self._network = network

    def estimate(self, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Returns `detect(images).keypoints`: int32 [N, 18, 2]."""
        return self.detect(images).keypoints

    def detect(self, images: Sequence[np.ndarray] | np.ndarray) -> Poses:
        """Returns the largest person's pose in each image, uint8 [H, W, 3]; sizes may differ."""
        crops = [crop(image, _whole(image), HEIGHT / image.shape[0]) for image in images]
        found = self._find(crops)
        for i, image in enumerate(images):
            found[i] = self._look_closer(image, found[i])
        sizes = [image.shape[:2] for image in images]
        return Poses(
            np.stack(
                [to_pixels(f.places, f.scores > 0, s) for f, s in zip(found, sizes, strict=True)]
            ).reshape(-1, 18, 2),
            np.array([f.scores for f in found], np.float32).reshape(-1, 18),
            np.array([f.people for f in found], np.int32),
        )

    def _look_closer(self, image: np.ndarray, found: Detection) -> Detection:
        """Enlarges the image until somebody is found, then the area around a small person."""
        height = 2 * HEIGHT
        while not found.people and height <= min(LARGEST, 2 * image.shape[0]):
            (found,) = self._find([crop(image, _whole(image), height / image.shape[0])])
            height *= 2
        if not found.people:
            return found
        low, high = found.box
        side = max(high - low)
        if side > 0.5 * image.shape[0]:
            return found
        box = np.clip([low - 0.3 * side, high + 0.3 * side], 0, image.shape[:2])
        (closer,) = self._find([crop(image, box, 0.8 * HEIGHT / side)])
        if not closer.people:
            return found
        return closer._replace(people=max(closer.people, found.people))

    def _find(self, crops: Sequence[Crop]) -> list[Detection]:
        """Runs the network on crops, batching those of one size."""
        found: list[Detection | None] = [None] * len(crops)
        shapes = [seen.pixels.shape for seen in crops]
        for shape in dict.fromkeys(shapes):
            rows = [i for i in range(len(crops)) if shapes[i] == shape]
            pixels = np.stack([crops[i].pixels for i in rows]).astype(np.float32)
            both = self._network(np.concatenate([pixels, pixels[:, :, ::-1]]))
            maps = zip(*average(*np.split(both, 2)), strict=True)
            for i, (heatmaps, fields) in zip(rows, maps, strict=True):
                found[i] = _decode(heatmaps, fields, crops[i])
        return [f for f in found if f is not None]


def crop(image: np.ndarray, box: np.ndarray, scale: float) -> Crop:
    """Crops `box`, [[top, left], [bottom, right]], from an image, scales it and adds a border."""
    (top, left), (bottom, right) = box
    size = np.maximum(np.rint(scale * (box[1] - box[0])), 1).astype(int)
    part = Image.fromarray(image).resize(
        (size[1], size[0]), Image.Resampling.BICUBIC, box=(left, top, right, bottom)
    )
    # Few shapes, so that many images share one batch and one trace of the graph.
    shape = -(-(size + 2 * BORDER) // 32) * 32
    pixels = np.full((*shape, 3), GREY, np.uint8)
    pixels[BORDER : BORDER + size[0], BORDER : BORDER + size[1]] = np.asarray(part)
    scales = size / (box[1] - box[0])
    return Crop(pixels, scales, BORDER - scales * box[0])


def average(maps: np.ndarray, mirrored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Averages the maps of images and of their mirror images.

    Args:
      maps: float [N, h, w, 57], the maps of images.
      mirrored: the same for the mirrored images.

    Returns:
      heatmaps [N, h, w, 18] and fields [N, h, w, 19, 2], (y, x).
    """
    mirrored = mirrored[:, :, ::-1]
    heatmaps = (maps[..., :18] + mirrored[..., MIRROR_JOINT]) / 2
    x, y = 19 + FIELD_X, 20 + FIELD_X
    fields = np.stack(
        [
            maps[..., y] + mirrored[..., y[MIRROR_LIMB]],
            maps[..., x] - mirrored[..., x[MIRROR_LIMB]],
        ],
        axis=-1,
    )
    return heatmaps, fields / 2


def _whole(image: np.ndarray) -> np.ndarray:
    return np.array([(0, 0), image.shape[:2]], float)


def _decode(heatmaps: np.ndarray, fields: np.ndarray, seen: Crop) -> Detection:
    peaks = assembly.find_peaks(heatmaps)
    people = assembly.assemble(peaks, fields)
    places, scores = np.full((18, 2), -1.0), np.zeros(18)
    if len(people):
        largest = max(people, key=lambda person: assembly.extent(person, peaks))
        person = assembly.add_loose(largest, people, peaks)
        found = person >= 0
        places[found] = seen.to_image(peaks.place[person[found]])
        scores[found] = peaks.score[person[found]]
    return Detection(places, scores, len(people))
