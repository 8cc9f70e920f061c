"""A provider's server that answers as it is told and remembers what it was asked.

Real sockets on the loopback, because what is tested is what happens on the wire: lines that are cut, bodies that
do not end, answers that never come.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

import msgspec
from aiohttp import web

#: How a reply goes wrong. `hang` answers nothing, `cut` resets the line after reading the request, `cut_body` and
#: `stall_body` do so, or stop, in the middle of the answer.
Trouble = Literal["none", "hang", "cut", "cut_body", "stall_body"]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. The last reply of a list answers every further request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    trouble: Trouble = "none"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it arrived. `path` holds the query string; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def json(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply of JSON."""
    return Reply(
        status=status,
        body=msgspec.json.encode(value),
        headers={"content-type": "application/json", **(headers or {})},
    )


class Upstream:
    """`async with Upstream(replies) as upstream`: `upstream.url` is its address, `upstream.requests` what came."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self.url = ""
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=200_000_000)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(
            Request(
                method=request.method,
                path=request.path_qs,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
            )
        )
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if reply.trouble == "cut":
            _cut(request)
        if reply.trouble in ("hang", "cut"):
            await self._closing.wait()
        if reply.trouble in ("cut_body", "stall_body"):
            return await self._begin(request, reply)
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    async def _begin(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body) + 1_000
        await response.prepare(request)
        await response.write(reply.body)
        if reply.trouble == "cut_body":
            _cut(request)
        await self._closing.wait()
        return response


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
