"""From files and seeds to batches: annotations, pairs, Market-1501, the embedded people.

A data set is `Images` (decoded, in memory) and an index array of tuples: M sources and a target a
row. Everything after that is the same for every source of data.
"""

from pnr_jax.data.annotations import read_annotations, write_annotations
from pnr_jax.data.images import Images
from pnr_jax.data.pairs import (
    make_pairs,
    read_pairs,
    read_tuples,
    sample_pairs,
    sample_tuples,
    usable_names,
    write_tuples,
)

__all__ = [
    "Images",
    "make_pairs",
    "read_annotations",
    "read_pairs",
    "read_tuples",
    "sample_pairs",
    "sample_tuples",
    "usable_names",
    "write_annotations",
    "write_tuples",
]
