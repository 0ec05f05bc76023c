"""Scores a method chunk by chunk, and reads back chunks that have been scored before.

Images are in memory a chunk at a time, their scores and features all; an interrupted evaluation
continues at the same chunk. A chunk's result is a file named by a digest of everything that it
depends on: the method, the images and keypoints, the metric with its weights, the code. So a result
is reused as long as it is valid, and never after anything has changed. It lies in a folder of the
code's own digest, so that what other code has left can be removed.
"""

import functools
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

import pnr_jax
from pnr_jax.data.images import Images
from pnr_jax.data.pipeline import gather
from pnr_jax.evaluation.methods import Method, NamedBatch, jpeg_round_trip
from pnr_jax.evaluation.scorers import Scorer, Scores
from pnr_jax.examples import Examples
from pnr_jax.files import replacing
from pnr_jax.paths import remove_tree
from pnr_jax.walk import list_files

BATCH = 32  # Images drawn at once.
CHUNK = 8 * BATCH  # Images scored, and kept, at once.
# The folders whose code draws and scores; changes elsewhere do not affect the results.
ROOMS = (
    "data", "evaluation", "keypoints", "metrics", "nn", "pose_estimation", "regression", "systems"
)  # fmt: skip


class EvaluationSet(NamedTuple):
    """Pairs or tuples to score on.

    Attributes:
      name: "pairs" or "tuples".
      examples: images, and tuples of at least as many sources as a method sees.
      digests: uint8 [N, 32], one for each image with its keypoints.
    """

    name: str
    examples: Examples
    digests: np.ndarray

    def limited(self, rows: slice | np.ndarray) -> "EvaluationSet":
        """Returns the set with some of its tuples."""
        return self._replace(examples=self.examples._replace(tuples=self.examples.tuples[rows]))

    def names(self, sources: int) -> list[tuple[str, ...]]:
        """Returns each tuple's names: the first sources and the target."""
        names = np.array(self.examples.images.names)
        return [tuple(row) for row in names[first_sources(self.examples.tuples, sources)].tolist()]


def evaluation_set(name: str, examples: Examples) -> EvaluationSet:
    """Makes a test set with its images' digests."""
    images, keypoints, names, *_ = examples.images
    digests = [
        hashlib.sha256(image.tobytes() + joints.tobytes() + image_name.encode()).digest()
        for image, joints, image_name in zip(images, keypoints, names, strict=True)
    ]
    return EvaluationSet(name, examples, np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32))


def score(
    method: Method,
    test: EvaluationSet,
    scorers: Sequence[Scorer],
    cache: Path,
    jpeg: bool = False,
    advance: Callable[[int], object] = lambda count: None,
) -> Iterator[Scores]:
    """Yields all scorers' arrays, chunk by chunk.

    Args:
      method: the method; of each tuple it sees the first `method.sources` sources.
      test: the tuples.
      scorers: the metrics.
      cache: folder of the chunks' results.
      jpeg: whether the targets are compressed to JPEG and decoded; the method does so with its own
        images.
      advance: called with the number of images after each chunk.
    """
    tuples = first_sources(test.examples.tuples, method.sources)
    for start in range(0, len(tuples), CHUNK):
        rows = tuples[start : start + CHUNK]
        made_of = (code_digest(), method.key, str(jpeg), test.digests[rows].tobytes())
        folder = cache / _folder_name()
        paths = [folder / f"{_digest(scorer.key, *made_of)}.scores" for scorer in scorers]
        results = {path: _read(path) for path in paths}
        absent = [pair for pair in zip(paths, scorers, strict=True) if not results[pair[0]]]
        if absent:
            batch, generated = draw(method, test.examples.images, rows)
            if jpeg:
                batch["target_image"] = jpeg_round_trip(batch["target_image"])
            for path, scorer in absent:
                results[path] = scorer.score(batch, generated)
                _write(path, results[path])
        yield {name: array for scores in results.values() for name, array in scores.items()}
        advance(len(rows))


def remove_outdated(cache: Path) -> None:
    """Removes the results of other code from a cache: nothing reads them again."""
    for path in cache.iterdir() if cache.is_dir() else ():
        if re.fullmatch("[0-9a-f]{12}", path.name) and path.name != _folder_name():
            remove_tree(path)
        elif re.fullmatch(r"[0-9a-f]{32}\.scores", path.name):  # As they lay in version 0.1.
            path.unlink(missing_ok=True)


def draw(method: Method, images: Images, tuples: np.ndarray) -> tuple[NamedBatch, np.ndarray]:
    """Draws the target of each tuple, in batches of one shape.

    Args:
      method: the method.
      images: the data set.
      tuples: int [T, method.sources + 1].

    Returns:
      (the batch without its sources, uint8 [T, H, W, 3]).
    """
    names = np.array(images.names)
    targets: list[NamedBatch] = []
    drawn = []
    for start in range(0, len(tuples), BATCH):
        rows = tuples[start : start + BATCH]
        padded = np.concatenate([rows, np.repeat(rows[:1], BATCH - len(rows), axis=0)])
        batch: NamedBatch = {**gather(images, padded), "names": names[padded]}  # type: ignore[dict-item]
        drawn.append(method.generate(batch)[: len(rows)])
        kept = ("target_image", "target_keypoints", "names")
        targets.append({name: batch[name][: len(rows)] for name in kept})
    whole = {name: np.concatenate([batch[name] for batch in targets]) for name in targets[0]}
    return whole, np.concatenate(drawn)


def first_sources(tuples: np.ndarray, sources: int) -> np.ndarray:
    """Returns the first sources of each tuple and its target: [T, sources + 1]."""
    return np.concatenate([tuples[:, :sources], tuples[:, -1:]], axis=1)


@functools.cache
def code_digest() -> str:
    """Returns a digest of the code that draws and scores, and of JAX's version."""
    root = Path(pnr_jax.__file__).parent
    files = [path for room in ROOMS for path in list_files(root / room).files]
    files = [path for path in files if path.suffix == ".py"]
    return _digest(jax.__version__, *(path.read_bytes() for path in [*files, root / "transfer.py"]))


def _folder_name() -> str:
    return code_digest()[:12]


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()[:32]


def _read(path: Path) -> Scores:
    """Reads the arrays of a chunk; empty where the file is absent or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        return {}
    with np.load(io.BytesIO(content[32:])) as arrays:
        return dict(arrays)


def _write(path: Path, arrays: Scores) -> None:
    """Writes the arrays after their checksum: zip's own checks do not cover the whole file."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    with replacing(path) as temporary:
        temporary.write_bytes(hashlib.sha256(content.getvalue()).digest() + content.getvalue())
