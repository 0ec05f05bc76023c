"""Percentage of correct keypoints, on the scale of the head."""

import numpy as np

_HEAD = [0, 1, 14, 15, 16, 17]  # nose, neck, eyes, ears


def pckh(predicted: np.ndarray, target: np.ndarray, alpha: float = 0.5) -> float:
    """Returns the share of the target's joints that are predicted near enough.

    A joint is right when ``|Δx| < α·width`` and ``|Δy| < α·height`` of the target's head, the box
    around its visible nose, neck, eyes and ears. A missing prediction is wrong. A person with
    fewer than two of these joints has no head and is left out. A box without width or height
    (joints in one column or row) makes every joint of its person wrong.

    Args:
      predicted: [..., 18, 2], (y, x) in pixels, -1 or NaN = missing; found in the generated images.
      target: [..., 18, 2], likewise; the poses asked for.
      alpha: tolerance, in heads.

    Returns:
      Right joints / visible target joints over all people with a head; 0 when there are none.

    Raises:
      ValueError: the keypoints are not of one shape [..., 18, 2].

    References:
      Andriluka et al., "2D human pose estimation", CVPR 2014; for generated people PATN.

    >>> pose = np.arange(36).reshape(18, 2)
    >>> pckh(pose, pose), pckh(np.full((18, 2), -1), pose)
    (1.0, 0.0)
    """
    right, visible = pckh_counts(predicted, target, alpha)
    return int(right.sum()) / max(1, int(visible.sum()))


def pckh_counts(
    predicted: np.ndarray, target: np.ndarray, alpha: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what `pckh` divides, for each person: (right, visible joints), int [...]."""
    predicted, target = np.asarray(predicted, np.float64), np.asarray(target, np.float64)
    if predicted.shape != target.shape or target.shape[-2:] != (18, 2):
        raise ValueError(
            "keypoints must be two arrays of one shape [..., 18, 2], "
            f"got predicted {list(predicted.shape)}, target {list(target.shape)}"
        )
    # Infinite ones are none either, and would not be subtracted in silence.
    predicted, target = (np.where(np.isfinite(x), x, -1) for x in (predicted, target))
    visible, found = (np.all(x != -1, axis=-1) for x in (target, predicted))
    has_head = np.sum(visible[..., _HEAD], axis=-1) >= 2

    head, head_visible = target[..., _HEAD, :], visible[..., _HEAD, None]
    low = np.min(head, axis=-2, where=head_visible, initial=np.inf)
    high = np.max(head, axis=-2, where=head_visible, initial=-np.inf)
    size = np.where(has_head[..., None], high - low, 0)

    near = np.all(np.abs(predicted - target) < alpha * size[..., None, :], axis=-1)
    counted = visible & has_head[..., None]
    return np.sum(near & found & counted, axis=-1), np.sum(counted, axis=-1)
