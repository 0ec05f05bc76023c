"""Colours of files in sRGB, against the arithmetic of their profiles."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from pnr_jax.data.images import decode

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 20, 3)).astype(np.uint8)


def encode(image, form="PNG", **settings):
    data = io.BytesIO()
    image.save(data, format=form, **settings)
    return data.getvalue()


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
    colours = RNG.integers(70, 180, (12, 20, 3)).astype(np.uint8)
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


def grey_profile(gamma):
    """A profile of greys by a power."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * gamma)) + bytes(2)
    white = b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(65536 * x)) for x in D50)
    table = struct.pack(">I", 2) + b"wtpt" + struct.pack(">II", 156, 20)
    table += b"kTRC" + struct.pack(">II", 176, 16)
    head = struct.pack(">I", 192) + bytes(4) + b"\x02\x40\0\0mntrGRAYXYZ " + bytes(12) + b"acsp"
    return head.ljust(68, b"\0") + white[8:] + bytes(48) + table + white + curve


D50 = (0.9642, 1.0, 0.8249)


def srgb_of(linear):
    return 255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_grey_profile_is_heeded_in_grey_pictures(mode):
    grey = np.arange(10, 250, dtype=np.uint8).reshape(12, 20)
    image = {
        "L": Image.fromarray(grey),
        "LA": Image.merge("LA", [Image.fromarray(grey), Image.new("L", (20, 12), 255)]),
        "I;16": Image.fromarray(grey.astype(np.uint16) * 257),
    }[mode]
    found = decode(encode(image, icc_profile=grey_profile(1.0)), "photo")
    assert np.abs(found - srgb_of(grey / 255)[..., None]).max() < 2


def test_grey_pictures_with_a_profile_of_colours():
    grey = np.arange(10, 250, dtype=np.uint8).reshape(12, 20)
    data = encode(Image.fromarray(grey), icc_profile=icc_profile(SRGB, 1.0))
    assert np.abs(decode(data, "photo") - srgb_of(grey / 255)[..., None]).max() < 2


@pytest.mark.parametrize("kind", ["RGBA", "P", "RGB and a transparent colour"])
def test_transparency_outlasts_the_profile(kind):
    image = Image.new("RGB", (20, 12), (128, 128, 128))
    image.paste((10, 200, 10), (0, 0, 10, 12))
    settings = {"icc_profile": icc_profile(SRGB, 1.0)}
    if kind == "RGBA":
        image.putalpha(
            Image.fromarray(
                np.where(np.arange(20) < 10, 0, 255).astype(np.uint8)[None].repeat(12, 0)
            )
        )
    elif kind == "P":
        image = image.quantize(2)
        settings["transparency"] = image.getpixel((0, 0))
    else:
        settings["transparency"] = (10, 200, 10)
    found = decode(encode(image, **settings), "photo")
    assert (found[:, :10] == 255).all()
    assert np.abs(found[:, 10:] - srgb_of(128 / 255)).max() < 2
