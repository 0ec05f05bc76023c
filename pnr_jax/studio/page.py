"""The page that the studio serves: its files, and no others."""

from collections.abc import Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def static_routes() -> list[Route]:
    """Reads the page's files and returns a route for each."""
    routes = []
    for file in resources.files("pnr_jax.studio").joinpath("static").iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            path = "/" if file.name == "index.html" else f"/{file.name}"
            routes.append(Route(path, _sender(file.read_bytes(), kind)))
    return routes


def _sender(data: bytes, kind: str) -> Callable[[Request], Response]:
    def send(request: Request) -> Response:
        return Response(data, media_type=kind)

    return send
