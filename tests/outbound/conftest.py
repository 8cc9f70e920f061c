"""A served Recado with a company, and a Graph API that its Meta instances send to."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from recado.app import Recado
from tests.support import client, graph
from tests.support.client import Client
from tests.support.graph import Graph


@pytest.fixture
async def admin(served: Recado) -> AsyncIterator[Client]:
    async with client.connect(served.url, served.admin_token) as caller:
        yield caller


@pytest.fixture
async def company(admin: Client) -> Client:
    return await client.make_company(admin)


@pytest.fixture
async def meta() -> AsyncIterator[Graph]:
    async with graph.serve() as running:
        yield running


@pytest.fixture
async def server_id(admin: Client, meta: Graph) -> str:
    """The Graph API, registered as a server."""
    body: dict[str, Any] = await admin.post(
        "/v1/servers",
        {"name": "Graph", "kind": "meta", "base_url": meta.url, "credentials": {}, "max_instances": 1_000},
    )
    return str(body["id"])


@pytest.fixture
async def instance(company: Client, server_id: str) -> dict[str, Any]:
    """A connected instance of the company on the Graph API."""
    return await client.make_meta_instance(company, server_id)
