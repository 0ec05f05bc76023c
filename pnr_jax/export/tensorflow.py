"""`render`, the half of the model that TensorFlow can run."""

import importlib
from pathlib import Path

from pnr_jax.errors import UserError, first_line
from pnr_jax.export.programs import PLATFORMS, code_shape, functions, without_locations
from pnr_jax.systems import System
from pnr_jax.typing import Variables


def check_tensorflow() -> None:
    """Raises a `UserError` where TensorFlow cannot be imported, before any work is done."""
    try:
        importlib.import_module("tensorflow")
    except ImportError as error:
        raise UserError(
            f"`tensorflow`: TensorFlow cannot be imported ({first_line(error)}); "
            "pip install 'pnr-jax[tensorflow]', or export without it"
        ) from None


def save_tensorflow(system: System, variables: Variables, folder: Path) -> None:
    """Writes `render` as a TensorFlow SavedModel with its weights inside.

    Signature `render`: F float32 [B, d, D], target_keypoints int32 [B, 18, 2] -> images uint8
    [B, H, W, 3]. `encode` cannot be exported so: its regression calls LAPACK for eigenvectors,
    which JAX's runtime has and TensorFlow's has not.

    Args:
      system: a system that encodes.
      variables: the system's trained variables.
      folder: the folder to write.
    """
    import tensorflow as tf  # At use: it takes seconds to import.
    from jax.experimental import jax2tf

    render = jax2tf.convert(
        functions(system)["render"],
        polymorphic_shapes=[None, "B, _, _", "B, _, _"],
        native_serialization_platforms=PLATFORMS,
        with_gradient=False,
    )
    module = tf.Module()
    module.weights = tf.nest.map_structure(tf.Variable, variables)
    signature = [
        tf.TensorSpec((None, *code_shape(system, variables)), tf.float32, "F"),
        tf.TensorSpec((None, 18, 2), tf.int32, "target_keypoints"),
    ]
    module.render = tf.function(
        lambda F, target_keypoints: {"images": render(module.weights, F, target_keypoints)},
        autograph=False,
        input_signature=signature,
    )
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    with without_locations():
        tf.saved_model.save(module, str(folder), {"render": module.render}, options)
