"""The examples that a configuration trains and is tested on: images and tuples of indices."""

from typing import NamedTuple

import numpy as np

from pnr_jax.config import Config
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.images import Images, index_tuples, resize
from pnr_jax.data.protocol import Kind
from pnr_jax.errors import UserError


class Examples(NamedTuple):
    """Images and the tuples over them: int32 [T, M + 1], M sources and the target."""

    images: Images
    tuples: np.ndarray


def load_training(config: Config) -> Examples:
    """Loads the training examples over all images of the split.

    Supervised: every ordered pair of an identity's images (M = 1), or as many random tuples of them
    (M > 1), of which `vary_sources` keeps the first 1 to M sources and pads the rest with -1.
    Unsupervised: no identities are known, so a tuple is an image and itself.
    """
    images = config.data.load(config.data_dir, "train")
    where, tuples = config.data.load_tuples(config.data_dir, "train", "pairs", images)
    if config.supervised and tuples and all(row[0] == row[-1] for row in tuples):
        raise UserError(
            f"{where}: pairs every image with itself, so that nothing is learnt of other poses; "
            "train without identities, `config.supervised=False`"
        )
    if not config.supervised:
        tuples = [(name, name) for name in sorted({name for row in tuples for name in row})]
    elif config.sources > 1:
        tuples = pairs_lib.sample_tuples(
            images.annotations, config.sources, len(tuples), config.seed, images.identity_of
        )
    indices = index_tuples(images.names, tuples, where)
    if config.vary_sources:
        indices = _varied(indices, config.seed)
    return Examples(resize(images, config.image_size), indices)


def load_test(config: Config, kind: Kind = "tuples", sources: int = 1) -> Examples:
    """Loads the test examples, of identities that training never sees.

    Args:
      config: a configuration, which names the data set and the images' size.
      kind: "pairs" (the field's single-shot pairs) or "tuples" (5 sources and a target).
      sources: the fewest sources that each tuple must have.

    Raises:
      UserError: a prepared file has fewer, or there is none.
    """
    images = config.data.load(config.data_dir, "test")
    where, tuples = config.data.load_tuples(config.data_dir, "test", kind, images)
    # Half of Market-1501's test images are in no tuple: keep what is used.
    indices = index_tuples(images.names, tuples, where, sources)
    used, positions = np.unique(indices, return_inverse=True)
    kept = images._replace(
        images=images.images[used],
        keypoints=images.keypoints[used],
        names=[images.names[i] for i in used],
    )
    return Examples(
        resize(kept, config.image_size), positions.reshape(indices.shape).astype(np.int32)
    )


def _varied(tuples: np.ndarray, seed: int) -> np.ndarray:
    """Keeps the first 1 to M sources of each tuple [T, M + 1], evenly often; -1 pads."""
    M = tuples.shape[1] - 1
    count = np.random.default_rng(seed).integers(1, M, size=(len(tuples), 1), endpoint=True)
    sources = np.where(np.arange(M) < count, tuples[:, :-1], -1)
    return np.concatenate([sources, tuples[:, -1:]], axis=1).astype(np.int32)
