"""What every metric of images asks of its input, and how it is fed to the device."""

from collections.abc import Iterator

import numpy as np


def check_images(
    reference: np.ndarray, generated: np.ndarray, masks: np.ndarray | None = None
) -> None:
    """Checks a batch of image pairs, and the masks that go with it.

    Args:
      reference: uint8 [N, H, W, 3].
      generated: uint8 [N, H, W, 3].
      masks: bool [N, H, W], where the metric takes masks.

    Raises:
      ValueError: a shape or type is another; the message names both shapes.
    """
    shapes = f"reference {list(reference.shape)}, generated {list(generated.shape)}"
    if reference.shape != generated.shape or reference.ndim != 4 or reference.shape[-1] != 3:
        raise ValueError(f"images must be two batches of one shape [N, H, W, 3], got {shapes}")
    if reference.dtype != np.uint8 or generated.dtype != np.uint8:
        raise ValueError(f"images must be uint8, got {reference.dtype} and {generated.dtype}")
    if masks is not None and (masks.shape != reference.shape[:-1] or masks.dtype != bool):
        expected = list(reference.shape[:-1])
        raise ValueError(
            f"masks must be bool {expected} for {shapes}, got {masks.dtype} {list(masks.shape)}"
        )


def chunks(size: int, *batches: np.ndarray) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """Cuts batches of one length into chunks of one size, so that one compiled program serves all.

    Args:
      size: length of a chunk.
      *batches: [N, ...] each.

    Yields:
      (where in N, the chunk of each batch); the ragged last one repeats its last item.

    >>> for where, (chunk,) in chunks(2, np.array([4, 5, 6])):
    ...     print(where, chunk)
    slice(0, 2, None) [4 5]
    slice(2, 3, None) [6 6]
    """
    count = len(batches[0])
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        yield slice(start, min(start + size, count)), [batch[rows] for batch in batches]
