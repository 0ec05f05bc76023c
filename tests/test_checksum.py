"""The checksum against its formula in NumPy, and that no single changed bit escapes it."""

import hashlib

import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.checksum import checksum, digest

RNG = np.random.default_rng(0)
ARRAYS = {
    "float32": RNG.normal(size=(3, 2, 4)).astype(np.float32),
    "bfloat16": np.asarray(jnp.asarray(RNG.normal(size=(5, 3)), jnp.bfloat16)),
    "uint8": RNG.integers(0, 256, (4, 3, 3)).astype(np.uint8),
    "int32": np.int32(-7),
    "bool": RNG.integers(0, 2, 9).astype(bool),
    "empty": np.zeros((0, 3), np.float32),
}


def by_formula(array):
    """Σ_i x_i (2 i + 1) mod 2^32, the words x_i read from the array's memory."""
    words = np.frombuffer(array.tobytes(), f"u{array.itemsize}").astype(np.uint64)
    return int(np.sum(words * (2 * np.arange(len(words), dtype=np.uint64) + 1)) % 2**32)


@pytest.mark.parametrize("name", ARRAYS)
def test_is_the_formulas(name):
    (value,) = checksum({name: jnp.asarray(ARRAYS[name])})
    assert int(value) == by_formula(ARRAYS[name])


def test_every_array_has_its_own_in_the_order_of_the_tree():
    values = checksum({"b": jnp.asarray(ARRAYS["uint8"]), "a": jnp.asarray(ARRAYS["float32"])})
    assert values.dtype == jnp.uint32
    assert values.tolist() == [by_formula(ARRAYS["float32"]), by_formula(ARRAYS["uint8"])]


def test_no_changed_bit_escapes():
    array = ARRAYS["uint8"]
    before = checksum(jnp.asarray(array))
    for byte in range(array.size):
        for bit in (0, 7):
            damaged = array.copy()
            damaged.flat[byte] ^= 1 << bit
            assert checksum(jnp.asarray(damaged)) != before


def test_a_digest_is_of_paths_and_bytes():
    tree = {"b": {"c": ARRAYS["int32"]}, "a": ARRAYS["uint8"]}
    content = b"['a']" + ARRAYS["uint8"].tobytes() + b"['b']['c']" + ARRAYS["int32"].tobytes()
    assert digest(tree) == hashlib.sha256(content).hexdigest()
    others = {"a": ARRAYS["uint8"], "b": {"c": np.int32(-8)}}, {"a": tree["a"], "c": tree["b"]}
    assert len({digest(tree), *map(digest, others)}) == 3
