"""Draws a person in new poses.

    python launch/generate.py --workdir=runs/quickstart --source=A.png,B.png \
        --annotations=annotations.csv --target=C.png --output=out.png

With --lower=B.png the person is dressed as another one below the hips. One target: --output is the
image. Several: --output is a contact sheet (or a folder for it), and the images lie in the folder
of its name.
"""

from pathlib import Path

import numpy as np
from absl import flags

from pnr_jax import cli, figures, mixing
from pnr_jax.data.photos import read_photos, read_poses
from pnr_jax.errors import UserError
from pnr_jax.keypoints import draw_skeleton
from pnr_jax.paths import to_path
from pnr_jax.transfer import PoseTransfer, repeated

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, 'people', hf://OWNER/REPO.")
SOURCE = flags.DEFINE_list("source", None, "Images of one person.")
ANNOTATIONS = flags.DEFINE_string(
    "annotations", None, "Keypoints of all named images: a CSV, OpenPose's JSON, or a folder of it."
)
LOWER = flags.DEFINE_list("lower", None, "Images of another person, drawn below the hips.")
TARGET = flags.DEFINE_list("target", None, "Images whose poses are wanted; only the CSV's row is.")
OUTPUT = flags.DEFINE_string("output", None, "Image to write, or a folder.")
flags.mark_flags_as_required(["workdir", "source", "annotations", "target", "output"])


def main() -> None:
    """Draws the images."""
    names = [Path(path).stem for path in TARGET.value]
    if len(set(names)) < len(names):
        raise UserError("--target: two of the images have one name, and so would what is drawn")
    if Path(OUTPUT.value).suffix:
        figures.check_suffix(OUTPUT.value)
    transfer = PoseTransfer.load(WORKDIR.value)
    annotations = cli.read_keypoints(ANNOTATIONS.value)
    size = transfer.image_size
    images, keypoints, sizes = read_photos(SOURCE.value, annotations, size, ANNOTATIONS.value)
    cli.print_resized(SOURCE.value, sizes, size)
    poses = read_poses(TARGET.value, annotations, sizes[0], size, ANNOTATIONS.value)
    if LOWER.value:
        lower, lower_keypoints, lower_sizes = read_photos(
            LOWER.value, annotations, size, ANNOTATIONS.value
        )
        cli.print_resized(LOWER.value, lower_sizes, size)
        code = mixing.dress(transfer, images, keypoints, lower, lower_keypoints)
    else:
        code = transfer.encode(images[None], keypoints[None])
    generated = transfer.render(repeated(code, len(poses)), poses)
    _write(to_path(OUTPUT.value), images[0], poses, generated)


def _write(output: Path, source: np.ndarray, poses: np.ndarray, generated: np.ndarray) -> None:
    if len(generated) == 1 and output.suffix:
        figures.save_image(output, generated[0])
        print(output)
        return
    folder = output.with_suffix("")
    for path, image in zip(TARGET.value, generated, strict=True):
        figures.save_png(folder / f"{Path(SOURCE.value[0]).stem}___{Path(path).stem}.png", image)
    columns = [
        ("source", np.repeat(source[None], len(poses), axis=0)),
        ("target pose", draw_skeleton(source.shape[:2], poses)),
        ("generated", generated),
    ]
    sheet = output if output.suffix else folder / "sheet.png"
    figures.save_image(sheet, figures.sheet(columns, blocks=min(3, len(poses))))
    print(f"{sheet}\n{folder}/: {len(generated)} images")


if __name__ == "__main__":
    cli.run(main)
