"""The methods that are scored: each draws the target of a pair or tuple."""

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pnr_jax import examples as examples_lib
from pnr_jax.checkpoints import load_model
from pnr_jax.checksum import digest
from pnr_jax.config import Config
from pnr_jax.data.images import read_image
from pnr_jax.errors import UserError
from pnr_jax.transfer import PoseTransfer

# A batch of `pnr_jax.data.pipeline` and the images' `names`, str [B, M + 1].
NamedBatch = dict[str, np.ndarray]
Generate = Callable[[NamedBatch], np.ndarray]

JPEG_QUALITY = 75  # Pillow's default, which PATN's and XingGAN's test programs save with.


class Method(NamedTuple):
    """A method: something that draws the target from sources.

    Attributes:
      name: the name in the table.
      sources: M, how many of a tuple's sources it sees.
      generate: batch -> uint8 [B, H, W, 3].
      key: identifies what it draws; methods with the same key draw the same images.
      learnt: False for the trivial methods.
      model: which weights of a run, "model" or "model_best".
      weights: the digest of a run's weights.
    """

    name: str
    sources: int
    generate: Generate
    key: str
    learnt: bool = True
    model: str = ""
    weights: str = ""


def run_methods(
    name: str, workdir: Path, config: Config, model: str, sources: Sequence[int]
) -> list[Method]:
    """Returns a method for each number of sources that a trained run is given.

    Args:
      name: the name in the table.
      workdir: the run's folder.
      config: its configuration.
      model: "model" or "model_best".
      sources: the numbers M.

    Raises:
      UserError: there is no model yet, or it sees fewer sources than any of the numbers.
    """
    variables = load_model(workdir, model)
    weights = digest(variables)
    system = config.build_system()
    key = f"{system.title} {config.model} {config.image_size} {config.compute_dtype} {weights}"
    most = system.most_sources or max(sources)
    counts = [M for M in sources if most >= M]
    if not counts:
        asked = ",".join(map(str, sources))
        raise UserError(f"`sources={asked}`: {name} sees {most} source(s) of a person; add {most}")
    methods = model_methods(name, PoseTransfer(system, variables), counts, key)
    return [method._replace(model=model, weights=weights) for method in methods]


def model_methods(
    name: str, transfer: PoseTransfer, sources: Sequence[int], key: str
) -> list[Method]:
    """Returns a method for each number of sources that a model is given."""

    def generate(batch: NamedBatch) -> np.ndarray:
        return transfer.transfer(
            batch["source_images"],
            batch["source_keypoints"],
            batch["target_keypoints"],
            batch["source_valid"],
        )

    return [Method(name, M, generate, key) for M in sources]


def trivial_methods(mean_image: np.ndarray) -> list[Method]:
    """Returns "copy source" and "mean image" (uint8 [H, W, 3]), which need no learning."""

    def copy(batch: NamedBatch) -> np.ndarray:
        return batch["source_images"][:, 0]

    def mean(batch: NamedBatch) -> np.ndarray:
        return np.repeat(mean_image[None], len(batch["target_image"]), axis=0)

    digest = hashlib.sha256(mean_image.tobytes()).hexdigest()
    return [
        Method("copy source", 1, copy, "copy source", learnt=False),
        Method("mean image", 1, mean, digest, learnt=False),
    ]


def through_jpeg(method: Method) -> Method:
    """Adds a JPEG round trip to a method."""
    return method._replace(
        generate=lambda batch: jpeg_round_trip(method.generate(batch)), key=f"{method.key} jpeg"
    )


def mean_image(config: Config, workdir: Path | None) -> np.ndarray:
    """Returns the mean training image, uint8 [H, W, 3]: a run's own file, or computed anew.

    An exported run has no such file, since it is made of the data set's photos.
    """
    if workdir is not None and (path := workdir / "mean_image.png").is_file():
        return read_image(path)
    images = examples_lib.load_training(config).images.images
    return np.round(images.mean(axis=0)).astype(np.uint8)


def jpeg_round_trip(images: np.ndarray) -> np.ndarray:
    """Encodes each of uint8 [N, H, W, 3] as JPEG and decodes it again."""
    return np.stack([_round_trip(image) for image in images]) if len(images) else images


def _round_trip(image: np.ndarray) -> np.ndarray:
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(data))
