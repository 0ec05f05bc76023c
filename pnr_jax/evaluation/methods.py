"""What is scored: something that draws the target of a pair or tuple."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax.checkpoints import load_model
from pnr_jax.checksum import digest
from pnr_jax.config import Config
from pnr_jax.errors import UserError
from pnr_jax.evaluation.jpeg import jpeg_round_trip
from pnr_jax.transfer import PoseTransfer

# A batch of `pnr_jax.data.pipeline` and the images' `names`, str [B, M + 1].
NamedBatch = dict[str, np.ndarray]
Generate = Callable[[NamedBatch], np.ndarray]


class Method(NamedTuple):
    """Something that draws the target from sources.

    Attributes:
      name: in the table.
      sources: M, how many of a tuple's sources it sees.
      generate: batch -> uint8 [B, H, W, 3].
      key: names what it draws; methods of one key draw the same.
      learnt: False for the trivial methods.
      model: of a run, "model" or "model_best".
      weights: of a run, the digest of its weights.
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
    """A trained run with each number of sources.

    Args:
      name: in the table.
      workdir: of the run.
      config: its configuration.
      model: "model" or "model_best".
      sources: the numbers M.

    Raises:
      UserError: there is no model yet, or it sees fewer sources than any of the numbers.
    """
    variables = load_model(workdir, model)
    weights = digest(variables)
    system = config.build_system()
    key = f"{system.title} {config.model} {config.image_size} {weights}"
    most = system.most_sources or max(sources)
    counts = [M for M in sources if most >= M]
    if not counts:
        asked = ",".join(map(str, sources))
        raise UserError(f"--sources={asked}: {name} sees {most} source(s) of a person; add {most}")
    methods = model_methods(name, PoseTransfer(system, variables), counts, key)
    return [method._replace(model=model, weights=weights) for method in methods]


def model_methods(
    name: str, transfer: PoseTransfer, sources: Sequence[int], key: str
) -> list[Method]:
    """The model with each number of sources."""

    def generate(batch: NamedBatch) -> np.ndarray:
        return transfer.transfer(
            batch["source_images"],
            batch["source_keypoints"],
            batch["target_keypoints"],
            batch["source_valid"],
        )

    return [Method(name, M, generate, key) for M in sources]


def trivial_methods(mean_image: np.ndarray) -> list[Method]:
    """The rows "copy source" and "mean image" (uint8 [H, W, 3]): what needs no learning."""

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
    """The method with a JPEG round trip after it."""
    return method._replace(
        generate=lambda batch: jpeg_round_trip(method.generate(batch)), key=f"{method.key} jpeg"
    )
