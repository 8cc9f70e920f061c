"""A served Recado with one company and one number on a local Graph server."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.inbound.wire import Number
from tests.support import client, graph

if TYPE_CHECKING:
    from recado.app import Recado


@pytest.fixture
async def graph_server() -> AsyncIterator[graph.Graph]:
    async with graph.serve() as served:
        yield served


@pytest.fixture
async def admin(served: "Recado") -> AsyncIterator[client.Client]:
    async with client.connect(served.url, served.admin_token) as made:
        yield made


@pytest.fixture
async def number(admin: client.Client, graph_server: graph.Graph) -> Number:
    return await make_number(admin, graph_server, account="100200300")


async def make_number(
    admin: client.Client, server: graph.Graph, *, account: str, company: client.Client | None = None
) -> Number:
    """A company's number on the local Graph server."""
    made = await admin.post(
        "/v1/servers",
        {"name": f"graph {account}", "kind": "meta", "base_url": server.url, "credentials": {}, "max_instances": 10},
    )
    owner = company or await client.make_company(admin)
    instance = await client.make_meta_instance(
        owner, made["id"], account=account, settings={**client.NO_PACING, "settle_seconds": 1}
    )
    return Number(
        company=owner,
        instance_id=instance["id"],
        account=account,
        hook=urlsplit(instance["connections"][0]["webhook_url"]).path,
    )
