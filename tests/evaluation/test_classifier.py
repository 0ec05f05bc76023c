"""A real, small TFLite classifier gives the probabilities of the network that it was made from."""

import warnings

import numpy as np
import pytest

from pnr_jax.errors import UserError
from pnr_jax.evaluation.classifier import load

WEIGHTS = np.random.default_rng(0).normal(0, 0.5, (3, 4)).astype(np.float32) * 4
IMAGES = np.random.default_rng(1).integers(0, 256, (6, 16, 12, 3)).astype(np.uint8)
FLAT = np.arange(0, 256, 51, dtype=np.uint8)[:, None, None, None] * np.ones((16, 12, 3), np.uint8)


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
    classify = load(made(tmp_path / "c.tflite", answer, "uint8"))
    probabilities = classify(FLAT)
    logits = (FLAT[:, 0, 0] / 127.5 - 1) @ WEIGHTS
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=0.1)  # 8 bits
    assert expected.std() > 0.1
    np.testing.assert_allclose(classify(IMAGES).sum(axis=1), 1, atol=1e-6)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "none.tflite")
    (tmp_path / "junk.tflite").write_bytes(b"no model at all")
    with pytest.raises(UserError, match=r"junk\.tflite: not a TFLite model"):
        load(tmp_path / "junk.tflite")
    signed = made(tmp_path / "signed.tflite", "softmax", "int8")
    with pytest.raises(UserError, match=r"expected uint8 images .* found int8 \[1, 8, 8, 3\]"):
        load(signed)
