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
