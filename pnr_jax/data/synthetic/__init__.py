"""The embedded people: a data set that is drawn, not downloaded.

An identity is a body, skin, hair and clothes; a view is a pose before a street camera. Joints are
exact, and those out of the picture or hidden are missing, as a pose estimator would leave them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pnr_jax.data.synthetic.body import Body, draw_body, draw_pose
from pnr_jax.data.synthetic.camera import draw_background, draw_view, photograph
from pnr_jax.data.synthetic.canvas import Canvas
from pnr_jax.data.synthetic.clothes import Outfit, draw_outfit
from pnr_jax.data.synthetic.figure import Camera, draw_figure
from pnr_jax.errors import UserError

HEIGHT, WIDTH = 128, 64
_FINE = 2  # canvas pixels a picture's pixel, each way
_IDENTITY, _VIEW = 1, 2  # first words of the random keys, so that the two never meet


class People(NamedTuple):
    """Pictures of people with their joints.

    Attributes:
      images: uint8 [N, 128, 64, 3].
      keypoints: int32 [N, 18, 2], (y, x) pixels, both -1 for a missing joint.
      names: N file names, ``IDENTITY_vVIEW.png``.
    """

    images: np.ndarray
    keypoints: np.ndarray
    names: list[str]


def draw_people(identities: range | Sequence[int], views: int, seed: int = 0) -> People:
    """Draw every identity ``views`` times.

    A person depends only on (seed, identity) and a view only on (seed, identity, view): any subset,
    in any order, has the same pixels, so disjoint ranges are disjoint people.

    Args:
      identities: numbers of the people, from 1.
      views: pictures of each.
      seed: of the whole world, 0 or more.

    Returns:
      The people, N = len(identities) * views, the views of an identity side by side.

    Raises:
      UserError: an identity is below 1, or views below 1, or the seed below 0.
    """
    if views < 1 or seed < 0 or any(identity < 1 for identity in identities):
        raise UserError(
            f"draw_people: identities and views count from 1, seed from 0; got identities from "
            f"{min(identities, default=1)}, views {views}, seed {seed}"
        )
    count = len(identities) * views
    people = People(
        np.empty((count, HEIGHT, WIDTH, 3), np.uint8), np.empty((count, 18, 2), np.int32), []
    )
    for identity in identities:
        rng = np.random.default_rng((_IDENTITY, seed, identity))
        body, outfit = draw_body(rng), draw_outfit(rng)
        for view in range(views):
            i = len(people.names)
            key = np.random.default_rng((_VIEW, seed, identity, view))
            people.images[i], people.keypoints[i], _ = _draw(key, body, outfit)
            people.names.append(f"{identity:04d}_v{view:03d}.png")
    return people


def _coarse(canvas: np.ndarray) -> np.ndarray:
    """The mean of each block of canvas pixels (a strided sum: faster than a mean over axes)."""
    blocks = [canvas[i::_FINE, j::_FINE] for i in range(_FINE) for j in range(_FINE)]
    return sum(blocks[1:], blocks[0]) / np.float32(_FINE**2)


def _draw(
    rng: np.random.Generator, body: Body, outfit: Outfit
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one view: image, keypoints, and float32 [128, 64, 1], how much is figure."""
    view = draw_view(rng, HEIGHT, WIDTH)
    pose = draw_pose(rng)
    canvas = Canvas(_FINE * HEIGHT, _FINE * WIDTH, outfit.atlas)
    camera = Camera(view.yaw, view.pitch, _FINE * view.scale, _FINE * view.x, _FINE * view.y)
    joints = draw_figure(canvas, body, pose, outfit, camera)
    figure, inside = canvas.shade(view.light, crease=0.03 * camera.scale)
    alpha = _coarse(inside.astype(np.float32)[..., None])
    background = draw_background(rng, view, (view.y, view.x), HEIGHT, WIDTH)
    image = photograph(rng, _coarse(figure) + (1.0 - alpha) * background, view)
    places = np.floor(joints[:, :2] / _FINE).astype(np.int32)
    keypoints = np.where(joints[:, 2:] > 0, places, -1).astype(np.int32)
    return image, keypoints, alpha
