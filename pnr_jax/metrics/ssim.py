"""Structural similarity by the published protocol, batched.

Equal to scikit-image's ``structural_similarity`` with a Gaussian window of σ = 1.5 (11 taps),
``use_sample_covariance=False``, averaged over the channels and over the pixels whose window lies
inside the image. Without a ``data_range`` each pair takes the generated image's own, maximum minus
minimum over all channels: this is what published numbers on Market-1501 use. A flat generated
image has none; one grey level stands in, so that the score is finite (1 where the reference is
the same flat image).

Variances are not E[x²] - E[x]², which loses all its digits in float32 where an image is smooth.
The window is separable, so the law of total variance builds them up by axes from differences:

    var(x) = E_rows[var_columns(x)] + var_rows(E_columns[x])

and covariances alike. The metric needs var(x) + var(y) alone, never the two apart.

``python benchmarks/metrics.py`` times this against a loop of scikit-image.

References:
  Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.metrics.images import check_images, chunks


class Window(NamedTuple):
    """A separable window.

    Attributes:
      taps: weights along either axis, an odd number of them, of sum 1.
      correction: by which variances are multiplied, N / (N - 1) for sample covariances.
    """

    taps: tuple[float, ...]
    correction: float = 1.0

    @property
    def radius(self) -> int:
        """Pixels on either side of the middle."""
        return len(self.taps) // 2


def gaussian_window(sigma: float) -> Window:
    """Returns a Gaussian of `sigma` pixels, cut off at 3.5 of them as scikit-image does."""
    radius = int(3.5 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return Window(tuple((taps / taps.sum()).tolist()))


def flat_window(size: int) -> Window:
    """Returns a square of `size` pixels, odd, with sample covariances: scikit-image's default."""
    return Window((1 / size,) * size, size**2 / (size**2 - 1))


_WINDOW = gaussian_window(1.5)
_PAIRS_AT_ONCE = 16  # its maps stay in a CPU's cache


def ssim(
    reference: np.ndarray,
    generated: np.ndarray,
    data_range: float | None = None,
    window: Window = _WINDOW,
) -> np.ndarray:
    """Returns the structural similarity of image pairs.

    Args:
      reference: uint8 [N, H, W, 3], H and W no smaller than the window, by default 11 pixels.
      generated: uint8 [N, H, W, 3].
      data_range: grey levels between black and white, such as 255; None takes each generated
        image's own.
      window: over which each pixel's moments are taken.

    Returns:
      float64 [N], at most 1, computed in float32 (within 1e-6 of float64).

    Raises:
      ValueError: the batches are not uint8 of one shape, too small, or the range is not positive.

    >>> image = np.random.default_rng(0).integers(0, 256, (1, 32, 16, 3)).astype(np.uint8)
    >>> ssim(image, image).round(6).tolist()
    [1.0]
    """
    check_images(reference, generated)
    _check_size_and_range(reference, data_range, window)
    return _in_chunks(
        lambda a, b: _mean(_similarity(a, b, data_range, window)),
        reference,
        generated,
    )


def masked_ssim(
    reference: np.ndarray,
    generated: np.ndarray,
    masks: np.ndarray,
    data_range: float | None = None,
) -> np.ndarray:
    """Returns the structural similarity of image pairs whose background is painted black.

    The published "mask-SSIM": the mean is over the whole image, the black background included,
    which is alike by construction. So it is high for any image; `ssim_inside_mask` is not.

    Args:
      reference: uint8 [N, H, W, 3], H and W at least 11 pixels.
      generated: uint8 [N, H, W, 3].
      masks: bool [N, H, W], True on the body. Under an empty mask two black images are compared
        and the score is 1.
      data_range: grey levels between black and white; None takes each masked generated image's
        own.

    Returns:
      float64 [N], at most 1.

    Raises:
      ValueError: as `ssim`, or masks of another shape or type.
    """
    check_images(reference, generated, masks)
    _check_size_and_range(reference, data_range)
    return _in_chunks(
        lambda a, b, mask: _mean(_similarity(a * mask[..., None], b * mask[..., None], data_range)),
        reference,
        generated,
        masks,
    )


def ssim_inside_mask(
    reference: np.ndarray,
    generated: np.ndarray,
    masks: np.ndarray,
    data_range: float | None = None,
) -> np.ndarray:
    """Averages the SSIM map of the whole images over the mask's pixels alone.

    At the border, where bodies often end, the image is mirrored, as scikit-image's ``full=True``
    map has it.

    Args:
      reference: uint8 [N, H, W, 3], H and W at least 11 pixels.
      generated: uint8 [N, H, W, 3].
      masks: bool [N, H, W], True on the body. An empty mask scores 1, as in `masked_ssim`.
      data_range: grey levels between black and white; None takes each generated image's own.

    Returns:
      float64 [N], at most 1.

    Raises:
      ValueError: as `masked_ssim`.
    """
    check_images(reference, generated, masks)
    _check_size_and_range(reference, data_range)

    def mirrored(images: np.ndarray) -> np.ndarray:
        border = (_WINDOW.radius, _WINDOW.radius)
        return np.pad(images, ((0, 0), border, border, (0, 0)), mode="symmetric")

    return _in_chunks(
        lambda a, b, mask: _mean_inside(_similarity(mirrored(a), mirrored(b), data_range), mask),
        reference,
        generated,
        masks,
    )


def _check_size_and_range(
    images: np.ndarray, data_range: float | None, window: Window = _WINDOW
) -> None:
    if min(images.shape[1:3]) < len(window.taps):
        raise ValueError(
            f"SSIM's window is {len(window.taps)} pixels wide, the images are {list(images.shape)}"
        )
    if data_range is not None and not data_range > 0:
        raise ValueError(f"data_range must be positive, got {data_range}")


def _in_chunks(score: Callable[..., jax.Array], *batches: np.ndarray) -> np.ndarray:
    scores = np.empty(len(batches[0]))
    for where, chunk in chunks(_PAIRS_AT_ONCE, *batches):
        scores[where] = score(*chunk)[: where.stop - where.start]
    return scores


def _similarity(
    reference: np.ndarray,
    generated: np.ndarray,
    data_range: float | None,
    window: Window = _WINDOW,
) -> jax.Array:
    """Returns the SSIM map [N, H - 2 r, W - 2 r, 3] of images [N, H, W, 3], r the radius."""
    if data_range is None:
        span = generated.max(axis=(1, 2, 3)) - generated.min(axis=(1, 2, 3))
        grey_levels = np.maximum(span, 1).astype(np.float32)
    else:
        grey_levels = np.full(len(generated), data_range, np.float32)
    # Rows of width W·3, a pixel every third value: no transposition to planes, full vectors.
    count, height, width, _ = reference.shape
    rows = (count, height, width * 3)
    moments = (reference.reshape(rows), generated.reshape(rows), None, None)
    # One program an axis: in a single one XLA computes the first axis anew for every tap of the
    # second.
    taps, border = window.taps, 2 * window.radius
    x, y, spread, joint = _window(*_window(*moments, taps, axis=2, step=3), taps, axis=1, step=1)
    spread, joint = window.correction * spread, window.correction * joint
    similarity = _compare(x, y, spread, joint, grey_levels)
    return similarity.reshape(count, height - border, width - border, 3)


@partial(jax.jit, static_argnames=("weights", "axis", "step"))
def _window(
    x: jax.Array,
    y: jax.Array,
    variance: jax.Array | None,
    covariance: jax.Array | None,
    weights: tuple[float, ...],
    axis: int,
    step: int,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Filters along one axis of the window, by the law of total variance.

    Args:
      x: [N, H, W·3], means over the axes done so far.
      y: [N, H, W·3], likewise.
      variance: var(x) + var(y) over the axes done so far; None before the first.
      covariance: cov(x, y), likewise.
      weights: the window's taps.
      axis: the axis to do, which shrinks by 2 r steps.
      step: distance of neighbouring pixels along it.

    Returns:
      The four, this axis included.
    """

    def taps(z: jax.Array) -> list[jax.Array]:
        length = z.shape[axis] - (len(weights) - 1) * step
        starts = range(0, len(weights) * step, step)
        return [jax.lax.slice_in_dim(z, start, start + length, axis=axis) for start in starts]

    def mean(z: jax.Array) -> jax.Array:
        return sum((w * tap for w, tap in zip(weights, taps(z), strict=True)), jnp.float32(0))

    x, y = x.astype(jnp.float32), y.astype(jnp.float32)
    mean_x, mean_y = mean(x), mean(y)
    spread = jnp.float32(0) if variance is None else mean(variance)
    joint = jnp.float32(0) if covariance is None else mean(covariance)
    for weight, x_tap, y_tap in zip(weights, taps(x), taps(y), strict=True):
        dx, dy = x_tap - mean_x, y_tap - mean_y
        spread += weight * (dx * dx + dy * dy)
        joint += weight * (dx * dy)
    return mean_x, mean_y, spread, joint


@jax.jit
def _compare(
    mean_x: jax.Array,
    mean_y: jax.Array,
    variance: jax.Array,
    covariance: jax.Array,
    grey_levels: jax.Array,
) -> jax.Array:
    c1, c2 = (jnp.square(k * grey_levels)[:, None, None] for k in (0.01, 0.03))
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance * (2 * covariance + c2) / (variance + c2)


@jax.jit
def _mean(similarity: jax.Array) -> jax.Array:
    return jnp.mean(similarity, axis=(1, 2, 3))


@jax.jit
def _mean_inside(similarity: jax.Array, mask: jax.Array) -> jax.Array:
    pixels = jnp.sum(mask, axis=(1, 2))
    total = jnp.sum(jnp.mean(similarity, axis=-1), axis=(1, 2), where=mask)
    return jnp.where(pixels > 0, total / jnp.maximum(pixels, 1), 1.0)
