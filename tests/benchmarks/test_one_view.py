"""Targets from the front, with another front and two backs of the same person."""

import numpy as np
import pytest

from benchmarks.one_view import FACE, tuples_of
from pnr_jax.data.images import Images, before_underscore
from pnr_jax.errors import UserError


def images(sides):
    """Images of people, by "front", "back" or "side" of each view; a side lacks one eye."""
    names = [
        f"{person:04d}_{i}.png" for person, views in enumerate(sides) for i in range(len(views))
    ]
    keypoints = np.full((len(names), 18, 2), 5, np.int32)
    for row, side in zip(keypoints, [side for views in sides for side in views], strict=True):
        row[{"front": [], "side": FACE[2:], "back": FACE}[side]] = -1
    return Images(np.zeros((len(names), 32, 32, 3), np.uint8), keypoints, names, before_underscore)


def test_each_front_is_a_target_once():
    whole = ["front", "back", "side", "back", "front", "front"]
    found = tuples_of(images([["front", "back", "back"], whole]), None)
    assert found[:, -1].tolist() == [3, 7, 8]
    for front, *backs, target in found.tolist():
        assert front in {3, 7, 8} - {target}
        assert sorted(backs) == [4, 6]
    assert len(tuples_of(images([whole]), 2)) == 2


def test_a_target_is_no_source_of_itself():
    found = tuples_of(images([["front", "front", "back", "back"]] * 8), None)
    assert len(found) == 16
    assert (found[:, 0] != found[:, -1]).all()


def test_nobody_with_enough_pictures_is_one_line():
    with pytest.raises(UserError, match="two pictures from the front"):
        tuples_of(images([["front", "back", "back"]]), None)
