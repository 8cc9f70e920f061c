"""A Graph server that also keeps media, and a number on it."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.inbound.conftest import make_number
from tests.inbound.wire import Number
from tests.support import client
from tests.support.graph import Graph

if TYPE_CHECKING:
    from recado.app import Recado


class MediaGraph(Graph):
    """`files` by media id; `statuses` are answered to downloads first, one each."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.statuses: list[int] = []
        self.downloads = 0

    async def look_up(self, request: web.Request) -> web.StreamResponse:
        media_id = request.match_info["media"]
        if media_id not in self.files:
            error = {"message": "Object does not exist", "type": "GraphMethodException", "code": 100}
            return web.json_response({"error": error}, status=404)
        return web.json_response({"url": f"{self.url}/files/{media_id}", "mime_type": "image/jpeg", "id": media_id})

    async def download(self, request: web.Request) -> web.StreamResponse:
        self.downloads += 1
        assert request.headers["authorization"].startswith("Bearer EAA-access-")
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        return web.Response(body=self.files[request.match_info["media"]], content_type="image/jpeg")


@pytest.fixture
async def graph_server() -> AsyncIterator[MediaGraph]:
    graph = MediaGraph()
    app = web.Application()
    app.router.add_post("/{version}/{account}/messages", graph.handle)
    app.router.add_get("/files/{media}", graph.download)
    app.router.add_get("/{version}/{media}", graph.look_up)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    graph.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield graph
    await runner.cleanup()


@pytest.fixture
async def admin(served: "Recado") -> AsyncIterator[client.Client]:
    async with client.connect(served.url, served.admin_token) as made:
        yield made


@pytest.fixture
async def number(admin: client.Client, graph_server: MediaGraph) -> Number:
    return await make_number(admin, graph_server, account="100200300")
