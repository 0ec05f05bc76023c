"""Which requests are allowed, and how often: checks before any handler, headers on every answer."""

import ipaddress
import time
from collections.abc import Callable, Mapping
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


class Rule(NamedTuple):
    """The content types that a POST to a path may have, and how many come in a second."""

    types: tuple[str, ...]
    rate: float
    burst: int


class Guard:
    """ASGI middleware: Host and Origin (against DNS rebinding and foreign pages), type and rate."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        rules: Mapping[str, Rule],
        clock: Callable[[], float] = time.monotonic,
    ):
        """Guards `app`, which listens at `host`:`port`, by the rules of its POST paths."""
        self._app, self._host, self._port, self._rules = app, host, port, rules
        self._clock = clock
        self._tokens = {path: (float(rule.burst), clock()) for path, rule in rules.items()}

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
        if not self._is_ours(host):
            raise Refusal(421, f"This studio is at {self._host}:{self._port}, not at that host.")
        if method in ("GET", "HEAD"):
            return
        if headers.get("origin") != f"http://{host}":
            raise Refusal(403, "Only the studio's own page may ask this.")
        rule = self._rules.get(path)
        if rule is None:
            return
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in rule.types:
            raise Refusal(415, f"The content type must be {' or '.join(rule.types)}.")
        self._take_token(path, rule)

    def _is_ours(self, host: str) -> bool:
        """Returns whether a Host header is this server's: no foreign DNS name is accepted."""
        name, _, port = host.rpartition(":")
        if not name or name.endswith(":"):
            name, port = host, "80"
        if port != str(self._port):
            return False
        name = name.strip("[]").lower()
        if name in ("localhost", self._host):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # Where the whole network may ask, any address is ours; a page cannot rebind an address.
        return address.is_loopback or not _is_loopback(self._host)

    def _take_token(self, path: str, rule: Rule) -> None:
        tokens, then = self._tokens[path]
        now = self._clock()
        tokens = min(float(rule.burst), tokens + (now - then) * rule.rate)
        self._tokens[path] = (tokens - 1 if tokens >= 1 else tokens, now)
        if tokens < 1:
            raise Refusal(429, "Too many requests at once: wait a moment.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
