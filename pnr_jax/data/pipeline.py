"""Batches as a function of (seed, step): the one schema for every source of data."""

import contextlib
from collections.abc import Iterator
from typing import Any, Generic, TypedDict, TypeVar, cast

import numpy as np

from pnr_jax.data.images import Images
from pnr_jax.data.shuffle import batch_indices
from pnr_jax.errors import UserError, first_line

Array = TypeVar("Array")  # np.ndarray on the host, jax.Array on the device.


class Batch(TypedDict, Generic[Array]):
    """A batch, the same for every system, data set and training mode.

    Attributes:
      source_images: uint8 [B, M, H, W, 3], M sources of one identity.
      source_keypoints: int32 [B, M, 18, 2], (y, x) pixels, -1 = missing.
      source_valid: bool [B, M], False where a tuple has fewer than M sources.
      target_image: uint8 [B, H, W, 3].
      target_keypoints: int32 [B, 18, 2].
    """

    source_images: Array
    source_keypoints: Array
    source_valid: Array
    target_image: Array
    target_keypoints: Array


def gather(images: Images, tuples: np.ndarray) -> Batch[np.ndarray]:
    """Gathers the batch of some tuples, from NumPy arrays or, inside a jitted step, from JAX's.

    Args:
      images: the data set.
      tuples: int [B, M + 1], indices of M sources and the target; a source of -1 is padding.
    """
    sources, target = tuples[:, :-1], tuples[:, -1]
    return {
        "source_images": images.images[sources],
        "source_keypoints": images.keypoints[sources],
        "source_valid": sources >= 0,
        "target_image": images.images[target],
        "target_keypoints": images.keypoints[target],
    }


def training_batches(
    images: Images,
    tuples: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    start: int,
    stop: int,
    rows: slice = slice(None),
) -> Iterator[Batch[np.ndarray]]:
    """Yields training batches `start` to `stop` - 1, prefetched by tf.data.

    Batch k depends on (seed, k) alone, so there is no iterator state to save.

    Hides the GPUs from TensorFlow, for the rest of the process, unless TensorFlow already computes
    on them.

    Args:
      images: the data set, in memory.
      tuples: int32 [T, M + 1], indices into it, drawn without replacement in every epoch.
      batch_size: B.
      seed: seed of the order.
      start: the first step.
      stop: one past the last step.
      rows: which rows of every batch to make, for a process that feeds a part of the devices.
    """
    try:
        import tensorflow as tf  # At use: it takes seconds to import and GPU machines may lack it.
    except ImportError as error:
        reason = first_line(error)
        raise UserError(
            f"`config.input=host`: needs TensorFlow ({reason}); pip install 'pnr-jax[tensorflow]' "
            "or take `config.input=device`"
        ) from None

    # Otherwise it takes most of the GPUs' memory from JAX, although tf.data runs on the CPU.
    # TensorFlow can hide them only from the whole process, and refuses once it has begun to work.
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")
    one = cast(dict[str, np.ndarray], gather(images, tuples[:1]))
    specs = {key: tf.as_dtype(value.dtype) for key, value in one.items()}

    def load(step: np.ndarray) -> list[Any]:
        drawn = batch_indices(step.astype(np.uint32), batch_size, len(tuples), seed)
        return list(gather(images, tuples[drawn[rows]]).values())

    dataset = tf.data.Dataset.range(start, stop)
    dataset = dataset.map(
        lambda step: dict(
            zip(specs, tf.numpy_function(load, [step], list(specs.values())), strict=True)
        ),
        num_parallel_calls=2,
        deterministic=True,
    )
    yield from dataset.prefetch(4).as_numpy_iterator()
