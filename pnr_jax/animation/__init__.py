"""Animations of people: poses between poses, and the files that show them."""

from pnr_jax.animation.files import check_output, contact_strip, to_gif, write_animation
from pnr_jax.animation.interpolation import interpolate

__all__ = ["check_output", "contact_strip", "interpolate", "to_gif", "write_animation"]
