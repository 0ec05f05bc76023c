"""Image files of every odd kind, damaged ones, and bombs."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from pnr_jax.data.images import decode
from tests.faults.hostile import damaged, fuzz, limited, outcome, scratch_file

RGB = np.random.default_rng(0).integers(0, 256, (24, 12, 3)).astype(np.uint8)
PICTURE = Image.fromarray(RGB)
WORK_MB = 1_300  # 64 megapixels as RGBA on white: five copies of 256 MB at most.


def encode(image, form, **settings):
    data = io.BytesIO()
    image.save(data, format=form, **settings)
    return data.getvalue()


def sideways(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


ANIMATION = {"save_all": True, "append_images": [Image.fromarray(RGB[::-1])]}
FILES = {
    "jpeg": encode(PICTURE, "JPEG"),
    "progressive": encode(PICTURE, "JPEG", progressive=True),
    "cmyk": encode(PICTURE.convert("CMYK"), "JPEG"),
    "exif": encode(PICTURE, "JPEG", exif=sideways(6)),
    "png": encode(PICTURE, "PNG"),
    "palette": encode(PICTURE.quantize(16), "PNG", transparency=0),
    "16-bit": encode(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257), "PNG"),
    "1-bit": encode(PICTURE.convert("1"), "PNG"),
    "grey-alpha": encode(PICTURE.convert("LA"), "PNG"),
    "apng": encode(PICTURE, "PNG", **ANIMATION),
    "webp": encode(PICTURE, "WEBP"),
    "webp-animation": encode(PICTURE, "WEBP", **ANIMATION),
    "gif": encode(PICTURE, "GIF"),
    "gif-animation": encode(PICTURE, "GIF", **ANIMATION),
    "bmp": encode(PICTURE, "BMP"),
    "tiff": encode(PICTURE, "TIFF"),
    "tiff-lzw": encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "tiff-jpeg": encode(PICTURE, "TIFF", compression="jpeg"),
    "tiff-cmyk": encode(PICTURE.convert("CMYK"), "TIFF"),
    "tiff-pages": encode(PICTURE, "TIFF", **ANIMATION),
    "tiff-float": encode(Image.fromarray(RGB[..., 0].astype(np.float32)), "TIFF"),
    "ppm": encode(PICTURE, "PPM"),
    "mpo": encode(PICTURE, "MPO", **ANIMATION),
}
REFUSED = {"apng", "webp-animation", "gif-animation", "tiff-pages", "tiff-float"}


def read(data):
    with warnings.catch_warnings():  # Pillow's lines on stderr about odd metadata.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return decode(data, "photo")


@pytest.mark.parametrize("name", FILES)
def test_a_sound_file_is_its_picture_or_refused(name):
    image = outcome(read, FILES[name])
    assert (image is None) == (name in REFUSED)
    if image is None:
        return
    expected = RGB if name != "exif" else np.rot90(RGB, -1)
    lossless = name in ("png", "bmp", "tiff", "tiff-lzw", "ppm")
    assert image.shape == expected.shape and image.dtype == np.uint8
    if lossless:
        np.testing.assert_array_equal(image, expected)


def chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, depth=8, colour=2, pixels=b"", extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")


def many_scans(count, side=2_000):
    """A progressive JPEG whose last scan is there again and again."""
    data = encode(Image.new("L", (side, side)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def many_pages(count):
    """A TIFF whose page is there again and again, each time after the one before."""
    data = FILES["tiff"]
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    page = data[first : first + 2 + 12 * entries]
    starts = [len(data) + i * (len(page) + 4) for i in range(count)]
    header = (
        data[: first + len(page)] + struct.pack("<I", starts[0]) + data[first + len(page) + 4 :]
    )
    return header + b"".join(page + struct.pack("<I", after) for after in (*starts[1:], 0))


@fuzz
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.sampled_from(sorted(FILES.values())).flatmap(damaged),
        st.tuples(
            st.integers(0, 2**31), st.integers(0, 20), st.sampled_from([1, 2, 4, 8, 16, 3]),
            st.sampled_from([0, 2, 3, 4, 6, 1]), st.binary(max_size=200),
        ).map(lambda fields: png(*fields)),
    )
)  # fmt: skip
@example(png(0, 0))
@example(png(2**31 - 1, 2**31 - 1))
@example(png(8, 8, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * (64 << 20)))))
@example(png(8, 8, extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(b"\0" * (64 << 20)))))
@example(many_scans(2_000, side=256))
@example(many_pages(60_000))
def test_any_bytes(data):
    image = outcome(read, data)
    if image is not None:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        assert 0 < image.shape[0] * image.shape[1] <= 64_000_000


DECODE = "from pnr_jax.data.images import read_image", "read_image(argv[0])"


def flat_png(mode):
    return encode(Image.new(mode, (8_000, 8_000)), "PNG", compress_level=1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: flat_png("RGBA"), "read"),
        (lambda: png(8_001, 8_000, pixels=bytes(1000)), "more than 64 megapixels"),
        (lambda: png(8_000, 8_000, pixels=bytes(1000)), "not a readable image"),
        (lambda: many_scans(5_000), "more than 100 scans"),
    ],
)
def test_a_bomb_stays_in_its_memory_and_time(data, said, tmp_path):
    with scratch_file(tmp_path, "bomb", data()) as path:
        line, peak = limited(DECODE, path)
    assert said in line
    assert peak < WORK_MB
