"""Checksums of arrays: on the devices where they lie, split or not; of weights, as text."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np


def checksum(tree: object) -> jax.Array:
    """Returns one number for every array of a tree, on whatever devices: uint32 [arrays].

    Σ_i x_i (2 i + 1) mod 2^32 over an array's words in order: no change of a single one leaves it
    as it was, since its odd factor has an inverse.
    """
    return jnp.stack([_array_checksum(x) for x in jax.tree.leaves(tree)])


def digest(tree: object) -> str:
    """Returns the SHA-256 of a tree's paths and arrays, in hexadecimal: it identifies weights."""
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        found.update(jax.tree_util.keystr(path).encode() + np.asarray(leaf).tobytes())
    return found.hexdigest()


@jax.jit
def _array_checksum(x: jax.Array) -> jax.Array:
    words = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[min(x.dtype.itemsize, 4)]
    bits = x.astype(words) if x.dtype == bool else jax.lax.bitcast_convert_type(x, words)
    index = jnp.zeros((), jnp.uint32)  # Of every word, without a reshape: arrays may be split.
    for axis, length in enumerate(bits.shape):
        index = index * jnp.uint32(length) + jax.lax.broadcasted_iota(jnp.uint32, bits.shape, axis)
    return jnp.sum(bits.astype(jnp.uint32) * (2 * index + 1), dtype=jnp.uint32)
