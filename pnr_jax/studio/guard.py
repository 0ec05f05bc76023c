"""Checks which requests are allowed and how often, and adds headers to every response."""

import ipaddress
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pnr_jax.studio.refusals import Refusal

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Limit(NamedTuple):
    """The content types that a POST to a path may have, and the rate and burst of requests."""

    types: tuple[str, ...]
    rate: float
    burst: int


class Guard:
    """ASGI middleware that checks Host and Origin (DNS rebinding, foreign pages), type and rate."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        limits: Mapping[str, Limit],
        allowed: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ):
        """Guards an app.

        Args:
          app: the app to pass allowed requests to.
          host: the address that the server listens on.
          port: the port that the server listens on.
          limits: a limit for each POST path.
          allowed: other names under which the server may be reached, through any port.
          clock: returns the time in seconds.
        """
        self._app, self._host, self._port, self._limits = app, host, port, limits
        self._allowed = {name.lower() for name in allowed}
        self._clock = clock
        self._tokens = {path: (float(limit.burst), clock()) for path, limit in limits.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            self._check(scope["method"], scope["path"], Headers(scope=scope))
        except Refusal as refusal:
            answer = JSONResponse({"error": str(refusal)}, refusal.status)
            await answer(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        name, port = _split(host)
        if not self._is_ours(name, port):
            raise Refusal(
                421,
                f"This studio is at {self._host}:{self._port} and does not answer to the name "
                f"{name!r}; whoever started it can allow that name (docs/studio.md).",
            )
        if method in ("GET", "HEAD"):
            return
        # A proxy behind an allowed name may use TLS towards the browser.
        schemes = ("http", "https") if name in self._allowed else ("http",)
        if headers.get("origin") not in [f"{scheme}://{host}" for scheme in schemes]:
            raise Refusal(403, "Only the studio's own page may ask this.")
        limit = self._limits.get(path)
        if limit is None:
            return
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in limit.types:
            raise Refusal(415, f"The content type must be {' or '.join(limit.types)}.")
        self._take_token(path, limit)

    def _is_ours(self, name: str, port: str) -> bool:
        """Returns whether a Host header is this server's: no foreign DNS name is accepted.

        The names of the loopback are accepted with any port: they only exist on this machine, and a
        tunnel such as `ssh -L 9000:localhost:8000` sends its own port. A page from another port of
        this machine is recognised by its Origin.
        """
        if name in self._allowed or _is_loopback(name):
            return port.isdecimal()
        if port != str(self._port):
            return False
        # If the server listens beyond loopback, accept any address: a page cannot rebind one.
        return name == self._host or (_is_address(name) and not _is_loopback(self._host))

    def _take_token(self, path: str, limit: Limit) -> None:
        tokens, then = self._tokens[path]
        now = self._clock()
        tokens = min(float(limit.burst), tokens + (now - then) * limit.rate)
        self._tokens[path] = (tokens - 1 if tokens >= 1 else tokens, now)
        if tokens < 1:
            raise Refusal(429, "Too many requests at once: wait a moment.")


def _split(host: str) -> tuple[str, str]:
    """Returns the name and port of a Host header.

    >>> _split("localhost:8000"), _split("[::1]"), _split("Example.org")
    (('localhost', '8000'), ('::1', '80'), ('example.org', '80'))
    """
    name, _, port = host.rpartition(":")
    if not name or name.endswith(":"):
        name, port = host, "80"
    return name.strip("[]").lower(), port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
