"""A company with instances on the sandbox, and a clock that the test moves."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from recado.domain import content, ids
from recado.domain.events import ProviderEvent
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.provider import Connection, Outcome, Outgoing, Server
from recado.kit.signals import Signals
from recado.providers.sandbox.adapter import Sandbox
from recado.services.sandbox import Phones
from recado.store import db
from recado.workers import sandbox as worker

PHONE = "5511999990001"


class Clock:
    """A time that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class World:
    """What a test drives: the adapter, the clock, and the webhooks that came of it."""

    def __init__(self, database: db.Database) -> None:
        self.db = database
        self.clock = Clock()
        self.adapter = Sandbox(Phones(database, Signals(), clock=self.clock))
        self.company = CompanyId(ids.new())
        self.server_id = ServerId(ids.new())

    async def company_exists(self, company: CompanyId) -> None:
        async with self.db.work() as connection:
            await connection.execute("INSERT INTO companies (id, name) VALUES ($1, 'Test')", company)

    async def prepare(self) -> None:
        await self.company_exists(self.company)
        async with self.db.work() as connection:
            await connection.execute(
                "INSERT INTO servers (id, name, kind, base_url, credentials, max_instances, hook_key)"
                " VALUES ($1, 'sandbox', 'sandbox', 'sandbox://local', '', 1000, 'server')",
                self.server_id,
            )

    async def instance(self, company: CompanyId | None = None, kind: str = "sandbox", **credentials: str) -> Connection:
        company = company or self.company
        instance_id, connection_id = InstanceId(ids.new()), ConnectionId(ids.new())
        async with self.db.work() as connection:
            await connection.execute(
                "INSERT INTO instances (company_id, id, name) VALUES ($1, $2, 'i')", company, instance_id
            )
            await connection.execute(
                "INSERT INTO connections (company_id, id, instance_id, server_id, kind, credentials, hook_key)"
                " VALUES ($1, $2, $3, $4, $5, '', $6)",
                company,
                connection_id,
                instance_id,
                self.server_id,
                kind,
                uuid4().hex,
            )
        return Connection(
            id=connection_id,
            company_id=company,
            instance_id=instance_id,
            server=Server(id=self.server_id, kind=kind, base_url="sandbox://local"),
            credentials=credentials,
        )

    async def posted(self) -> list[ProviderEvent]:
        """The events of the webhooks that are due now, as the inbound worker would read them."""
        while await worker.post_due(self.db, self.clock.now):
            pass
        async with self.db.work() as connection:
            rows = await connection.fetch(
                "WITH taken AS (DELETE FROM inbox RETURNING *)"
                " SELECT r.body FROM taken JOIN raw_webhooks r ON r.company_id = taken.company_id"
                " AND r.id = taken.raw_webhook_id ORDER BY sequence"
            )
        return [event for row in rows for event in self.adapter.read(row["body"])]

    async def send(self, connection: Connection, message: Outgoing | None = None, **fields: Any) -> Outcome:
        return await self.adapter.send(connection, message or text(**fields))


def text(body: str = "Olá", *, to: str = PHONE, **fields: Any) -> Outgoing:
    """A message to send."""
    message = Outgoing(
        message_id=MessageId(ids.new()), to=to, kind="text", content=content.TextContent(body=body), attempt=1
    )
    return msgspec.structs.replace(message, **fields)


@pytest.fixture
async def world(database: db.Database) -> World:
    """A company on the sandbox, without instances yet."""
    made = World(database)
    await made.prepare()
    return made
