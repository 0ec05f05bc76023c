"""Types that several rooms share: JAX and Flax have none for trees of arrays."""

from typing import Any, TypeVar

Tree = TypeVar("Tree")
"""Arrays in nested containers: what goes in as some containers comes out as the same ones."""

Variables = dict[str, Any]
"""A network's: `{"params": ..., "batch_stats": ...}`, nested dicts of arrays."""

Params = dict[str, Any]
"""Nested dicts of the arrays that are trained."""
