"""Whatever a user calls an image is decoded as Pillow and the eye have it, or refused by name."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from pnr_jax.data.images import check_keypoints, decode, read_image, resize_image
from pnr_jax.errors import UserError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 20, 3)).astype(np.uint8)


def encode(image, **settings):
    data = io.BytesIO()
    image.save(data, **{"format": "PNG", **settings})
    return data.getvalue()


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png_header(width, height):
    """A PNG that says its size and holds next to nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats(form):
    np.testing.assert_array_equal(decode(encode(Image.fromarray(RGB), format=form), "x"), RGB)


def test_grey_becomes_three_equal_channels():
    grey = RGB[..., 0]
    decoded = decode(encode(Image.fromarray(grey)), "x")
    np.testing.assert_array_equal(decoded, np.repeat(grey[..., None], 3, axis=-1))


def test_16_bits_are_scaled_not_clipped():
    deep = np.linspace(0, 65535, 240).reshape(12, 20).astype(np.uint16)
    decoded = decode(encode(Image.fromarray(deep)), "x")
    assert np.abs(decoded[..., 1] - deep / 257.0).max() <= 1
    assert (decoded[0, 0, 0], decoded[-1, -1, 0]) == (0, 255)


def test_palette_and_cmyk():
    colours = np.array([(255, 0, 0), (0, 0, 255), (10, 200, 30)], np.uint8)
    image = colours[RNG.integers(0, 3, (12, 20))]
    palette = Image.fromarray(image).quantize(3)
    assert palette.mode == "P"
    np.testing.assert_array_equal(decode(encode(palette), "x"), image)
    np.testing.assert_array_equal(decode(encode(palette, format="GIF"), "x"), image)
    flat = Image.fromarray(np.full((16, 16, 3), (200, 40, 90), np.uint8)).convert("CMYK")
    decoded = decode(encode(flat, format="JPEG", quality=95), "x").astype(int)
    assert np.abs(decoded - (200, 40, 90)).max() <= 3


def test_what_is_transparent_is_white():
    image = np.concatenate([RGB, np.full((12, 20, 1), 255, np.uint8)], axis=-1)
    image[:, :5, 3] = 0
    decoded = decode(encode(Image.fromarray(image)), "x")
    assert (decoded[:, :5] == 255).all()
    np.testing.assert_array_equal(decoded[:, 5:], RGB[:, 5:])


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [(3, RGB[::-1, ::-1]), (6, np.rot90(RGB, -1)), (8, np.rot90(RGB))],
)
def test_a_photo_held_sideways_is_upright(orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(decode(encode(Image.fromarray(RGB), exif=exif), "x"), upright)


def test_a_photo_with_its_preview_is_the_photo():
    photo = Image.fromarray(np.full((16, 16, 3), 120, np.uint8))
    data = io.BytesIO()
    preview = Image.new("RGB", (8, 8), "red")
    photo.save(data, format="MPO", save_all=True, append_images=[preview])
    assert np.abs(decode(data.getvalue(), "x").astype(int) - 120).max() <= 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"name,age\nanna,7\n", "not a readable image (JPEG, PNG"),
        (b"", "not a readable image"),
        (encode(Image.fromarray(RGB), format="PCX"), "not a readable image"),
        (encode(Image.fromarray(RGB), format="JPEG")[:300], "not a readable image"),
        (encode(Image.fromarray(RGB))[:80], "not a readable image"),
        (png_header(10_000, 10_000), "more than 64 megapixels"),
        (png_header(30_000, 30_000), "more than 64 megapixels"),
        (png_header(8_001, 8_000), "8001x8000 pixels; more than 64 megapixels"),
        (encode(Image.fromarray(np.ones((4, 4), np.float32)), format="TIFF"), "32 bits a pixel"),
        (
            encode(
                Image.fromarray(RGB),
                format="GIF",
                save_all=True,
                append_images=[Image.fromarray(RGB[::-1])],
            ),
            "holds several pictures; save one of them",
        ),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(data, message):
    with warnings.catch_warnings():  # As in a program: what is not an error is a stray line.
        warnings.simplefilter("error")
        with pytest.raises(UserError) as caught:
            decode(data, "photo.jpg")
    assert str(caught.value).startswith("photo.jpg: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value) and "object at" not in str(caught.value)


def test_an_image_that_grows_has_no_blocks_and_one_that_shrinks_is_averaged():
    ramp = np.repeat(np.linspace(0, 255, 8).astype(np.uint8)[:, None, None], 4, axis=1).repeat(3, 2)
    large = resize_image(ramp, (32, 4))[4:-4, 0, 0].astype(int)  # Inside: edges are flat.
    assert set(np.diff(large)) <= set(range(6, 13))  # 36 / 4 = 9 about everywhere.
    for size in ((6, 10), (12, 10), (6, 20), (5, 7)):
        expected = Image.fromarray(RGB).resize(size[::-1], Image.Resampling.BOX)
        np.testing.assert_array_equal(resize_image(RGB, size), expected)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"image not found: .*none\.png"):
        read_image(tmp_path / "none.png")


def test_a_joint_outside_of_the_image_is_named():
    keypoints = np.full((18, 2), -1)
    check_keypoints(keypoints, (10, 5), "row")
    keypoints[4] = 3, 5
    with pytest.raises(UserError, match=r"row: right_wrist at \(y=3, x=5\) lies outside .* 10x5"):
        check_keypoints(keypoints, (10, 5), "row")
