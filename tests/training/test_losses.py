"""Each loss against NumPy in float64; the weights of eq. 6 in both modes."""

import jax
import numpy as np
import pytest

from pnr_jax.nn import losses
from pnr_jax.nn.vgg19 import VGG19, conv1_2
from pnr_jax.training import state
from pnr_jax.training.step import make_step


@pytest.fixture
def vgg():
    rng = np.random.default_rng(0)
    return VGG19(
        (rng.normal(size=(3, 3, 3, 64)) * 0.2, rng.normal(size=(3, 3, 64, 64)) * 0.05),
        (rng.normal(size=64), rng.normal(size=64)),
        np.array([2.0, 1.5, 1.0]),
        np.array([0.1, 0.0, -0.1]),
        3.0,
    )


def numpy_conv1_2(vgg, images):
    x = images.astype(np.float64) * vgg.scale + vgg.shift
    for kernel, bias in zip(vgg.kernels, vgg.biases, strict=True):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        x = np.maximum(np.einsum("byxcde,decf->byxf", windows, kernel) + bias, 0)
    return x / vgg.divisor


def test_l1():
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 2, 4, 4, 3))
    np.testing.assert_allclose(losses.l1(a, b), np.abs(a - b).mean(), rtol=1e-6)


def test_perceptual(vgg):
    a, b = np.random.default_rng(0).uniform(-1, 1, (2, 2, 6, 5, 3))
    expected = np.abs(numpy_conv1_2(vgg, a) - numpy_conv1_2(vgg, b)).mean()
    np.testing.assert_allclose(losses.perceptual(vgg, a, b), expected, rtol=1e-5)


def test_adversarial_is_the_binary_cross_entropy_of_the_sigmoid():
    logits = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype(np.float32) * 3
    sigmoid = 1 / (1 + np.exp(-logits.astype(np.float64)))
    for real, probability in ((True, sigmoid), (False, 1 - sigmoid)):
        expected = -np.log(probability).mean()
        np.testing.assert_allclose(losses.adversarial(logits, real), expected, rtol=1e-5)
    expected = 0.5 * (-np.log(sigmoid).mean() - np.log(1 - sigmoid).mean())
    np.testing.assert_allclose(losses.discriminator(logits, logits), expected, rtol=1e-5)


def test_a_discriminator_that_wins_completely_gives_no_infinity():
    loss, gradient = jax.value_and_grad(lambda x: losses.adversarial(x, True))(
        np.full(4, -1e4, np.float32)
    )
    assert np.isfinite(loss)
    np.testing.assert_allclose(gradient, -0.25)


@pytest.mark.parametrize("supervised", [True, False])
def test_the_sum_of_eq_6(small_config, make_batch, vgg, supervised):
    config = small_config
    config = config.replace(supervised=supervised)
    config = config.replace(
        loss={"l1": 5.0, "perceptual": 5.0, "gan_image": 10.0 * supervised, "gan_pose": 10.0}
    )
    batch = make_batch()
    if not supervised:
        batch["target_image"] = batch["source_images"][:, 0]
        batch["target_keypoints"] = batch["source_keypoints"][:, 0]
    _, metrics = jax.jit(make_step(config, vgg))(state.init_state(config), batch)
    assert ("gan_image" in metrics) == supervised
    expected = 5 * metrics["l1"] + 5 * metrics["perceptual"] + 10 * metrics["gan_pose"]
    expected += 10 * metrics.get("gan_image", 0)
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)


def test_conv1_2_matches_numpy(vgg):
    images = np.random.default_rng(1).uniform(-1, 1, (1, 5, 7, 3))
    np.testing.assert_allclose(conv1_2(vgg, images), numpy_conv1_2(vgg, images), atol=1e-4)
