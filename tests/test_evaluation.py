"""The table's numbers are scikit-image's; every tuple counts once."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from pnr_jax.data.images import Images
from pnr_jax.data.sources import Examples
from pnr_jax.evaluation import (
    BATCH,
    Method,
    evaluate,
    model_methods,
    trivial_methods,
    write_figures,
    write_table,
)
from pnr_jax.keypoints import body_mask

SIZE = (24, 16)
COUNT = BATCH + 5  # Tuples: a full batch and a ragged one.


@pytest.fixture(scope="module")
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


def similarity(a, b, **settings):
    return structural_similarity(
        a,
        b,
        data_range=int(b.max()) - int(b.min()),
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        **settings,
    )


def expected_row(examples, generated):
    """Means over the tuples of what the protocol says, one tuple at a time."""
    images, keypoints, _ = examples.images
    targets = examples.tuples[:, -1]
    scores = []
    for target, image in zip(targets, generated, strict=True):
        real, mask = images[target], body_mask(keypoints[target], SIZE)
        map_ = similarity(real, image, full=True)[1].mean(-1)
        difference = np.abs(real.astype(float) - image) / 127.5
        inside = map_[mask].mean()
        masked = similarity(real * mask[..., None], image * mask[..., None])
        scores.append([similarity(real, image), masked, inside, difference.mean()])
    names = ("ssim", "masked_ssim", "ssim_inside_mask", "l1")
    return dict(zip(names, np.mean(scores, axis=0), strict=True))


def test_rows_of_the_trivial_methods_are_scikit_images(examples):
    mean = examples.images.images.mean(axis=0).round().astype(np.uint8)
    first_sources = examples.images.images[examples.tuples[:, 0]]
    expected = {
        "copy source": expected_row(examples, first_sources),
        "mean image": expected_row(examples, [mean] * COUNT),
    }
    rows = [evaluate(method, examples, "tuples") for method in trivial_methods(mean)]
    assert [row["method"] for row in rows] == list(expected)
    for row in rows:
        scores = expected[row["method"]]
        head = {"method": row["method"], "set": "tuples", "sources": 1, "pairs": COUNT}
        assert {key: row[key] for key in head} == head
        assert {key: row[key] for key in scores} == pytest.approx(scores, abs=2e-6)
        assert list(row) == [*head, *scores]


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH, BATCH + 1])
def test_every_tuple_counts_once_in_batches_of_one_shape(examples, count):
    shapes = []

    def generate(batch):
        shapes.append(batch["source_images"].shape)
        return batch["source_images"][:, 1]

    some = Examples(examples.images, examples.tuples[:count])
    row = evaluate(Method("second source", 2, generate), some, "pairs")
    assert set(shapes) == {(BATCH, 2, *SIZE, 3)}
    assert len(shapes) == -(-count // BATCH)
    assert row["pairs"] == count
    generated = examples.images.images[some.tuples[:, 1]]
    assert row["l1"] == pytest.approx(expected_row(some, generated)["l1"], abs=1e-12)


def test_a_perfect_method_scores_one(examples):
    row = evaluate(Method("oracle", 1, lambda batch: batch["target_image"]), examples, "tuples")
    assert [row[name] for name in ("ssim", "masked_ssim", "ssim_inside_mask")] == pytest.approx(
        [1] * 3
    )
    assert row["l1"] == 0


class FakeTransfer:
    """Stands for a `PoseTransfer`: draws the mean of the sources, and notes what it was given."""

    def transfer(self, source_images, source_keypoints, target_keypoints, source_valid):
        assert source_keypoints.shape == (*source_images.shape[:2], 18, 2)
        assert target_keypoints.shape == (len(source_images), 18, 2)
        assert source_valid.shape == source_images.shape[:2]
        return source_images.mean(axis=1).astype(np.uint8)


def test_the_model_sees_the_first_M_sources_and_the_targets_are_shared(examples):
    methods = model_methods("pNR", FakeTransfer(), [1, 3, 5])
    assert [(method.name, method.sources) for method in methods] == [("pNR", M) for M in (1, 3, 5)]
    for method in methods:
        sources = examples.images.images[examples.tuples[:, : method.sources]]
        expected = expected_row(examples, sources.mean(axis=1).astype(np.uint8))
        row = evaluate(method, examples, "tuples")
        assert {key: row[key] for key in expected} == pytest.approx(expected, abs=2e-6)


def test_tables(tmp_path):
    scores = {"ssim": 0.25, "masked_ssim": 0.5, "ssim_inside_mask": -0.0625, "l1": 1 / 3}
    rows = [
        {"method": "pNR", "set": "pairs", "sources": 1, "pairs": 12000, **scores},
        {"method": "copy source", "set": "tuples", "sources": 1, "pairs": 7, **scores},
    ]
    markdown = write_table(rows, tmp_path / "evaluation")
    assert json.loads((tmp_path / "evaluation" / "table.json").read_text()) == rows
    assert (tmp_path / "evaluation" / "table.md").read_text() == markdown
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]
    assert lines[0] == [
        "method", "test set", "M", "pairs", "SSIM", "masked SSIM", "SSIM inside mask", "L1"
    ]  # fmt: skip
    assert all(set(cell) <= set("-:") for cell in lines[1]) and len(lines[1]) == 8
    assert lines[2:] == [
        ["pNR", "pairs", "1", "12,000", "0.2500", "0.5000", "-0.0625", "0.3333"],
        ["copy source", "tuples", "1", "7", "0.2500", "0.5000", "-0.0625", "0.3333"],
    ]


def colours(path):
    with Image.open(path) as image:
        return {tuple(colour) for _, colour in image.getcolors(maxcolors=1 << 24)}


def test_figures_show_the_first_tuple_of_each_identity(tmp_path):
    """Every image is of one colour, so that the sheet's colours say which are shown."""
    palette = [(10 * i + 5, 200 - 9 * i, 7 * i) for i in range(18)]
    images = np.broadcast_to(np.array(palette, np.uint8)[:, None, None], (18, *SIZE, 3))
    names = [f"{i // 6 + 1:04d}_c1s1_{i:06d}_00.jpg" for i in range(18)]
    keypoints = np.full((18, 18, 2), -1, np.int32)
    people = [[0, 1, 2, 3, 4, 5], [12, 13, 14, 15, 16, 17], [1, 2, 3, 0, 5, 4]]
    examples = Examples(Images(images, keypoints, names), np.array(people, np.int32))

    def drawing(M):
        drawn = np.full((1, *SIZE, 3), (250, M, 250), np.uint8)
        return lambda batch: np.repeat(drawn, len(batch["target_image"]), axis=0)

    methods = [Method("pNR", M, drawing(M)) for M in (1, 3, 5)]
    single, multi = write_figures(methods, examples, tmp_path / "evaluation")
    assert single == tmp_path / "evaluation" / "figure.png"
    assert multi == tmp_path / "evaluation" / "figure_multi_shot.png"
    one, many = colours(single), colours(multi)
    # First source and target; the third tuple repeats a person.
    assert {i for i, colour in enumerate(palette) if colour in one} == {0, 5, 12, 17}
    assert {i for i, colour in enumerate(palette) if colour in many} == {*range(6), *range(12, 18)}
    assert [(250, M, 250) in one for M in (1, 3, 5)] == [True, False, False]
    assert all((250, M, 250) in many for M in (1, 3, 5))


def test_a_single_shot_method_has_one_figure(examples, tmp_path):
    methods = model_methods("pNR", FakeTransfer(), [1])
    assert write_figures(methods, examples, tmp_path) == [tmp_path / "figure.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]
