"""Times SSIM of image pairs against a loop over scikit-image.

    python benchmarks/metrics.py --pairs=2000

Both score the same pairs in turns, a few hundred at a time, so that a busy machine slows both. The
results are medians over the turns. The images are synthetic: smooth noise at 128×64.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from skimage.filters import gaussian
from skimage.metrics import structural_similarity

from pnr_jax.keypoints import body_mask
from pnr_jax.metrics import masked_ssim, ssim, ssim_inside_mask


def scikit_image(reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    return np.array(
        [
            structural_similarity(
                a,
                b,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                channel_axis=-1,
                data_range=int(b.max()) - int(b.min()),
            )
            for a, b in zip(reference, generated, strict=True)
        ]
    )


def scikit_image_masked(reference: np.ndarray, generated: np.ndarray, masks: np.ndarray):
    mask = masks[..., None]
    return scikit_image(reference * mask, generated * mask)


def made_images(rng: np.random.Generator, count: int) -> np.ndarray:
    noise = gaussian(rng.normal(size=(count, 128, 64, 3)), (0, 3, 3, 0))
    return np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)


def seconds(function: Callable[[], np.ndarray]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    pairs = parser.parse_args().pairs

    turn = 200
    rng = np.random.default_rng(0)
    reference, generated = made_images(rng, turn), made_images(rng, turn)
    keypoints = rng.integers(0, (128, 64), (turn, 18, 2))
    masks = body_mask(keypoints)
    rows: dict[str, tuple[Callable[[], np.ndarray], Callable[[], np.ndarray] | None]] = {
        "ssim": (lambda: ssim(reference, generated), lambda: scikit_image(reference, generated)),
        "masked_ssim": (
            lambda: masked_ssim(reference, generated, masks),
            lambda: scikit_image_masked(reference, generated, masks),
        ),
        "ssim_inside_mask": (lambda: ssim_inside_mask(reference, generated, masks), None),
        "body_mask": (lambda: body_mask(keypoints), None),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    for ours, _ in rows.values():
        ours()  # compiles
    for _ in range(max(1, pairs // turn)):
        for name, (ours, theirs) in rows.items():
            times[name].append((seconds(ours), seconds(theirs) if theirs else np.nan))

    print("| metric | ms a pair | 12,000 pairs | scikit-image, ms a pair | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, turns in times.items():
        ours_ms, theirs_ms = np.median(turns, axis=0) / turn * 1e3
        loop, ratio = f"{theirs_ms:.2f}", f"{theirs_ms / ours_ms:.1f}"
        if np.isnan(theirs_ms):
            loop = ratio = "-"
        print(f"| {name} | {ours_ms:.3f} | {ours_ms * 12:.1f} s | {loop} | {ratio} |")


if __name__ == "__main__":
    main()
