"""A pool of past fakes, so that discriminators do not forget them; functional, on the device.

Reference: Shrivastava et al., Learning from Simulated and Unsupervised Images, CVPR 2017; PATN's
variant: each fake is swapped for a past one with probability 0.5, its condition with it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct


@struct.dataclass
class Pool:
    """Past fakes and how many there are.

    Attributes:
      entries: tree of arrays [pool size, ...].
      count: int32 [], how many entries are filled.
    """

    entries: Any
    count: jax.Array


def empty(size: int, example: Any) -> Pool:
    """A pool of `size` entries for batches like `example` (a tree of arrays [B, ...])."""
    entries = jax.tree.map(lambda x: jnp.zeros((size, *x.shape[1:]), x.dtype), example)
    return Pool(entries, jnp.zeros((), jnp.int32))


def exchange(pool: Pool, batch: Any, key: jax.Array) -> tuple[Pool, Any]:
    """Swaps fakes for past ones, one after the other as PATN does.

    While the pool is not full a fake is stored and comes back; then, with probability 0.5, it
    takes the place of a random entry, which comes back instead of it.

    Args:
      pool: the pool.
      batch: tree of arrays [B, ...].
      key: of the draw.

    Returns:
      The new pool, and a batch like `batch`.
    """
    size = jax.tree.leaves(pool.entries)[0].shape[0]
    count = jax.tree.leaves(batch)[0].shape[0]
    swap_key, place_key = jax.random.split(key)
    swaps = jax.random.bernoulli(swap_key, 0.5, (count,))
    places = jax.random.randint(place_key, (count,), 0, size)

    def one(pool: Pool, item: tuple[Any, jax.Array, jax.Array]) -> tuple[Pool, Any]:
        fake, swap, place = item
        filling = pool.count < size
        place = jnp.where(filling, pool.count, place)
        old = jax.tree.map(lambda entries: entries[place], pool.entries)
        stored = jax.tree.map(lambda f, o: jnp.where(filling | swap, f, o), fake, old)
        out = jax.tree.map(lambda f, o: jnp.where(filling | ~swap, f, o), fake, old)
        entries = jax.tree.map(lambda e, s: e.at[place].set(s), pool.entries, stored)
        return Pool(entries, pool.count + filling), out

    return jax.lax.scan(one, pool, (batch, swaps, places))
