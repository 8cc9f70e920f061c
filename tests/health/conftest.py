"""A company with numbers at a provider whose answers a test sets, a past that it writes, and a clock that it moves."""

import itertools
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest

from recado.config import Settings
from recado.domain import ids, provider, rhythm
from recado.domain.ids import CompanyId, ConnectionId, InstanceId
from recado.domain.provider import Capabilities, ConnectionState
from recado.domain.states import ConnectionStatus
from recado.kit import crypto
from recado.kit.http import Http
from recado.kit.signals import Signals
from recado.services import companies, connections, instances, servers
from recado.services.directory import ConnectionView, Directory
from recado.services.limiting import Limiter
from recado.services.runtime import Runtime
from recado.store import liveness
from recado.store.db import Database
from recado.store.media_storage import MediaStorage
from recado.workers.health import HealthWorker
from tests.api.scripted import Paired
from tests.support import databases

CONNECTED = ConnectionState(status=ConnectionStatus.CONNECTED)
DISCONNECTED = ConnectionState(status=ConnectionStatus.DISCONNECTED)
_numbers = itertools.count()

#: Companies and servers take with them what refers to them; the rest refers to nothing.
_EMPTY = """
DO $$
DECLARE
    name text;
BEGIN
    DELETE FROM companies;
    DELETE FROM servers;
    FOR name IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND relname NOT IN ('companies', 'servers', 'schema_migrations')
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END
$$
"""


class Phone(Paired):
    """A phone whose webhook can be registered again."""

    kind: ClassVar[str] = "phone"

    def __init__(self) -> None:
        super().__init__()
        self.states = [CONNECTED]
        self.webhook_fails: provider.CallFailed | None = None

    async def register_webhook(self, connection: provider.Connection) -> None:
        self.calls.append("register_webhook")
        if self.webhook_fails is not None:
            raise self.webhook_fails


class Plain(Paired):
    """A phone that can only be connected again, and whose provider reports what was delivered and no receipt before."""

    kind: ClassVar[str] = "plain"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=frozenset({"text"}), receipts=frozenset({"delivered", "read"})
    )
    restart = None  # type: ignore[assignment]  # Absent, as the contract's optional protocols are found by isinstance.


class Deaf(Paired):
    """A phone whose provider reports no receipts."""

    kind: ClassVar[str] = "deaf"
    capabilities: ClassVar[Capabilities] = Capabilities(kinds=frozenset({"text"}), receipts=frozenset())


class World:
    """What a test drives. Everything is written as if it were `now`, which moves when told."""

    def __init__(self, runtime: Runtime, company: CompanyId, phone: Phone) -> None:
        self.runtime = runtime
        self.company = company
        self.phone = phone
        self.worker = HealthWorker(runtime)
        self.now = datetime.now(UTC)

    def move(self, **duration: float) -> datetime:
        self.now += timedelta(**duration)
        return self.now

    async def number(self, kind: str = "phone", **settings: Any) -> ConnectionView:
        """An instance that is connected, with its settings of liveness."""
        given = {"liveness": settings} if settings else {}
        created = await instances.create(self.runtime, self.company, name="Vendas", kind=kind, settings=given)
        placed = created.described.connections[0]
        await self.say(placed.id, CONNECTED)
        async with self.runtime.db.work() as connection:
            # It was connected a while before the test began.
            await connection.execute(
                "UPDATE connections SET status_at = $2, checked_at = $2 WHERE id = $1",
                placed.id,
                self.now - timedelta(days=2),
            )
        return await self.view(placed.instance_id)

    async def view(self, instance_id: InstanceId) -> ConnectionView:
        self.runtime.directory.invalidate()
        view = (await self.runtime.directory.instance(self.company, instance_id)).active
        assert view is not None
        return view

    async def say(self, connection_id: ConnectionId, state: ConnectionState) -> None:
        """What the provider tells by a webhook."""
        async with self.runtime.db.tenant(self.company) as connection:
            await connections.change_status(connection, self.runtime, self.company, connection_id, state)

    async def set_status_at(self, number: ConnectionView, at: datetime) -> None:
        """Its status is from then."""
        async with self.runtime.db.work() as connection:
            await connection.execute("UPDATE connections SET status_at = $2 WHERE id = $1", number.id, at)

    async def status(self, number: ConnectionView) -> tuple[str, str | None]:
        async with self.runtime.db.work() as connection:
            row = await connection.fetchrow("SELECT status, status_reason FROM connections WHERE id = $1", number.id)
        assert row is not None
        return row["status"], row["status_reason"]

    async def alive(self, number: ConnectionView) -> liveness.Liveness:
        async with self.runtime.db.tenant(self.company) as connection:
            return (await liveness.of_connections(connection, self.company, [number.id]))[number.id]

    async def hear(self, number: ConnectionView) -> None:
        """A message arrives now."""
        async with self.runtime.db.work() as connection:
            await liveness.heard(connection, {(self.company, number.id): self.now})

    async def usually_talks(self, number: ConnectionView, share: float = 0.9) -> None:
        """It was heard just now, and has traffic at all hours, in this share of the ten-minute windows."""
        await self.hear(number)
        await self.set(number, rhythm=[share] * rhythm.SLOTS)

    async def set(self, number: ConnectionView, **columns: Any) -> None:
        async with self.runtime.db.work() as connection:
            for name, value in columns.items():
                await connection.execute(f"UPDATE liveness SET {name} = $2 WHERE connection_id = $1", number.id, value)

    async def watch(self, minutes: int, *, every: int = 1) -> None:
        """Judge every minute for so long, as the worker does."""
        for _ in range(0, minutes, every):
            self.move(minutes=every)
            await self.worker.judge(self.now)

    async def send(self, number: ConnectionView, to: str = "5511999990001", *, acknowledged: bool = False) -> UUID:
        """A message that the provider accepted now."""
        message_id = UUID(int=ids.lowest(self.now).int + next(_numbers))
        async with self.runtime.db.work() as connection:
            await connection.execute(
                "INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status, type,"
                " address, content, provider_id, created_at) VALUES ($1, $2, $3, $2, $2, 'outbound', 'sent', 'text', $4,"
                " '{}', $5, $6)",
                self.company,
                message_id,
                number.connection.instance_id,
                to,
                str(message_id),
                self.now,
            )
            await connection.execute(
                "INSERT INTO attempts (company_id, id, message_id, connection_id, number, started_at, outcome)"
                " VALUES ($1, $2, $2, $3, 1, $4, 'accepted')",
                self.company,
                message_id,
                number.id,
                self.now,
            )
        if acknowledged:
            await self.acknowledge(number, message_id)
        return message_id

    async def acknowledge(self, number: ConnectionView, message_id: UUID) -> None:
        """The receipt of a message comes now."""
        async with self.runtime.db.work() as connection:
            await connection.execute("UPDATE messages SET status = 'server_ack' WHERE id = $1", message_id)
            await connection.execute(
                "INSERT INTO receipts (company_id, instance_id, provider_id, state, message_id, at, created_at)"
                " VALUES ($1, $2, $3, 'server_ack', $4, $5, $5)",
                self.company,
                number.connection.instance_id,
                str(message_id),
                message_id,
                self.now,
            )

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """The data of the events so far, of some types or all, each with its type."""
        async with self.runtime.db.work() as connection:
            rows = await connection.fetch("SELECT type, data FROM events ORDER BY sequence")
        return [{"event": row["type"], **row["data"]} for row in rows if not types or row["type"] in types]


@pytest.fixture
def phone() -> Phone:
    return Phone()


@pytest.fixture(scope="session")
async def shared_url(server: databases.Server) -> AsyncIterator[str]:
    """One database for all tests here: to empty one takes a hundredth of the time that it takes to make one."""
    url = await server.fresh()
    yield url
    await server.drop(url)


@pytest.fixture(scope="session")
async def shared_database(shared_url: str) -> AsyncIterator[Database]:
    """Both pools on it."""
    database = Database(shared_url, pool_size=4)
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
async def database(shared_database: Database) -> Database:
    """Both pools on a database in which nothing is."""
    async with shared_database.work() as connection:
        await connection.execute(_EMPTY)
    return shared_database


@pytest.fixture
async def runtime(tmp_path: Path, database: Database, phone: Phone) -> AsyncIterator[Runtime]:
    """The clients of a process, with the scripted providers and a server of each."""
    settings = Settings(data_dir=tmp_path / "data", host="127.0.0.1", allowed_networks=("127.0.0.0/8", "::1/128"))
    keyring = crypto.load_or_create(settings.secret_key_path)
    http = Http(allowed_networks=settings.allowed_networks, user_agent="Recado")
    await http.start()
    providers: Mapping[str, Any] = {"phone": phone, "plain": Plain(), "deaf": Deaf()}
    runtime = Runtime(
        settings=settings,
        db=database,
        http=http,
        keyring=keyring,
        signals=Signals(),
        providers=providers,
        media=MediaStorage(settings.media_location),
        directory=Directory(db=database, keyring=keyring, settings=settings),
        limiter=Limiter(settings),
    )
    for kind in providers:
        await servers.create(
            runtime,
            name=kind,
            kind=kind,
            base_url="https://one.example.com",
            credentials={"api_key": "k"},
            max_instances=100,
        )
    yield runtime
    await http.stop()


@pytest.fixture
async def world(runtime: Runtime, phone: Phone) -> World:
    created = await companies.create(runtime, name="Padaria", settings={})
    return World(runtime, created.company.id, phone)
