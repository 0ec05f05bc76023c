"""Mixes two people: F is a matrix, so the F of one can be mixed with the F of another.

Each row of F belongs to one pose feature, which means the same for everybody: P_t (a F_1 + b F_2)
is a P_t F_1 + b P_t F_2, features between those of the two people in exactly the same pose. And
each row of H ≈ P F is a region of a source. So F can be solved from the regions of one person above
the hips and of another below them: one regression, two people.
"""

import jax
import numpy as np

from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.transfer import PoseTransfer
from pnr_jax.typing import Code

_HIPS = [JOINTS.index("right_hip"), JOINTS.index("left_hip")]


def blend(F: Code, weights: np.ndarray) -> np.ndarray:
    """Returns weighted sums of the F of several people.

    Args:
      F: the result of `PoseTransfer.encode` for K people, float [K, d, D].
      weights: [T, K], one row for each new person; a row must sum to 1 to look like a person.

    Returns:
      float32 [T, d, D], to be passed to `PoseTransfer.render`.

    Raises:
      ValueError: F does not hold one matrix for each person, as in systems without a regression, or
        the shapes do not agree.

    >>> blend(np.array([[[0.0, 8.0]], [[4.0, 0.0]]]), np.array([[0.25, 0.75]])).tolist()
    [[[3.0, 2.0]]]
    """
    if not isinstance(F, np.ndarray | jax.Array) or F.ndim != 3:
        raise ValueError("F must be [K, d, D]; a system without a regression has none to be mixed")
    weights = np.asarray(weights)
    if weights.ndim != 2 or weights.shape[1] != len(F):
        raise ValueError(f"weights must be [T, {len(F)}] for {len(F)} people, not {weights.shape}")
    return np.einsum("tk,kdD->tdD", weights, np.asarray(F)).astype(np.float32)


def dress(
    transfer: PoseTransfer,
    upper_images: np.ndarray,
    upper_keypoints: np.ndarray,
    lower_images: np.ndarray,
    lower_keypoints: np.ndarray,
) -> Code:
    """Returns the F of a person who is one person above the hips and another below.

    Args:
      transfer: the model, whose system must have regions.
      upper_images: sources of the person above the hips, uint8 [M, H, W, 3].
      upper_keypoints: [M, 18, 2], (y, x) pixels, -1 or NaN where missing; each shows a hip.
      lower_images: sources of the person below the hips, uint8 [N, H, W, 3].
      lower_keypoints: [N, 18, 2], likewise.

    Returns:
      float32 [1, d, D].

    Raises:
      UserError: the system has no regions, or a source shows no hip.
    """
    regions = transfer.system.regions
    if regions is None:
        raise UserError(f"{transfer.system.title} has no regions, so that people cannot be mixed")
    height = transfer.image_size[0]
    above = _above_hips("upper", upper_keypoints, height, regions)
    below = ~_above_hips("lower", lower_keypoints, height, regions)
    return transfer.encode(
        np.concatenate([upper_images, lower_images])[None],
        np.concatenate([upper_keypoints, lower_keypoints])[None],
        row_weights=np.concatenate([above, below])[None].astype(np.float32),
    )


def _above_hips(
    which: str, keypoints: np.ndarray, height: int, regions: tuple[int, int]
) -> np.ndarray:
    """Returns which regions of each source lie above the midpoint of its hips: bool [M, h, w]."""
    hips = np.asarray(keypoints, float)[:, _HIPS]
    seen = ((hips != -1) & np.isfinite(hips)).all(axis=-1)
    if not seen.any(axis=1).all():
        number = int(np.argmin(seen.any(axis=1))) + 1
        raise UserError(f"the {which} person's source {number} shows no hip to part the two at")
    middle = np.sum(hips[..., 0], axis=1, where=seen) / seen.sum(axis=1)
    h, w = regions
    centres = (np.arange(h) + 0.5) * height / h - 0.5
    above = centres < middle[:, None]
    return np.repeat(above[:, :, None], w, axis=2)
