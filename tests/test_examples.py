"""What a configuration's examples are, for every way to train."""

import numpy as np
import pytest

from pnr_jax.errors import UserError
from pnr_jax.examples import load_test, load_training


def identities(examples, column):
    return [examples.images.names[i].split("_")[0] for i in examples.tuples[:, column]]


def test_a_varied_number_of_sources_keeps_the_first_and_pads(small_config):
    small_config = small_config.replace(sources=3)
    fixed = load_training(small_config)
    small_config = small_config.replace(vary_sources=True)
    varied = load_training(small_config)
    kept = varied.tuples >= 0
    np.testing.assert_array_equal(varied.tuples[kept], fixed.tuples[kept])
    assert kept[:, -1].all()
    assert (np.diff(kept[:, :-1].astype(int), axis=1) <= 0).all()  # Padding comes last.
    shares = np.bincount(kept[:, :-1].sum(axis=1), minlength=4) / len(kept)
    np.testing.assert_allclose(shares, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.15)


@pytest.mark.parametrize("count", [1, 2])
def test_supervised_examples_are_sources_and_a_target_of_one_person(small_config, count):
    small_config = small_config.replace(sources=count)
    examples = load_training(small_config)
    assert examples.images.images.shape == (24, 32, 32, 3)
    assert examples.tuples.shape[1] == count + 1
    assert all((np.diff(np.sort(examples.tuples, axis=1)) > 0).ravel())
    for column in range(count):
        assert identities(examples, column) == identities(examples, -1)
    assert len(examples.tuples) > 60


def test_unsupervised_examples_are_every_usable_image_and_itself(small_config):
    pairs = load_training(small_config)
    small_config = small_config.replace(supervised=False)
    examples = load_training(small_config)
    np.testing.assert_array_equal(examples.tuples[:, 0], examples.tuples[:, 1])
    assert set(examples.tuples[:, 0]) == set(pairs.tuples.ravel())


def test_people_of_the_test_are_not_those_of_training(small_config):
    training = load_training(small_config)
    tuples, pairs = (load_test(small_config, kind) for kind in ("tuples", "pairs"))
    assert tuples.tuples.shape == (6, 6)
    assert pairs.tuples.shape == (6, 2)
    assert not {*identities(tuples, -1)} & {*identities(training, -1)}
    for column in (0, -1):  # One and five sources are scored on the same targets.
        np.testing.assert_array_equal(
            tuples.images.images[tuples.tuples[:, column]],
            pairs.images.images[pairs.tuples[:, column]],
        )


@pytest.mark.parametrize("changes", [{}, {"sources": 2}, {"supervised": False}])
def test_an_empty_file_of_pairs_is_named(small_config, changes, monkeypatch):
    config = small_config.replace(**changes)
    monkeypatch.setattr(type(config.data), "load_tuples", lambda *_: ("pairs.csv", []))
    for load in (load_training, load_test):
        with pytest.raises(UserError, match=r"^pairs\.csv: names no pair"):
            load(config)


def test_market1501_without_a_folder_is_named(small_config):
    small_config = small_config.replace(data={"name": "market1501"})
    with pytest.raises(UserError, match=r"^`data_dir`: say where"):
        load_training(small_config)
