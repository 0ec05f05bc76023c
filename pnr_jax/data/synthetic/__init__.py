"""The drawn people: a data set that is drawn, not downloaded.

An identity is a body, skin, hair and clothes; a view is a pose before a street camera. Joints are
exact, and those out of the picture or hidden are missing, as a pose estimator would leave them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pnr_jax.data.synthetic.body import Body, draw_body, draw_pose
from pnr_jax.data.synthetic.camera import Camera, draw_background, draw_view, photograph
from pnr_jax.data.synthetic.canvas import Canvas
from pnr_jax.data.synthetic.clothes import Outfit, draw_outfit
from pnr_jax.data.synthetic.figure import draw_figure
from pnr_jax.data.synthetic.paint import Paint, paint_outfit
from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS

HEIGHT, WIDTH = 128, 64
_FINE = 2  # canvas pixels a picture's pixel, each way
_IDENTITY, _VIEW = 1, 2  # first words of the random keys, so that the two never meet


class DrawnPeople(NamedTuple):
    """Pictures of people with their joints.

    Attributes:
      images: uint8 [N, 128, 64, 3].
      keypoints: int32 [N, 18, 2], (y, x) pixels, both -1 for a missing joint.
      names: N file names, ``IDENTITY_vVIEW.png``.
    """

    images: np.ndarray
    keypoints: np.ndarray
    names: list[str]


class _Person(NamedTuple):
    body: Body
    outfit: Outfit
    paint: Paint


def draw_people(identities: range | Sequence[int], views: int, seed: int = 0) -> DrawnPeople:
    """Draws every identity ``views`` times.

    A person depends only on (seed, identity) and a view only on (seed, identity, view): any subset,
    in any order, has the same pixels, so disjoint ranges are disjoint people.

    Args:
      identities: numbers of the people, from 1.
      views: pictures of each.
      seed: seed of the whole world, 0 or more.

    Returns:
      The people, N = len(identities) * views, the views of an identity side by side.

    Raises:
      UserError: an identity is below 1, or views below 1, or the seed below 0.

    >>> people = draw_people(range(7, 9), views=2)
    >>> people.images.shape, people.keypoints.shape, people.names[2]
    ((4, 128, 64, 3), (4, 18, 2), '0008_v000.png')
    """
    lowest = min(identities, default=1)
    if lowest < 1 or views < 1 or seed < 0:
        raise UserError(
            f"draw_people: identities and views count from 1 and seeds from 0, got identity "
            f"{lowest}, views {views}, seed {seed}; raise the one that is too low"
        )
    count = len(identities) * views
    images = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    keypoints = np.empty((count, len(JOINTS), 2), np.int32)
    names = [f"{identity:04d}_v{view:03d}.png" for identity in identities for view in range(views)]
    for i, identity in enumerate(identities):
        person = _draw_person(np.random.default_rng((_IDENTITY, seed, identity)))
        for view in range(views):
            rng = np.random.default_rng((_VIEW, seed, identity, view))
            at = i * views + view
            images[at], keypoints[at], _ = _draw_view(rng, person)
    return DrawnPeople(images, keypoints, names)


def _draw_person(rng: np.random.Generator) -> _Person:
    body, outfit = draw_body(rng), draw_outfit(rng)
    return _Person(body, outfit, paint_outfit(rng, outfit))


def _draw_view(
    rng: np.random.Generator, person: _Person
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns image, keypoints, and float32 [128, 64, 1], the share of each pixel in the figure."""
    view, pose = draw_view(rng, HEIGHT, WIDTH), draw_pose(rng)
    canvas = Canvas(_FINE * HEIGHT, _FINE * WIDTH, person.paint.atlas)
    scale = _FINE * view.scale * person.body.height
    camera = Camera(view.yaw, view.pitch, scale, _FINE * view.x, _FINE * view.y)
    joints = draw_figure(canvas, person.body, pose, person.outfit, person.paint, camera)
    figure, inside = canvas.shade(view.light, crease=0.03 * scale)
    alpha = _coarse(inside.astype(np.float32)[..., None])
    background = draw_background(rng, view, HEIGHT, WIDTH)
    image = photograph(rng, _coarse(figure) + (1.0 - alpha) * background, view)
    return image, _estimate(rng, joints, view.yaw), alpha


def _coarse(canvas: np.ndarray) -> np.ndarray:
    """Averages each block of canvas pixels (strided sums: faster than a mean over axes)."""
    blocks = [canvas[i::_FINE, j::_FINE] for i in range(_FINE) for j in range(_FINE)]
    return sum(blocks[1:], blocks[0]) / np.float32(_FINE**2)


def _estimate(rng: np.random.Generator, joints: np.ndarray, yaw: float) -> np.ndarray:
    """Returns keypoints int32 [18, 2]; a profile now and then loses its far shoulder or hip."""
    seen = joints[:, 2] > 0
    if abs(math.sin(yaw)) > 0.9 and rng.random() < 0.18:
        far = "left" if math.sin(yaw) > 0 else "right"
        seen[JOINTS.index(f"{far}_{rng.choice(('shoulder', 'hip'))}")] = False
    places = np.floor(joints[:, :2] / _FINE)
    return np.where(seen[:, None], places, -1).astype(np.int32)
