"""Human keypoints: the 18 joints, their limbs, heatmaps, body masks and drawings.

Keypoints are integer ``(y, x)`` pixels, ``[..., 18, 2]``; a joint is missing when either of its
coordinates is -1. Joints and limbs are those of OpenPose's COCO-18 skeleton (Cao et al., 2017).
"""

from pnr_jax.keypoints.drawing import draw_skeleton
from pnr_jax.keypoints.gaussians import heatmap_factors, heatmaps
from pnr_jax.keypoints.mask import body_mask
from pnr_jax.keypoints.skeleton import (
    JOINTS,
    LIMBS,
    MIRROR_JOINT,
    mirror_keypoints,
    resize_keypoints,
)

__all__ = [
    "JOINTS",
    "LIMBS",
    "MIRROR_JOINT",
    "body_mask",
    "draw_skeleton",
    "heatmap_factors",
    "heatmaps",
    "mirror_keypoints",
    "resize_keypoints",
]
