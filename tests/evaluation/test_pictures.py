"""Which images the figures show: every image is of one colour, so the sheets' colours tell."""

import numpy as np
import pytest
from PIL import Image

from pnr_jax import figures
from pnr_jax.data.images import Images
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.pictures import EXTREMES, write_comparison, write_extremes, write_figures
from pnr_jax.evaluation.results import Result
from pnr_jax.evaluation.scoring import evaluation_set
from pnr_jax.examples import Examples

SIZE = (24, 16)
PALETTE = [(10 * i + 5, 200 - 9 * i, 7 * i) for i in range(18)]
PEOPLE = [[0, 1, 2, 3, 4, 5], [12, 13, 14, 15, 16, 17], [1, 2, 3, 0, 5, 4]]


@pytest.fixture(autouse=True)
def small_cells(monkeypatch):
    """Images are not enlarged: large sheets take seconds to compress."""
    monkeypatch.setattr(figures, "CELL_HEIGHT", SIZE[0])


@pytest.fixture
def test():
    images = np.broadcast_to(np.array(PALETTE, np.uint8)[:, None, None], (18, *SIZE, 3))
    names = [f"{i // 6 + 1:04d}_c1s1_{i:06d}_00.jpg" for i in range(18)]
    keypoints = np.full((18, 18, 2), -1, np.int32)
    tuples = np.array(PEOPLE, np.int32)
    return evaluation_set("tuples", Examples(Images(images, keypoints, names), tuples))


def colours(path):
    with Image.open(path) as image:
        return {tuple(colour) for _, colour in image.getcolors(maxcolors=1 << 14)}


def shown(path):
    found = colours(path)
    return {i for i, colour in enumerate(PALETTE) if colour in found}


def drawing(M, red=250):
    colour = np.full((1, *SIZE, 3), (red, M, 250), np.uint8)
    return lambda batch: np.repeat(colour, len(batch["target_image"]), axis=0)


def result(test, M=1, name="pNR", red=250, learnt=True):
    method = Method(name, M, drawing(M, red), f"{name} {M}", learnt)
    return Result(method, test, {}, {"ssim_inside_mask": np.arange(len(test.examples.tuples))})


def names(paths):
    return [path.name for path in paths]


def test_figures_show_the_first_tuple_of_each_identity(test, tmp_path):
    results = [
        result(test, name="copy", red=9, learnt=False),
        *(result(test, M) for M in (1, 3, 5)),
    ]
    paths = write_figures(results, tmp_path / "evaluation")
    assert names(paths) == ["figure.png", "figure_multi_shot.png", "best.png", "worst.png"]
    # First source and target; the third tuple repeats a person.
    assert shown(paths[0]) == {0, 5, 12, 17}
    assert shown(paths[1]) == {*range(6), *range(12, 18)}
    assert [(250, M, 250) in colours(paths[0]) for M in (1, 3, 5)] == [True, False, False]
    assert all((250, M, 250) in colours(paths[1]) for M in (1, 3, 5))
    assert (9, 1, 250) not in colours(paths[0]) | colours(paths[1])


def test_methods_are_compared_on_what_all_have_drawn(test, tmp_path):
    other = result(test.limited(np.array([1, 2])), name="other", red=200)
    paths = write_figures([result(test), other], tmp_path)
    assert names(paths) == ["figure.png", "best.png", "worst.png", "comparison.png"]
    assert shown(paths[-1]) == {12, 17, 1, 4}
    assert {(250, 1, 250), (200, 1, 250)} <= colours(paths[-1])


def test_the_comparison_takes_each_method_once(test, tmp_path):
    results = [result(test, M, name, red) for M in (1, 3) for name, red in (("a", 250), ("b", 200))]
    paths = write_figures(results, tmp_path)
    drawn = colours(paths[-1])
    assert {(250, 1, 250), (200, 1, 250)} <= drawn
    assert (250, 3, 250) not in drawn


def test_columns_stand_in_the_papers_order(test, tmp_path):
    methods = [result(test, name="a", red=250).method, result(test, name="b", red=200).method]
    images, tuples = test.examples
    path = write_comparison(methods, images, tuples, tmp_path / "c.png")
    with Image.open(path) as image:
        line = np.asarray(image)[image.height - 20]
    expected = [PALETTE[0], PALETTE[5], (250, 1, 250), (200, 1, 250)]
    seen = [colour for colour in map(tuple, line.tolist()) if colour in expected]
    assert list(dict.fromkeys(seen)) == expected


def test_extremes_are_the_highest_and_the_lowest(test, tmp_path):
    count = EXTREMES + 2
    tuples = np.repeat(test.examples.tuples[:1], count, axis=0)
    tuples[0], tuples[-1] = [6, 7, 8, 9, 10, 11], PEOPLE[1]
    many = test._replace(examples=test.examples._replace(tuples=tuples))
    best, worst = write_extremes(result(many), tmp_path)
    assert shown(best) == {0, 5, 12, 17}
    assert shown(worst) == {0, 5, 6, 11}


def test_trivial_methods_alone_have_no_figure(test, tmp_path):
    assert write_figures([result(test, learnt=False)], tmp_path) == []
