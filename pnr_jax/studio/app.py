"""The studio's HTTP server: a page, photos in, pictures out.

    GET  /                    the page, and its files
    GET  /api/studio          models, drawn people, poses, motions and limits
    POST /api/photos          a file → {photo, keypoints, note}
    GET  /api/photos/{photo}  the crop that the page shows, WebP
    POST /api/people          {sources: [{photo, keypoints, hidden, painted}]} → {person}: F is kept
    POST /api/mixes           {people: [person, person], share} → {person}, share of the second one
    POST /api/pictures        {person, models, keypoints} → PNG, the models' side by side;
                              204 when a newer request for the person waits
    POST /api/animations      {person, models, poses, milliseconds} → GIF

A refusal is {"error": one sentence}. No path or name from a client reaches the disk: the page's
files are read when the server starts, and everything else is in memory.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.pose_estimation import Estimator
from pnr_jax.studio import payload, pictures, shelf
from pnr_jax.studio.gallery import Gallery
from pnr_jax.studio.guard import Guard, Limit
from pnr_jax.studio.models import MAX_SOURCES, REGION, StudioModel
from pnr_jax.studio.page import static_routes
from pnr_jax.studio.photos import Photo, open_photo
from pnr_jax.studio.refusals import Refusal, fail, refuse
from pnr_jax.studio.room import Kept, Queue

MAX_UPLOAD, MAX_JSON = 20_000_000, 500_000  # Bytes.
MAX_PHOTOS, MAX_PEOPLE, MAX_FRAMES = 40, 100, 120
PAINT = (255, 0, 255)  # Colour of painted regions, which nobody wears.
_JSON = ("application/json",)
LIMITS = {
    "/api/photos": Limit(("image/jpeg", "image/png", "image/webp"), rate=4, burst=20),
    "/api/people": Limit(_JSON, rate=30, burst=60),
    "/api/mixes": Limit(_JSON, rate=100, burst=200),
    "/api/pictures": Limit(_JSON, rate=200, burst=400),
    "/api/animations": Limit(_JSON, rate=0.5, burst=3),
}

Person = dict[str, Any]  # F of each model, or what a model without a regression keeps.


def create_app(
    models: Sequence[StudioModel],
    gallery: Gallery,
    estimator: Estimator | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    allowed: Collection[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """Creates the server.

    Args:
      models: the systems that draw, all of one image size and with different names.
      gallery: the drawn people.
      estimator: finds the joints in photos; None leaves them to the user.
      host: the address where it will listen.
      port: the port where it will listen.
      allowed: names of other hosts by which it may be reached, for instance through a proxy.
      clock: returns seconds, for the rate limits.
    """
    studio = _Studio(models, gallery, estimator)
    api = [
        Route("/api/studio", studio.describe),
        Route("/api/photos", studio.add_photo, methods=["POST"]),
        Route("/api/photos/{photo}", studio.show_photo),
        Route("/api/people", studio.add_person, methods=["POST"]),
        Route("/api/mixes", studio.mix, methods=["POST"]),
        Route("/api/pictures", studio.draw, methods=["POST"]),
        Route("/api/animations", studio.animate, methods=["POST"]),
    ]
    return Starlette(
        routes=[*static_routes(), *api],
        middleware=[
            Middleware(Guard, host=host, port=port, limits=LIMITS, allowed=allowed, clock=clock)
        ],
        exception_handlers={
            UserError: refuse,
            HTTPException: refuse,
            Exception: fail,
        },
    )


class _Studio:
    """The handlers and what they share."""

    def __init__(
        self, models: Sequence[StudioModel], gallery: Gallery, estimator: Estimator | None
    ):
        self.models = {model.name: model for model in models}
        self.size = models[0].image_size
        self.mixes = all(model.mixes for model in models)
        self.gallery, self.estimator = gallery, estimator
        self.photos: Kept[Photo] = Kept(MAX_PHOTOS, "The server no longer keeps this photo.")
        self.people: Kept[Person] = Kept(MAX_PEOPLE, "The server no longer keeps this person.")
        self.queue = Queue()
        self.opening = asyncio.Lock()  # One decoded photo in memory at a time.

    async def describe(self, request: Request) -> Response:
        """Answers GET /api/studio."""
        to_lists = {name: pose.tolist() for name, pose in shelf.poses(self.size).items()}
        motions = {
            name: [pose.tolist() for pose in poses]
            for name, poses in shelf.motions(self.size).items()
        }
        return JSONResponse(
            {
                "image_size": self.size,
                "region": REGION,
                "joints": JOINTS,
                "order": payload.ORDER,
                "models": [{"name": m.name, "note": m.note} for m in self.models.values()],
                "people": self.gallery.people,
                "poses": to_lists,
                "motions": motions,
                "mixes": self.mixes,
                "estimates_poses": self.estimator is not None,
                "paint": PAINT,
                "max_sources": MAX_SOURCES,
                "max_upload": MAX_UPLOAD,
                "max_frames": MAX_FRAMES,
            }
        )

    async def add_photo(self, request: Request) -> Response:
        """Answers POST /api/photos."""
        data = await payload.read_body(request, MAX_UPLOAD)
        async with self.opening:
            photo = await asyncio.to_thread(open_photo, data, self.size, self.estimator)
        keypoints = None if photo.keypoints is None else photo.keypoints.tolist()
        key = self.photos.add(photo)
        return JSONResponse({"photo": key, "keypoints": keypoints, "note": photo.note}, 201)

    async def show_photo(self, request: Request) -> Response:
        """Answers GET /api/photos/{photo}."""
        return Response(self._photo(request.path_params["photo"]).view, media_type="image/webp")

    async def add_person(self, request: Request) -> Response:
        """Answers POST /api/people."""
        sources = payload.sources(await payload.read_json(request, MAX_JSON), self.size)
        images, keypoints, visible = [], [], []
        for source in sources:
            image = self._photo(source.photo).image.copy()
            image[_to_pixels(source.painted)] = PAINT
            images.append(image)
            keypoints.append(source.keypoints)
            visible.append(~source.hidden)
        if not np.any(visible):
            raise Refusal(400, "Every region is hidden: leave something of the person to see.")
        arrays = (np.stack(images), np.stack(keypoints), np.stack(visible))

        def encode() -> Person:
            return {name: model.encode(*arrays) for name, model in self.models.items()}

        person = await self.queue.run(object(), encode)
        assert person is not None  # Nothing else runs under this name.
        return JSONResponse({"person": self.people.add(person)}, 201)

    async def mix(self, request: Request) -> Response:
        """Answers POST /api/mixes."""
        if not self.mixes:
            raise Refusal(400, "This method keeps no matrix F of a person that could be mixed.")
        keys, share = payload.mixture(await payload.read_json(request, MAX_JSON))
        first, second = (self.people[key] for key in keys)
        mixed = {
            name: model.mix(first[name], second[name], share) for name, model in self.models.items()
        }
        return JSONResponse({"person": self.people.add(mixed)}, 201)

    async def draw(self, request: Request) -> Response:
        """Answers POST /api/pictures."""
        body = await payload.read_json(request, MAX_JSON)
        key, names = payload.field(body, "person", str), payload.names(body, list(self.models))
        person, pose = self.people[key], payload.pose(body, self.size)

        def render() -> bytes:
            return pictures.to_png(np.concatenate(self._render(person, names, pose), axis=1))

        png = await self.queue.run(key, render)
        return Response(status_code=204) if png is None else Response(png, media_type="image/png")

    async def animate(self, request: Request) -> Response:
        """Answers POST /api/animations."""
        body = await payload.read_json(request, MAX_JSON)
        names = payload.names(body, list(self.models))
        person = self.people[payload.field(body, "person", str)]
        poses = payload.poses(body, self.size, MAX_FRAMES)
        milliseconds = payload.field(body, "milliseconds", int)
        if not 20 <= milliseconds <= 2000:
            raise Refusal(400, "A picture of an animation is shown for 20 to 2000 milliseconds.")
        frames = []
        for pose in poses:  # One job each, so that a drag meanwhile gets its turn.
            if await request.is_disconnected():
                return Response(status_code=204)
            job = partial(self._render, person, names, pose)
            frames.append(await self.queue.run(object(), job) or [])
        gif = await asyncio.to_thread(pictures.to_gif, frames, milliseconds)
        return Response(gif, media_type="image/gif")

    def _photo(self, key: str) -> Photo:
        return self.gallery.photos.get(key) or self.photos[key]

    def _render(self, person: Person, names: list[str], pose: np.ndarray) -> list[np.ndarray]:
        return [self.models[name].render(person[name], pose) for name in names]


def _to_pixels(regions: np.ndarray) -> np.ndarray:
    return regions.repeat(REGION, axis=0).repeat(REGION, axis=1)
