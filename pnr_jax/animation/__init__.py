"""Animations of people: interpolated poses, poses from videos, and the output files."""

from pnr_jax.animation.files import check_output, contact_strip, to_gif, write_animation
from pnr_jax.animation.frames import read_frames
from pnr_jax.animation.interpolation import interpolate
from pnr_jax.animation.smoothing import gaussian_line, smooth

__all__ = [
    "check_output",
    "contact_strip",
    "gaussian_line",
    "interpolate",
    "read_frames",
    "smooth",
    "to_gif",
    "write_animation",
]
