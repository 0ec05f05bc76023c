"""Each family's SSIM against scikit-image, called as that family's own script calls it."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from skimage.metrics import structural_similarity

from pnr_jax.evaluation import METRICS
from pnr_jax.evaluation.network_scorers import with_fid
from pnr_jax.evaluation.report import notes
from pnr_jax.evaluation.scorers import Scorer, family_scorer


@pytest.fixture(scope="module")
def images():
    photograph = astronaut()
    pairs = [(0, 0, 60, 90), (200, 250, 230, 260)]
    reference = np.stack([photograph[y : y + 256, x : x + 176] for y, x, _, _ in pairs])
    generated = np.stack([photograph[y : y + 256, x : x + 176] // 3 + 40 for _, _, y, x in pairs])
    generated[1] = reference[1] // 2 + 30
    return reference, generated


@pytest.fixture(scope="module")
def scores(images):
    reference, generated = images
    return family_scorer().score({"target_image": reference}, generated)


def gaussian(a, b, sigma=1.5):
    return structural_similarity(
        a, b, gaussian_weights=True, sigma=sigma, use_sample_covariance=False, channel_axis=-1,
        data_range=float(b.max()) - float(b.min()),
    )  # fmt: skip


def padded(image):
    square = Image.new("RGB", (256, 256), (255, 255, 255))
    square.paste(Image.fromarray(image), (40, 0))
    return np.asarray(square)


def stretched(image):
    return np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC))


def gfla(a, b):
    a, b = (image.astype(np.float32) / 255 for image in (a, b))
    return structural_similarity(a, b, data_range=1, win_size=51, channel_axis=-1)


@pytest.mark.parametrize(
    ("name", "change", "score"),
    [
        ("ssim_patn_padded", padded, gaussian),
        ("ssim_gfla", stretched, gfla),
        ("ssim_gfla_256", stretched, gaussian),
        ("ssim_pidm_256", stretched, lambda a, b: gaussian(a, b, 1.2)),
    ],
)
def test_each_column_is_its_familys(images, scores, name, change, score):
    expected = [score(change(a), change(b)) for a, b in zip(*images, strict=True)]
    np.testing.assert_allclose(scores[name], expected, rtol=0, atol=5e-6)


def test_no_two_columns_share_a_name_or_a_number(scores):
    columns = [column for make in (*METRICS.values(), family_scorer) for column in make().columns]
    for field in ("score", "heading"):
        assert len({getattr(column, field) for column in columns}) == len(columns)
    assert {column.score for column in family_scorer().columns} == scores.keys()
    every = np.stack(list(scores.values()))
    assert np.abs(every[:, None] - every[None])[~np.eye(4, dtype=bool)].min() > 1e-4


def test_the_table_says_how_these_columns_and_fid_compare():
    fid = with_fid(Scorer("features", lambda batch, generated: {}))

    def said(**scores):
        row = {"method": "m", "set": "pairs", "sources": 1} | scores
        scorers = [family_scorer(), fid]
        return "\n".join(
            notes([row], limit=None, whole={}, jpeg=False, problems=[], scorers=scorers)
        )

    assert "its own family's alone" in said(ssim_gfla=0.5)
    assert "299×299 by TensorFlow's bilinear" in said(fid=20.0)
    assert "family" not in said() and "bilinear" not in said()
