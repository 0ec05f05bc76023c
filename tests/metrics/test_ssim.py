"""SSIM and L1 against scikit-image, pair by pair in float64."""

import numpy as np
import pytest
from skimage.data import astronaut
from skimage.filters import gaussian
from skimage.metrics import structural_similarity

from pnr_jax.metrics import (
    flat_window,
    gaussian_window,
    l1,
    masked_ssim,
    ssim,
    ssim_inside_mask,
)

SIZE = (32, 20)


def photographs(seed, count, size=SIZE):
    """Crops of a photograph: smooth, textured and clipped areas, as real images have."""
    rng = np.random.default_rng(seed)
    photograph = astronaut()
    corners = rng.integers(0, [512 - size[0], 512 - size[1]], (count, 2))
    return np.stack([photograph[y : y + size[0], x : x + size[1]] for y, x in corners])


def random_masks(seed, count, size=SIZE):
    noise = np.random.default_rng(seed).normal(size=(count, *size))
    return np.stack([gaussian(field, 2) > 0 for field in noise])


def oracle(reference, generated, data_range=None, full=False):
    if data_range is None:
        data_range = int(generated.max()) - int(generated.min())
    return structural_similarity(
        reference,
        generated,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1,
        data_range=data_range,
        full=full,
    )


def kinds(seed, count=5):
    """Pairs of unlike, alike, dim, low-contrast and saturated images; none is flat."""
    reference, other = photographs(seed, count), photographs(seed + 1, count)
    noise = np.random.default_rng(seed).integers(-9, 10, reference.shape)
    yield reference, other
    yield reference, np.clip(reference + noise, 0, 255).astype(np.uint8)
    yield reference, other // 4
    yield reference, other // 40 + 200
    middle = np.median(other, (1, 2, 3), keepdims=True)
    yield reference, np.where(other > middle, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("data_range", [None, 255, 100.0])
def test_ssim_is_scikit_images(data_range):
    for reference, generated in kinds(0):
        expected = [oracle(a, b, data_range) for a, b in zip(reference, generated, strict=True)]
        scores = ssim(reference, generated, data_range)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)


def test_ssim_at_the_data_sets_size():
    reference, generated = photographs(2, 3, (128, 64)), photographs(3, 3, (128, 64))
    expected = [oracle(a, b) for a, b in zip(reference, generated, strict=True)]
    np.testing.assert_allclose(ssim(reference, generated), expected, rtol=0, atol=1e-6)


def test_the_range_is_the_generated_images():
    reference, generated = photographs(4, 2), photographs(5, 2) // 3
    assert np.abs(ssim(reference, generated) - ssim(generated, reference)).min() > 1e-3
    np.testing.assert_allclose(
        ssim(reference, generated, 255), ssim(generated, reference, 255), rtol=0, atol=1e-6
    )


def test_masked_ssim_is_scikit_images_on_masked_images():
    masks = random_masks(6, 5)
    for reference, generated in kinds(6):
        expected = [
            oracle(a * m[..., None], b * m[..., None])
            for a, b, m in zip(reference, generated, masks, strict=True)
        ]
        scores = masked_ssim(reference, generated, masks)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)


def test_ssim_inside_mask_is_the_mean_of_scikit_images_map():
    masks = random_masks(8, 5)
    masks[0] = False
    masks[0, 0, :3] = True  # the map at the border counts too
    for reference, generated in kinds(8):
        expected = [
            oracle(a, b, full=True)[1][m].mean()
            for a, b, m in zip(reference, generated, masks, strict=True)
        ]
        scores = ssim_inside_mask(reference, generated, masks)
        np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("count", [0, 1, 16, 17, 40])
def test_ragged_chunks_do_not_show(count):
    reference, generated = photographs(10, count or 1), photographs(11, count or 1)
    reference, generated, masks = reference[:count], generated[:count], random_masks(12, count or 1)
    masks = masks[:count]
    for metric, arguments in [
        (ssim, ()),
        (masked_ssim, (masks,)),
        (ssim_inside_mask, (masks,)),
        (l1, ()),
    ]:
        scores = metric(reference, generated, *arguments)
        assert scores.shape == (count,) and scores.dtype == np.float64
        for index in {0, count - 1} if count else ():
            one = slice(index, index + 1)
            alone = metric(reference[one], generated[one], *(a[one] for a in arguments))
            np.testing.assert_allclose(scores[one], alone, rtol=1e-6)


def test_flat_images_and_empty_masks_are_finite():
    reference = photographs(13, 3)
    flat = np.full_like(reference, 77)
    np.testing.assert_allclose(ssim(flat, flat), 1.0)
    assert np.abs(ssim(reference, flat)).max() < 0.1
    assert np.isfinite(ssim(flat, reference)).all()
    nothing = np.zeros(reference.shape[:-1], bool)
    np.testing.assert_allclose(masked_ssim(reference, flat, nothing), 1.0)
    np.testing.assert_allclose(ssim_inside_mask(reference, flat, nothing), 1.0)


def test_equal_images_score_one():
    images = photographs(14, 4)
    masks = random_masks(15, 4)
    for scores in (
        ssim(images, images),
        masked_ssim(images, images, masks),
        ssim_inside_mask(images, images, masks),
    ):
        np.testing.assert_allclose(scores, 1.0, atol=1e-6)
    np.testing.assert_array_equal(l1(images, images), 0.0)


def test_l1_is_on_the_scale_of_training():
    reference, generated = photographs(16, 4), photographs(17, 4)
    scaled = [images / 127.5 - 1 for images in (reference, generated)]
    expected = np.abs(scaled[0] - scaled[1]).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(l1(reference, generated), expected, rtol=1e-12)


def test_wrong_input_is_named():
    images, masks = photographs(18, 2), random_masks(19, 2)
    for metric in (ssim, l1):
        with pytest.raises(ValueError, match=r"\[2, 32, 20, 3\].*\[1, 32, 20, 3\]"):
            metric(images, images[:1])
        with pytest.raises(ValueError, match="float64"):
            metric(images, images / 255)
        with pytest.raises(ValueError, match=r"\[32, 20, 3\]"):
            metric(images[0], images[0])
    for metric in (masked_ssim, ssim_inside_mask):
        with pytest.raises(ValueError, match=r"bool \[2, 32, 20\].*\[1, 32, 20\]"):
            metric(images, images, masks[:1])
        with pytest.raises(ValueError, match="uint8"):
            metric(images, images, masks.astype(np.uint8))
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(images[:, :10], images[:, :10])
    for data_range in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="data_range"):
            ssim(images, images, data_range)


@pytest.mark.parametrize("size", [7, 19])
def test_a_flat_window_is_scikit_images_default(size):
    for reference, generated in kinds(3):
        expected = [
            structural_similarity(a, b, win_size=size, channel_axis=-1, data_range=255)
            for a, b in zip(reference, generated, strict=True)
        ]
        scores = ssim(reference, generated, 255, flat_window(size))
        np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-6)


def test_a_gaussian_window_of_another_width_is_scikit_images():
    for reference, generated in kinds(4):
        expected = [
            structural_similarity(
                a, b, gaussian_weights=True, sigma=1.2, use_sample_covariance=False,
                channel_axis=-1, data_range=int(b.max()) - int(b.min()),
            )
            for a, b in zip(reference, generated, strict=True)
        ]  # fmt: skip
        scores = ssim(reference, generated, window=gaussian_window(1.2))
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)


def test_images_smaller_than_the_window_are_named():
    images = photographs(0, 1)
    with pytest.raises(ValueError, match="window is 51 pixels"):
        ssim(images, images, 255, flat_window(51))
