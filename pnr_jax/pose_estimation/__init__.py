"""Estimates keypoints in photos: `load_estimator(model).estimate(images)`.

Three back ends share one interface, `Estimator`: OpenPose from a frozen TensorFlow graph (`.pb`),
RTMPose from ONNX (`.onnx`) and MediaPipe's pose landmarker (`.task`). The framework of a back end
is imported when a model is loaded.
"""

from pathlib import Path

from pnr_jax.errors import UserError
from pnr_jax.pose_estimation.poses import Estimator, Poses
from pnr_jax.pretrained import find_file

__all__ = ["Estimator", "Poses", "load_estimator"]


def load_estimator(path: str | Path) -> Estimator:
    """Loads a pose model: OpenPose's `.pb`, RTMPose's `.onnx` or MediaPipe's `.task`.

    Args:
      path: the model's file, or its address on the Hub (`pnr_jax.pretrained`).

    Raises:
      UserError: the file does not exist or is of another kind, or the package that reads it is not
        installed.
    """
    path = find_file(path)
    if path.suffix == ".pb":
        from pnr_jax.pose_estimation.graph import load_network
        from pnr_jax.pose_estimation.openpose import OpenPose

        return OpenPose(load_network(path))
    if path.suffix == ".task":
        from pnr_jax.pose_estimation import blazepose

        return blazepose.load_blazepose(path)
    if path.suffix == ".onnx":
        from pnr_jax.pose_estimation import simcc

        return simcc.load_simcc(path)
    raise UserError(
        f"pose model {path}: expected OpenPose's frozen graph (.pb), RTMPose (.onnx) or "
        "MediaPipe's pose landmarker (.task)"
    )
