"""The metrics: what each takes from a chunk of image pairs, and what becomes of it in the table.

A metric of one's own is a function that returns a `Scorer`, and a line in `ALWAYS`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax import metrics, pose_estimation
from pnr_jax.evaluation import classifier
from pnr_jax.evaluation.methods import NamedBatch
from pnr_jax.keypoints import body_mask
from pnr_jax.metrics.fid import gaussian, gaussian_distance
from pnr_jax.nn import inception, inception_weights
from pnr_jax.nn import lpips as lpips_lib
from pnr_jax.nn.convert import sha256

Scores = dict[str, np.ndarray]
Ratios = dict[str, tuple[np.ndarray, np.ndarray]]

SPLITS = 10  # Of the Inception Score, and so the fewest images that have one.


class Column(NamedTuple):
    """A score in the table.

    Attributes:
      score: its key in a row.
      heading: in the table.
      digits: after the point.
    """

    score: str
    heading: str
    digits: int = 4


class Scorer(NamedTuple):
    """A metric, or several that share their work.

    Attributes:
      key: names what it computes, weights included; scorers of one key give the same scores.
      score: (batch, generated uint8 [B, H, W, 3]) -> arrays [B, ...] by name; of the batch it takes
        `target_image` and `target_keypoints`.
      columns: what it brings to the table.
      ratios: arrays of all images -> {column: (numerators [N], denominators [N])}, whose sums'
        ratio is the score, with an interval over people; None: each column is the mean of the array
        of its name.
      totals: arrays of all images -> scores that only the whole set has.
      least: the fewest images that it can score.
      fit: arrays of the training images -> the scorer that compares with them; None: it needs none.
    """

    key: str
    score: Callable[[NamedBatch, np.ndarray], Scores]
    columns: tuple[Column, ...] = ()
    ratios: Callable[[Scores], Ratios] | None = None
    totals: Callable[[Scores], dict[str, float]] = lambda arrays: {}
    least: int = 1
    fit: Callable[[Scores], "Scorer"] | None = None

    def parts(self, arrays: Scores) -> Ratios:
        """Returns numerators and denominators by column."""
        if self.ratios is not None:
            return self.ratios(arrays)
        means = (column.score for column in self.columns if column.score in arrays)
        return {name: (arrays[name], np.ones(len(arrays[name]))) for name in means}


def merged(chunks: Iterable[Scores]) -> Scores:
    """Returns the arrays of all chunks, one behind the other."""
    parts: dict[str, list[np.ndarray]] = {}
    for chunk in chunks:
        for name, array in chunk.items():
            parts.setdefault(name, []).append(array)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def pixel_scorer() -> Scorer:
    """SSIM in its four forms and L1: all that needs no network."""

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        target, masks = batch["target_image"], _masks(batch)
        return {
            "ssim": metrics.ssim(target, generated),
            "masked_ssim": metrics.masked_ssim(target, generated, masks),
            "ssim_inside_mask": metrics.ssim_inside_mask(target, generated, masks),
            "l1": metrics.l1(target, generated),
            "ssim_255": metrics.ssim(target, generated, data_range=255),
        }

    columns = (
        Column("ssim", "SSIM"),
        Column("masked_ssim", "masked SSIM"),
        Column("ssim_inside_mask", "SSIM inside mask"),
        Column("l1", "L1"),
        Column("ssim_255", "SSIM, range 255"),
    )
    return Scorer("pixels", score, columns)


ALWAYS: tuple[Callable[[], Scorer], ...] = (pixel_scorer,)  # Metrics that need no file.


def inception_scorers(path: str | Path) -> tuple[Scorer, Scorer]:
    """Inception-v3 of 2015: IS and FID, and IS under the body's mask."""
    variables, digest = inception_weights.load(path), sha256(path)

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        del batch
        features, probabilities = inception.features_and_probabilities(variables, generated)
        return {"features": features, "probabilities": probabilities}

    def score_masked(batch: NamedBatch, generated: np.ndarray) -> Scores:
        masked = generated * _masks(batch)[..., None]
        _, probabilities = inception.features_and_probabilities(variables, masked)
        return {"masked_probabilities": probabilities}

    plain = inception_score_scorer(f"inception {digest}", score, "", "IS")
    masked = inception_score_scorer(f"masked {digest}", score_masked, "masked_", "masked IS")
    return with_fid(plain), masked


def inception_score_scorer(
    key: str, score: Callable[[NamedBatch, np.ndarray], Scores], prefix: str, heading: str
) -> Scorer:
    """The Inception Score of the array PREFIXprobabilities [N, classes] that `score` gives."""

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
    return scorer._replace(columns=columns, fit=fit)


def lpips_scorer(network: lpips_lib.Network, trunk: str | Path, linear: str | Path) -> Scorer:
    """LPIPS on AlexNet ("alex") or VGG16 ("vgg")."""
    variables = lpips_lib.load(trunk, linear, network)

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        distances = lpips_lib.lpips(variables, batch["target_image"], generated, network)
        return {f"lpips_{network}": distances}

    heading = {"alex": "LPIPS (AlexNet)", "vgg": "LPIPS (VGG16)"}[network]
    columns = (Column(f"lpips_{network}", heading),)
    return Scorer(f"lpips {network} {sha256(trunk)} {sha256(linear)}", score, columns)


def proxy_scorer(path: str | Path) -> Scorer:
    """The Inception Score by a TFLite classifier, a proxy of the published one."""
    classify = classifier.load(path)

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        del batch
        return {"proxy_probabilities": classify(generated)}

    return inception_score_scorer(f"proxy {sha256(path)}", score, "proxy_", "proxy IS")


def pose_scorer(estimate: Callable[[np.ndarray], np.ndarray], key: str) -> Scorer:
    """PCKh's counts: joints that a pose estimator finds again in the generated images.

    Args:
      estimate: uint8 [N, H, W, 3] -> int [N, 18, 2], (y, x) in pixels, -1 = missing.
      key: names the estimator.
    """

    def score(batch: NamedBatch, generated: np.ndarray) -> Scores:
        right, visible = metrics.pckh_counts(estimate(generated), batch["target_keypoints"])
        return {"right_joints": right, "visible_joints": visible}

    def ratios(arrays: Scores) -> Ratios:
        return {"pckh": (arrays["right_joints"], arrays["visible_joints"])}

    return Scorer(f"pckh {key}", score, (Column("pckh", "PCKh"),), ratios)


def scorers_of_files(
    inception_file: str | Path | None,
    lpips_files: Mapping[lpips_lib.Network, Sequence[str | Path] | None],
    classifier_file: str | Path | None,
    pose_model: str | Path | None,
) -> list[Scorer]:
    """Returns the metrics whose networks are given.

    Args:
      inception_file: Inception-v3 of 2015, for IS, FID and masked IS.
      lpips_files: the trunk and the linear layers of each of LPIPS' networks.
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
        found.append(pose_scorer(pose_estimation.load(pose_model).estimate, sha256(pose_model)))
    return found


def _masks(batch: NamedBatch) -> np.ndarray:
    return body_mask(batch["target_keypoints"], batch["target_image"].shape[1:3])
