"""Animates a person: one regression, any number of frames.

    python launch/animate.py --workdir=runs/quickstart --source=A.png,B.png \
        --annotations=annotations.csv --target=C.png,D.png,E.png --loop --output=walk.gif,walk.png

The poses are those of --target, in order, with frames in between; or the rows of --poses=CSV, one
a frame. With --into=X.png,Y.png the person turns into another one on the way, or in one pose. The
suffix of an --output says what it is: .gif, .mp4, or .png for a contact strip.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from absl import flags

from pnr_jax import animation, cli, mixing
from pnr_jax.data.images import check_keypoints
from pnr_jax.data.photos import Size, read_photos, read_poses
from pnr_jax.errors import UserError
from pnr_jax.keypoints import resize_keypoints
from pnr_jax.transfer import PoseTransfer, repeated

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, 'people', hf://OWNER/REPO.")
SOURCE = flags.DEFINE_list("source", None, "Images of one person.")
ANNOTATIONS = flags.DEFINE_string(
    "annotations", None, "Keypoints of all named images: a CSV, OpenPose's JSON, or a folder of it."
)
INTO = flags.DEFINE_list("into", None, "Images of another person, whom the first one turns into.")
TARGET = flags.DEFINE_list("target", None, "Images whose poses the animation goes through.")
POSES = flags.DEFINE_string(
    "poses",
    None,
    "Poses in order, in pixels of the first --source, instead of --target: CSV, such as of "
    "estimate_poses.py --video, or a folder of JSON.",
)
FRAMES = flags.DEFINE_integer(
    "frames",
    None,
    "Frames from one pose to the next; 8 with --target, 1 with --poses if not given.",
    lower_bound=1,
)
LOOP = flags.DEFINE_boolean("loop", False, "Go on from the last pose to the first.")
FPS = flags.DEFINE_float("fps", 10.0, "Frames a second.", lower_bound=1, upper_bound=50)
OUTPUT = flags.DEFINE_list("output", None, "Files to write: .gif, .mp4, .png (contact strip).")
flags.mark_flags_as_required(["workdir", "source", "annotations", "output"])
flags.mark_flags_as_mutual_exclusive(["target", "poses"], required=True)

BATCH = 16


def main() -> None:
    """Animates the person."""
    for path in OUTPUT.value:
        animation.check_output(path)
    transfer = PoseTransfer.load(WORKDIR.value)
    size = transfer.image_size
    annotations = cli.read_keypoints(ANNOTATIONS.value)
    sources, keypoints, sizes = read_photos(SOURCE.value, annotations, size, ANNOTATIONS.value)
    cli.print_resized(SOURCE.value, sizes, size)
    if TARGET.value:
        keys = read_poses(TARGET.value, annotations, sizes[0], size, ANNOTATIONS.value)
    else:
        keys = _rows(POSES.value, sizes[0], size)
    frames = FRAMES.value or (8 if TARGET.value else 1)
    poses = animation.interpolate(keys, frames, size, LOOP.value)
    code = transfer.encode(sources[None], keypoints[None])
    if INTO.value:
        if len(keys) == 1:  # Then it is the person alone who changes.
            poses = np.repeat(poses[:1], 2 * frames if LOOP.value else frames + 1, axis=0)
        code = _turning(transfer, code, annotations, len(poses))
    images = _render(transfer, code, poses)
    for path in OUTPUT.value:
        animation.write_animation(path, images, poses, FPS.value)
        print(f"{path}: {len(images)} frames from {len(keys)} poses and {len(sources)} source(s)")


def _rows(csv: str, original: Size, size: Size) -> np.ndarray:
    """Returns the poses [K, 18, 2] of a CSV, without empty ones at its start and end."""
    rows = cli.read_keypoints(csv)
    for name, pose in rows.items():
        check_keypoints(pose, original, f"{csv}: {name}")
    poses = np.stack([*rows.values(), np.full((18, 2), -1)])
    (seen,) = np.nonzero((poses != -1).any(axis=(1, 2)))
    if not seen.size:
        raise UserError(f"{csv}: has no visible joint in any row, so no pose")
    return resize_keypoints(poses[seen[0] : seen[-1] + 1], original, size)


def _turning(
    transfer: PoseTransfer, code: Any, annotations: Mapping[str, np.ndarray], count: int
) -> Any:
    """Returns F of one person, then ever more of --into's, and with --loop back: [count, d, D]."""
    if not transfer.system.mixes:
        raise UserError(f"--into: {transfer.system.title} has no F of a person to be mixed")
    size = transfer.image_size
    images, keypoints, sizes = read_photos(INTO.value, annotations, size, ANNOTATIONS.value)
    cli.print_resized(INTO.value, sizes, size)
    other = transfer.encode(images[None], keypoints[None])
    times = np.arange(count) / max(count if LOOP.value else count - 1, 1)
    share = 1 - np.abs(2 * times - 1) if LOOP.value else times
    return mixing.blend(np.concatenate([code, other]), np.stack([1 - share, share], axis=1))


def _render(transfer: PoseTransfer, code: Any, poses: np.ndarray) -> np.ndarray:
    """Returns images uint8 [T, H, W, 3] of one person or of T, in batches of one shape."""
    one = jax.tree.leaves(code)[0].shape[0] == 1
    kept = repeated(code, BATCH) if one else None
    images = []
    for start in range(0, len(poses), BATCH):
        # The last batch is filled up with its last frame.
        rows = np.minimum(np.arange(start, start + BATCH), len(poses) - 1)
        codes = kept if one else jax.tree.map(lambda x, rows=rows: x[rows], code)
        images.append(transfer.render(codes, poses[rows]))
    return np.concatenate(images)[: len(poses)]


if __name__ == "__main__":
    cli.run(main)
