"""What each metric takes from a chunk of image pairs.

A scorer's arrays are one row an image: per-image scores ([N]), or what a score of the whole set is
made of (features, probabilities, counts of joints).
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax import metrics
from pnr_jax.data.pipeline import Batch
from pnr_jax.evaluation import classifier
from pnr_jax.keypoints import body_mask
from pnr_jax.nn import inception, inception_weights
from pnr_jax.nn import lpips as lpips_lib
from pnr_jax.nn.convert import sha256

Scores = dict[str, np.ndarray]


class Scorer(NamedTuple):
    """A metric, or several that share their work.

    Attributes:
      key: names what it computes, weights included; scorers of one key give the same scores.
      score: (batch, generated uint8 [B, H, W, 3]) -> arrays [B, ...] by name; of the batch it takes
        `target_image` and `target_keypoints`.
    """

    key: str
    score: Callable[[Batch, np.ndarray], Scores]


def pixel_scorer() -> Scorer:
    """SSIM in its four forms and L1: all that needs no network."""

    def score(batch: Batch, generated: np.ndarray) -> Scores:
        target, masks = batch["target_image"], _masks(batch)
        return {
            "ssim": metrics.ssim(target, generated),
            "masked_ssim": metrics.masked_ssim(target, generated, masks),
            "ssim_inside_mask": metrics.ssim_inside_mask(target, generated, masks),
            "l1": metrics.l1(target, generated),
            "ssim_255": metrics.ssim(target, generated, data_range=255),
        }

    return Scorer("pixels", score)


def inception_scorers(path: str | Path) -> tuple[Scorer, Scorer]:
    """Inception-v3 of 2015: features and probabilities, and probabilities under the body's mask."""
    variables, digest = inception_weights.load(path), sha256(path)

    def score(batch: Batch, generated: np.ndarray) -> Scores:
        del batch
        features, probabilities = inception.features_and_probabilities(variables, generated)
        return {"features": features, "probabilities": probabilities}

    def score_masked(batch: Batch, generated: np.ndarray) -> Scores:
        masked = generated * _masks(batch)[..., None]
        _, probabilities = inception.features_and_probabilities(variables, masked)
        return {"masked_probabilities": probabilities}

    return Scorer(f"inception {digest}", score), Scorer(f"masked {digest}", score_masked)


def lpips_scorer(network: lpips_lib.Network, trunk: str | Path, linear: str | Path) -> Scorer:
    """LPIPS on AlexNet ("alex") or VGG16 ("vgg")."""
    variables = lpips_lib.load(trunk, linear, network)

    def score(batch: Batch, generated: np.ndarray) -> Scores:
        distances = lpips_lib.lpips(variables, batch["target_image"], generated, network)
        return {f"lpips_{network}": distances}

    return Scorer(f"lpips {network} {sha256(trunk)} {sha256(linear)}", score)


def proxy_scorer(path: str | Path) -> Scorer:
    """Probabilities of a TFLite classifier, for the proxy IS."""
    classify = classifier.load(path)

    def score(batch: Batch, generated: np.ndarray) -> Scores:
        del batch
        return {"proxy_probabilities": classify(generated)}

    return Scorer(f"proxy {sha256(path)}", score)


def pose_scorer(estimate: Callable[[np.ndarray], np.ndarray], key: str) -> Scorer:
    """PCKh's counts: joints that a pose estimator finds again in the generated images.

    Args:
      estimate: uint8 [N, H, W, 3] -> int [N, 18, 2], (y, x) in pixels, -1 = missing.
      key: names the estimator.
    """

    def score(batch: Batch, generated: np.ndarray) -> Scores:
        right, visible = metrics.pckh_counts(estimate(generated), batch["target_keypoints"])
        return {"right_joints": right, "visible_joints": visible}

    return Scorer(f"pckh {key}", score)


def _masks(batch: Batch) -> np.ndarray:
    return body_mask(batch["target_keypoints"], batch["target_image"].shape[1:3])
