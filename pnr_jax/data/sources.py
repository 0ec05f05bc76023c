"""Where a configuration's examples come from: the embedded people or a prepared data set."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from pnr_jax.data import folder, market1501
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.images import Images, index_tuples, resize
from pnr_jax.data.synthetic import draw_people
from pnr_jax.errors import UserError

Tuples = Sequence[tuple[str, ...]]


class Examples(NamedTuple):
    """Images and the tuples over them: int32 [T, M + 1], M sources and the target."""

    images: Images
    tuples: np.ndarray


def load_training(config: ConfigDict) -> Examples:
    """The training examples over all images of the split.

    Supervised: every ordered pair of an identity's images (M = 1), or as many tuples drawn from
    them (M > 1), of which `vary_sources` keeps the first 1 to M sources and pads the rest by -1.
    Unsupervised training knows no identities: a tuple is an image and itself.
    """
    if config.data.name == "people":
        images = _people(config, "train")
        tuples: Tuples = pairs_lib.make_pairs(images.annotations)
        where = "the embedded people"
    else:
        images, tuples, where = _prepared(config, "train", "pairs")
    if not config.supervised:
        tuples = [(name, name) for name in sorted({name for row in tuples for name in row})]
    elif config.sources > 1:
        tuples = pairs_lib.sample_tuples(
            images.annotations, config.sources, count=len(tuples), seed=config.seed
        )
    indices = index_tuples(images.names, tuples, where)
    if config.vary_sources:
        indices = _varied(indices, config.seed)
    return Examples(resize(images, tuple(config.image_size)), indices)


def load_test(config: ConfigDict, kind: str = "tuples", sources: int = 1) -> Examples:
    """The test examples, of identities that training never sees.

    Args:
      config: of the run.
      kind: "pairs" (the field's single-shot pairs) or "tuples" (5 sources and a target).
      sources: the fewest that each must have.

    Raises:
      UserError: a prepared file has fewer, or there is none.
    """
    if config.data.name == "people":
        images = _people(config, "test")
        tuples: Tuples = pairs_lib.sample_tuples(
            images.annotations, sources=5, count=config.data.test_tuples, seed=config.data.seed
        )
        if kind == "pairs":
            tuples = [(row[0], row[-1]) for row in tuples]
        where = "the embedded people"
    else:
        images, tuples, where = _prepared(config, "test", kind)
    # Half of Market-1501's test images are in no tuple: keep what is used.
    indices = index_tuples(images.names, tuples, where, sources)
    used, positions = np.unique(indices, return_inverse=True)
    kept = Images(images.images[used], images.keypoints[used], [images.names[i] for i in used])
    return Examples(
        resize(kept, tuple(config.image_size)), positions.reshape(indices.shape).astype(np.int32)
    )


def _varied(tuples: np.ndarray, seed: int) -> np.ndarray:
    """Keeps the first 1 to M sources of each tuple [T, M + 1], evenly often; -1 pads."""
    M = tuples.shape[1] - 1
    count = np.random.default_rng(seed).integers(1, M, size=(len(tuples), 1), endpoint=True)
    sources = np.where(np.arange(M) < count, tuples[:, :-1], -1)
    return np.concatenate([sources, tuples[:, -1:]], axis=1).astype(np.int32)


def _people(config: ConfigDict, split: str) -> Images:
    train = config.data.train_identities
    identities = {
        "train": range(1, train + 1),
        "test": range(train + 1, train + config.data.test_identities + 1),
    }[split]
    return Images(*draw_people(identities, views=config.data.views, seed=config.data.seed))


def _prepared(config: ConfigDict, split: str, kind: str) -> tuple[Images, Tuples, str]:
    what, module = {"market1501": ("Market-1501", market1501), "folder": ("a folder", folder)}[
        config.data.name
    ]
    if not config.data_dir:
        raise UserError(f"this configuration trains on {what}: say where it lies by --data_dir")
    path, tuples = module.load_tuples(config.data_dir, split, kind)
    return module.load(config.data_dir, split), tuples, str(path)
