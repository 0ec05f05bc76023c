"""Where arrays lie on the devices: batches are split over them, parameters copied or split.

One mesh axis over all devices of all processes; `jax.jit` divides the work. Batch norm's means and
the gradients' sums run over the global batch, so the numbers do not depend on the mesh.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pnr_jax.typing import Tree

AXIS = "data"
SPLIT_FROM = 2**14  # Smaller arrays are copied, which costs less than gathering them.


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Puts the devices (by default all, of all processes) on one axis, process by process."""
    devices = jax.devices() if devices is None else devices
    devices = sorted(devices, key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))


def copied(mesh: Mesh) -> NamedSharding:
    """Returns the sharding by which every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """Returns the sharding by which every device holds its part of the first axis."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def split_largest(tree: Tree, mesh: Mesh) -> Tree:
    """Returns shardings that split each large array over all devices (ZeRO-3, "FSDP").

    Args:
      tree: arrays or their shapes.
      mesh: what `make_mesh` returned.

    Returns:
      A tree of `NamedSharding`s: along its largest axis that the number of devices divides, or
      copied where there is none or the array is small.
    """

    def sharding(x: jax.Array | jax.ShapeDtypeStruct) -> NamedSharding:
        axes = [axis for axis, length in enumerate(x.shape) if length % mesh.size == 0]
        if math.prod(x.shape) < SPLIT_FROM or not axes:
            return copied(mesh)
        largest = max(axes, key=lambda axis: x.shape[axis])
        return NamedSharding(mesh, PartitionSpec(*[None] * largest, AXIS))

    return jax.tree.map(sharding, tree)


def own_rows(mesh: Mesh, batch_size: int) -> slice:
    """Returns which rows of a global batch the devices of this process hold."""
    parts = split(mesh).addressable_devices_indices_map((batch_size,)).values()
    rows = [part[0].indices(batch_size) for part in parts if part is not None]
    return slice(min(start for start, _, _ in rows), max(stop for _, stop, _ in rows))


def from_own_rows(mesh: Mesh, batch: Tree, batch_size: int) -> Tree:
    """Makes a global batch of which every process gives its own rows (see `own_rows`)."""

    def assemble(rows: np.ndarray) -> jax.Array:
        shape = (batch_size, *rows.shape[1:])
        return jax.make_array_from_process_local_data(split(mesh), rows, shape)

    return jax.tree.map(assemble, batch)


def to_all(mesh: Mesh, tree: Tree) -> Tree:
    """Copies arrays that are equal in all processes to every device."""
    return jax.tree.map(
        lambda x: jax.make_array_from_callback(np.shape(x), copied(mesh), lambda index: x[index]),
        tree,
    )


def to_host(mesh: Mesh, tree: Tree) -> Tree:
    """Copies a tree that may be split over processes to NumPy arrays."""
    return jax.tree.map(np.asarray, jax.jit(_same, out_shardings=copied(mesh))(tree))


def _same(tree: Tree) -> Tree:  # One function, so that its program is compiled once.
    return tree


def pad_and_split(mesh: Mesh, tree: Tree) -> Tree:
    """Splits arrays [B, ...] over a mesh, repeating their last row until its size divides B."""

    def place(x: np.ndarray | jax.Array) -> jax.Array:
        lack = -len(x) % mesh.size
        if lack:
            stack = jnp.concatenate if isinstance(x, jax.Array) else np.concatenate
            x = stack([x, x[-1:].repeat(lack, axis=0)])
        return jax.device_put(x, split(mesh))

    return jax.tree.map(place, tree)
