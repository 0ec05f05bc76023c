"""Batches: the schema, and a function of (seed, step)."""

import sys

import numpy as np
import pytest

from pnr_jax.data.images import Images, check_keypoints, index_tuples, read_image, resize
from pnr_jax.data.pipeline import gather, training_batches
from pnr_jax.errors import UserError


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return Images(
        rng.integers(0, 256, (6, 8, 4, 3)).astype(np.uint8),
        rng.integers(0, 4, (6, 18, 2)).astype(np.int32),
        [f"{i}.png" for i in range(6)],
    )


def test_gather_follows_the_schema_and_pads(images):
    batch = gather(images, np.array([[2, -1, 5], [0, 1, 3]]))
    assert batch["source_images"].shape == (2, 2, 8, 4, 3)
    np.testing.assert_array_equal(batch["source_valid"], [[True, False], [True, True]])
    np.testing.assert_array_equal(batch["source_images"][0, 0], images.images[2])
    np.testing.assert_array_equal(batch["target_image"][1], images.images[3])
    np.testing.assert_array_equal(batch["target_keypoints"][0], images.keypoints[5])
    np.testing.assert_array_equal(batch["source_keypoints"][1, 1], images.keypoints[1])


def test_a_resumed_run_sees_the_batches_of_an_uninterrupted_one(images):
    tuples = np.array([[i, j] for i in range(6) for j in range(6) if i != j], np.int32)

    def batches(start):
        return list(training_batches(images, tuples, batch_size=4, seed=1, start=start, stop=9))

    whole, resumed = batches(0), batches(5)
    assert len(whole) == 9
    assert len(resumed) == 4
    for expected, found in zip(whole[5:], resumed, strict=True):
        assert expected.keys() == found.keys()
        for name in expected:
            np.testing.assert_array_equal(expected[name], found[name])
            assert expected[name].dtype == found[name].dtype
    assert not np.array_equal(whole[0]["target_image"], whole[1]["target_image"])


def test_tensorflow_keeps_gpus_that_it_computes_on(images, monkeypatch):
    import tensorflow as tf

    asked = []

    def refuse(*arguments):
        asked.append(arguments)
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "set_visible_devices", refuse)
    batches = training_batches(images, np.array([[0, 1]]), batch_size=1, seed=0, start=0, stop=2)
    assert len(list(batches)) == 2
    assert asked == [([], "GPU")]


def test_without_tensorflow_the_flag_is_named(images, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    batches = training_batches(images, np.array([[0, 1]]), batch_size=1, seed=0, start=0, stop=1)
    with pytest.raises(UserError, match=r"^`config\.input=host`: .*`config\.input=device`$"):
        next(batches)


def test_resizing_takes_the_keypoints_along(images):
    smaller = resize(images, (4, 2))
    assert smaller.images.shape == (6, 4, 2, 3)
    means = images.images.reshape(6, 4, 2, 2, 2, 3).mean((2, 4))
    assert np.abs(smaller.images - means).max() <= 1
    assert smaller.keypoints.max() < 4


def test_a_tuple_of_an_absent_image_is_named():
    with pytest.raises(UserError, match=r"pairs\.csv: names the image 'c'"):
        index_tuples(["a", "b"], [("a", "b"), ("a", "c")], "pairs.csv")


def test_no_tuple_at_all_is_named_by_its_file():
    with pytest.raises(UserError, match=r"^pairs\.csv: names no pair or tuple; add a row"):
        index_tuples(["a", "b"], [], "pairs.csv")


def test_a_joint_outside_the_image_is_named():
    keypoints = np.full((18, 2), -1)
    check_keypoints(keypoints, (128, 64), "a.jpg")
    keypoints[4] = 10, 64
    with pytest.raises(UserError, match=r"a\.jpg: right_wrist at \(y=10, x=64\) lies outside"):
        check_keypoints(keypoints, (128, 64), "a.jpg")


def test_unreadable_images_are_named(tmp_path):
    with pytest.raises(UserError, match="image not found"):
        read_image(tmp_path / "none.png")
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"text\.jpg: not a readable image"):
        read_image(tmp_path / "text.jpg")
