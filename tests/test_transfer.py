"""A run's folder becomes a function of sources and poses."""

import jax
import numpy as np
import pytest

from pnr_jax import config as config_lib
from pnr_jax.checkpoints import export_model
from pnr_jax.config import Config
from pnr_jax.errors import UserError
from pnr_jax.transfer import PoseTransfer


def sources(batch):
    return batch["source_images"], batch["source_keypoints"]


def initialise(config, batch):
    model = config.build_system().network
    inputs = (*sources(batch), batch["source_valid"], batch["target_keypoints"])
    variables = jax.jit(model.init)(jax.random.key(1), *inputs)
    # Initial kernels are so small that every image is grey.
    return model, jax.tree.map(lambda x: 10 * x if x.ndim == 4 else x, variables)


@pytest.fixture(scope="module")
def transfer():
    config = Config()
    config = config.replace(image_size=(32, 32))
    config = config.replace(model={"width": 4, "blocks": 1, "d": 4, "sigma": 2.0, "iterations": 2})
    zeros = {
        "source_images": np.zeros((1, 1, 32, 32, 3), np.uint8),
        "source_keypoints": np.zeros((1, 1, 18, 2), np.int32),
        "source_valid": np.ones((1, 1), bool),
        "target_keypoints": np.zeros((1, 18, 2), np.int32),
    }
    return PoseTransfer(config.build_system(), initialise(config, zeros)[1])


def test_loads_from_a_workdir_alone_what_the_model_draws(small_config, make_batch, tmp_path):
    small_config = small_config.replace(model={"p": 2.0})
    batch = make_batch(M=2)
    model, variables = initialise(small_config, batch)
    config_lib.write_config(small_config, tmp_path)
    export_model(tmp_path, variables)
    inputs = (*sources(batch), batch["source_valid"], batch["target_keypoints"])
    drawn = np.asarray(jax.jit(model.apply)(variables, *inputs), np.float64)
    transfer = PoseTransfer.load(str(tmp_path))
    assert transfer.image_size == (32, 32)
    images = transfer.transfer(*sources(batch), batch["target_keypoints"])
    assert images.shape == (2, 32, 32, 3)
    assert images.dtype == np.uint8
    assert images.std() > 5
    # [-1, 1] to [0, 255], rounded; one grey level for two ways to the same sums.
    assert np.abs(images - np.clip((drawn + 1) * 127.5, 0, 255)).max() < 1


def test_encoding_once_and_rendering_is_transferring(transfer, make_batch):
    batch = make_batch(B=3, M=2)
    F = transfer.encode(*sources(batch))
    assert F.shape == (3, 4, 16)
    assert F.dtype == np.float32
    images = transfer.render(F, batch["target_keypoints"])
    np.testing.assert_array_equal(
        images, transfer.transfer(*sources(batch), batch["target_keypoints"])
    )
    assert images.dtype == np.uint8
    other_pose = transfer.render(F, make_batch(B=3, seed=1)["target_keypoints"])
    other_person = transfer.render(F[::-1], batch["target_keypoints"])
    assert np.abs(images - other_pose.astype(float)).mean() > 1
    assert np.abs(images - other_person.astype(float)).mean() > 1


def test_a_padded_source_is_not_seen(transfer, make_batch):
    images, keypoints = sources(make_batch(M=3))  # two have rows enough for the same solver
    two = transfer.encode(images[:, :2], keypoints[:, :2])
    padded = transfer.encode(images, keypoints, np.array([[True, True, False]] * 2))
    np.testing.assert_allclose(padded, two, rtol=1e-3, atol=1e-3 * np.abs(two).max())
    assert np.abs(transfer.encode(images, keypoints) - two).max() > 0.01 * np.abs(two).max()


def test_lists_are_arrays_too(transfer, make_batch):
    images, keypoints = sources(make_batch())
    valid = [[True]] * 2
    F = transfer.encode(images, keypoints.tolist(), valid)
    np.testing.assert_array_equal(F, transfer.encode(images, keypoints))


def test_wrong_shapes_are_named(transfer, make_batch):
    batch = make_batch(M=2)
    images, keypoints = sources(batch)

    def refuses(call, *parts):
        with pytest.raises(ValueError) as caught:
            call()
        assert all(part in str(caught.value) for part in parts), str(caught.value)

    refuses(
        lambda: transfer.encode(images[:, :, :16], keypoints),
        "source_images must be uint8 [B, M, 32, 32, 3]",
        "(2, 2, 16, 32, 3)",
    )
    refuses(lambda: transfer.encode(images[:, 0], keypoints), "source_images", "(2, 32, 32, 3)")
    refuses(lambda: transfer.encode(images / 255, keypoints), "source_images", "float64")
    refuses(
        lambda: transfer.encode(images, keypoints[:, :1]),
        "source_keypoints must be [B, M, 18, 2] = (2, 2, 18, 2)",
        "(2, 1, 18, 2)",
    )
    valid = np.ones((2, 1), bool)
    refuses(lambda: transfer.encode(images, keypoints, valid), "source_valid", "(2, 2)", "(2, 1)")
    F = np.zeros((2, 4, 16), np.float32)
    refuses(
        lambda: transfer.render(F, keypoints[:1, 0]),
        "target_keypoints must be (2, 18, 2)",
        "(1, 18, 2)",
    )
    refuses(lambda: transfer.render(F, keypoints[:, 0, :17]), "target_keypoints", "(2, 17, 2)")
    refuses(lambda: transfer.encode(images[:0], keypoints[:0]), "B = 0")
    refuses(lambda: transfer.encode(images[:, :0], keypoints[:, :0]), "M = 0")
    refuses(lambda: transfer.render(F[:0], keypoints[:0, 0]), "B = 0")


def test_joints_that_are_nan_are_missing(transfer, make_batch):
    batch = make_batch()
    images, keypoints = sources(batch)
    keypoints = keypoints.astype(float)
    keypoints[:, :, 3] = -1
    odd = keypoints.copy()
    odd[:, :, 3] = np.nan, 5
    F = transfer.encode(images, keypoints)
    np.testing.assert_array_equal(transfer.encode(images, odd), F)
    np.testing.assert_array_equal(
        transfer.render(F, odd[:, 0]), transfer.render(F, keypoints[:, 0])
    )


def test_a_workdir_without_a_run_or_a_model_is_named(small_config, tmp_path):
    with pytest.raises(UserError, match="no run here"):
        PoseTransfer.load(tmp_path)
    config_lib.write_config(small_config, tmp_path)
    with pytest.raises(UserError, match="no trained model here yet"):
        PoseTransfer.load(tmp_path)


def test_shares_of_the_image_in_place_of_pixels_are_refused(transfer, make_batch):
    images, keypoints = sources(make_batch(B=1, size=(32, 32)))
    with pytest.raises(ValueError, match=r"expected pixels, .* multiply by image_size"):
        transfer.encode(images, keypoints / 32)
    missing = keypoints / 32
    missing[:, :, 3] = np.nan
    with pytest.raises(ValueError, match="expected pixels"):
        transfer.encode(images, missing)
    poses = np.full((1, 18, 2), -1.0)
    code = transfer.encode(images, keypoints)
    poses[0, 0] = 0.5, 0.5  # A single joint may lie in the corner.
    transfer.render(code, poses)


def test_shares_are_refused_also_where_another_pose_has_pixels(transfer, make_batch):
    images, keypoints = sources(make_batch(B=2))
    mixed = keypoints.astype(float)
    mixed[1] /= 32
    with pytest.raises(ValueError, match="expected pixels"):
        transfer.encode(images, mixed)


def test_fractions_of_a_pixel_reach_the_network(transfer, make_batch):
    batch = make_batch()
    code = transfer.encode(*sources(batch))
    pose = batch["target_keypoints"].astype(float)
    here, between, there = (transfer.render(code, pose + d).astype(float) for d in (0, 0.5, 1))
    step = np.abs(there - here).mean()
    assert 0.3 * step < np.abs(between - here).mean() < 0.7 * step
    assert 0.3 * step < np.abs(between - there).mean() < 0.7 * step
