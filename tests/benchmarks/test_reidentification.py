"""Market-1501's protocol of re-identification, against a plain loop and a case done by hand."""

import numpy as np
import pytest

from benchmarks.reidentification import MARGIN, SMOOTHING, Shots, batches, loss_of, scores_of


def shots(identities, cameras):
    nothing = np.zeros((len(identities), 1), np.uint8)
    return Shots(nothing, np.array(identities), np.array(cameras), np.zeros(len(identities), bool))


def test_a_case_done_by_hand():
    query = shots(["0001"], [1])
    gallery = shots(
        ["-1", "0001", "0000", "0001", "0002", "0001"],
        [2, 1, 2, 2, 3, 3],
    )
    # The first two do not count: junk, and the same camera. The rest: wrong, right, wrong, right.
    similarity = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]])
    assert scores_of(similarity, query, gallery) == (0.0, pytest.approx((1 / 2 + 2 / 4) / 2))
    similarity[0, 3] = 1.0
    assert scores_of(similarity, query, gallery) == (1.0, pytest.approx((1 / 1 + 2 / 4) / 2))


def test_a_query_without_an_answer_does_not_count():
    query = shots(["0001", "0003"], [1, 1])
    gallery = shots(["0001", "0002"], [2, 2])
    assert scores_of(np.array([[0.9, 0.1], [0.9, 0.1]]), query, gallery) == (1.0, 1.0)


def test_many_queries_against_a_loop():
    rng = np.random.default_rng(0)
    people = np.array(["-1", "0000", "0001", "0002", "0003", "0004"])
    gallery = shots(rng.choice(people, 200), rng.integers(1, 4, 200))
    query = shots(rng.choice(people[2:], 30), rng.integers(1, 4, 30))
    similarity = rng.normal(size=(30, 200))
    first, precisions = [], []
    for q in range(30):
        ranked = []
        for g in sorted(range(200), key=lambda g: -similarity[q, g]):
            same = gallery.identities[g] == query.identities[q]
            if gallery.identities[g] == "-1" or (same and gallery.cameras[g] == query.cameras[q]):
                continue
            ranked.append(same)
        right, total = 0, 0.0
        for place, same in enumerate(ranked, start=1):
            if same:
                right += 1
                total += right / place
        first.append(ranked[0])
        precisions.append(total / right)
    rank1, mean_ap = scores_of(similarity, query, gallery)
    assert rank1 == pytest.approx(np.mean(first))
    assert mean_ap == pytest.approx(np.mean(precisions))


def test_a_batch_is_people_with_as_many_images_each():
    labels = np.repeat(np.arange(20), 3)
    rows = next(batches(labels, seed=0))
    _, counts = np.unique(labels[rows], return_counts=True)
    assert counts.tolist() == [4] * 16


def test_the_loss_is_cross_entropy_and_that_of_the_hardest_pairs():
    rng = np.random.default_rng(1)
    logits, features = rng.normal(size=(8, 5)), rng.normal(size=(8, 3))
    labels = np.array([0, 0, 1, 1, 2, 2, 4, 4])
    total = 0.0
    for i in range(8):
        targets = np.full(5, SMOOTHING / 5)
        targets[labels[i]] += 1 - SMOOTHING
        total -= targets @ (logits[i] - np.log(np.exp(logits[i]).sum()))
        distances = np.linalg.norm(features - features[i], axis=1)
        same = labels == labels[i]
        total += max(0, MARGIN + distances[same].max() - distances[~same].min())
    assert loss_of(logits, features, labels) == pytest.approx(total / 8, rel=1e-5)
