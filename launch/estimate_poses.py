"""Finds the keypoints of people in images: the annotations that every other program reads.

    python launch/estimate_poses.py --images=FOLDER --model=openpose.pb --output=annotations.csv

FOLDER may have sub-folders; names in the CSV are relative to it. Beside the CSV lies a sheet of
poses over images to look at (annotations.png). Run again, it keeps the rows that the CSV has. An
image in which nobody is found gets a row of missing joints, as the field has it; of several people
the largest is taken. docs/own_photos.md says where models come from.
"""

from pathlib import Path

import numpy as np
from absl import flags

from pnr_jax import cli, figures, pose_estimation
from pnr_jax.data.annotations import check_names, write_annotations
from pnr_jax.data.folder import list_images
from pnr_jax.data.images import read_image
from pnr_jax.errors import UserError
from pnr_jax.pose_estimation import annotate
from pnr_jax.walk import list_files

IMAGES = flags.DEFINE_string("images", None, "A folder of images, or one image.")
MODEL = flags.DEFINE_string("model", None, "OpenPose's frozen graph (.pb) or MediaPipe's .task.")
OUTPUT = flags.DEFINE_string("output", None, "The CSV to write, or to go on with.")
MAX_DAMAGED = flags.DEFINE_integer("max_damaged", 0, "Leave out up to N unreadable images.")
flags.mark_flags_as_required(["images", "model", "output"])

SHOWN = 24  # Images of the sheet, spread over the folder.


def main() -> None:
    """Estimates."""
    path, output = Path(IMAGES.value), Path(OUTPUT.value)
    if output.suffix.lower() != ".csv":
        raise UserError(f"--output={output}: the suffix must be .csv; the sheet beside it is .png")
    files = {path.name: path} if path.is_file() else list_images(path)
    if path.is_dir():
        cli.tell_passed_over(list_files(path).passed_over)
    check_names(files, path.parent)
    annotations = cli.read_keypoints(str(output)) if output.exists() else {}
    kept = sum(name in annotations for name in files)
    if kept:
        print(f"{output}: keeps the rows of {kept:,} image(s)")
    if kept < len(files):
        estimator = pose_estimation.load(MODEL.value)

        def save() -> None:
            if annotations:
                write_annotations(output, annotations)

        noted = annotate.annotate(files, estimator, annotations, save, MAX_DAMAGED.value)
        cli.tell("image(s) left out, unreadable", noted.damaged)
        cli.tell("image(s) without a person", noted.nobody)
        cli.tell("image(s) with several people, the largest taken", noted.several)
    found = {name: annotations[name] for name in files if name in annotations}
    joints = np.array([(keypoints != -1).all(axis=-1).sum() for keypoints in found.values()])
    if not joints.any():
        raise UserError(f"{path}: no person found; --images shows no one, or no one large enough")
    print(f"{output}: {len(found):,} images, {joints.mean():.1f} of 18 joints on average")
    sheet = output.with_suffix(".png")
    figures.save_png(sheet, _sheet(files, found))
    print(sheet)


def _sheet(files: dict[str, Path], found: dict[str, np.ndarray]) -> np.ndarray:
    chosen = np.linspace(0, len(found) - 1, min(SHOWN, len(found))).round().astype(int)
    names = [list(found)[i] for i in chosen]
    drawn = [annotate.overlay(read_image(files[name]), found[name]) for name in names]
    blocks = min(6, len(drawn))
    return figures.sheet([("", np.stack(drawn))], blocks=blocks)


if __name__ == "__main__":
    cli.run(main)
