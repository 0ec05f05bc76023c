"""What each scorer hands to its network, and what comes of it."""

import numpy as np
import pytest

from pnr_jax.evaluation import scorers
from pnr_jax.keypoints import body_mask

SIZE = (24, 16)
RNG = np.random.default_rng(0)
BATCH = {
    "target_image": RNG.integers(0, 256, (3, *SIZE, 3)).astype(np.uint8),
    "target_keypoints": RNG.integers(0, SIZE, (3, 18, 2)).astype(np.int32),
}
GENERATED = RNG.integers(1, 256, (3, *SIZE, 3)).astype(np.uint8)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    return path


def test_inception_sees_the_images_and_the_masked_images(monkeypatch, weights):
    seen = []

    def network(variables, images):
        assert variables == "variables"
        seen.append(images)
        return np.zeros((3, 2)), np.full((3, 4), 0.25)

    monkeypatch.setattr(scorers.inception_weights, "load", lambda path: "variables")
    monkeypatch.setattr(scorers.inception, "features_and_probabilities", network)
    plain, masked = scorers.inception_scorers(weights)
    assert set(plain.score(BATCH, GENERATED)) == {"features", "probabilities"}
    assert set(masked.score(BATCH, GENERATED)) == {"masked_probabilities"}
    np.testing.assert_array_equal(seen[0], GENERATED)
    mask = body_mask(BATCH["target_keypoints"], SIZE)
    assert (seen[1][~mask] == 0).all() and (seen[1][mask] == GENERATED[mask]).all()
    weights.write_bytes(b"two")
    others = scorers.inception_scorers(weights)
    assert len({scorer.key for scorer in (plain, masked, *others)}) == 4


def test_lpips_has_a_column_a_network(monkeypatch, weights):
    def distance(variables, reference, generated, network):
        assert (reference == BATCH["target_image"]).all() and (generated == GENERATED).all()
        return np.full(3, {"alex": 0.1, "vgg": 0.2}[network])

    monkeypatch.setattr(scorers.lpips_lib, "load", lambda *files: files)
    monkeypatch.setattr(scorers.lpips_lib, "lpips", distance)
    for network, value in (("alex", 0.1), ("vgg", 0.2)):
        scorer = scorers.lpips_scorer(network, weights, weights)
        found = scorer.score(BATCH, GENERATED)
        assert list(found) == [f"lpips_{network}"] and (found[f"lpips_{network}"] == value).all()


def test_proxy_probabilities_are_the_classifiers(monkeypatch, weights):
    monkeypatch.setattr(
        scorers.classifier, "load", lambda path: lambda images: images.mean(axis=(1, 2)) / 255
    )
    found = scorers.proxy_scorer(weights).score(BATCH, GENERATED)
    np.testing.assert_allclose(found["proxy_probabilities"], GENERATED.mean(axis=(1, 2)) / 255)


def test_pckh_counts_the_joints_that_are_found_in_the_generated_images():
    head = {0: (4, 4), 1: (14, 12), 2: (14, 2)}  # A head 10 high and 8 wide.
    target = np.full((3, 18, 2), -1, np.int32)
    for joint, place in head.items():
        target[:, joint] = place
    found = target.copy()
    found[1, 2] = (14, 7)  # 5 pixels aside, tolerance 4
    found[2, 0] = -1

    def estimate(images):
        np.testing.assert_array_equal(images, GENERATED)
        return found

    scorer = scorers.pose_scorer(estimate, "estimator")
    counts = scorer.score(BATCH | {"target_keypoints": target}, GENERATED)
    assert counts["right_joints"].tolist() == [3, 2, 2]
    assert counts["visible_joints"].tolist() == [3, 3, 3]
    assert "estimator" in scorer.key
