"""Keypoints of photos: `load_estimator(model).estimate(images)`.

Two back ends share one interface, `Estimator`: OpenPose from a frozen TensorFlow graph (`.pb`) and
MediaPipe's pose landmarker (`.task`). Either's framework is imported when a model is loaded.
"""

from pathlib import Path

from pnr_jax.errors import UserError
from pnr_jax.pose_estimation.poses import Estimator, Poses

__all__ = ["Estimator", "Poses", "load_estimator"]


def load_estimator(path: str | Path) -> Estimator:
    """Loads a pose model: `.pb` is OpenPose's frozen graph, `.task` is MediaPipe's.

    Raises:
      UserError: the file is absent or of another kind, or the package that reads it is not
        installed.
    """
    path = Path(path)
    if path.suffix == ".pb":
        from pnr_jax.pose_estimation.graph import load_network
        from pnr_jax.pose_estimation.openpose import OpenPose

        return OpenPose(load_network(path))
    if path.suffix == ".task":
        from pnr_jax.pose_estimation import blazepose

        return blazepose.load_blazepose(path)
    raise UserError(
        f"pose model {path}: expected OpenPose's frozen graph (.pb) or MediaPipe's pose "
        "landmarker (.task)"
    )
