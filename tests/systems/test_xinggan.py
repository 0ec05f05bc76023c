"""XingGAN's generator against its published size, its block and its head against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.config import Config
from pnr_jax.systems.xinggan import CoAttention, Crossing
from tests.systems.layers import at_random, convolve, normalise, parameter_count

RNG = np.random.default_rng(0)


@pytest.fixture
def system():
    config = Config(image_size=(32, 32)).replace(
        system={"name": "xinggan"},
        model={"width": 4, "blocks": 2, "sigma": 2.0},
        discriminator={"width": 4, "blocks": 1},
        loss={"perceptual": 0.0},
    )
    return config.build_system()


def test_the_generator_has_the_published_number_of_parameters():
    system = Config().replace(system={"name": "xinggan"}).build_system()
    variables, _ = jax.eval_shape(system.init, jax.random.key(0))
    assert parameter_count(variables["params"]) == 44_853_189


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def norm(x, variables, *path):
    """Batch norm by the running statistics under a path of names."""
    params, statistics = variables["params"], variables["batch_stats"]
    for name in (*path, "Norm_0", "BatchNorm_0"):
        params, statistics = params[name], statistics[name]
    return normalise(x, params, statistics)


def f(x, variables, number):
    """f1 (0) or f2 (1) up to its second convolution."""
    params = variables["params"]
    y = convolve(x, params[f"ConvBlock_{number}"]["ReflectConv_0"]["Conv_0"]["kernel"])
    y = np.maximum(norm(y, variables, f"ConvBlock_{number}"), 0)
    return convolve(y, params[f"ReflectConv_{number}"]["Conv_0"]["kernel"])


@pytest.mark.parametrize("factor", [1, 2])  # The shape code is as wide, or twice.
@pytest.mark.parametrize("gamma", [0.0, 0.7])
def test_a_block_is_its_equations(factor, gamma):
    D = 8
    x1, x2 = RNG.normal(size=(2, 4, 3, D)), RNG.normal(size=(2, 4, 3, factor * D))
    block = Crossing("batch", 0.5, jnp.float32)
    variables = at_random(block.init(jax.random.key(0), x1, x2, False))
    params = variables["params"]
    params["gamma"] = np.float64(gamma)
    u, s = norm(f(x1, variables, 0), variables), f(x2, variables, 1)

    def linear(name, x):
        layer = params[name]
        return (x @ layer["kernel"][0, 0] + layer["bias"]).reshape(len(x), 12, -1)

    def crossed(asking, asked):
        products = np.einsum("bic,bjc->bij", linear("q", asking), linear("k", asked))
        seen = softmax(products) @ linear("v", asking)
        return asking + gamma * seen.reshape(asking.shape)

    drawn = block.apply(variables, x1, x2, False)
    np.testing.assert_allclose(drawn[0], crossed(u, s), atol=1e-4)
    np.testing.assert_allclose(drawn[1][..., :D], crossed(u, s), atol=1e-4)
    np.testing.assert_allclose(drawn[1][..., D:], crossed(s, u), atol=1e-4)


def doubled(x, kernel):
    """A transposed 3x3 convolution: stride 2, padding 1, output padding 1."""
    B, H, W, _ = x.shape
    spread = np.zeros((B, 2 * H + 2, 2 * W + 2, kernel.shape[-1]))
    for i, j in np.ndindex(3, 3):
        # The kernel is that of a correlation with the dilated image, so its taps are turned round.
        spread[:, i : i + 2 * H : 2, j : j + 2 * W : 2] += x @ kernel[2 - i, 2 - j]
    return spread[:, 1 : 2 * H + 1, 1 : 2 * W + 1]


def head_in_numpy(x1, x2, source, variables):
    params = variables["params"]
    ups = iter(range(6))

    def up(x):
        name = f"UpBlock_{next(ups)}"
        return np.maximum(
            norm(doubled(x, params[name]["TransposedConv_0"]["kernel"]), variables, name), 0
        )

    def images(x, number):
        layer = params[f"ReflectConv_{number}"]["Conv_0"]
        y = np.tanh(convolve(up(up(x)), layer["kernel"]) + layer["bias"])
        return [y[..., 3 * i : 3 * i + 3] for i in range(10)]

    both = np.concatenate([x1, x2], axis=-1)
    alpha = softmax(up(up(both)) @ params["ReflectConv_0"]["Conv_0"]["kernel"][0, 0])
    kernel = params["ConvBlock_0"]["ReflectConv_0"]["Conv_0"]["kernel"][0, 0]
    x2 = np.maximum(norm(x2 @ kernel, variables, "ConvBlock_0"), 0)
    mixed = [*images(x1, 1), *images(x2, 2), source]
    return sum(alpha[..., i : i + 1] * image for i, image in enumerate(mixed))


@pytest.fixture
def head():
    """(head, variables, its three inputs)."""
    inputs = [RNG.normal(size=(2, *shape)) for shape in ((2, 3, 8), (2, 3, 16), (8, 12, 3))]
    module = CoAttention(2, "batch", jnp.float32)
    return module, at_random(module.init(jax.random.key(0), *inputs, False)), inputs


def test_the_head_is_its_equations(head):
    module, variables, inputs = head
    expected = head_in_numpy(*inputs, variables)
    np.testing.assert_allclose(module.apply(variables, *inputs, False), expected, atol=1e-4)


def test_where_the_last_map_is_one_the_source_remains(head):
    module, variables, (x1, x2, source) = head
    last = variables["params"]["UpBlock_1"]["Norm_0"]["BatchNorm_0"]
    last |= {"scale": np.zeros(4), "bias": np.ones(4)}
    attention = variables["params"]["ReflectConv_0"]["Conv_0"]
    attention["kernel"] = np.zeros((1, 1, 4, 21))
    attention["kernel"][..., 20] = 100.0
    drawn = module.apply(variables, x1, x2, source, False)
    np.testing.assert_allclose(drawn, source, atol=1e-5)


def test_attention_begins_switched_off_and_each_blocks_gamma_is_logged(system, make_batch):
    variables, discriminators = jax.jit(system.init)(jax.random.key(0))
    variables["params"]["crossing_1"]["gamma"] = jnp.float32(0.25)
    loss = jax.jit(lambda *arguments: system.generator_loss(*arguments, None, jax.random.key(1)))
    _, drawn = loss(variables, discriminators, make_batch())
    assert (drawn.metrics["gamma_0"], drawn.metrics["gamma_1"]) == (0, 0.25)


def test_every_parameter_gets_a_gradient(system, make_batch):
    variables, discriminators = jax.jit(system.init)(jax.random.key(0))
    for i in range(2):
        variables["params"][f"crossing_{i}"]["gamma"] = jnp.float32(1)

    @jax.jit
    @jax.grad
    def gradient(params):
        total, _ = system.generator_loss(
            variables | {"params": params}, discriminators, make_batch(), None, jax.random.key(1)
        )
        return total

    for path, x in jax.tree.leaves_with_path(gradient(variables["params"])):
        # Softmax does not see what all of its arguments share, such as k's bias.
        if not jax.tree_util.keystr(path).endswith("['k']['bias']"):
            assert np.abs(x).max() > 0, jax.tree_util.keystr(path)
