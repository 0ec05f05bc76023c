"""New views of a data set's people for re-identification, named and filed as Market-1501 is.

A view shows an identity in the pose of somebody else. It is a function of (seed, identity, its
number), so a larger count only adds views; views that are on the disk are not drawn again.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from pnr_jax.data.images import Images
from pnr_jax.data.market1501_files import list_folder
from pnr_jax.data.pairs import usable_names
from pnr_jax.data.pipeline import gather
from pnr_jax.errors import UserError
from pnr_jax.files import read_lines, replacing, write_text
from pnr_jax.transfer import PoseTransfer

FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
BATCH = 32  # Views that a device draws at a time.
QUALITY = 95  # Of the JPEG files.
_BOX = 99  # Stands where Market-1501 numbers a frame's boxes; no image of it has that number.
_HEADER = ["file", "identity", "sources", "pose", "weights"]


class PlannedView(NamedTuple):
    """A view to draw.

    Attributes:
      file: its name, Market-1501's IDENTITY_cCAMERAsSEQUENCE_FRAME_BOX.jpg.
      identity: the data set's name of it.
      sources: indices of the images that show the identity.
      pose: index of the image of somebody else whose pose it takes.
    """

    file: str
    identity: str
    sources: tuple[int, ...]
    pose: int


def plan_views(images: Images, views: int, sources: int, seed: int) -> list[PlannedView]:
    """Plans `views` random views of each identity with a usable image (`data.pairs`).

    Sources are drawn from the identity's usable images without replacement, the pose from all
    usable images of the others. Camera and sequence in the name are those of the first source,
    whose surroundings the view inherits; 1 where its name states none. Identities are numbered
    from 1, in order, unless all have numbers of their own, from 1: Market-1501's 0000 is nobody.

    Args:
      images: the data set.
      views: how many views each identity gets.
      sources: M, the sources of a view; an identity with fewer usable images gives all of them.
      seed: seed of the draw.

    Raises:
      UserError: there are fewer than two such identities, or an image has a view's name.
    """
    usable = set(usable_names(images.annotations, images.identity_of))
    names = np.array([i for i, name in enumerate(images.names) if name in usable], int)
    owner = np.array([images.identity_of(images.names[i]) for i in names])
    identities = sorted(set(owner.tolist()))
    if len(identities) < 2:
        raise UserError(
            f"{len(identities)} identities have a usable image (both shoulders and hips visible): "
            "poses come from others, so at least 2 are needed"
        )
    planned: list[PlannedView] = []
    for identity, number in zip(identities, _numbers(identities), strict=True):
        own, others = names[owner == identity], names[owner != identity]
        for view in range(views):
            rng = np.random.default_rng((seed, number, view))
            shown = rng.choice(own, min(sources, len(own)), replace=False).tolist()
            pose = int(rng.choice(others))
            camera, sequence = images.camera_of(images.names[shown[0]])
            file = f"{number:04d}_c{camera}s{sequence}_{view:06d}_{_BOX}.jpg"
            planned.append(PlannedView(file, identity, tuple(shown), pose))
    taken = {view.file for view in planned} & set(images.names)
    if taken:
        raise UserError(f"{min(taken)}: the data set has an image of the name of a new view")
    return planned


def write_manifest(
    path: Path, views: Sequence[PlannedView], names: Sequence[str], weights: str
) -> None:
    """Writes where views come from: a CSV of file, identity, sources (joined by ;), pose, weights.

    Args:
      path: the CSV. One that exists must be the beginning of the same work.
      views: all views of the plan, drawn or not.
      names: names of the data set's images.
      weights: the digest of the weights that draw.

    Raises:
      UserError: the existing CSV has a row of another plan or of other weights.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    for view in views:
        sources = ";".join(names[i] for i in view.sources)
        writer.writerow([view.file, view.identity, sources, names[view.pose], weights])
    if path.exists():
        planned = set(text.getvalue().split("\n"))
        for number, line in enumerate(read_lines(path, "manifest"), start=1):
            if line not in planned:
                raise UserError(
                    f"{path}:{number}: not of this plan or not by these weights; give the settings "
                    "and the model that began it (`views` may grow), or choose another `output`"
                )
    write_text(path, text.getvalue())


def absent_views(views: Sequence[PlannedView], folder: Path) -> list[PlannedView]:
    """Returns the views that have no file in `folder` yet."""
    present = {path.name for path in folder.glob("*.jpg")}
    return [view for view in views if view.file not in present]


def draw_views(
    transfer: PoseTransfer, images: Images, views: Sequence[PlannedView], folder: Path
) -> Iterator[int]:
    """Draws views to JPEG files; each is whole or absent, so the work can be stopped at any time.

    Args:
      transfer: what draws, on all devices.
      images: the data set, at the size of `transfer`.
      views: what `plan_views` returned.
      folder: where the files go.

    Yields:
      The number of new files, batch by batch.
    """
    M = max((len(view.sources) for view in views), default=1)
    size = BATCH * jax.local_device_count()
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(views), size):
            chosen = views[start : start + size]
            # The last batch is filled up: one program draws them all.
            padded = [*chosen, *[chosen[0]] * (size - len(chosen))]
            batch = gather(images, np.stack([_indices(view, M) for view in padded]))
            drawn = transfer.transfer(
                batch["source_images"],
                batch["source_keypoints"],
                batch["target_keypoints"],
                batch["source_valid"],
            )
            paths = [folder / view.file for view in chosen]
            yield len(list(pool.map(_save_jpeg, paths, drawn[: len(chosen)])))


def copy_originals(source: Path, output: Path) -> dict[str, int]:
    """Copies Market-1501's own images, byte for byte, from its zip or folder: {folder: count}.

    Raises:
      UserError: one of the three folders is not in `source`, or an image is damaged.
    """
    found = {folder: list_folder(source, folder) for folder in FOLDERS}
    for folder, files in found.items():
        for name, read in files.items():
            path = output / folder / name
            if not path.exists():
                with replacing(path) as temporary:
                    temporary.write_bytes(read())
    return {folder: len(files) for folder, files in found.items()}


def _numbers(identities: Sequence[str]) -> list[int]:
    """Returns their own numbers where each has one, and none the 0 of nobody; else 1, 2, ..."""
    numbers = [int(identity) if identity.isdecimal() else 0 for identity in identities]
    if 0 in numbers or len(set(numbers)) < len(numbers):
        return list(range(1, len(identities) + 1))
    return numbers


def _indices(view: PlannedView, M: int) -> np.ndarray:
    """Returns the sources, -1 where there are fewer, and the pose: int [M + 1]."""
    return np.array([*view.sources, *[-1] * (M - len(view.sources)), view.pose])


def _save_jpeg(path: Path, image: np.ndarray) -> None:
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="JPEG", quality=QUALITY)
