"""Photos as phones and cameras make them."""

import io

import numpy as np
import pytest
from PIL import Image

from pnr_jax.data.formats import FORMATS, count_scans
from pnr_jax.data.images import decode
from pnr_jax.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3)).astype(np.uint8)


def encode(image, form="PNG", **settings):
    data = io.BytesIO()
    image.save(data, format=form, **settings)
    return data.getvalue()


def test_what_a_camera_appends_is_no_scan():
    photo = encode(Image.fromarray(RGB), "JPEG", progressive=True)
    assert 1 < count_scans(photo) < 20
    video = b"\xff\xda\x00\x02" * 200
    assert count_scans(photo + video) == count_scans(photo)
    np.testing.assert_array_equal(decode(photo + video, "photo"), decode(photo, "photo"))


def test_a_preview_in_a_header_is_no_scan():
    photo = encode(Image.fromarray(RGB), "JPEG", comment=b"\xff\xda\xff\xd9" * 200)
    assert count_scans(photo) == 1
    assert decode(photo, "photo").shape == RGB.shape


def test_a_motion_photo_is_its_picture():
    photo = encode(Image.fromarray(RGB), "JPEG")
    video = b"\0\0\0\x18ftypmp42" + np.random.default_rng(1).bytes(8 << 20)
    assert video.count(b"\xff\xda") > 100
    np.testing.assert_array_equal(decode(photo + video, "photo"), decode(photo, "photo"))


def test_a_photo_with_a_preview_is_the_photo():
    data = encode(
        Image.fromarray(RGB), "MPO", save_all=True, append_images=[Image.fromarray(RGB[::2])]
    )
    assert decode(data, "photo").shape == RGB.shape


def test_sixteen_bits_of_grey_in_a_pgm():
    grey = np.arange(0, 65536, 4096, dtype=">u2").reshape(4, 4)
    data = b"P5 4 4 65535\n" + grey.tobytes()
    np.testing.assert_array_equal(decode(data, "grey")[..., 0], grey.astype(int) // 257)


def test_twelve_bits_of_grey_in_a_pgm():
    grey = np.arange(0, 4096, 273, dtype=">u2").reshape(4, 4)
    found = decode(b"P5 4 4 4095\n" + grey.tobytes(), "grey")[..., 0]
    assert np.abs(found - grey / 4095 * 255).max() < 1


@pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow has no AVIF")
def test_avif_is_read_upright():
    ramp = np.zeros((32, 64, 3), np.uint8)
    ramp[:, :32] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned by a quarter, clockwise.
    found = decode(encode(Image.fromarray(ramp), "AVIF", quality=95, exif=exif), "photo")
    assert found.shape == (64, 32, 3)
    assert found[:30].min() > 240 and found[34:].max() < 15


@pytest.mark.skipif("HEIF" in FORMATS, reason="pillow-heif is installed")
def test_heic_says_what_reads_it():
    data = b"\0\0\0\x18ftypheic" + bytes(100)
    with pytest.raises(UserError, match=r"^a\.heic: HEIC .* pip install pillow-heif") as caught:
        decode(data, "a.heic")
    assert "\n" not in str(caught.value)
