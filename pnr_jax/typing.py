"""Types that several modules share: JAX and Flax have none for trees of arrays."""

from typing import Any, TypeVar

Tree = TypeVar("Tree")
"""A tree of arrays; a function of a `Tree` returns one of the same structure."""

Variables = dict[str, Any]
"""A network's: `{"params": ..., "batch_stats": ...}`, nested dicts of arrays."""

Params = dict[str, Any]
"""Nested dicts of the arrays that are trained."""

Code = Any
"""What a system keeps of B people, a tree of arrays [B, ...]: with pNR, F, float32 [B, d, D]."""

Shown = Any
"""What a discriminator is shown: images with what belongs to them, a tree of arrays [B, ...]."""
