"""Reads the files that pretrained networks come in, as named NumPy arrays.

Nothing in a file is ever executed: PyTorch files are opened with ``weights_only``.
"""

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.errors import UserError, first_line

Arrays = dict[str, np.ndarray]
MOST_ELEMENTS = 1 << 28  # Of a frozen graph; a node of a few bytes may declare any number.


def read_arrays(path: str | Path, what: str, where_from: str) -> Arrays:
    """Reads `.pth`/`.pt` state dicts, `.safetensors` and frozen TensorFlow graphs (`.pb`).

    PyTorch and TensorFlow are imported only here, and only for their own kind of file.

    Args:
      path: the file.
      what: how to call it in a message, e.g. "Inception weights".
      where_from: where it is published, for the message when it is missing.

    Returns:
      name -> array, as the file lays them out, floats in float32; of a graph its constants.

    Raises:
      UserError: the file is missing, of another kind, or cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{what}: no file {path}; get it from {where_from}")
    readers = {
        ".pth": _read_torch,
        ".pt": _read_torch,
        ".safetensors": _read_safetensors,
        ".pb": _read_frozen_graph,
    }
    if path.suffix not in readers:
        raise UserError(f"{what}: {path} must end in {', '.join(readers)}")
    try:
        return {name: _single(array) for name, array in readers[path.suffix](path).items()}
    except ImportError as error:
        raise UserError(
            f"{what}: reading {path} needs {error.name} (pip install {error.name}), "
            "or convert it to .safetensors"
        ) from None
    except Exception as error:
        raise UserError(f"{what}: {path} cannot be read ({first_line(error)})") from None


def _read_torch(path: Path) -> Arrays:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # PyTorch's own message is an essay on how to run it anyway
        raise ValueError(
            "damaged, or more than a state dict of tensors; other objects could run code, "
            "so they are not loaded"
        ) from None
    return {  # NumPy has no bfloat16.
        name: (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()
        for name, tensor in state.items()
    }


def _read_safetensors(path: Path) -> Arrays:
    from safetensors.numpy import load_file

    return load_file(path)


def _read_frozen_graph(path: Path) -> Arrays:
    from tensorflow import make_ndarray
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef.FromString(path.read_bytes())
    constants = {node.name: node.attr["value"].tensor for node in graph.node if node.op == "Const"}
    shapes = [[axis.size for axis in tensor.tensor_shape.dim] for tensor in constants.values()]
    elements = sum(math.prod(shape) for shape in shapes)
    if elements > MOST_ELEMENTS or any(size < 0 for shape in shapes for size in shape):
        raise ValueError(f"declares {elements:,} numbers, more than {MOST_ELEMENTS:,}")
    return {name: make_ndarray(tensor) for name, tensor in constants.items()}


def _single(array: np.ndarray) -> np.ndarray:
    """Returns floats of any width (bfloat16, float16) in float32, other arrays as they are."""
    return array.astype(np.float32) if jnp.issubdtype(array.dtype, jnp.floating) else array


def check_shapes(params: Mapping[str, Any], expected: Mapping[str, Any], what: str) -> None:
    """Compares a converted tree of arrays with the network's own, which are finite floats.

    Args:
      params: the converted tree.
      expected: a tree of arrays or `jax.ShapeDtypeStruct`, e.g. from `jax.eval_shape` of `init`.
      what: as in `read_arrays`.

    Raises:
      UserError: a shape differs or numbers are not finite; the message names the first array.
    """
    shapes = dict(jax.tree_util.tree_leaves_with_path(expected))
    for key, array in jax.tree_util.tree_leaves_with_path(params):
        if array.shape != shapes[key].shape:
            raise UserError(
                f"{what}: {jax.tree_util.keystr(key)} has shape {list(array.shape)}, "
                f"the network's is {list(shapes[key].shape)}"
            )
        if not is_finite(array):
            raise UserError(f"{what}: {jax.tree_util.keystr(key)} holds what is no finite number")


def is_finite(array: np.ndarray) -> bool:
    """Returns whether an array is of floats, none of them infinite or NaN."""
    return jnp.issubdtype(array.dtype, jnp.floating) and bool(np.isfinite(array).all())
