"""Rows: means, intervals of persons, scores of whole sets, each against an oracle; all jobs."""

import numpy as np
import pytest
from scipy import stats

from pnr_jax.errors import UserError
from pnr_jax.evaluation.jobs import Job
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.network_scorers import (
    inception_score_scorer,
    pose_scorer,
    with_fid,
)
from pnr_jax.evaluation.results import bootstrap, evaluate, summarise
from pnr_jax.evaluation.scorers import Column, Scorer, pixel_scorer
from pnr_jax.metrics import frechet_distance, inception_score

METHOD = Method("m", 3, lambda batch: batch["target_image"], "m")
FIRST = Method("first source", 1, lambda batch: batch["source_images"][:, 0], "first")
SECOND = Method("second source", 2, lambda batch: batch["source_images"][:, 1], "second")


def no_scores(*_):
    raise AssertionError("what was scored is not scored again")


def chunks(**arrays):
    """The arrays cut in three, as scoring yields them."""
    parts = {name: np.array_split(array, 3) for name, array in arrays.items()}
    return [dict(zip(parts, part, strict=True)) for part in zip(*parts.values(), strict=True)]


def test_a_row_has_names_means_and_single_scores(tuples_set):
    ssim = np.random.default_rng(0).random(11)
    result = summarise(METHOD, tuples_set, chunks(ssim=ssim, l1=2 * ssim), [pixel_scorer()])
    head = {"method": "m", "set": "tuples", "sources": 3, "pairs": 11}
    assert {key: result.row[key] for key in head} == head
    assert result.row["ssim"] == pytest.approx(ssim.mean())
    assert list(result.row) == [*head, "ssim", "l1", "intervals"]
    run = METHOD._replace(model="model_best", weights="0a")
    of_run = summarise(run, tuples_set, chunks(ssim=ssim, l1=2 * ssim), [pixel_scorer()]).row
    assert of_run == result.row | {"model": "model_best", "weights": "0a"}
    np.testing.assert_array_equal(result.scores["l1"], 2 * ssim)
    low, high = result.row["intervals"]["ssim"]
    assert low < ssim.mean() < high
    assert result.row["intervals"]["l1"] == pytest.approx([2 * low, 2 * high])


def test_scores_of_whole_sets_are_the_metrics_own(tuples_set):
    rng = np.random.default_rng(1)
    features, real = rng.normal(size=(11, 4)), rng.normal(size=(30, 4))
    answers = {
        f"{prefix}probabilities": rng.dirichlet(np.ones(5), 11)
        for prefix in ("", "masked_", "proxy_")
    }
    parts = chunks(ssim=np.ones(11), features=features, **answers)
    scorers = [
        with_fid(Scorer("features", no_scores)).fit({"features": real}),
        *(inception_score_scorer(x, no_scores, x, x) for x in ("", "masked_", "proxy_")),
    ]
    row = summarise(METHOD, tuples_set, parts, scorers).row
    assert row["fid"] == pytest.approx(frechet_distance(features, real))
    for prefix in ("", "masked_", "proxy_"):
        expected = inception_score(answers[f"{prefix}probabilities"])
        score = f"{prefix}inception_score"
        assert (row[score], row[f"{score}_std"]) == expected


def test_pckh_divides_the_sums(tuples_set):
    right, visible = np.arange(11), np.full(11, 10)
    visible[3] = 0
    counts = chunks(right_joints=right, visible_joints=visible)
    row = summarise(METHOD, tuples_set, counts, [pose_scorer(no_scores, "")]).row
    assert row["pckh"] == pytest.approx(55 / 100)
    assert "right_joints" not in row
    low, high = row["intervals"]["pckh"]
    assert low <= 0.55 <= high


def test_intervals_are_scipys_where_everyone_has_one_image():
    scores = np.random.default_rng(2).normal(size=200)[:, None]
    low, high = bootstrap(scores, np.ones((200, 1)), np.arange(200))
    reference = stats.bootstrap(
        (scores[:, 0],), np.mean, n_resamples=20_000, method="percentile", random_state=0
    ).confidence_interval
    assert low[0] == pytest.approx(reference.low, abs=0.01)
    assert high[0] == pytest.approx(reference.high, abs=0.01)


def test_intervals_are_of_people_not_of_images():
    """100 people whose 20 images are all alike: only the people count."""
    person = np.random.default_rng(3).normal(size=100)
    scores, groups = np.repeat(person, 20)[:, None], np.repeat(np.arange(100), 20)
    low, high = bootstrap(scores, np.ones_like(scores), groups)
    width = 2 * 1.96 * person.std() / np.sqrt(100)
    assert high[0] - low[0] == pytest.approx(width, rel=0.1)
    # A person of many images weighs more: the ratio of sums, not a mean of means.
    low, high = bootstrap(np.array([[0.0], [1], [1]]), np.ones((3, 1)), np.array([0, 1, 1]))
    assert (low[0], high[0]) == (0, 1)


def test_intervals_are_the_same_every_time():
    scores = np.random.default_rng(4).random((50, 2))
    first, again = (bootstrap(scores, np.ones_like(scores), np.arange(50) % 9) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def colours(images):
    """Features [N, 3]: the mean colours."""
    return images.reshape(len(images), -1, 3).mean(axis=1)


FEATURES = with_fid(Scorer("colours", lambda batch, generated: {"features": colours(generated)}))
ONE = Scorer(
    "one", lambda batch, generated: {"ssim": np.ones(len(generated))}, (Column("ssim", "SSIM"),)
)


def test_fid_is_against_every_training_image_once(small_chunks, tuples_set, examples, tmp_path):
    training = examples.images
    jobs = [Job(FIRST, tuples_set), Job(SECOND, tuples_set)]
    results = evaluate(jobs, [ONE, FEATURES], tmp_path, training=training)
    assert [result.row["method"] for result in results] == ["first source", "second source"]
    for column, result in enumerate(results):
        drawn = training.images[examples.tuples[:, column]]
        expected = frechet_distance(colours(drawn), colours(training.images))
        assert result.row["fid"] == pytest.approx(expected, rel=1e-9)
        assert result.row["fid"] > 1e-3


def test_an_inception_score_of_too_few_images_is_refused_before_the_work(tuples_set, tmp_path):
    probabilities = {"proxy_probabilities": np.eye(11)}
    scorer = inception_score_scorer(
        "classifier", lambda batch, generated: probabilities, "proxy_", "proxy IS"
    )
    few = tuples_set.limited(slice(9))
    with pytest.raises(UserError, match="proxy IS needs 10 images, there are 9"):
        evaluate([Job(FIRST, tuples_set), Job(FIRST, few)], [ONE, scorer], tmp_path)
    assert list(tmp_path.iterdir()) == []
    (result,) = evaluate([Job(FIRST, tuples_set)], [ONE, scorer], tmp_path)
    assert result.row["proxy_inception_score"] > 1
