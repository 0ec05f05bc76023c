"""The metrics that need a network: Inception Score, FID, LPIPS, PCKh and a proxy of IS."""

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from pnr_jax import metrics, pose_estimation
from pnr_jax.errors import UserError, first_line
from pnr_jax.evaluation.methods import NamedBatch
from pnr_jax.evaluation.scorers import Column, Ratios, Scorer, Scores, body_masks
from pnr_jax.metrics.fid import gaussian, gaussian_distance
from pnr_jax.nn import inception, inception_weights
from pnr_jax.nn import lpips as lpips_lib
from pnr_jax.pretrained import find_file, sha256

SPLITS = 10  # Of the Inception Score, and so the fewest images that have one.
_THREADS = 2


def inception_scorers(path: str | Path) -> tuple[Scorer, Scorer]:
    """Returns the scorers by Inception-v3 of 2015: IS with FID, and IS under the body's mask."""
    path = find_file(path)
    variables, digest = inception_weights.load_inception(path), sha256(path)

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        del batch
        features, probabilities = inception.features_and_probabilities(variables, generated)
        return {"features": features, "probabilities": probabilities}

    def score_masked(batch: NamedBatch, generated: np.ndarray) -> Scores:
        masked = generated * body_masks(batch)[..., None]
        _, probabilities = inception.features_and_probabilities(variables, masked)
        return {"masked_probabilities": probabilities}

    plain = inception_score_scorer(f"inception {digest}", score, "", "IS")
    masked = inception_score_scorer(f"masked {digest}", score_masked, "masked_", "masked IS")
    return with_fid(plain), masked


def inception_score_scorer(
    key: str, score: Callable[[NamedBatch, np.ndarray], Scores], prefix: str, heading: str
) -> Scorer:
    """Returns the Inception Score of PREFIXprobabilities [N, classes], which `score` gives."""

    def totals(arrays: Scores) -> dict[str, float]:
        mean, std = metrics.inception_score(arrays[f"{prefix}probabilities"], SPLITS)
        return {f"{prefix}inception_score": mean, f"{prefix}inception_score_std": std}

    columns = (Column(f"{prefix}inception_score", heading, 3),)
    return Scorer(key, score, columns, totals=totals, least=SPLITS)


def with_fid(scorer: Scorer) -> Scorer:
    """Adds FID, the Fréchet distance of the scorer's array features [N, K] to training's."""

    def fit(training: Scores) -> Scorer:
        reference = gaussian(training["features"])

        def totals(arrays: Scores) -> dict[str, float]:
            distance = gaussian_distance(gaussian(arrays["features"]), reference)
            return scorer.totals(arrays) | {"fid": distance}

        return scorer._replace(columns=columns, totals=totals)

    columns = (*scorer.columns, Column("fid", "FID", 2))
    note = (
        "FID: against all training images, as arrays, brought to 299×299 by TensorFlow's "
        "bilinear; GFLA and PIDM resize otherwise."
    )
    return scorer._replace(columns=columns, fit=fit, note=note)


def lpips_scorer(backbone: lpips_lib.Backbone, trunk: str | Path, linear: str | Path) -> Scorer:
    """Returns LPIPS on AlexNet ("alex") or VGG16 ("vgg")."""
    trunk, linear = find_file(trunk), find_file(linear)
    variables = lpips_lib.load_lpips(trunk, linear, backbone)

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        distances = lpips_lib.lpips(variables, batch["target_image"], generated, backbone)
        return {f"lpips_{backbone}": distances}

    heading = {"alex": "LPIPS (AlexNet)", "vgg": "LPIPS (VGG16)"}[backbone]
    columns = (Column(f"lpips_{backbone}", heading),)
    return Scorer(f"lpips {backbone} {sha256(trunk)} {sha256(linear)}", score, columns)


def proxy_scorer(path: str | Path) -> Scorer:
    """Returns the Inception Score by a TFLite classifier, for those without Inception's weights.

    It is a *proxy*: it tells one's own methods apart, and compares with nothing published.
    """
    path = find_file(path)
    classify = load_classifier(path)

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        del batch
        return {"proxy_probabilities": classify(generated)}

    note = (
        "proxy IS: by a classifier other than that of published scores; "
        "it compares with nothing published."
    )
    scorer = inception_score_scorer(f"proxy {sha256(path)}", score, "proxy_", "proxy IS")
    return scorer._replace(note=note)


def pose_scorer(estimate: Callable[[np.ndarray], np.ndarray], key: str) -> Scorer:
    """Returns PCKh, the share of joints that a pose estimator finds again in generated images.

    Args:
      estimate: uint8 [N, H, W, 3] -> int [N, 18, 2], (y, x) in pixels, -1 = missing.
      key: names the estimator.
    """

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        right, visible = metrics.pckh_counts(estimate(generated), batch["target_keypoints"])
        return {"right_joints": right, "visible_joints": visible}

    def ratios(arrays: Scores) -> Ratios:
        return {"pckh": (arrays["right_joints"], arrays["visible_joints"])}

    note = "PCKh: by this estimator; published scores took another."
    return Scorer(f"pckh {key}", score, (Column("pckh", "PCKh"),), ratios, note=note)


def load_classifier(path: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """Reads a quantised classifier, uint8 images in and uint8 answers out.

    The answers are probabilities where their quantisation is that of a softmax (1/256, 0), else
    logits, of which the softmax is taken.

    Args:
      path: a `.tflite` file.

    Returns:
      uint8 images [N, H, W, 3] -> float32 probabilities [N, classes].

    Raises:
      UserError: the file is missing, no such classifier, or no interpreter is installed.
    """
    if not Path(path).is_file():
        raise UserError(f"`classifier={path}`: no such file; expected a .tflite classifier")
    interpreter = _interpreter(str(path))
    (entry, *more), (answer, *others) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    shape = entry["shape"].tolist()
    quantised = entry["dtype"] == answer["dtype"] == np.uint8
    if more or others or not quantised or len(shape) != 4 or shape[-1] != 3:
        raise UserError(
            f"`classifier={path}`: expected uint8 images [1, H, W, 3] in and uint8 answers out, "
            f"found {np.dtype(entry['dtype'])} {shape} and {np.dtype(answer['dtype'])}"
        )
    scale, zero = answer["quantization"]
    is_softmax = (scale, zero) == (1 / 256, 0)

    def classify(images: np.ndarray) -> np.ndarray:
        answers = []
        for image in images:  # One by one: its memory is planned for one image.
            resized = inception.resize_tf1(jnp.asarray(image[None], jnp.float32), tuple(shape[1:3]))
            interpreter.set_tensor(entry["index"], np.asarray(resized).round().astype(np.uint8))
            interpreter.invoke()
            answers.append(interpreter.get_tensor(answer["index"]).reshape(-1))
        real = scale * (np.array(answers, np.float32) - zero)
        weights = real if is_softmax else np.exp(real - real.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)

    return classify


def _interpreter(path: str) -> Any:
    for package in ("ai_edge_litert.interpreter", "tensorflow"):
        try:
            module: Any = importlib.import_module(package)
        except ImportError:
            continue
        module = module.lite if package == "tensorflow" else module
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TensorFlow's copy says that it will move.
                interpreter = module.Interpreter(path, num_threads=_THREADS)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"`classifier={path}`: not a TFLite model ({first_line(error)})"
            ) from None
        return interpreter
    raise UserError("`classifier` needs an interpreter: pip install ai-edge-litert")


def scorers_of_files(
    inception_file: str | Path | None,
    lpips_files: Mapping[lpips_lib.Backbone, Sequence[str | Path] | None],
    classifier_file: str | Path | None,
    pose_model: str | Path | None,
) -> list[Scorer]:
    """Returns the metrics whose networks are given.

    Args:
      inception_file: Inception-v3 of 2015, for IS, FID and masked IS.
      lpips_files: the trunk and the linear layers of each of LPIPS's backbones.
      classifier_file: a TFLite classifier, for the proxy IS.
      pose_model: a pose estimator, for PCKh.
    """
    found: list[Scorer] = []
    if inception_file:
        found += inception_scorers(inception_file)
    found += [lpips_scorer(name, *files) for name, files in lpips_files.items() if files]
    if classifier_file:
        found.append(proxy_scorer(classifier_file))
    if pose_model:
        pose_model = find_file(pose_model)
        estimator = pose_estimation.load_estimator(pose_model)
        found.append(pose_scorer(estimator.estimate, sha256(pose_model)))
    return found
