"""Whatever a user calls an image is decoded as Pillow and the eye have it, or refused by name."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from pnr_jax.data.images import check_keypoints, decode, read_image
from pnr_jax.data.jpeg import count_scans
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


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"image not found: .*none\.png"):
        read_image(tmp_path / "none.png")


def test_a_joint_outside_of_the_image_is_named():
    keypoints = np.full((18, 2), -1)
    check_keypoints(keypoints, (10, 5), "row")
    keypoints[4] = 3, 5
    with pytest.raises(UserError, match=r"row: right_wrist at \(y=3, x=5\) lies outside .* 10x5"):
        check_keypoints(keypoints, (10, 5), "row")


def test_what_a_camera_appends_is_no_scan():
    photo = encode(Image.fromarray(RGB), format="JPEG", progressive=True)
    assert 1 < count_scans(photo) < 20
    video = b"\xff\xda\x00\x02" * 200
    assert count_scans(photo + video) == count_scans(photo)
    np.testing.assert_array_equal(decode(photo + video, "photo"), decode(photo, "photo"))


def test_a_preview_in_a_header_is_no_scan():
    photo = encode(Image.fromarray(RGB), format="JPEG", comment=b"\xff\xda\xff\xd9" * 200)
    assert count_scans(photo) == 1
    assert decode(photo, "photo").shape == RGB.shape


# Primaries in the profile's white, D50, as columns; of Display P3, and of sRGB by its own profile.
P3 = np.array([[0.5151, 0.2919, 0.1572], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])


def icc_profile(primaries, gamma):
    """A profile of three primaries and a power, by the ICC's specification."""

    def fixed(numbers):
        return b"".join(struct.pack(">i", round(65536 * x)) for x in numbers)

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * gamma)) + bytes(2)
    tags = [(b"wtpt", b"XYZ " + bytes(4) + fixed([0.9642, 1.0, 0.8249]))]
    for name, column in zip((b"r", b"g", b"b"), primaries.T, strict=True):
        tags += [(name + b"XYZ", b"XYZ " + bytes(4) + fixed(column)), (name + b"TRC", curve)]
    at, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    size = 128 + len(table) + len(body)
    head = struct.pack(">I", size) + bytes(4) + b"\x02\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + fixed([0.9642, 1.0, 0.8249])
    return head.ljust(128, b"\0") + table + body


def test_colours_are_converted_by_the_files_profile():
    colours = np.random.default_rng(0).integers(70, 180, (12, 20, 3)).astype(np.uint8)
    colours[..., 1:] = colours[..., :1] + RNG.integers(-25, 25, (12, 20, 2))  # Within sRGB.
    linear = (colours / 255) ** 2.0 @ P3.T @ np.linalg.inv(SRGB).T
    expected = 255 * np.where(
        linear < 0.0031308, 12.92 * linear, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055
    )
    found = decode(encode(Image.fromarray(colours), icc_profile=icc_profile(P3, 2.0)), "photo")
    assert np.abs(found - expected).max() < 2
    assert np.abs(colours - expected).mean() > 5


def test_srgbs_own_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = decode(encode(Image.fromarray(RGB), icc_profile=profile), "photo")
    assert np.abs(found.astype(int) - RGB).max() <= 1


def test_a_damaged_profile_is_left_alone():
    data = encode(Image.fromarray(RGB), icc_profile=b"no profile")
    np.testing.assert_array_equal(decode(data, "odd"), RGB)


def test_sixteen_bits_of_grey_in_a_pgm():
    grey = np.arange(0, 65536, 4096, dtype=">u2").reshape(4, 4)
    data = b"P5 4 4 65535\n" + grey.tobytes()
    np.testing.assert_array_equal(decode(data, "grey")[..., 0], grey.astype(int) // 257)
