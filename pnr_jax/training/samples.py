"""What a run shows of itself: fixed examples, drawn now and then."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from pnr_jax import sharding
from pnr_jax.data.pipeline import Batch, gather
from pnr_jax.data.sources import Examples
from pnr_jax.nn.model import build_model, draw_batch

ROWS = 8  # Of a sample grid, and of what is drawn at a time.


class Drawer:
    """Draws batches in slices of `ROWS` on one device of this process, compiled once."""

    def __init__(self, config: ConfigDict, mesh: Mesh):
        """A drawer for the model of `config`, whose variables lie on `mesh`."""
        self._mesh = mesh
        self._draw = jax.jit(partial(draw_batch, build_model(config)))

    def __call__(self, variables: Any, batch: Batch) -> np.ndarray:
        """Images uint8 [B, H, W, 3], B a multiple of `ROWS`."""
        here = jax.device_put(sharding.to_host(self._mesh, variables), jax.local_devices()[0])
        slices = [slice(i, i + ROWS) for i in range(0, len(batch["target_image"]), ROWS)]
        parts = [{name: value[rows] for name, value in batch.items()} for rows in slices]
        return np.concatenate([np.asarray(self._draw(here, part)) for part in parts])


def first(examples: Examples, count: int) -> Batch:
    """The first `count` examples, over again where there are fewer."""
    return gather(examples.images, examples.tuples[np.arange(count) % len(examples.tuples)])
