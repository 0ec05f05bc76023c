"""XingGAN's generator against its published size, and its parts against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.config import Config
from pnr_jax.systems.xinggan import CoAttention, Crossing

RNG = np.random.default_rng(0)


def parameter_count(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


def test_the_networks_have_the_published_numbers_of_parameters():
    system = Config().replace(system={"name": "xinggan"}).build_system()
    variables, discriminators = jax.eval_shape(system.init, jax.random.key(0))
    assert parameter_count(variables["params"]) == 44_853_189
    assert parameter_count(discriminators["image"]) == 3_930_368
    assert parameter_count(discriminators["pose"]) == 3_977_408


def test_the_losses_weigh_as_in_its_code():
    loss = Config().replace(system={"name": "xinggan"}).loss
    assert loss.to_dict() == {
        "l1": 50.0, "perceptual": 50.0, "gan_image": 2.5, "gan_pose": 2.5
    }  # fmt: skip


def at_random(variables):
    """Variables of the same shapes with numbers of size one, variances positive."""

    def draw(x):
        return RNG.normal(size=x.shape) / np.sqrt(x.size / x.shape[-1] if x.ndim else 1)

    drawn = jax.tree.map(draw, variables)
    drawn["batch_stats"] = jax.tree.map(lambda x: 0.5 + np.abs(x), drawn["batch_stats"])
    return drawn


def convolve(x, kernel):
    """A convolution of stride 1 of [B, H, W, C], padded by reflection."""
    by = kernel.shape[0] // 2
    padded = np.pad(x, ((0, 0), (by, by), (by, by), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(1, 2))
    return np.einsum("byxcij,ijcf->byxf", windows, kernel)


def transpose_convolve(x, kernel):
    """PyTorch's ConvTranspose2d(3, stride=2, padding=1, output_padding=1), scattered tap by tap."""
    B, H, W, _ = x.shape
    out = np.zeros((B, 2 * H + 2, 2 * W + 2, kernel.shape[-1]))
    for i in range(3):
        for j in range(3):
            # The layer keeps its kernel as a convolution of the dilated input has it: turned.
            out[:, i : i + 2 * H : 2, j : j + 2 * W : 2] += x @ kernel[2 - i, 2 - j]
    return out[:, 1:-1, 1:-1]


def normalise(x, params, statistics):
    params, statistics = params["BatchNorm_0"], statistics["BatchNorm_0"]
    scale = params["scale"] / np.sqrt(statistics["var"] + 1e-5)
    return (x - statistics["mean"]) * scale + params["bias"]


@pytest.mark.parametrize("factor", [1, 2])  # The shape code is as wide, or twice.
def test_a_crossing_is_its_equations(factor):
    D, h, w = 8, 4, 3
    x1, x2 = RNG.normal(size=(2, h, w, D)), RNG.normal(size=(2, h, w, factor * D))
    block = Crossing("batch", 0.5, jnp.float32)
    variables = at_random(block.init(jax.random.key(0), x1, x2, False))
    variables["params"]["gamma"] = np.array(0.7)
    params, statistics = variables["params"], variables["batch_stats"]

    def branch(x, number):
        conv = params[f"ConvBlock_{number}"]
        y = convolve(x, conv["ReflectConv_0"]["Conv_0"]["kernel"])
        norms = statistics[f"ConvBlock_{number}"]["Norm_0"]
        y = np.maximum(normalise(y, conv["Norm_0"], norms), 0)
        return convolve(y, params[f"ReflectConv_{number}"]["Conv_0"]["kernel"])

    def ask(name, x):
        layer = params[name]
        return x.reshape(2, h * w, D) @ layer["kernel"][0, 0] + layer["bias"]

    def crossed(own, other):
        """own_i + γ Σ_j softmax_j(q(own)_i · k(other)_j) v(own)_j, position by position."""
        q, k, v = ask("q", own), ask("k", other), ask("v", own)
        out = own.reshape(2, h * w, D).copy()
        for b in range(2):
            for i in range(h * w):
                products = np.array([q[b, i] @ k[b, j] for j in range(h * w)])
                weights = np.exp(products - products.max())
                out[b, i] += 0.7 * (weights / weights.sum()) @ v[b]
        return out.reshape(own.shape)

    u = normalise(branch(x1, 0), params["Norm_0"], statistics["Norm_0"])
    s = branch(x2, 1)
    image, shape = crossed(u, s), crossed(s, u)
    drawn = block.apply(variables, x1, x2, False)
    np.testing.assert_allclose(drawn[0], image, atol=1e-4)
    np.testing.assert_allclose(drawn[1], np.concatenate([image, shape], axis=-1), atol=1e-4)


def test_attention_is_off_at_the_start():
    x = RNG.normal(size=(1, 4, 3, 8))
    variables = Crossing("batch", 0.0, jnp.float32).init(jax.random.key(0), x, x, False)
    assert variables["params"]["gamma"] == 0


def test_the_head_mixes_twenty_images_and_the_source():
    width, h, w = 2, 4, 4
    D = 4 * width
    x1, x2 = RNG.normal(size=(2, h, w, D)), RNG.normal(size=(2, h, w, 2 * D))
    source = RNG.uniform(-1, 1, size=(2, 4 * h, 4 * w, 3))
    head = CoAttention(width, "batch", jnp.float32)
    variables = at_random(head.init(jax.random.key(0), x1, x2, source, False))
    params, statistics = variables["params"], variables["batch_stats"]

    def up(x, number):
        name = f"UpBlock_{number}"
        y = transpose_convolve(x, params[name]["TransposedConv_0"]["kernel"])
        return np.maximum(normalise(y, params[name]["Norm_0"], statistics[name]["Norm_0"]), 0)

    def images(x, first, conv):
        y = up(up(x, first), first + 1)
        layer = params[f"ReflectConv_{conv}"]["Conv_0"]
        return np.tanh(convolve(y, layer["kernel"]) + layer["bias"]).reshape(2, 4 * h, 4 * w, 10, 3)

    logits = up(up(np.concatenate([x1, x2], axis=-1), 0), 1)
    logits = convolve(logits, params["ReflectConv_0"]["Conv_0"]["kernel"])
    alpha = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert alpha.shape[-1] == 21
    squeezed = convolve(x2, params["ConvBlock_0"]["ReflectConv_0"]["Conv_0"]["kernel"])
    norm, its = params["ConvBlock_0"]["Norm_0"], statistics["ConvBlock_0"]["Norm_0"]
    squeezed = normalise(squeezed, norm, its)
    everything = [images(x1, 2, 1), images(np.maximum(squeezed, 0), 4, 2), source[..., None, :]]
    expected = (alpha[..., None] * np.concatenate(everything, axis=-2)).sum(-2)
    np.testing.assert_allclose(head.apply(variables, x1, x2, source, False), expected, atol=1e-4)


def test_each_blocks_gamma_is_logged():
    small = Config(image_size=(32, 32)).replace(
        system={"name": "xinggan"},
        model={"width": 4, "blocks": 2},
        loss={"perceptual": 0.0, "gan_image": 0.0, "gan_pose": 0.0},
    )
    system = small.build_system()
    variables, _ = system.init(jax.random.key(0))
    variables["params"]["crossing_1"]["gamma"] = jnp.float32(0.25)
    batch = {
        "source_images": np.zeros((1, 1, 32, 32, 3), np.uint8),
        "source_keypoints": np.full((1, 1, 18, 2), 7, np.int32),
        "source_valid": np.ones((1, 1), bool),
        "target_image": np.zeros((1, 32, 32, 3), np.uint8),
        "target_keypoints": np.full((1, 18, 2), 7, np.int32),
    }
    loss = jax.jit(lambda v, b, k: system.generator_loss(v, {}, b, None, k)[1].metrics)
    metrics = loss(variables, batch, jax.random.key(0))
    assert metrics["gamma_0"] == 0 and metrics["gamma_1"] == 0.25
