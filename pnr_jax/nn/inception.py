"""Inception-v3 of 2015-12-05: the network of the Inception Score and of FID.

Differs from later Inception-v3: 1008 classes; average pools that leave padding out; a maximum pool
in the last block; raw 0-255 input, resized inside the graph by TensorFlow 1's bilinear rule; and
the score takes logits without the bias, ``pool3 · W``. Batch norms are folded into the
convolutions.

Reference: Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.metrics.images import chunks
from pnr_jax.typing import Variables

_IMAGES_AT_ONCE = 8
_PRECISION = jax.lax.Precision.HIGHEST  # an accelerator's default is coarser than float32

_Conv = Callable[..., jax.Array]
_average = partial(nn.avg_pool, window_shape=(3, 3), padding="SAME", count_include_pad=False)
_halve = partial(nn.max_pool, window_shape=(3, 3), strides=(2, 2))


class InceptionV3(nn.Module):
    """Images -> (pool3 features, logits without bias)."""

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Maps images [B, H, W, 3], 0-255, to float32 [B, 2048] and [B, 1008]."""

        def conv(
            name: str,
            x: jax.Array,
            features: int,
            kernel: int | tuple[int, int],
            strides: int = 1,
            padding: str = "SAME",
        ) -> jax.Array:
            size = (kernel, kernel) if isinstance(kernel, int) else kernel
            conv = nn.Conv(features, size, strides, padding, precision=_PRECISION, name=name)
            return nn.relu(conv(x))

        def block(name: str) -> _Conv:
            return lambda branch, *args, **kwargs: conv(f"{name}.{branch}", *args, **kwargs)

        x = (resize_tf1(jnp.asarray(images, jnp.float32), (299, 299)) - 128) / 128
        x = conv("Conv2d_1a_3x3", x, 32, 3, 2, "VALID")
        x = conv("Conv2d_2a_3x3", x, 32, 3, padding="VALID")
        x = _halve(conv("Conv2d_2b_3x3", x, 64, 3))
        x = conv("Conv2d_3b_1x1", x, 80, 1)
        x = _halve(conv("Conv2d_4a_3x3", x, 192, 3, padding="VALID"))
        for name, pool_features in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = _block_a(block(name), x, pool_features)
        x = _block_b(block("Mixed_6a"), x)
        for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            x = _block_c(block(f"Mixed_{name}"), x, width)
        x = _block_d(block("Mixed_7a"), x)
        x = _block_e(block("Mixed_7b"), x, _average)
        x = _block_e(block("Mixed_7c"), x, partial(_halve, strides=(1, 1), padding="SAME"))
        features = jnp.mean(x, axis=(1, 2))
        logits = nn.Dense(1008, use_bias=False, precision=_PRECISION, name="logits")
        return features, logits(features)


def _block_a(conv: _Conv, x: jax.Array, pool_features: int) -> jax.Array:
    five = conv("branch5x5_2", conv("branch5x5_1", x, 48, 1), 64, 5)
    double = conv("branch3x3dbl_2", conv("branch3x3dbl_1", x, 64, 1), 96, 3)
    double = conv("branch3x3dbl_3", double, 96, 3)
    pool = conv("branch_pool", _average(x), pool_features, 1)
    return jnp.concatenate([conv("branch1x1", x, 64, 1), five, double, pool], -1)


def _block_b(conv: _Conv, x: jax.Array) -> jax.Array:
    three = conv("branch3x3", x, 384, 3, 2, "VALID")
    double = conv("branch3x3dbl_2", conv("branch3x3dbl_1", x, 64, 1), 96, 3)
    double = conv("branch3x3dbl_3", double, 96, 3, 2, "VALID")
    return jnp.concatenate([three, double, _halve(x)], -1)


def _block_c(conv: _Conv, x: jax.Array, width: int) -> jax.Array:
    seven = conv("branch7x7_2", conv("branch7x7_1", x, width, 1), width, (1, 7))
    seven = conv("branch7x7_3", seven, 192, (7, 1))
    double = conv("branch7x7dbl_2", conv("branch7x7dbl_1", x, width, 1), width, (7, 1))
    double = conv("branch7x7dbl_3", double, width, (1, 7))
    double = conv("branch7x7dbl_4", double, width, (7, 1))
    double = conv("branch7x7dbl_5", double, 192, (1, 7))
    pool = conv("branch_pool", _average(x), 192, 1)
    return jnp.concatenate([conv("branch1x1", x, 192, 1), seven, double, pool], -1)


def _block_d(conv: _Conv, x: jax.Array) -> jax.Array:
    three = conv("branch3x3_2", conv("branch3x3_1", x, 192, 1), 320, 3, 2, "VALID")
    seven = conv("branch7x7x3_2", conv("branch7x7x3_1", x, 192, 1), 192, (1, 7))
    seven = conv("branch7x7x3_3", seven, 192, (7, 1))
    seven = conv("branch7x7x3_4", seven, 192, 3, 2, "VALID")
    return jnp.concatenate([three, seven, _halve(x)], -1)


def _block_e(conv: _Conv, x: jax.Array, pool: Callable[[jax.Array], jax.Array]) -> jax.Array:
    three = conv("branch3x3_1", x, 384, 1)
    double = conv("branch3x3dbl_2", conv("branch3x3dbl_1", x, 448, 1), 384, 3)
    branches = [
        conv("branch1x1", x, 320, 1),
        conv("branch3x3_2a", three, 384, (1, 3)),
        conv("branch3x3_2b", three, 384, (3, 1)),
        conv("branch3x3dbl_3a", double, 384, (1, 3)),
        conv("branch3x3dbl_3b", double, 384, (3, 1)),
        conv("branch_pool", pool(x), 192, 1),
    ]
    return jnp.concatenate(branches, -1)


def resize_tf1(images: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Resizes bilinearly as TensorFlow 1 did: pixel i reads from ``i·old/new``, no half pixels.

    Args:
      images: float [B, H, W, C].
      size: (height, width) in pixels.

    Returns:
      float [B, height, width, C].
    """
    for axis, new in zip((1, 2), size, strict=True):
        old = images.shape[axis]
        place = np.arange(new, dtype=np.float32) * np.float32(old / new)
        low = np.minimum(place.astype(np.int32), old - 1)
        high = np.minimum(low + 1, old - 1)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(4)])
        below = jnp.take(images, low, axis)
        images = below + (jnp.take(images, high, axis) - below) * share
    return images


def features_and_probabilities(
    variables: Variables, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what FID and the Inception Score take: pool3 features and class probabilities.

    Args:
      variables: the result of `pnr_jax.nn.inception_weights.load_inception`.
      images: uint8 [N, H, W, 3]; they go to the device in small batches.

    Returns:
      float32 [N, 2048] and float32 [N, 1008].
    """
    features = np.empty((len(images), 2048), np.float32)
    probabilities = np.empty((len(images), 1008), np.float32)
    for where, (chunk,) in chunks(_IMAGES_AT_ONCE, images):
        count = where.stop - where.start
        answers = _features_and_probabilities(variables, chunk)
        features[where], probabilities[where] = (answer[:count] for answer in answers)
    return features, probabilities


@jax.jit
def _features_and_probabilities(
    variables: Variables, images: jax.Array
) -> tuple[jax.Array, jax.Array]:
    answer = InceptionV3().apply(variables, images)
    features, logits = cast(tuple[jax.Array, jax.Array], answer)
    return features, jax.nn.softmax(logits)
