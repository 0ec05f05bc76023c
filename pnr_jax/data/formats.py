"""Which formats of photos are read, and what in a file is refused before it is decoded."""

import contextlib
import re

from PIL import Image

from pnr_jax.errors import UserError

# Of the suffixes by which folders are searched; what a file is, its first bytes say.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm"}
    | {".avif", ".heic", ".heif"}
)
MOST_PIXELS = 64_000_000
TOO_LARGE = "more than 64 megapixels; make it smaller"
# Of a JPEG; cameras write 1 to 12, each is as much work as the whole image, and a file can hold
# thousands.
MOST_SCANS = 100

# All that begins a segment of a JPEG; stuffed bytes, restarts and fill bytes do not.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_END, _SCAN = b"\xd9", b"\xda"
_HEIC = re.compile(rb"....ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)", re.DOTALL)
# What phones call a photo with its preview, its depth or others of the burst: the first is it.
_WITH_COMPANY = ("MPO", "HEIF")


def _registered() -> tuple[str, ...]:
    """Returns the formats that this Pillow reads, with its plug-in for HEIC where that is there."""
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    known = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF", "HEIF")
    return tuple(name for name in known if name in Image.OPEN)


FORMATS = _registered()


def check_picture(image: Image.Image, data: bytes, where: str) -> None:
    """Raises a `UserError` for what is too much work, or no single picture, by its header.

    Args:
      image: opened, not decoded yet.
      data: the file's bytes.
      where: its name, for the message.
    """
    if image.width * image.height > MOST_PIXELS:
        raise UserError(f"{where}: {image.width}x{image.height} pixels; {TOO_LARGE}")
    if getattr(image, "is_animated", False) and image.format not in _WITH_COMPANY:
        raise UserError(f"{where}: holds several pictures; save one of them")
    if image.format in ("JPEG", "MPO") and count_scans(data) > MOST_SCANS:
        raise UserError(f"{where}: more than {MOST_SCANS} scans; save it again")


def count_scans(data: bytes) -> int:
    """Counts the scans of a JPEG up to its end; what cameras append is not looked at.

    Segments are stepped over, so that neither the preview in an EXIF block nor the video behind a
    motion photo counts.
    """
    at, scans = 2, 0
    while (found := _MARKER.search(data, at)) and found[1] != _END:
        scans += found[1] == _SCAN
        at = found.end() + max(2, int.from_bytes(data[found.end() : found.end() + 2]))
    return scans


def unknown(data: bytes) -> str:
    """Returns why a file is of no known format, and the mend."""
    if _HEIC.match(data):
        return "HEIC is not read here; pip install pillow-heif, or save it as JPEG"
    return f"not a readable image ({', '.join(FORMATS)})"
