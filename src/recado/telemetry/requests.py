"""An ASGI layer around the API: a request id in every log line and answer, the request metrics, a span."""

import functools
import random
import re
import time
from typing import Any, Protocol

import structlog
from prometheus_client import Counter, Histogram

from recado.telemetry import metrics, traces


class App(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        ...


class Requests:
    """Wraps an ASGI application. A caller's `X-Request-Id` is kept when it is a short plain word.

    Below it the id is the context variable `request_id` of structlog.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection; those that are not HTTP pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _given_id(scope["headers"]) or f"{_random.getrandbits(128):032x}"
        status = 500

        async def send_with_id(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("ascii"))]
            await send(message)

        # The server runs each request in a context of its own, so nothing needs to be unbound.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with traces.span("request"):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                # The router leaves the template it matched; an address nobody serves must not become a label.
                route = str(scope.get("path_template") or "unmatched")
                method = scope["method"] if scope["method"] in _METHODS else "OTHER"
                count, duration = _series(method, route, status)
                count.inc()
                duration.observe(time.perf_counter() - started)


@functools.cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The time series of a route; their number is bounded by the routes and the statuses there are."""
    return (
        metrics.http_requests.labels(method, route, str(status)),
        metrics.http_request_duration.labels(method, route),
    )


_random = random.Random()
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_SENSIBLE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def _given_id(headers: Any) -> str | None:
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode("ascii") if _SENSIBLE.fullmatch(given) else None
