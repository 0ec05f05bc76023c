"""Tuples over a few small images, and what scikit-image says of them."""

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from pnr_jax.data.images import Images
from pnr_jax.evaluation import scoring
from pnr_jax.examples import Examples
from pnr_jax.keypoints import body_mask

SIZE = (24, 16)
COUNT = 11  # Tuples: with the chunks below, full batches and chunks and ragged ones.


@pytest.fixture
def small_chunks(monkeypatch):
    """Batches of 2 and chunks of 4, so that 11 tuples make 3 chunks."""
    monkeypatch.setattr(scoring, "BATCH", 2)
    monkeypatch.setattr(scoring, "CHUNK", 4)


@pytest.fixture(scope="session")
def examples():
    """Tuples of 5 sources and a target over smooth random images; indices come in any order."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (12, 6, 4, 3)).astype(np.uint8)
    images = [np.asarray(Image.fromarray(image).resize(SIZE[::-1])) for image in small]
    keypoints = rng.integers(0, SIZE, (12, 18, 2)).astype(np.int32)
    keypoints[rng.random((12, 18)) < 0.6] = -1
    names = [f"{i // 6 + 1:04d}_c1s1_{i:06d}_00.jpg" for i in range(12)]
    tuples = np.stack([6 * rng.integers(2) + rng.permutation(6) for _ in range(COUNT)])
    return Examples(Images(np.stack(images), keypoints, names), tuples.astype(np.int32))


@pytest.fixture(scope="session")
def tuples_set(examples):
    return scoring.evaluation_set("tuples", examples)


@pytest.fixture(scope="session")
def pairs_set(examples):
    """Each tuple's first source and target."""
    pairs = examples.tuples[:, [0, -1]]
    return scoring.evaluation_set("pairs", Examples(examples.images, pairs))


def similarity(a, b, data_range=None, **settings):
    return structural_similarity(
        a,
        b,
        data_range=data_range or int(b.max()) - int(b.min()),
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        **settings,
    )


@pytest.fixture(scope="session")
def expected_scores():
    """A function (examples, generated) -> what the protocol says, one tuple at a time."""

    def scores(examples, generated):
        images, keypoints, *_ = examples.images
        rows = []
        for target, image in zip(examples.tuples[:, -1], generated, strict=True):
            real, mask = images[target], body_mask(keypoints[target], SIZE)
            map_ = similarity(real, image, full=True)[1].mean(-1)
            difference = np.abs(real.astype(float) - image) / 127.5
            masked = similarity(real * mask[..., None], image * mask[..., None])
            rows.append(
                {
                    "ssim": similarity(real, image),
                    "masked_ssim": masked,
                    "ssim_inside_mask": map_[mask].mean(),
                    "l1": difference.mean(),
                    "ssim_255": similarity(real, image, 255),
                }
            )
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    return scores
