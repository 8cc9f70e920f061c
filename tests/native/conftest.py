"""Numbers on the built-in engine: the adapter, engine processes, and the Go library that is not there."""

import asyncio
import contextlib
import importlib
import importlib.util
import os
import subprocess
import warnings
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest

from recado.domain import ids
from recado.domain.content import KINDS
from recado.domain.events import ProviderEvent
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.provider import Connection, ConnectionState, Outgoing, Server
from recado.providers.native.adapter import Native
from recado.services.native import Commands
from recado.services.runtime import Runtime
from recado.store import db, native
from recado.workers.native import NativeWorker

if TYPE_CHECKING:
    from tests.native.go import Go

PHONE = "5511988887777"
NEONIZE = importlib.util.find_spec("neonize") is not None

if NEONIZE:
    # At its import neonize leaves `uname` and its pipes to whoever starts a process next, which warns of them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("neonize")
        while subprocess._active:  # type: ignore[attr-defined]
            subprocess._cleanup()  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without neonize its tests are skipped by name; in CI it is installed, and its absence fails them."""
    if NEONIZE or os.environ.get("CI") == "true":
        return
    for item in items:
        if "tests/native/" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="needs neonize: uv sync --extra native"))


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> "Go":
    from neonize import client

    from tests.native.go import Go

    made = Go()
    monkeypatch.setattr(client, "gocode", made)
    return made


class World:
    """What a test drives."""

    def __init__(self, runtime: Runtime, owner: db.Owned) -> None:
        self.runtime = runtime
        #: The owner of the database.
        self.owner = owner
        self.db = runtime.db
        self.commands = Commands(runtime.db, runtime.signals, begun_within=1.5, opened_within=5.0)
        self.adapter = Native(self.commands, timeout=6.0)
        self.company = CompanyId(ids.new())
        self.server_id = ServerId(ids.new())
        self._stack = contextlib.AsyncExitStack()

    async def prepare(self) -> None:
        async with self.db.work() as connection:
            await connection.execute("INSERT INTO companies (id, name) VALUES ($1, 'Test')", self.company)
            await connection.execute(
                "INSERT INTO servers (id, name, kind, base_url, credentials, max_instances, hook_key)"
                " VALUES ($1, 'native test', 'native', 'native://local', '', 1000, $2)",
                self.server_id,
                uuid4().hex,
            )

        await self.owner.execute("CREATE TABLE whatsmeow.whatsmeow_device (jid text PRIMARY KEY)")
        await self.owner.execute("INSERT INTO whatsmeow.whatsmeow_device VALUES ('5511900000001:12@s.whatsapp.net')")

    async def close(self) -> None:
        await self._stack.aclose()

    async def connection(self) -> Connection:
        instance_id, connection_id = InstanceId(ids.new()), ConnectionId(ids.new())
        async with self.db.work() as connection:
            await connection.execute(
                "INSERT INTO instances (company_id, id, name) VALUES ($1, $2, 'i')", self.company, instance_id
            )
            await connection.execute(
                "INSERT INTO connections (company_id, id, instance_id, server_id, kind, credentials, hook_key)"
                " VALUES ($1, $2, $3, $4, 'native', '', $5)",
                self.company,
                connection_id,
                instance_id,
                self.server_id,
                uuid4().hex,
            )
        return Connection(
            id=connection_id,
            company_id=self.company,
            instance_id=instance_id,
            server=Server(id=self.server_id, kind="native", base_url="native://local"),
        )

    async def paired(self) -> Connection:
        """A connection whose device is paired already, and wanted."""
        connection = await self.connection()
        # At once, or an engine that is quick takes it without its device and pairs it anew.
        async with self.db.work() as transaction:
            await native.want(transaction, self.company, connection.id, method="qr", pair_phone=None)
            await transaction.execute(
                "UPDATE native_sessions SET device = '5511900000001:12@s.whatsapp.net' WHERE connection_id = $1",
                connection.id,
            )
            await native.wake(transaction, "native")
        return connection

    async def engine(self, **settings: Any) -> tuple[NativeWorker, asyncio.Event]:
        """An engine process, as far as one process can have two: its own owner, its own leases."""
        worker = NativeWorker(self.runtime, **{"pace": 0.0, "lease": 3.0} | settings)
        stop = asyncio.Event()
        task = asyncio.create_task(worker.run(stop))

        async def end() -> None:
            stop.set()
            await task

        self._stack.push_async_callback(end)
        return worker, stop

    async def until(self, connection: Connection, status: str) -> ConnectionState:
        """How the number stands once it stands so."""
        for _ in range(600):
            state = await self.adapter.status(connection)
            if state.status == status:
                return state
            await asyncio.sleep(0.05)
        raise AssertionError(f"it is {state.status} ({state.reason}), not {status}")

    async def events(
        self, connection: Connection, *, at_least: int = 1, type: str | None = None
    ) -> list[ProviderEvent]:
        """What the engine stored of a number so far, as the inbound worker would read it."""
        found: list[ProviderEvent] = []
        for _ in range(100):
            async with self.db.work() as transaction:
                rows = await transaction.fetch(
                    "SELECT r.body FROM inbox i JOIN raw_webhooks r ON r.company_id = i.company_id"
                    " AND r.id = i.raw_webhook_id WHERE i.source = $1 ORDER BY i.sequence",
                    connection.id,
                )
            found = [event for row in rows for event in self.adapter.read(row["body"])]
            found = [event for event in found if type is None or event.type == type]
            if len(found) >= at_least:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"only {found}")


@pytest.fixture
async def world(runtime: Runtime, database_url: str, go: "Go") -> AsyncIterator[World]:
    listener = await db.connect(database_url)
    world = World(runtime, listener)
    await world.prepare()
    await listener.add_listener("recado", lambda *told: runtime.signals.set(str(told[3])))
    yield world
    await world.close()
    await listener.close()


def outgoing(kind: str = "text", content: Any = None, **given: Any) -> Outgoing:
    made = msgspec.convert({"body": "oi"} if content is None else content, KINDS[kind])
    return Outgoing(**{"message_id": MessageId(ids.new()), "to": PHONE, "kind": kind, "content": made} | given)


async def eventually(done: Callable[[], bool], *, within: float = 10.0) -> None:
    """Return once it is so; fail when it never comes to it."""
    async with asyncio.timeout(within):
        while not done():  # noqa: ASYNC110  # what is waited for is another process's, or a thread's
            await asyncio.sleep(0.02)
