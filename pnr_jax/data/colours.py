"""Converts the colours of a file to sRGB, which networks and screens expect."""

import io

import numpy as np
from PIL import Image, ImageCms

# Colours that a profile is of, and how Pillow calls pictures of them.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts a decoded picture to 8-bit sRGB, by its own profile where it has one.

    Transparent pixels become white.

    Raises:
      ValueError: it has 32 bits a pixel.
    """
    profile = image.info.get("icc_profile")
    image = _separate(_to_eight_bits(image))
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha:
        image = image.convert(image.mode.removesuffix("A"))
    image = _by_profile(image, profile) if profile else image.convert("RGB")
    if alpha:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales 16 bits to 8, where Pillow would clip them; a PGM of 16 bits comes as 32."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32 bits a pixel; save it with 8")
    return image


def _separate(image: Image.Image) -> Image.Image:
    """Gives transparency a channel of its own, and palettes their colours."""
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in ("L", "LA") else "RGBA")
    return image if image.mode in _MODES.values() else image.convert("RGB")


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Converts from the colours of an ICC profile (Display P3, Adobe RGB, a grey one).

    A profile that is damaged, or of other colours than the picture, is left alone.
    """
    try:
        own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        mode = _MODES.get(own.profile.xcolor_space.strip(), "")
        if (image.mode, mode) == ("L", "RGB"):
            image = image.convert("RGB")
        if image.mode == mode:
            return ImageCms.profileToProfile(image, own, srgb, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        pass
    return image.convert("RGB")
