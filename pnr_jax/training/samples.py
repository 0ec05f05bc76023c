"""Sample images of a run: fixed examples, drawn now and then."""

import jax
import numpy as np
from jax.sharding import Mesh

from pnr_jax import sharding
from pnr_jax.config import Config
from pnr_jax.data.pipeline import Batch, gather
from pnr_jax.examples import Examples
from pnr_jax.nn.pixels import to_uint8
from pnr_jax.systems.protocol import sources_of
from pnr_jax.typing import Variables

ROWS = 8  # Of a sample grid, and of what is drawn at a time.


class Drawer:
    """Draws batches in slices of `ROWS` on one device of this process, compiled once."""

    def __init__(self, config: Config, mesh: Mesh):
        """Draws with the system of `config`, whose variables lie on `mesh`."""
        self._mesh = mesh
        system = config.build_system()

        @jax.jit
        def draw(variables: Variables, batch: Batch[jax.Array]) -> jax.Array:
            code = system.encode(variables, sources_of(batch))
            return to_uint8(system.render(variables, code, batch["target_keypoints"]))

        self._draw = draw

    def __call__(self, variables: Variables, batch: Batch[np.ndarray]) -> np.ndarray:
        """Returns images uint8 [B, H, W, 3], B a multiple of `ROWS`."""
        here = jax.device_put(sharding.to_host(self._mesh, variables), jax.local_devices()[0])
        slices = [slice(i, i + ROWS) for i in range(0, len(batch["target_image"]), ROWS)]
        parts = [self._draw(here, _rows(batch, rows)) for rows in slices]
        return np.concatenate([np.asarray(part) for part in parts])


def _rows(batch: Batch[np.ndarray], rows: slice) -> Batch[np.ndarray]:
    return jax.tree.map(lambda x: x[rows], batch)


def spread(examples: Examples, count: int) -> Batch[np.ndarray]:
    """Returns `count` examples at even distances: of many people, since theirs lie together."""
    rows = np.arange(count) * len(examples.tuples) // count
    return gather(examples.images, examples.tuples[rows])


def first(examples: Examples, count: int) -> Batch[np.ndarray]:
    """Returns the first `count` examples, repeated where there are fewer."""
    return gather(examples.images, examples.tuples[np.arange(count) % len(examples.tuples)])
