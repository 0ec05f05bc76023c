"""What every metric of image pairs asks of its input."""

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
