"""A served Recado with a company, and two Graph APIs: the two providers of one number."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

from recado.app import Recado
from recado.domain.ids import CompanyId
from recado.domain.states import ConnectionStatus
from recado.services import connections
from tests.support import client, graph, secrets
from tests.support.client import NO_PACING, Client
from tests.support.graph import Answer, Graph

#: In the order of acceptance, without pauses, and switching as soon as it is looked at.
SETTINGS: dict[str, Any] = {"ordering": "instance", "failover": {"after_seconds": 0}, **NO_PACING}


class Pair(msgspec.Struct, kw_only=True):
    """An instance with two connections, each at a provider of its own."""

    company: Client
    id: str
    first: str
    second: str

    @property
    def path(self) -> str:
        return f"/v1/instances/{self.id}"

    async def send(self, **changes: Any) -> str:
        """Accept a message; its id."""
        body = {"instance_id": self.id, "to": "5511999990001", "type": "text", "text": {"body": "oi"}, **changes}
        return str((await self.company.post("/v1/messages", body))["id"])

    async def reaches(self, message_id: str, status: str) -> dict[str, Any]:
        """The message once it has a status."""
        shown: dict[str, Any] = await self.company.until(
            f"/v1/messages/{message_id}", lambda message: message["status"] == status
        )
        return shown

    async def switch(self, connection_id: str) -> Any:
        return await self.company.post(f"{self.path}/switch", {"connection_id": connection_id}, status=200)

    async def sends_through(self, connection_id: str) -> None:
        """Until this is the active connection."""
        await self.company.until(self.path, lambda shown: active(shown) == connection_id)

    async def is_empty(self) -> None:
        """Until nothing waits."""
        await self.company.until(f"{self.path}/queue", lambda queue: queue["counts"]["waiting"] == 0)

    async def switches(self) -> list[tuple[str, str]]:
        """(to, reason) of every switch that the company was told of, the first first."""
        found = (await self.company.get("/v1/events?type=instance.switched"))["data"]
        told = sorted(found, key=lambda event: event["sequence"])
        return [(event["data"]["to"]["connection_id"], event["data"]["reason"]) for event in told]


def active(shown: dict[str, Any]) -> str:
    """The active connection of an instance as the API shows it."""
    [found] = [one["id"] for one in shown["connections"] if one["active"]]
    return str(found)


async def stands(recado: Recado, connection_id: str, status: ConnectionStatus, reason: str | None = None) -> None:
    """What a check, or a webhook, of the connection's provider would tell."""
    async with recado.runtime.directory.changing() as connection:
        company_id = await connection.fetchval("SELECT company_id FROM connections WHERE id = $1", connection_id)
        await connections.change_status(
            connection, recado.runtime, CompanyId(company_id), UUID(connection_id), status, reason
        )


async def settle(recado: Recado, pair: Pair) -> None:
    """As if the time to settle what may have been sent had passed."""
    async with asyncio.timeout(20):
        while True:
            if await _settle_now(recado, UUID(pair.id)):
                break
            await asyncio.sleep(0.02)
    recado.runtime.signals.set("lanes")


async def _settle_now(recado: Recado, instance_id: UUID) -> bool:
    """False while a sender looks at it, who would write down what it saw before."""
    async with recado.runtime.db.work() as connection:
        free = await connection.fetchval(
            "SELECT owner IS NULL FROM lanes WHERE instance_id = $1 AND message_id IS NOT NULL FOR UPDATE", instance_id
        )
        if free:
            await connection.execute(
                """UPDATE outbox SET unproven_at = now() - interval '2 hours'
                   WHERE instance_id = $1 AND unproven_at IS NOT NULL""",
                instance_id,
            )
            await connection.execute("UPDATE lanes SET next_at = now() WHERE instance_id = $1", instance_id)
    return bool(free)


class Held:
    """An answer of a provider that comes when the test says so. `asked` is set while it is waited for."""

    def __init__(self, running: Graph) -> None:
        self.asked = asyncio.Event()
        self._running = running
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        running.answer = self

    async def __call__(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        self.asked.set()
        return await (await asyncio.shield(self._answer))(request, body)

    def comes(self, answer: Answer | None = None) -> None:
        """Let the provider answer, `accept` unless told otherwise, to this call and every later one."""
        self._answer.set_result(answer or self._running.accept)


async def graph_server(admin: Client, running: Graph, name: str) -> str:
    body = {"name": name, "kind": "meta", "base_url": running.url, "credentials": {}, "max_instances": 1_000}
    return str((await admin.post("/v1/servers", body))["id"])


def credentials(account: str) -> dict[str, str]:
    """Of a number at a Graph API."""
    return {
        "phone_number_id": account,
        "access_token": secrets.register(f"EAA-access-{account}"),
        "app_secret": secrets.register(f"app-secret-{account}"),
        "verify_token": secrets.register(f"verify-{account}"),
    }


@pytest.fixture
async def admin(served: Recado) -> AsyncIterator[Client]:
    async with client.connect(served.url, served.admin_token) as caller:
        yield caller


@pytest.fixture
async def company(admin: Client) -> Client:
    return await client.make_company(admin)


@pytest.fixture
async def one() -> AsyncIterator[Graph]:
    """The first connection's provider."""
    async with graph.serve() as running:
        yield running


@pytest.fixture
async def two() -> AsyncIterator[Graph]:
    """The second connection's."""
    async with graph.serve() as running:
        yield running


@pytest.fixture
def settings_of_pair() -> dict[str, Any]:
    """Tests that need others override it by `parametrize`."""
    return {}


@pytest.fixture
async def pair(admin: Client, company: Client, one: Graph, two: Graph, settings_of_pair: dict[str, Any]) -> Pair:
    """An instance on both Graph APIs, sending through the first."""
    first = await graph_server(admin, one, "one")
    second = await graph_server(admin, two, "two")
    made = await client.make_meta_instance(company, first, account="100", settings={**SETTINGS, **settings_of_pair})
    further = await company.post(
        f"/v1/instances/{made['id']}/connections", {"server_id": second, "credentials": credentials("200")}
    )
    return Pair(company=company, id=made["id"], first=made["connections"][0]["id"], second=further["id"])


@pytest.fixture
async def phones(admin: Client, company: Client) -> Pair:
    """An instance on two servers of the sandbox, whose phones both connections reach."""
    made = await client.make_sandbox_instance(company, SETTINGS)
    server = {"name": "other", "kind": "sandbox", "credentials": {}, "max_instances": 10}
    other = (await admin.post("/v1/servers", server))["id"]
    path = f"/v1/instances/{made['id']}"
    further = await company.post(f"{path}/connections", {"server_id": other})
    state = await company.post(f"{path}/connect?connection_id={further['id']}", {"method": "qr"}, status=200)
    await company.post("/sandbox/scan", {"code": state["qr"]}, status=200)
    await company.until(path, lambda shown: all(one["status"] == "connected" for one in shown["connections"]))
    return Pair(company=company, id=made["id"], first=made["connections"][0]["id"], second=further["id"])
