"""PATN's generator against its published size, and its parts against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.config import Config
from pnr_jax.nn.blocks import HalvingBlock
from pnr_jax.systems.patn import PoseAttention
from tests.systems.layers import at_random, convolve, normalise, parameter_count

RNG = np.random.default_rng(0)


def test_the_networks_have_the_published_numbers_of_parameters():
    system = Config().replace(system={"name": "patn"}).build_system()
    variables, discriminators = jax.eval_shape(system.init, jax.random.key(0))
    assert parameter_count(variables["params"]) == 41_365_763
    assert parameter_count(discriminators["image"]) == 3_930_368
    assert parameter_count(discriminators["pose"]) == 3_977_408


@pytest.mark.parametrize("factor", [1, 2])  # The pose code is as wide, or twice.
def test_a_block_is_its_equations(factor):
    D = 4
    x1, x2 = RNG.normal(size=(2, 6, 5, D)), RNG.normal(size=(2, 6, 5, factor * D))
    block = PoseAttention("batch", 0.5, jnp.float32)
    variables = at_random(block.init(jax.random.key(0), x1, x2, False))
    params, statistics = variables["params"], variables["batch_stats"]

    def branch(x, number):
        conv = params[f"ConvBlock_{number}"]
        y = convolve(x, conv["ReflectConv_0"]["Conv_0"]["kernel"])
        norms = statistics[f"ConvBlock_{number}"]["Norm_0"]["BatchNorm_0"]
        y = np.maximum(normalise(y, conv["Norm_0"]["BatchNorm_0"], norms), 0)
        return convolve(y, params[f"ReflectConv_{number}"]["Conv_0"]["kernel"])

    u = normalise(
        branch(x1, 0), params["Norm_0"]["BatchNorm_0"], statistics["Norm_0"]["BatchNorm_0"]
    )
    s = branch(x2, 1)
    image = x1 + u / (1 + np.exp(-s))
    drawn = block.apply(variables, x1, x2, False)
    np.testing.assert_allclose(drawn[0], image, atol=1e-4)
    np.testing.assert_allclose(drawn[1], np.concatenate([s, image], axis=-1), atol=1e-4)


def test_strided_convolutions_pad_zeros_on_every_side():
    x = RNG.normal(size=(2, 8, 6, 3))
    block = HalvingBlock(5)
    variables = at_random(block.init(jax.random.key(0), x, False))
    y = convolve(x, variables["params"]["Conv_0"]["kernel"], 2, "constant")
    norm = variables["params"]["Norm_0"]["BatchNorm_0"]
    expected = np.maximum(normalise(y, norm, variables["batch_stats"]["Norm_0"]["BatchNorm_0"]), 0)
    assert expected.shape == (2, 4, 3, 5)
    np.testing.assert_allclose(block.apply(variables, x, False), expected, atol=1e-4)


def test_discriminators_begin_as_pytorchs_layers_do():
    system = Config(image_size=(32, 32)).build_system()
    _, discriminators = jax.jit(system.init)(jax.random.key(0))
    for path, x in jax.tree.leaves_with_path(discriminators):
        name = jax.tree_util.keystr(path)
        if name.endswith("['kernel']"):
            bound = 1 / np.sqrt(x.size / x.shape[-1])
            assert 0.98 * bound < np.abs(x).max() <= bound, name
            assert np.std(x) == pytest.approx(bound / np.sqrt(3), rel=0.05), name
        elif name.endswith("['scale']"):
            assert x.min() >= 0 and x.max() <= 1, name
            assert np.mean(x) == pytest.approx(0.5, abs=0.15), name
        else:
            assert (x == 0).all(), name
