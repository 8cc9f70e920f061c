"""Connections to PostgreSQL: one pool per role, JSON as Python data, and the door a company's queries go through."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import msgspec

from recado.domain.ids import CompanyId

T = TypeVar("T")

if TYPE_CHECKING:
    # The stubs are generic, the classes are not.
    Owned = asyncpg.Connection[Any]
    Connection = Owned | asyncpg.pool.PoolConnectionProxy[Any]
    Pool = asyncpg.Pool[Any]
else:
    Owned = asyncpg.Connection
    Connection = Owned | asyncpg.pool.PoolConnectionProxy
    Pool = asyncpg.Pool

#: What asyncpg raises when the server is away, restarting or shutting down, as opposed to refusing a statement.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)


#: Every query of ours is a short look-up by index. Without this a table that was small when a statement was planned
#: is read whole for as long as the plan lives, and each new partition is planned anew at every call.
_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}


async def prepare(connection: Owned) -> None:
    """Teach a new connection our types. jsonb goes over the wire in its binary form: a version byte, then text."""
    encode = msgspec.json.Encoder().encode
    decode = msgspec.json.Decoder().decode
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + encode(value),
        decoder=lambda data: decode(data[1:]),
    )


class _Pooled(asyncpg.Connection):
    """A connection that ends itself when the server says that it is over.

    A server that shuts down or recovers from a crash answers a statement with a FATAL error and closes the line a
    moment later. In that moment the connection would go back to the pool as if it were sound, and fail the next
    statement that gets it with an error that nobody expects.
    """

    async def execute(self, *arguments: Any, **named: Any) -> str:
        with self._ends_when_over():
            return await super().execute(*arguments, **named)

    async def fetch(self, *arguments: Any, **named: Any) -> list[Any]:
        with self._ends_when_over():
            rows: list[Any] = await super().fetch(*arguments, **named)
            return rows

    async def fetchrow(self, *arguments: Any, **named: Any) -> Any:
        with self._ends_when_over():
            return await super().fetchrow(*arguments, **named)

    async def fetchval(self, *arguments: Any, **named: Any) -> Any:
        with self._ends_when_over():
            return await super().fetchval(*arguments, **named)

    @contextlib.contextmanager
    def _ends_when_over(self) -> Iterator[None]:
        try:
            yield
        except AWAY:
            self.terminate()
            raise


async def _reset(connection: Connection) -> None:
    """Between two users of a pooled connection. Nothing of ours outlives its transaction (SET LOCAL, transaction-level
    locks), so the round trip of asyncpg's own reset is made only for a transaction that was left open."""
    if connection.is_in_transaction():
        await connection.reset()


class Database:
    """Two pools: `api` sees the one company that `tenant` sets, `worker` sees all of them."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self._url = url
        self._pool_size = pool_size
        self.api: Pool
        self.worker: Pool

    async def start(self) -> None:
        """Open both pools. Raises `OSError` or `asyncpg.PostgresError` when the server cannot be reached."""
        self.api = await self._pool("recado_api")
        self.worker = await self._pool("recado_worker")

    async def stop(self) -> None:
        """Close both pools, waiting for what is running. Stopping twice is fine."""
        for pool in (getattr(self, "api", None), getattr(self, "worker", None)):
            if pool is not None:
                await pool.close()

    async def _pool(self, role: str) -> Pool:
        return await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=self._pool_size,
            connection_class=_Pooled,
            init=prepare,
            reset=_reset,
            command_timeout=60,
            server_settings={"application_name": role, "role": role, "timezone": "UTC", **_PLANS},
        )

    @contextlib.asynccontextmanager
    async def tenant(self, company_id: CompanyId) -> AsyncIterator[Connection]:
        """A transaction that sees one company. The database refuses every row of another."""
        async with self.api.acquire() as connection, connection.transaction():
            await connection.execute("SELECT set_config('recado.company_id', $1, true)", str(company_id))
            yield connection

    @contextlib.asynccontextmanager
    async def work(self) -> AsyncIterator[Connection]:
        """A transaction of a worker, which sees every company."""
        async with self.worker.acquire() as connection, connection.transaction():
            yield connection


async def retrying(call: Callable[[], Awaitable[T]], *, attempts: int = 4) -> T:
    """The result of one statement or transaction, tried again when the database broke it off to end a deadlock."""
    for _ in range(attempts - 1):
        try:
            return await call()
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            continue
    return await call()


async def connect(url: str, **settings: str) -> Owned:
    """One connection outside the pools, as the owner: for migrations, LISTEN and the command line."""
    connection = await asyncpg.connect(url, server_settings={"timezone": "UTC", **settings}, command_timeout=60)
    await prepare(connection)
    return connection
