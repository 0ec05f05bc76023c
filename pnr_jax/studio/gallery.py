"""The drawn people, to pose before the user has a photo."""

from collections.abc import Sequence
from typing import Any

from pnr_jax.data.images import Images
from pnr_jax.data.pairs import usable_names
from pnr_jax.data.synthetic import draw_people
from pnr_jax.keypoints import resize_keypoints
from pnr_jax.studio.models import MAX_SOURCES
from pnr_jax.studio.photos import Photo, make_photo

_VIEWS = 12  # Drawn of each person, to find enough that show shoulders and hips.


class Gallery:
    """Drawn people with five views each.

    Attributes:
      photos: photos by key.
      people: what the page is sent, for each person the list of {photo, keypoints}.
    """

    def __init__(self, identities: range | Sequence[int], size: tuple[int, int], seed: int = 0):
        """Draws `identities` of the world `seed` for a model of images of `size` = (H, W)."""
        drawn = Images(*draw_people(identities, views=_VIEWS, seed=seed))
        usable = set(usable_names(drawn.annotations, drawn.identity_of))
        self.photos: dict[str, Photo] = {}
        self.people: list[list[dict[str, Any]]] = []
        for start in range(0, len(drawn.names), _VIEWS):
            views = [i for i in range(start, start + _VIEWS) if drawn.names[i] in usable]
            self.people.append([self._add(drawn, i, size) for i in views[:MAX_SOURCES]])

    def _add(self, drawn: Images, i: int, size: tuple[int, int]) -> dict[str, Any]:
        image = drawn.images[i]
        keypoints = resize_keypoints(drawn.keypoints[i], image.shape[:2], size)
        key = drawn.names[i].removesuffix(".png")
        self.photos[key] = make_photo(image, size, keypoints)
        return {"photo": key, "keypoints": keypoints.tolist()}
