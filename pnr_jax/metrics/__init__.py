"""The published metrics: batched JAX inside, NumPy at the face."""

from pnr_jax.metrics.l1 import l1
from pnr_jax.metrics.ssim import masked_ssim, ssim, ssim_inside_mask

__all__ = ["l1", "masked_ssim", "ssim", "ssim_inside_mask"]
