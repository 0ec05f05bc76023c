"""The JPEG round trip that some of the field's images make before they are scored."""

import io

import numpy as np
from PIL import Image

QUALITY = 75  # Pillow's default, which PATN's and XingGAN's test programs save with.


def jpeg_round_trip(images: np.ndarray) -> np.ndarray:
    """Encodes each of uint8 [N, H, W, 3] as JPEG and decodes it again."""
    return np.stack([_round_trip(image) for image in images]) if len(images) else images


def _round_trip(image: np.ndarray) -> np.ndarray:
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="JPEG", quality=QUALITY)
    return np.asarray(Image.open(data))
