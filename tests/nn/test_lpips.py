"""LPIPS against its definition in TensorFlow, with random weights."""

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from pnr_jax.errors import UserError
from pnr_jax.nn.lpips import LPIPS, load_lpips, lpips

# torchvision's `features`: M is a pool; a number, a convolution followed by a ReLU.
LAYERS = {
    "alex": [(64, 11, 4, 2), "M", (192, 5, 1, 2), "M", *[(w, 3, 1, 1) for w in (384, 256, 256)]],
    "vgg": [
        "M" if width == "M" else (width, 3, 1, 1)
        for width in (64, 64, "M", 128, 128, "M", *(256,) * 3, "M", *(512,) * 3, "M", *(512,) * 3)
    ],
}
WIDTHS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
POOL = {"alex": 3, "vgg": 2}


def random_files(network, folder, seed=0):
    """State dicts of torchvision's trunk and of the lpips package's layers, and their arrays."""
    rng = np.random.default_rng(seed)
    trunk, place, channels = {}, 0, 3
    for layer in LAYERS[network]:
        if layer == "M":
            place += 1
            continue
        width, kernel = layer[:2]
        scale = np.float32(np.sqrt(2 / (channels * kernel**2)))
        shape = (width, channels, kernel, kernel)
        trunk[f"features.{place}.weight"] = scale * rng.standard_normal(shape, np.float32)
        trunk[f"features.{place}.bias"] = 0.1 * rng.standard_normal(width, np.float32)
        place, channels = place + 2, width
    linear = {
        f"lin{i}.model.1.weight": rng.uniform(0, 1, (1, width, 1, 1)).astype(np.float32)
        for i, width in enumerate(WIDTHS[network])
    }
    save_file(trunk, folder / "trunk.safetensors")
    save_file(linear, folder / "linear.safetensors")
    return trunk, linear


def oracle(network, trunk, linear, reference, generated):
    import tensorflow as tf

    def taps(images):
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        # The published constants are these, rounded, for [-1, 1].
        x = (images / 127.5 - 1 - np.round(2 * mean - 1, 3)) / np.round(2 * std, 3)
        place, found = 0, []
        for index, layer in enumerate(LAYERS[network]):
            if layer == "M":
                x = tf.nn.max_pool2d(x, POOL[network], 2, "VALID")
                place += 1
                continue
            _, _, stride, pad = layer
            kernel = trunk[f"features.{place}.weight"].transpose(2, 3, 1, 0).astype(np.float64)
            x = tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
            x = tf.nn.relu(
                tf.nn.conv2d(x, kernel, stride, "VALID") + trunk[f"features.{place}.bias"]
            )
            place += 2
            rest = LAYERS[network][index + 1 :]
            if network == "alex" or not rest or rest[0] == "M":
                found.append(x.numpy())
        return found

    total = 0
    for i, (a, b) in enumerate(zip(taps(reference), taps(generated), strict=True)):
        a, b = (f / np.linalg.norm(f, axis=-1, keepdims=True).clip(1e-10) for f in (a, b))
        weights = linear[f"lin{i}.model.1.weight"].reshape(-1)
        total = total + ((a - b) ** 2 @ weights).mean(axis=(1, 2))
    return total


def images(seed, count, size=(48, 32)):
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3)).astype(np.uint8)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_is_the_definition(network, tmp_path, caplog):
    trunk, linear = random_files(network, tmp_path)
    paths = tmp_path / "trunk.safetensors", tmp_path / "linear.safetensors"
    caplog.set_level("WARNING", "absl")  # A test of checkpoints may have silenced it.
    variables = load_lpips(*paths, network)
    assert caplog.text.count("not the published file") == 2
    reference, generated = images(0, 3), images(1, 3)
    distances = lpips(variables, reference, generated, network)
    expected = oracle(network, trunk, linear, reference, generated)
    np.testing.assert_allclose(distances, expected, rtol=1e-4)
    assert distances.dtype == np.float64


def test_ragged_chunks_equal_and_black_images(tmp_path):
    random_files("alex", tmp_path)
    variables = load_lpips(tmp_path / "trunk.safetensors", tmp_path / "linear.safetensors")
    reference, generated = images(2, 18), images(3, 18)
    generated[5] = reference[5]
    reference[7] = generated[7] = 0
    distances = lpips(variables, reference, generated)
    np.testing.assert_allclose(distances[[5, 7]], 0, atol=1e-12)
    assert np.isfinite(distances).all() and np.sum(distances > 1e-3) == 16
    alone = lpips(variables, reference[17:], generated[17:])
    np.testing.assert_allclose(distances[17:], alone, rtol=1e-5)
    assert lpips(variables, reference[:0], generated[:0]).shape == (0,)


def test_bad_input_is_named(tmp_path):
    random_files("alex", tmp_path)
    trunk, linear = tmp_path / "trunk.safetensors", tmp_path / "linear.safetensors"
    with pytest.raises(UserError, match=r"get it from download\.pytorch\.org.*vgg16-397923af"):
        load_lpips(tmp_path / "absent.pth", linear, "vgg")
    with pytest.raises(UserError, match=r"get it from the lpips package"):
        load_lpips(trunk, tmp_path / "absent.pth")
    with pytest.raises(UserError, match=r"lack 'features\.2\.weight'; are they vgg's"):
        load_lpips(trunk, linear, "vgg")
    widened = tmp_path / "widened.safetensors"
    save_file({f"lin{i}.model.1.weight": np.ones((1, 7, 1, 1)) for i in range(5)}, widened)
    with pytest.raises(UserError, match=r"linear_0.* has shape \[7\], the network's is \[64\]"):
        load_lpips(trunk, widened)
    variables = jax.eval_shape(
        LPIPS().init, jax.random.key(0), *np.zeros((2, 1, 64, 64, 3), np.float32)
    )
    with pytest.raises(ValueError, match="32 pixels"):
        lpips(variables, images(0, 1, (31, 64)), images(0, 1, (31, 64)))
