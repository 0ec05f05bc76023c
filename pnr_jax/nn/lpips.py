"""LPIPS v0.1: a perceptual distance on the features of AlexNet or VGG16.

    d(a, b) = Σ_l mean_yx w_l · (f_l(a)/|f_l(a)| - f_l(b)/|f_l(b)|)²

with f_l the features after the ReLUs of five layers, of length 1 along the channels, and w_l >= 0
one learnt weight a channel. The field reports AlexNet's.

Reference: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018.
"""

from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from pnr_jax.errors import UserError, first_line
from pnr_jax.metrics.images import check_images, chunks
from pnr_jax.nn.convert import check_shapes, read_arrays
from pnr_jax.pretrained import is_published
from pnr_jax.typing import Params, Variables

Backbone = Literal["alex", "vgg"]

_PAIRS_AT_ONCE = 16
# ImageNet's mean and standard deviation, for images in [-1, 1].
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)
_EPS = 1e-10


class _Trunk(NamedTuple):
    """Attributes: width, kernel, stride and padding of each convolution; pools; taps; names."""

    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    pool: int  # window of the stride-2 maximum pools
    pools_before: tuple[int, ...]  # convolutions that a pool precedes
    taps: tuple[int, ...]  # convolutions whose features are compared
    indices: tuple[int, ...]  # in torchvision's `features`


_TRUNKS: dict[str, _Trunk] = {
    "alex": _Trunk(
        widths=(64, 192, 384, 256, 256),
        kernels=(11, 5, 3, 3, 3),
        strides=(4, 1, 1, 1, 1),
        pool=3,
        pools_before=(1, 2),
        taps=(0, 1, 2, 3, 4),
        indices=(0, 3, 6, 8, 10),
    ),
    "vgg": _Trunk(
        widths=(64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
        kernels=(3,) * 13,
        strides=(1,) * 13,
        pool=2,
        pools_before=(2, 4, 7, 10),
        taps=(1, 3, 6, 9, 12),
        indices=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    ),
}

_TRUNK_FILES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}


class LPIPS(nn.Module):
    """Two batches of images -> a distance for each pair.

    Attributes:
      backbone: "alex" or "vgg".
    """

    backbone: Backbone = "alex"

    @nn.compact
    def __call__(self, reference: jax.Array, generated: jax.Array) -> jax.Array:
        """Maps float [B, H, W, 3] in [-1, 1], twice, to float32 [B]."""
        both = jnp.concatenate([reference, generated]).astype(jnp.float32)
        distance = jnp.zeros(len(reference))
        for layer, features in enumerate(self._features((both - _SHIFT) / _SCALE)):
            length = jnp.sqrt(jnp.sum(features**2, axis=-1, keepdims=True))
            a, b = jnp.split(features / (length + _EPS), 2)
            weights = self.param(f"linear_{layer}", nn.initializers.ones, (features.shape[-1],))
            distance += jnp.sum(jnp.mean(jnp.square(a - b), axis=(1, 2)) * weights, axis=-1)
        return distance

    def _features(self, x: jax.Array) -> list[jax.Array]:
        trunk = _TRUNKS[self.backbone]
        features = []
        for index, (width, kernel, stride) in enumerate(
            zip(trunk.widths, trunk.kernels, trunk.strides, strict=True)
        ):
            if index in trunk.pools_before:
                x = nn.max_pool(x, (trunk.pool, trunk.pool), (2, 2))
            # AlexNet's first layer is padded by 2 although its kernel is 11 wide.
            padding = 2 if stride > 1 else kernel // 2
            conv = nn.Conv(
                width,
                (kernel, kernel),
                stride,
                padding,
                precision=jax.lax.Precision.HIGHEST,  # an accelerator's default is coarser
                name=f"conv_{index}",
            )
            x = nn.relu(conv(x))
            if index in trunk.taps:
                features.append(x)
        return features


def lpips(
    variables: Variables,
    reference: np.ndarray,
    generated: np.ndarray,
    backbone: Backbone = "alex",
) -> np.ndarray:
    """Returns the LPIPS of image pairs.

    Args:
      variables: the result of `load_lpips` for the same backbone.
      reference: uint8 [N, H, W, 3], at least 32 pixels each way; a few at a time go to the device.
      generated: uint8 [N, H, W, 3].
      backbone: "alex" or "vgg".

    Returns:
      float64 [N], 0 for equal images.

    Raises:
      ValueError: the batches are not uint8 of one shape, or too small.
    """
    check_images(reference, generated)
    if min(reference.shape[1:3]) < 32:
        raise ValueError(f"LPIPS needs 32 pixels each way, the images are {list(reference.shape)}")
    distances = np.empty(len(reference))
    for where, pair in chunks(_PAIRS_AT_ONCE, reference, generated):
        distances[where] = _distance(variables, *pair, backbone)[: where.stop - where.start]
    return distances


@partial(jax.jit, static_argnames="backbone")
def _distance(
    variables: Variables, reference: jax.Array, generated: jax.Array, backbone: Backbone
) -> jax.Array:
    scaled = (images.astype(jnp.float32) / 127.5 - 1 for images in (reference, generated))
    return cast(jax.Array, LPIPS(backbone).apply(variables, *scaled))


def load_lpips(
    trunk_path: str | Path, linear_path: str | Path, backbone: Backbone = "alex"
) -> Params:
    """Reads the variables of `LPIPS` from the files that users have.

    Other weights of the same layout load too, with a logged warning: their distances compare with
    no published ones.

    Args:
      trunk_path: torchvision's AlexNet or VGG16, a state dict (`.pth`) or its `.safetensors`.
      linear_path: the `lpips` package's linear layers, `weights/v0.1/alex.pth` or `vgg.pth`.
      backbone: "alex" or "vgg".

    Raises:
      UserError: a file is missing, cannot be read, or holds another network.
    """
    trunk_file = _TRUNK_FILES[backbone]
    trunk = read_arrays(trunk_path, "LPIPS trunk", f"download.pytorch.org/models ({trunk_file})")
    linear = read_arrays(
        linear_path, "LPIPS linear layers", f"the lpips package (lpips/weights/v0.1/{backbone}.pth)"
    )
    params: Params = {}
    try:
        for index, place in enumerate(_TRUNKS[backbone].indices):
            kernel = trunk[f"features.{place}.weight"].transpose(2, 3, 1, 0)
            params[f"conv_{index}"] = {"kernel": kernel, "bias": trunk[f"features.{place}.bias"]}
        for layer in range(len(_TRUNKS[backbone].taps)):
            params[f"linear_{layer}"] = linear[f"lin{layer}.model.1.weight"].reshape(-1)
    except KeyError as error:
        raise UserError(
            f"LPIPS weights: {trunk_path} and {linear_path} lack {error}; are they {backbone}'s?"
        ) from None
    except ValueError as error:  # An array of another rank.
        raise UserError(
            f"LPIPS weights: {trunk_path} is not {backbone}'s ({first_line(error)})"
        ) from None
    images = np.zeros((1, 64, 64, 3))
    expected = jax.eval_shape(LPIPS(backbone).init, jax.random.key(0), images, images)
    check_shapes({"params": params}, expected, f"LPIPS weights of {backbone}")
    for path, published in ((trunk_path, trunk_file), (linear_path, f"{backbone}.pth")):
        if not is_published(path, published):
            logging.warning(
                "LPIPS weights: %s is not the published file; its distances compare with no "
                "published ones",
                path,
            )
    return {"params": params}
