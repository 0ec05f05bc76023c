"""The lines under a table: what a reader must know to compare its numbers."""

from collections.abc import Mapping, Sequence

from pnr_jax.evaluation.summary import Row
from pnr_jax.evaluation.tables import NOTHING

_FLAGS = {
    "inception_score": "IS and FID by --inception",
    "lpips": "LPIPS by --lpips_alex",
    "proxy_inception_score": "proxy IS by --classifier",
    "pckh": "PCKh by --pose_model",
}


def notes(
    rows: Sequence[Row],
    *,
    limit: int | None,
    whole: Mapping[str, int],
    jpeg: bool,
    problems: Sequence[str],
) -> list[str]:
    """The lines that hold for these rows.

    Args:
      rows: of all tables.
      limit: how many of the first tuples of a set were scored; None: all.
      whole: how many each set has, by its name.
      jpeg: whether images made a JPEG round trip.
      problems: a line a folder.
    """
    ours = [row for row in rows if not row.get("published")]
    published = len(ours) < len(rows)
    lines = [f"Left out: {problem}." for problem in problems]
    if any(row.get("model") == "model_best" for row in ours):
        lines.append("Runs by model_best, of the lowest training L1; the latest is `model`.")
    for name in dict.fromkeys(row["set"] for row in ours):
        if limit is not None and limit < whole[name]:
            what = "listed pairs" if name == "listed" else name
            lines.append(
                f"The first {limit:,} of {whole[name]:,} {what} only: not the published protocol."
            )
    if any(row["set"] == "images" for row in ours):
        lines.append(
            "Reconstruction alone: nobody has a second image, so that no other pose can be scored, "
            "and copying the source is perfect."
        )
    if published:
        lines.append('"published": as the paper prints it, not run here.')
        if not any("inception_score" in row for row in ours):
            lines.append(
                f"{NOTHING} under IS and masked IS: they need Inception-v3 of 2015, "
                "--inception=FILE; docs/evaluation.md says where it is."
            )
    if jpeg:
        lines.append("Scored after a JPEG round trip of generated images and targets.")
    if any("proxy_inception_score" in row for row in rows):
        lines.append(
            "proxy IS: by a classifier other than that of published scores; "
            "it compares with nothing published."
        )
    if any("fid" in row for row in rows):
        lines.append(
            "FID: against all training images, as arrays, brought to 299×299 by TensorFlow's "
            "bilinear; GFLA and PIDM resize otherwise."
        )
    if any("ssim_gfla" in row for row in rows):
        lines.append(
            "SSIM of PATN, GFLA and PIDM: by their formulas, on images as they are drawn here; "
            "each compares with its own family's alone."
        )
    if any("fid_pidm" in row or "lpips_alex_pidm" in row for row in rows):
        lines.append(
            "PIDM's resizes: to 256×256 by PIL's bicubic, back to 256×176 by OpenCV's bilinear; "
            "rounded to grey levels."
        )
    if any("pckh" in row for row in rows):
        lines.append("PCKh: by this estimator; published scores took another.")
    absent = [
        flag
        for score, flag in _FLAGS.items()
        if not any(key.startswith(score) for row in ours for key in row)
    ]
    if absent:
        lines.append(f"More columns: {', '.join(absent)} (docs/evaluation.md).")
    return lines
