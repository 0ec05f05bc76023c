"""Where arrays lie."""

import logging

import jax
import numpy as np

from pnr_jax import sharding


def test_fetching_compiles_once_for_arrays_of_the_same_shapes(caplog):
    mesh = sharding.make_mesh()
    tree = {"a": np.ones((2, 3), np.float32), "b": np.zeros(5, np.int32)}
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        first = sharding.to_host(mesh, sharding.to_all(mesh, tree))
        assert "Finished XLA compilation" in caplog.text
        caplog.clear()
        second = sharding.to_host(mesh, sharding.to_all(mesh, tree))
        assert "Finished XLA compilation" not in caplog.text
    for found in (first, second):
        assert isinstance(found["a"], np.ndarray)
        jax.tree.map(np.testing.assert_array_equal, found, tree)
