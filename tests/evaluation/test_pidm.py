"""PIDM's resizes against Pillow and TensorFlow, and FID and LPIPS through them."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from pnr_jax.evaluation.network_scorers import inception_score_scorer, with_fid
from pnr_jax.evaluation.pidm import pidm_scorers, resize
from pnr_jax.evaluation.scorers import Column, Scorer
from pnr_jax.metrics import frechet_distance


@pytest.fixture(scope="module")
def images():
    return np.stack([astronaut()[y : y + 256, y : y + 176] for y in range(0, 240, 10)])


def expected_resize(images):
    """PIL's bicubic; TensorFlow's bilinear of half pixels, which is OpenCV's."""
    import tensorflow as tf

    square = [Image.fromarray(x).resize((256, 256), Image.Resampling.BICUBIC) for x in images]
    return tf.image.resize(np.stack(square), (256, 176), "bilinear", antialias=False).numpy()


def test_the_resizes_are_pillows_and_opencvs(images):
    done = resize(images)
    assert done.dtype == np.uint8 and done.shape == images.shape
    assert np.abs(done - expected_resize(images)).max() <= 0.5 + 1e-3
    assert np.abs(done.astype(float) - images).mean() > 0.5  # They do blur.


def features(images):
    return images[:, ::64, ::44].reshape(len(images), -1).astype(np.float64)


def inception():
    """A stand-in with the arrays that the network's scorer has."""

    def score(batch, generated):
        values = features(generated)
        probabilities = values[:, :5] + 1
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        return {"features": values, "probabilities": probabilities}

    return with_fid(inception_score_scorer("stand-in", score, "", "IS"))


def test_fid_is_of_resized_images_and_of_resized_training_images(images):
    other = images[:, ::-1].copy()
    plain = inception()
    (scorer,) = pidm_scorers([plain])
    assert [column.score for column in scorer.columns] == ["fid_pidm"]
    assert "FID" in scorer.columns[0].heading and "PIDM" in scorer.columns[0].heading
    assert scorer.key != plain.key
    fitted = scorer.fit(scorer.score({"target_image": other}, other))
    arrays = fitted.score({"target_image": images}, images)
    assert set(arrays) == {"features_pidm", "probabilities_pidm"}
    totals = fitted.totals(arrays | {"features": np.full((24, 80), np.nan)})
    wanted = frechet_distance(features(resize(images)), features(resize(other)))
    assert set(totals) == {"fid_pidm"}
    assert totals["fid_pidm"] == pytest.approx(wanted)
    assert totals["fid_pidm"] != pytest.approx(frechet_distance(features(images), features(other)))
    assert not scorer.totals(arrays)  # Before it has seen the training images.


def test_lpips_is_of_resized_images_and_its_own_column_stays(images):
    def score(batch, generated):
        difference = batch["target_image"].astype(float) - generated
        return {"lpips_alex": np.abs(difference).mean(axis=(1, 2, 3))}

    plain = Scorer("lpips", score, (Column("lpips_alex", "LPIPS (AlexNet)"),))
    (scorer,) = pidm_scorers([plain, Scorer("other", score, (Column("l1", "L1"),))])
    target, generated = images[:4], images[4:8]
    batch = {"target_image": target, "names": np.array(["a"] * 4)}
    arrays = scorer.score(batch, generated)
    wanted = np.abs(resize(target).astype(float) - resize(generated)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(arrays["lpips_alex_pidm"], wanted)
    assert batch["target_image"] is target  # What other scorers see.
    ((name, (sums, counts)),) = scorer.parts(arrays).items()
    assert name == "lpips_alex_pidm"
    np.testing.assert_allclose(sums / counts, wanted)
