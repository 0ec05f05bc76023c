"""The published metrics: NumPy in, NumPy out; heavy ones batched in JAX."""

from pnr_jax.metrics.fid import frechet_distance
from pnr_jax.metrics.inception_score import inception_score
from pnr_jax.metrics.l1 import l1
from pnr_jax.metrics.pckh import pckh, pckh_counts
from pnr_jax.metrics.ssim import flat_window, gaussian_window, masked_ssim, ssim, ssim_inside_mask

__all__ = [
    "flat_window",
    "frechet_distance",
    "gaussian_window",
    "inception_score",
    "l1",
    "masked_ssim",
    "pckh",
    "pckh_counts",
    "ssim",
    "ssim_inside_mask",
]
