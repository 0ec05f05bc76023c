"""Draws a person in new poses.

    python launch/generate.py --workdir=runs/quickstart --source=A.png,B.png \
        --annotations=annotations.csv --target=C.png --output=out.png

One target: --output is the image. Several: --output is a contact sheet (or a folder for it), and
the images lie in the folder of its name.
"""

from pathlib import Path

import numpy as np
from absl import flags

from pnr_jax import cli, figures
from pnr_jax.data import images as images_lib
from pnr_jax.data.annotations import read_annotations
from pnr_jax.errors import UserError
from pnr_jax.keypoints import draw_skeleton, resize_keypoints
from pnr_jax.transfer import PoseTransfer

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
SOURCE = flags.DEFINE_list("source", None, "Images of one person.")
ANNOTATIONS = flags.DEFINE_string("annotations", None, "Keypoints of all named images (CSV).")
TARGET = flags.DEFINE_list("target", None, "Images whose poses are wanted; only the CSV's row is.")
OUTPUT = flags.DEFINE_string("output", None, "Image to write, or a folder.")
flags.mark_flags_as_required(["workdir", "source", "annotations", "target", "output"])


def main() -> None:
    """Generates."""
    transfer = PoseTransfer.load(WORKDIR.value)
    annotations = read_annotations(ANNOTATIONS.value)
    size = transfer.image_size
    loaded = [_load(Path(path), annotations, size) for path in SOURCE.value]
    source_images, source_keypoints = (np.stack(arrays) for arrays in zip(*loaded, strict=True))
    original = images_lib.read_image(SOURCE.value[0]).shape[:2]
    poses = np.stack([_pose(Path(path), annotations, original, size) for path in TARGET.value])
    F = transfer.encode(source_images[None], source_keypoints[None])
    generated = transfer.render(np.repeat(F, len(poses), axis=0), poses)
    _write(Path(OUTPUT.value), source_images[0], poses, generated)


def _load(
    path: Path, annotations: dict[str, np.ndarray], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """An image and its keypoints at the model's size."""
    image = images_lib.read_image(path)
    keypoints = _keypoints(path, annotations, image.shape[:2])
    if image.shape[:2] != size:
        print(f"{path}: resized from {_size(image.shape[:2])} to {_size(size)} with its keypoints")
    return images_lib.resize_image(image, size), resize_keypoints(keypoints, image.shape[:2], size)


def _pose(
    path: Path, annotations: dict[str, np.ndarray], default: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """A target's keypoints; an image that is not there has the first source's size."""
    original = images_lib.read_image(path).shape[:2] if path.is_file() else default
    return resize_keypoints(_keypoints(path, annotations, original), original, size)


def _keypoints(path: Path, annotations: dict[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
    if path.name not in annotations:
        raise UserError(f"{ANNOTATIONS.value}: has no row for {path.name}; add its 18 keypoints")
    keypoints = annotations[path.name]
    images_lib.check_keypoints(keypoints, size, f"{ANNOTATIONS.value}: {path.name}")
    if (keypoints == -1).all():
        raise UserError(f"{ANNOTATIONS.value}: {path.name} has no visible joint, so no pose")
    return keypoints


def _write(output: Path, source: np.ndarray, poses: np.ndarray, generated: np.ndarray) -> None:
    if len(generated) == 1 and output.suffix:
        figures.save_png(output, generated[0])
        print(output)
        return
    folder = output.with_suffix("")
    for path, image in zip(TARGET.value, generated, strict=True):
        figures.save_png(folder / f"{Path(SOURCE.value[0]).stem}___{Path(path).stem}.png", image)
    skeletons = np.stack([draw_skeleton(source.shape[:2], pose) for pose in poses])
    columns = [
        ("source", np.repeat(source[None], len(poses), axis=0)),
        ("target pose", skeletons),
        ("generated", generated),
    ]
    sheet = output if output.suffix else folder / "sheet.png"
    figures.save_png(sheet, figures.sheet(columns, blocks=min(3, len(poses))))
    print(f"{sheet}\n{folder}/: {len(generated)} images")


def _size(size: tuple[int, ...]) -> str:
    return f"{size[0]}x{size[1]} (height x width)"


if __name__ == "__main__":
    cli.run(main)
