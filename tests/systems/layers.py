"""Layers of the systems in NumPy, float64."""

import jax
import numpy as np

RNG = np.random.default_rng(0)


def parameter_count(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


def convolve(x, kernel, stride=1, mode="reflect"):
    """A convolution of [B, H, W, C] by an odd kernel, padded by half of it on each side."""
    size = len(kernel)
    side = (size // 2, size // 2)
    padded = np.pad(x, ((0, 0), side, side, (0, 0)), mode=mode)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return np.einsum("byxcij,ijcf->byxf", windows[:, ::stride, ::stride], kernel)


def normalise(x, params, statistics):
    scale = params["scale"] / np.sqrt(statistics["var"] + 1e-5)
    return (x - statistics["mean"]) * scale + params["bias"]


def at_random(variables):
    """Variables of the same shapes with numbers of size one, variances positive."""
    drawn = jax.tree.map(
        lambda x: RNG.normal(size=x.shape) / np.sqrt(np.prod(x.shape[:-1])), variables
    )
    drawn["batch_stats"] = jax.tree.map(lambda x: 0.5 + np.abs(x), drawn["batch_stats"])
    return drawn


def random_params(params):
    """Parameters of the same shapes with numbers of size one."""
    return jax.tree.map(
        lambda x: RNG.normal(size=x.shape) / np.sqrt(max(1, np.prod(x.shape[:-1]))), params
    )


def whole_norm(x, params):
    """Def-GAN's norm: over height, width and channels of an image together."""
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    deviation = x.std(axis=(1, 2, 3), keepdims=True)
    return (x - mean) / (deviation + 1e-3) * params["scale"] + params["shift"]


def halved(x, kernel, pad=1):
    """A 4×4 convolution of stride 2."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (4, 4), axis=(1, 2))[:, ::2, ::2]
    return np.einsum("byxcij,ijcf->byxf", windows, kernel)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def conv3(x, params):
    """A 3×3 convolution with bias, padded by zeros."""
    layer = params["Conv_0"]
    return convolve(x, layer["kernel"], mode="constant") + layer["bias"]


def encoded(x, params):
    """The six levels of Def-GAN's encoder."""
    levels = [conv3(x, params["Conv3_0"])]
    for i in range(5):
        down = params[f"Down_{i}"]
        y = halved(leaky(levels[-1]), down["Conv_0"]["kernel"])
        levels.append(y if i == 4 else whole_norm(y, down["WholeNorm_0"]))
    return levels


def maps(pose, size, sigma):
    """Heatmaps of a whole pose: [H, W, 18]."""
    y, x = np.mgrid[: size[0], : size[1]]
    found = [np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * sigma**2)) for a, b in pose]
    return np.stack(found, axis=-1)
