"""From files and seeds to batches: annotations, pairs, the data sets.

`config.data.name` chooses from `DATA_SETS`; each data set has a file of its own. It loads `Images`
into memory, and tuples of their names: M sources and a target in a row. Everything after that is
the same for every data set.
"""

from pnr_jax.data.annotations import read_annotations, write_annotations
from pnr_jax.data.deepfashion import DeepFashion
from pnr_jax.data.folder import Folder
from pnr_jax.data.images import Images
from pnr_jax.data.market1501 import Market1501
from pnr_jax.data.pairs import (
    make_pairs,
    read_pairs,
    read_tuples,
    sample_pairs,
    sample_tuples,
    usable_names,
    write_tuples,
)
from pnr_jax.data.people import People
from pnr_jax.data.protocol import DataSet

DATA_SETS: dict[str, type[DataSet]] = {
    "people": People,
    "market1501": Market1501,
    "deepfashion": DeepFashion,
    "folder": Folder,
}
"""The data sets by their names, `config.data.name`."""

__all__ = [
    "DATA_SETS",
    "DataSet",
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
