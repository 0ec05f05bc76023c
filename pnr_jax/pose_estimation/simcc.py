"""RTMPose and similar models (`.onnx`) as an estimator: maps COCO's 17 joints to the 18 joints.

The network takes one person in an input of a fixed size, normalised as for ImageNet. For each joint
it returns the likelihood of each column (`simcc_x`) and of each row (`simcc_y`), at twice the
resolution of the input. A joint is where both are highest; its likelihood is the lower of the two
maxima. COCO has no neck; ours is the midpoint of the shoulders. Needs the extra `onnx`.

References:
  Li et al., SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation, 2022.
  Jiang et al., RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose, 2023.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.pose_estimation.cutting import cut
from pnr_jax.pose_estimation.poses import Poses, to_pixels

LIKELY = 0.3  # A joint below this is missing, as in mmpose's demos.
FEWEST_JOINTS = 4  # Fewer joints are not a person.
PADDING = 1.25  # Factor on the person's box, as in mmpose for these networks.
SMALL = 0.5  # Share of the photo's height; a smaller person is enlarged and estimated again.
MEAN, SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, for RGB.

# fmt: off
COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)
# fmt: on
# COCO, Halpe with head and feet, COCO-WholeBody: all begin with COCO's 17.
JOINT_COUNTS = (17, 26, 133)
_COUNTS = "17 (COCO), 26 or 133"


class SimCCNetwork(NamedTuple):
    """A pose network for one person.

    Attributes:
      size: (H, W) of the input, pixels.
      run: float32 [1, 3, H, W] -> simcc_x [1, K, a·W] and simcc_y [1, K, a·H].
    """

    size: tuple[int, int]
    run: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class SimCC:
    """An estimator that wraps a network; see `pnr_jax.pose_estimation.Estimator`."""

    def __init__(self, network: SimCCNetwork):
        """Wraps `network`."""
        self._network = network

    def estimate(self, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Returns `detect(images).keypoints`: int32 [N, 18, 2]."""
        return self.detect(images).keypoints

    def detect(self, images: Sequence[np.ndarray] | np.ndarray) -> Poses:
        """Returns the person's pose in each image, uint8 [H, W, 3]; sizes may differ."""
        keypoints = np.full((len(images), 18, 2), -1, np.int32)
        scores = np.zeros((len(images), 18), np.float32)
        people = np.zeros(len(images), np.int32)
        for i, image in enumerate(images):
            size = np.array(image.shape[:2])
            places, likely = self._look(image, np.array([(0, 0), size], float))
            box = _box(places[likely >= LIKELY])
            if box is not None and np.ptp(box, axis=0).max() < SMALL * size[0]:
                closer = self._look(image, box)
                if _box(closer[0][closer[1] >= LIKELY]) is not None:
                    places, likely = closer
            places, likely = to_joints(places, likely)
            found = likely >= LIKELY
            pixels = to_pixels(places, found, image.shape[:2])
            found &= (pixels != -1).all(axis=-1)
            if found.sum() >= FEWEST_JOINTS:
                keypoints[i], scores[i], people[i] = pixels, np.where(found, likely, 0), 1
        return Poses(keypoints, scores, people)

    def _look(self, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimates COCO's joints in a box: positions [17, 2] in the image, likelihoods [17]."""
        size = np.array(self._network.size)
        scale = (size / (PADDING * np.maximum(box[1] - box[0], 1))).min()
        origin = box.mean(axis=0) - size / scale / 2
        pixels = (cut(image, origin, origin + size / scale, size) - np.array(MEAN)) / SPREAD
        x, y = self._network.run(pixels.transpose(2, 0, 1)[None].astype(np.float32))
        cells = np.stack([y[0].argmax(axis=-1), x[0].argmax(axis=-1)], axis=-1)
        places = cells * size / (y.shape[-1], x.shape[-1])
        likely = np.minimum(y[0].max(axis=-1), x[0].max(axis=-1))
        return ((places + 0.5) / scale + origin - 0.5)[:17], likely[:17]


def to_joints(places: np.ndarray, likely: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Converts COCO's 17 joints to the 18 joints.

    Args:
      places: positions, float [17, 2].
      likely: likelihoods, float [17].

    Returns:
      [18, 2] and [18]; the neck's likelihood is that of the less likely shoulder.
    """
    order = [COCO.index(name) for name in JOINTS if name != "neck"]
    shoulders = [COCO.index("left_shoulder"), COCO.index("right_shoulder")]
    neck = JOINTS.index("neck")
    return (
        np.insert(places[order], neck, places[shoulders].mean(axis=0), axis=0),
        np.insert(likely[order], neck, likely[shoulders].min()),
    )


def load_simcc(path: str | Path) -> SimCC:
    """Reads an ONNX file with RTMPose's signature.

    Raises:
      UserError: the package `onnxruntime` is not installed, or the file does not exist, is not an
        ONNX file or has another signature.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"pose model not found: {path}")
    try:
        import onnxruntime  # Imported here: an extra.
    except ImportError as error:
        raise UserError(
            f"{path}: needs the package onnxruntime ({error}); pip install 'pnr-jax[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # Errors only: it logs every constant that it folds.
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # A dozen types of its own, without a common base.
        raise UserError(
            f"{path}: not an ONNX file ({' '.join(str(error).split())[:200]})"
        ) from None
    return SimCC(_network(session, path))


def _network(session: Any, path: Path) -> SimCCNetwork:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    ends = {output.name: list(output.shape) for output in outputs}
    # In this order if they have other names.
    names = ["simcc_x", "simcc_y"] if {"simcc_x", "simcc_y"} <= ends.keys() else list(ends)
    wanted = [
        len(shape) == 4 and shape[1] == 3 and all(isinstance(side, int) for side in shape[2:]),
        len(names) == 2 and all(len(ends[name]) == 3 for name in names),
    ]
    if not all(wanted):
        raise UserError(
            f"{path}: expected RTMPose's signature, an input [N, 3, H, W] of a fixed size and two "
            f"outputs [N, joints, cells], simcc_x and simcc_y; found {shape} and {ends}"
        )
    size = (shape[2], shape[3])

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = session.run(names, {inputs[0].name: images})
        return x, y

    x, y = run(np.zeros((1, 3, *size), np.float32))
    if x.shape[1] != y.shape[1] or x.shape[1] not in JOINT_COUNTS:
        raise UserError(f"{path}: has {x.shape[1]} joints, expected {_COUNTS}")
    if x.shape[2] * size[0] != y.shape[2] * size[1]:
        raise UserError(
            f"{path}: {x.shape[2]} columns and {y.shape[2]} rows for an input of "
            f"{size[0]}x{size[1]} (height x width) do not agree"
        )
    return SimCCNetwork(size, run)


def _box(places: np.ndarray) -> np.ndarray | None:
    """Returns [[top, left], [bottom, right]] of places [N, 2], or None if there are too few."""
    if len(places) < FEWEST_JOINTS:
        return None
    return np.stack([places.min(axis=0), places.max(axis=0)])
