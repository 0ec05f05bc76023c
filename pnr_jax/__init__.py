"""Pose guided person image generation with hidden p-norm regression, in JAX."""

__version__ = "0.2.0.dev0"
