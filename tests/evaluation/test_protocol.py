"""All jobs together: rows in their order, FID against the training images, too few images."""

import numpy as np
import pytest

from pnr_jax.errors import UserError
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.protocol import Job, evaluate
from pnr_jax.evaluation.scorers import Column, Scorer, inception_score_scorer, with_fid
from pnr_jax.metrics import frechet_distance

FIRST = Method("first source", 1, lambda batch: batch["source_images"][:, 0], "first")
SECOND = Method("second source", 2, lambda batch: batch["source_images"][:, 1], "second")


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
