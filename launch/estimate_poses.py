"""Finds the keypoints of people in images: the annotations that every other program reads.

    python launch/estimate_poses.py --images=FOLDER --model=openpose.pb --output=annotations.csv

FOLDER may have sub-folders; names in the CSV are relative to it. Beside the CSV lies a sheet of
poses over images to look at (annotations.png). Run again, it keeps the rows that the CSV has. An
image in which nobody is found gets a row of missing joints, as the field has it; of several people
the largest is taken. docs/own_photos.md says where models come from.

    python launch/estimate_poses.py --video=walk.mp4 --model=openpose.pb --output=walk.csv

writes the poses of a video's largest person, --fps of them a second, smoothed and in pixels of a
frame that follows the person, for launch/animate.py --poses=walk.csv; walk.png shows twelve.
"""

from pathlib import Path

import numpy as np
from absl import flags

from pnr_jax import animation, cli, figures, pose_estimation
from pnr_jax.data.annotations import check_names, write_annotations
from pnr_jax.data.folder import list_images
from pnr_jax.data.images import read_image
from pnr_jax.errors import UserError
from pnr_jax.paths import absolute, is_remote, to_path
from pnr_jax.pose_estimation import annotate, video
from pnr_jax.walk import list_files

IMAGES = flags.DEFINE_string("images", None, "A folder of images, or one image.")
MODEL = flags.DEFINE_string("model", None, "OpenPose's .pb, RTMPose's .onnx or MediaPipe's .task.")
VIDEO = flags.DEFINE_string("video", None, "A video, instead of --images.")
FPS = flags.DEFINE_float("fps", 10.0, "Of --video: poses a second.", lower_bound=1, upper_bound=120)
SIZE = flags.DEFINE_list(
    "size", ["128", "64"], "Of --video: height and width that the poses are for, animate.py's first"
    " --source's.",
)  # fmt: skip
SMOOTHING = flags.DEFINE_float(
    "smoothing", 1.0, "Of --video: frames, σ of the Gaussian; 0 for none.", 0, 100
)
OUTPUT = flags.DEFINE_string("output", None, "The CSV to write, or to go on with.")
MAX_DAMAGED = flags.DEFINE_integer("max_damaged", 0, "Leave out up to N unreadable images.")
flags.mark_flags_as_required(["model", "output"])
flags.mark_flags_as_mutual_exclusive(["images", "video"], required=True)

SHEET_IMAGES = 24  # Images of the sheet, spread over the folder.


def main() -> None:
    """Estimates the poses."""
    output = to_path(OUTPUT.value)
    if output.suffix.lower() != ".csv":
        raise UserError(f"--output={output}: the suffix must be .csv; the sheet beside it is .png")
    if VIDEO.value:
        _estimate_video(Path(VIDEO.value), output)
    else:
        _estimate_images(Path(IMAGES.value), output)


def _estimate_images(path: Path, output: Path) -> None:
    if path.is_dir() and not is_remote(output) and absolute(output).is_relative_to(absolute(path)):
        raise UserError(
            f"--output={output}: lies inside --images={path}, where the sheet beside it would be "
            "one of the images; choose a folder outside"
        )
    files = {path.name: path} if path.is_file() else list_images(path)
    if path.is_dir():
        cli.print_passed_over(list_files(path).passed_over)
    check_names(files, path.parent)
    annotations = cli.read_keypoints(str(output)) if output.exists() else {}
    kept = sum(name in annotations for name in files)
    if kept:
        print(f"{output}: keeps the rows of {kept:,} image(s)")
    if kept < len(files):
        estimator = pose_estimation.load_estimator(MODEL.value)

        def save() -> None:
            if annotations:
                write_annotations(output, annotations)

        remarks = annotate.annotate(files, estimator, annotations, save, MAX_DAMAGED.value)
        cli.print_names("image(s) left out, unreadable", remarks.damaged)
        cli.print_names("image(s) without a person", remarks.nobody)
        cli.print_names("image(s) with several people, the largest taken", remarks.several)
    found = {name: annotations[name] for name in files if name in annotations}
    joints = np.array([(keypoints != -1).all(axis=-1).sum() for keypoints in found.values()])
    if not joints.any():
        raise UserError(f"{path}: no person found; --images shows no one, or no one large enough")
    print(f"{output}: {len(found):,} images, {joints.mean():.1f} of 18 joints on average")
    sheet = output.with_suffix(".png")
    figures.save_png(sheet, _sheet(files, found))
    print(sheet)


def _estimate_video(path: Path, output: Path) -> None:
    if output.exists():
        raise UserError(f"--output={output}: is there already; remove it or name another file")
    size = _size()
    estimator = pose_estimation.load_estimator(MODEL.value)
    found = video.estimate(path, estimator, size, FPS.value, SMOOTHING.value)
    # Numbers of one length, so that their order is that of the names too.
    rows = {f"{number:06d}": pose for number, pose in enumerate(found.poses, start=1)}
    write_annotations(output, rows)
    cli.print_names("frame(s) without a person", [str(number) for number in found.nobody])
    cli.print_names(
        "frame(s) with several people, the largest taken", [str(number) for number in found.several]
    )
    print(f"{output}: {len(rows):,} poses in pixels of {size[0]}x{size[1]} (height x width)")
    sheet = output.with_suffix(".png")
    figures.save_png(sheet, animation.contact_strip(*video.strip(path, found, size, FPS.value)))
    print(sheet)


def _size() -> tuple[int, int]:
    try:
        height, width = map(int, SIZE.value)
    except ValueError:
        height = width = 0
    if not (16 <= height <= 4096 and 16 <= width <= 4096):
        raise UserError(f"--size={','.join(SIZE.value)}: expected height,width from 16 to 4096")
    return height, width


def _sheet(files: dict[str, Path], found: dict[str, np.ndarray]) -> np.ndarray:
    chosen = np.linspace(0, len(found) - 1, min(SHEET_IMAGES, len(found))).round().astype(int)
    names = [list(found)[i] for i in chosen]
    drawn = [annotate.overlay(read_image(files[name]), found[name]) for name in names]
    blocks = min(6, len(drawn))
    return figures.sheet([("", np.stack(drawn))], blocks=blocks)


if __name__ == "__main__":
    cli.run(main)
