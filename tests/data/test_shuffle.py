"""The shuffle: a bijection, uniform enough, the same on host and device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.data.shuffle import batch_indices, permute


def order(size, seed=0, epoch=0):
    position = np.arange(size, dtype=np.uint32)
    return permute(position, size, seed, np.full(size, epoch, np.uint32))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 263_632])
def test_every_index_comes_once(size):
    np.testing.assert_array_equal(np.sort(order(size)), np.arange(size))


def test_orders_differ_by_seed_and_epoch_and_are_uncorrelated():
    size = 5000
    orders = [order(size), order(size, epoch=1), order(size, seed=1), np.arange(size)]
    correlations = np.corrcoef(np.array(orders, float))[~np.eye(4, dtype=bool)]
    assert np.abs(correlations).max() < 5 / np.sqrt(size)


def test_places_are_uniform_over_epochs():
    size, epochs = 8, 4000
    position = np.repeat(np.arange(size, dtype=np.uint32), epochs)
    epoch = np.tile(np.arange(epochs, dtype=np.uint32), size)
    drawn = permute(position, size, 0, epoch)
    counts = np.zeros((size, size))
    np.add.at(counts, (position, drawn), 1)
    chi_square = ((counts - epochs / size) ** 2 / (epochs / size)).sum()
    assert chi_square < 49 + 4 * np.sqrt(2 * 49)  # 49 degrees of freedom


def test_an_epoch_of_batches_shows_every_example_once_across_its_border():
    size, batch = 10, 4
    shown = np.concatenate(
        [batch_indices(np.asarray(step, np.uint32), batch, size, seed=5) for step in range(5)]
    )
    assert sorted(shown[:size]) == sorted(shown[size:]) == list(range(size))


def test_the_device_draws_what_the_host_draws():
    on_device = jax.jit(lambda step: batch_indices(step, 16, 1001, 7))
    for step in (0, 62, 63, 100_000):
        np.testing.assert_array_equal(
            on_device(jnp.asarray(step, jnp.uint32)),
            batch_indices(np.asarray(step, np.uint32), 16, 1001, 7),
        )
