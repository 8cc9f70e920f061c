"""A Graph API on a local port: takes messages, answers as it is told, remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


class Graph:
    """`answer` may be replaced to fail; `sent` holds the bodies that were answered with an id, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.answer: Answer = self.accept
        self._changed = asyncio.Condition()

    async def accept(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """The answer to a message that is taken."""
        self.sent.append(body)
        provider_id = f"wamid.{len(self.sent)}.{request.match_info['account']}"
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": body.get("to", ""), "wa_id": body.get("to", "")}],
                "messages": [{"id": provider_id}],
            }
        )

    async def wait_asked(self, count: int) -> None:
        """Until the server was asked so many times in all."""
        async with self._changed, asyncio.timeout(20):
            await self._changed.wait_for(lambda: len(self.asked) >= count)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if "status" in body:
            return web.json_response({"success": True})
        self.asked.append(body)
        try:
            return await self.answer(request, body)
        finally:
            async with self._changed:
                self._changed.notify_all()


def graph_error(status: int, code: int, message: str = "told to") -> Answer:
    """An answer that refuses as the Graph API does."""

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"error": {"message": message, "type": "OAuthException", "code": code}}, status=status)

    return answer


@asynccontextmanager
async def serve() -> AsyncIterator[Graph]:
    """A started server."""
    graph = Graph()
    app = web.Application()
    app.router.add_post("/{version}/{account}/messages", graph.handle)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    graph.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield graph
    finally:
        await runner.cleanup()
