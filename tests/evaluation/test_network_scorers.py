"""What each scorer hands to its network, and what comes of it; a small, real TFLite classifier."""

import warnings

import numpy as np
import pytest

from pnr_jax.errors import UserError
from pnr_jax.evaluation import network_scorers as scorers
from pnr_jax.keypoints import body_mask

SIZE = (24, 16)
RNG = np.random.default_rng(0)
BATCH = {
    "target_image": RNG.integers(0, 256, (3, *SIZE, 3)).astype(np.uint8),
    "target_keypoints": RNG.integers(0, SIZE, (3, 18, 2)).astype(np.int32),
}
WEIGHTS = np.random.default_rng(0).normal(0, 0.5, (3, 4)).astype(np.float32) * 4
IMAGES = np.random.default_rng(1).integers(0, 256, (6, 16, 12, 3)).astype(np.uint8)
FLAT = np.arange(0, 256, 51, dtype=np.uint8)[:, None, None, None] * np.ones((16, 12, 3), np.uint8)
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

    monkeypatch.setattr(scorers.inception_weights, "load_inception", lambda path: "variables")
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

    monkeypatch.setattr(scorers.lpips_lib, "load_lpips", lambda *files: files)
    monkeypatch.setattr(scorers.lpips_lib, "lpips", distance)
    for network, value in (("alex", 0.1), ("vgg", 0.2)):
        scorer = scorers.lpips_scorer(network, weights, weights)
        found = scorer.score(BATCH, GENERATED)
        assert list(found) == [f"lpips_{network}"] and (found[f"lpips_{network}"] == value).all()


def test_proxy_probabilities_are_the_classifiers(monkeypatch, weights):
    monkeypatch.setattr(
        scorers, "load_classifier", lambda path: lambda images: images.mean(axis=(1, 2)) / 255
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


def made(path, answer, input_type):
    """Writes softmax or logits of W · mean colour as a quantised model of 8×8 images."""
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec([1, 8, 8, 3])])
    def network(images):
        logits = tf.reduce_mean(images, [1, 2]) @ WEIGHTS
        return tf.nn.softmax(logits) if answer == "softmax" else logits

    rng = np.random.default_rng(2)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    samples = rng.uniform(-1, 1, (20, 1, 1, 1, 3)) * np.ones((1, 8, 8, 1))
    converter.representative_dataset = lambda: ([x.astype(np.float32)] for x in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = getattr(tf, input_type)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The converter warns of its own defaults.
        path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize("answer", ["softmax", "logits"])
def test_answers_are_the_networks(tmp_path, answer):
    classify = scorers.load_classifier(made(tmp_path / "c.tflite", answer, "uint8"))
    probabilities = classify(FLAT)
    logits = (FLAT[:, 0, 0] / 127.5 - 1) @ WEIGHTS
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=0.1)  # 8 bits
    assert expected.std() > 0.1
    np.testing.assert_allclose(classify(IMAGES).sum(axis=1), 1, atol=1e-6)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        scorers.load_classifier(tmp_path / "none.tflite")
    (tmp_path / "junk.tflite").write_bytes(b"no model at all")
    with pytest.raises(UserError, match=r"junk\.tflite`: not a TFLite model"):
        scorers.load_classifier(tmp_path / "junk.tflite")
    signed = made(tmp_path / "signed.tflite", "softmax", "int8")
    with pytest.raises(UserError, match=r"expected uint8 images .* found int8 \[1, 8, 8, 3\]"):
        scorers.load_classifier(signed)
