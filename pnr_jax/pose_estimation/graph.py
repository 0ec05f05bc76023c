"""Loads OpenPose's network from a frozen TensorFlow graph."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pnr_jax.errors import UserError

MAPS = 57  # 18 joints, the background, two components for each of 19 limbs.

Network = Callable[[np.ndarray], np.ndarray]  # float32 [N, h, w, 3] -> [N, h / 8, w / 8, 57]


def load_network(path: str | Path) -> Network:
    """Reads a frozen graph; its input and output are recognised by kind and shape, not by name.

    Raises:
      UserError: the file does not exist, is not a graph, or does not have one input and 57 maps.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"pose model not found: {path}")
    try:
        import tensorflow as tf  # Imported here: takes seconds, and is optional.
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise UserError(
            f"{path}: needs TensorFlow ({error}); pip install 'pnr-jax[tensorflow]'"
        ) from None

    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
        wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    except (DecodeError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{path}: not a frozen TensorFlow graph ({error})") from None
    inputs = [node.name for node in graph.node if node.op == "Placeholder"]
    used = {name.split(":")[0].lstrip("^") for node in graph.node for name in node.input}
    ends = [node.name for node in graph.node if node.name not in used]
    outputs = [name for name in ends if _has_maps(wrapped.graph.get_operation_by_name(name))]
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            f"{path}: expected one image input and one output of {MAPS} maps (18 joints, "
            f"background, 19 limbs), found {len(inputs)} and {len(outputs)}"
        )
    function = wrapped.prune(f"{inputs[0]}:0", f"{outputs[0]}:0")
    return lambda images: function(tf.constant(images)).numpy()


def _has_maps(operation: Any) -> bool:
    shapes = [output.shape for output in operation.outputs]
    return len(shapes) == 1 and shapes[0].rank == 4 and shapes[0][-1] == MAPS
