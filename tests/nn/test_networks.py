"""Shapes and parameter counts from the paper's numbers; norms and masks against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.keypoints import heatmap_factors, heatmaps
from pnr_jax.nn.blocks import HeatmapConv, Norm, ReflectConv, TransposedConv
from pnr_jax.nn.discriminators import Discriminator
from pnr_jax.nn.extractors import AppearanceExtractor, PoseExtractor
from pnr_jax.nn.generator import Generator

KEY = jax.random.key(0)


def shapes(module, *inputs):
    """Output shape and parameter count, without computing anything."""
    output, variables = jax.eval_shape(
        lambda *xs: module.init_with_output(KEY, *xs),
        *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in inputs),
    )
    return output.shape, sum(x.size for x in jax.tree.leaves(variables["params"]))


def conv(size, inputs, outputs):
    """Weights of a convolution without bias, and of the norm after it."""
    return size * size * inputs * outputs + 2 * outputs


RESIDUAL = 2 * conv(3, 256, 256)
TRUNK = conv(3, 64, 128) + conv(3, 128, 256)


def test_appearance_extractor_has_the_papers_shape():
    assert shapes(AppearanceExtractor(), (2, 128, 64, 3)) == (
        (2, 512, 256),
        conv(7, 3, 64) + TRUNK + 4 * RESIDUAL,
    )


def test_pose_extractor_ends_in_a_linear_layer_to_d():
    assert shapes(PoseExtractor(), (2, 128, 18), (2, 64, 18)) == (
        (2, 512, 20),
        conv(7, 18, 64) + TRUNK + 4 * RESIDUAL + 256 * 20 + 20,
    )


def test_generator_has_the_papers_shape():
    up = conv(3, 256, 128) + conv(3, 128, 64)
    assert shapes(Generator(), (2, 32, 16, 256)) == (
        (2, 128, 64, 3),
        4 * RESIDUAL + up + 7 * 7 * 64 * 3 + 3,
    )


@pytest.mark.parametrize("channels", [3, 18])
def test_discriminator_judges_every_channel_of_every_region(channels):
    assert shapes(Discriminator(), (2, 128, 64, 3), (2, 128, 64, channels)) == (
        (2, 32, 16, 256),
        conv(7, 3 + channels, 64) + TRUNK + 3 * RESIDUAL,
    )


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
def test_networks_run_with_every_norm_and_in_bfloat16(norm):
    module = Generator(width=4, blocks=1, norm=norm, dropout=0.5, dtype=jnp.bfloat16)
    images, _ = jax.jit(module.init_with_output)(KEY, jnp.ones((2, 8, 8, 16)))
    assert images.dtype == jnp.float32
    assert images.shape == (2, 32, 32, 3)
    assert np.abs(images).max() <= 1


def test_unknown_norm_is_an_error():
    with pytest.raises(ValueError, match="'layer'"):
        Norm("layer").init(KEY, jnp.ones((1, 4, 4, 4)), True)


def test_reflect_convolution_is_numpys():
    x = np.random.default_rng(0).normal(size=(1, 6, 5, 2))
    output, variables = ReflectConv(3, 3).init_with_output(KEY, x)
    kernel = np.asarray(variables["params"]["Conv_0"]["kernel"], np.float64)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    expected = np.zeros((1, 6, 5, 3))
    for dy in range(3):
        for dx in range(3):
            expected += padded[:, dy : dy + 6, dx : dx + 5] @ kernel[dy, dx]
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_heatmap_convolution_is_the_convolution_of_the_heatmaps():
    keypoints = np.random.default_rng(0).integers(-1, 32, (2, 18, 2))
    rows, columns = heatmap_factors(keypoints, (24, 20), 3.0)
    output, variables = HeatmapConv(5, 7).init_with_output(KEY, rows, columns)
    maps = np.asarray(heatmaps(keypoints, (24, 20), 3.0), np.float64)
    padded = np.pad(maps, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2))
    expected = np.einsum("byxjde,dejf->byxf", windows, variables["params"]["kernel"])
    np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize("size", [3, 4])
def test_transposed_convolution_is_its_definition(size):
    """Every input pixel adds its taps, stride 2 apart, to the output; a margin of 1 is cut."""
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    output, variables = TransposedConv(2, size).init_with_output(KEY, x)
    kernel = np.asarray(variables["params"]["kernel"], np.float64)
    full = np.zeros((2, 2 * 5 + 2, 2 * 4 + 2, 2))
    for i in range(5):
        for j in range(4):
            taps = np.einsum("bc,yxcf->byxf", x[:, i, j], kernel[::-1, ::-1])
            full[:, 2 * i : 2 * i + size, 2 * j : 2 * j + size] += taps
    expected = full[:, 1:11, 1:9]
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_batch_norm_leaves_padding_out_of_its_statistics():
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 2)) * 5 + 1
    norm = Norm("batch")
    variables = norm.init(KEY, x, True)
    y, updates = norm.apply(
        variables, x, True, np.array([True, False, True]), mutable=["batch_stats"]
    )
    kept = x[[0, 2]].astype(np.float64)
    mean, variance = kept.mean((0, 1, 2)), kept.var((0, 1, 2))
    scale = np.asarray(variables["params"]["BatchNorm_0"]["scale"])
    expected = (kept - mean) / np.sqrt(variance + 1e-5) * scale
    np.testing.assert_allclose(y[np.array([0, 2])], expected, atol=1e-4)
    np.testing.assert_allclose(updates["batch_stats"]["BatchNorm_0"]["mean"], 0.1 * mean, atol=1e-5)


@pytest.mark.parametrize(("kind", "axes"), [("instance", (1, 2)), ("batch", (0, 1, 2))])
def test_norms_statistics_are_over_the_right_axes(kind, axes):
    x = np.random.default_rng(1).normal(size=(3, 6, 4, 8)) * 3 - 2
    y, variables = Norm(kind).init_with_output(KEY, x, True)
    scale = np.asarray(next(iter(variables["params"].values()))["scale"])
    expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, expected * scale, atol=1e-3)
