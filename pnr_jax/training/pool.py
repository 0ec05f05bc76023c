"""A pool of past fakes, so that discriminators do not forget them; functional, on the device.

Reference: Shrivastava et al., Learning from Simulated and Unsupervised Images, CVPR 2017; PATN's
variant: each fake is swapped for a past one with probability 0.5, its condition with it.
"""

import jax
import jax.numpy as jnp
from flax import struct

from pnr_jax.typing import Shown, Tree


@struct.dataclass
class Pool:
    """Past fakes and how many there are.

    Attributes:
      entries: tree of arrays [pool size, ...].
      count: int32 [], how many entries are filled.
    """

    entries: Shown
    count: jax.Array


def empty(size: int, example: Shown) -> Pool:
    """Returns a pool of `size` entries for batches like `example` (a tree of arrays [B, ...])."""
    entries = jax.tree.map(lambda x: jnp.zeros((size, *x.shape[1:]), x.dtype), example)
    return Pool(entries, jnp.zeros((), jnp.int32))


def exchange(pool: Pool, batch: Tree, key: jax.Array) -> tuple[Pool, Tree]:
    """Swaps fakes for past ones, one after the other as PATN does.

    While the pool is not full a fake is stored and comes back; then, with probability 0.5, it
    takes the place of a random entry, which comes back instead of it.

    Args:
      pool: the pool.
      batch: tree of arrays [B, ...].
      key: random key.

    Returns:
      The new pool, and a batch like `batch`.
    """
    size = jax.tree.leaves(pool.entries)[0].shape[0]
    B = jax.tree.leaves(batch)[0].shape[0]
    swap_key, place_key = jax.random.split(key)
    swaps = jax.random.bernoulli(swap_key, 0.5, (B,))
    places = jax.random.randint(place_key, (B,), 0, size)

    # The exchange is played with numbers alone: 0 ... size - 1 are the entries, then the batch.
    def one(
        played: tuple[jax.Array, jax.Array], item: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        (held, count), (fake, swap, place) = played, item
        filling = count < size
        place = jnp.where(filling, count, place)
        out = jnp.where(~filling & swap, held[place], fake)
        held = held.at[place].set(jnp.where(filling | swap, fake, held[place]))
        return (held, count + filling), out

    fakes = size + jnp.arange(B)
    (held, count), out = jax.lax.scan(one, (jnp.arange(size), pool.count), (fakes, swaps, places))
    everything = jax.tree.map(lambda e, f: jnp.concatenate([e, f]), pool.entries, batch)
    entries = jax.tree.map(lambda x: x[held], everything)
    return Pool(entries, count), jax.tree.map(lambda x: x[out], everything)
