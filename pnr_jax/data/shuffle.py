"""A shuffle that is a function: position → index, with no table and no state.

The same code runs on NumPy arrays on the host and on JAX arrays inside a jitted step (operators
only, no `where`), so every input path can draw the same batches, and a run resumes in O(1).
"""

from typing import Any

import numpy as np

ROUNDS = 64
_u32 = np.uint32


def batch_indices(step: Any, batch_size: int, size: int, seed: int) -> Any:
    """Returns the examples of batch `step`: each of `size` once an epoch, shuffled anew.

    Args:
      step: uint32 array [], the number of the batch, from 0; step * batch_size < 2^32.
      batch_size: B.
      size: how many examples there are, N < 2^31.
      seed: seed of the order.

    Returns:
      uint32 [B] in [0, N), of the array kind of `step`.
    """
    position = step * _u32(batch_size) + np.arange(batch_size, dtype=_u32)
    return permute(position % _u32(size), size, seed, position // _u32(size))


def permute(position: Any, size: int, seed: int, epoch: Any) -> Any:
    """Evaluates a pseudorandom permutation of [0, size) at `position` ("swap or not").

    In every round a position x and its partner K - x mod N agree on a bit, drawn by hashing the
    larger of the two, that says whether they swap: an involution a round, so a bijection for any N.

    Args:
      position: uint32 array in [0, size).
      size: N < 2^31.
      seed: seed of the family of permutations.
      epoch: uint32 array like `position`: which permutation of the family.

    Returns:
      uint32 array like `position`.

    Reference: Hoang, Morris, Rogaway, An Enciphering Scheme Based on a Card Shuffle, CRYPTO 2012.
    """
    x, n = position, _u32(size)
    key = epoch ^ _hash(np.array([seed % 2**32], _u32))
    for _ in range(ROUNDS):
        key = _hash(key + _u32(0x9E3779B9))
        partner = (key % n + (n - x)) % n
        larger = x * (x >= partner) + partner * (x < partner)
        swap = _hash(larger ^ key) >> _u32(31)
        x = x * (_u32(1) - swap) + partner * swap
    return x


def _hash(x: Any) -> Any:
    """MurmurHash3's 32-bit finaliser: a bijection of uint32 that mixes every bit into every bit."""
    x = (x ^ (x >> _u32(16))) * _u32(0x85EBCA6B)
    x = (x ^ (x >> _u32(13))) * _u32(0xC2B2AE35)
    return x ^ (x >> _u32(16))
