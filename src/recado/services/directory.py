"""Who is calling, and what is behind an id: tokens, instances and webhook addresses, kept in memory.

This is on the way of every request, so a hit is a dictionary lookup. What is kept is never older than
`TTL_SECONDS`; a change made through `changing` is seen at once in its own process and, by NOTIFY, as soon as the
listener hears of it in the others.
"""

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from recado.config import Settings
from recado.domain import ids, provider
from recado.domain.errors import Conflict, Forbidden, NotFound, Unauthorized
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, ServerId, TokenId
from recado.domain.settings import CompanySettings, InstanceSettings
from recado.domain.states import ConnectionStatus
from recado.domain.zapi import AccountSettings, ZapiSettings
from recado.kit import tokens as token_format
from recado.kit.crypto import Keyring
from recado.kit.signals import Signals
from recado.store import companies, connections, db, refusals, servers, tokens, zapi

#: What a notification that never came can cost: a revoked token lives this long, an instance's change a little longer.
TTL_SECONDS = 5.0
INSTANCE_TTL_SECONDS = 30.0
_MOST = 100_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who a token stands for. `token_id` is None for the admin token of the settings."""

    level: tokens.Level
    company_id: CompanyId | None
    instance_id: InstanceId | None
    token_id: TokenId | None
    company_settings: CompanySettings = CompanySettings()
    suspended: bool = False

    @property
    def company(self) -> CompanyId:
        """The company of a company's or instance's token. Raises `Forbidden` for an admin token."""
        if self.company_id is None:
            raise Forbidden("This needs the token of a company; an admin token has none.", code="wrong_token_level")
        return self.company_id

    def check_instance(self, instance_id: UUID) -> InstanceId:
        """The id, if the token may act for this instance; an instance's token sees no other. Raises `NotFound`."""
        if self.instance_id is not None and self.instance_id != instance_id:
            raise no_instance(instance_id)
        return InstanceId(instance_id)


class ConnectionView(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as senders need it. `active`: its instance sends through it. `connection` is what its adapter is
    called with."""

    id: ConnectionId
    kind: str
    status: ConnectionStatus
    server_id: ServerId
    rank: int
    active: bool
    connection: provider.Connection


class InstanceView(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as accepting and sending need it.

    `active` is the connection to use, as it was decided (`services.failover`); while it does not send, it still tells
    the kind and its capabilities, and messages wait. It is None only for an instance without connections. The others
    stand by, the best rank first.
    """

    company_id: CompanyId
    id: InstanceId
    name: str
    status: ConnectionStatus
    paused: bool
    settings: InstanceSettings
    active: ConnectionView | None
    connections: tuple[ConnectionView, ...]

    def placed(self, connection_id: UUID | None = None) -> ConnectionView:
        """The connection that is meant: the one named, else the active one. Raises `NotFound`, or `Conflict` for an
        instance without connections."""
        if connection_id is not None:
            found = next((view for view in self.connections if view.id == connection_id), None)
            if found is None:
                raise no_connection(connection_id)
            return found
        if self.active is None:
            raise Conflict("The instance has no connection.", code="no_connection")
        return self.active


class HookTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Whose webhook address it is: a connection's own, or that of a server, which several connections share.

    `source_id` is the connection's id or the server's. For a shared server `company_id` is `ids.PLATFORM`.
    `caller` is what an adapter's `verify` and `challenge` get: the connection, or for a server a stand-in with
    the server's credentials and nil ids.
    """

    company_id: CompanyId
    source_id: UUID
    server_id: ServerId
    connection: provider.Connection | None
    caller: provider.Connection


class ZapiView(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as Z-API clients know it. `token` is open and must not be logged; `client_token` is the digest that is
    asked for, None while none is. `due_at` is set once its subscription was cancelled."""

    company_id: CompanyId
    id: InstanceId
    public_id: str
    token: str
    settings: ZapiSettings
    account: AccountSettings
    client_token: bytes | None
    subscribed_at: datetime
    due_at: datetime | None
    created_at: datetime
    principal: Principal


def server_context(server_id: UUID) -> bytes:
    """What a server's sealed credentials are bound to."""
    return b"server:" + server_id.bytes


def connection_context(connection_id: UUID) -> bytes:
    """What a connection's sealed credentials are bound to."""
    return b"connection:" + connection_id.bytes


def zapi_context(instance_id: UUID) -> bytes:
    """What an instance's sealed Z-API token is bound to."""
    return b"zapi:" + instance_id.bytes


def no_instance(instance_id: UUID) -> NotFound:
    """The answer for an instance that is not there, or not this caller's."""
    return NotFound(f"There is no instance {instance_id}.", code="instance_not_found")


def no_connection(connection_id: UUID) -> NotFound:
    """The answer for a connection that is not there, or another instance's."""
    return NotFound(f"There is no connection {connection_id}.", code="connection_not_found")


class _Cache(Generic[K, V]):
    """Values for a while. Concurrent misses of one key share one load."""

    def __init__(self, seconds: float = TTL_SECONDS) -> None:
        self._seconds = seconds
        self._values: dict[K, tuple[float, V]] = {}
        self._loading: dict[K, asyncio.Task[V]] = {}
        self._generation = 0

    def get(self, key: K) -> V | None:
        """The value, if it is here and fresh."""
        entry = self._values.get(key)
        return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    async def load(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """The value, loaded if it is not here. What `load` raises goes to everyone who waits, and is not kept."""
        value = self.get(key)
        if value is not None:
            return value
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(self._fill(key, load))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(task)

    def clear(self) -> None:
        """Forget everything; what is being loaded now serves those who wait for it and is not kept."""
        self._generation += 1
        self._values.clear()
        self._loading.clear()

    def sweep(self) -> None:
        """Let go of what is no longer fresh."""
        now = time.monotonic()
        for key in [key for key, (until, _) in self._values.items() if until <= now]:
            del self._values[key]

    async def _fill(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        generation = self._generation
        value = await load()
        if generation == self._generation:
            if len(self._values) >= _MOST:
                del self._values[next(iter(self._values))]
            self._values[key] = (time.monotonic() + self._seconds, value)
        return value

    def _loaded(self, key: K, task: "asyncio.Task[V]") -> None:
        if self._loading.get(key) is task:
            del self._loading[key]
        if not task.cancelled():
            task.exception()


class Directory:
    """The cached lookups of one process."""

    def __init__(self, *, db: db.Database, keyring: Keyring, settings: Settings) -> None:
        self._db = db
        self._keyring = keyring
        self._base_url = settings.base_url
        self._admin_digest = token_format.digest(settings.admin_token) if settings.admin_token else None
        self._principals: _Cache[str, Principal] = _Cache()
        self._instances: _Cache[tuple[UUID, UUID], InstanceView] = _Cache(INSTANCE_TTL_SECONDS)
        self._hooks: _Cache[tuple[str, str], HookTarget] = _Cache(INSTANCE_TTL_SECONDS)
        self._zapi: _Cache[str, ZapiView] = _Cache(INSTANCE_TTL_SECONDS)

    # --- tokens ---------------------------------------------------------------------------------------

    def cached_principal(self, token: str) -> Principal | None:
        """Who a token stands for, when that is known without asking the database."""
        principal = self._principals.get(token)
        return None if principal is None or principal.suspended else principal

    async def authenticate(self, token: str) -> Principal:
        """Who a token stands for. Raises `Unauthorized`, or `Forbidden` when its company is suspended."""
        principal = self._principals.get(token)
        if principal is None:
            digest = token_format.digest(token)
            if self._admin_digest is not None and hmac.compare_digest(digest, self._admin_digest):
                return Principal(level="admin", company_id=None, instance_id=None, token_id=None)
            if not token_format.well_formed(token):
                raise Unauthorized("The token is malformed; check that all of it was copied.", code="invalid_token")
            principal = await self._principals.load(token, lambda: self._load_principal(digest))
        if principal.suspended:
            raise Forbidden("The company is suspended.", code="company_suspended")
        return principal

    async def _load_principal(self, digest: bytes) -> Principal:
        async with self._db.worker.acquire() as connection:
            found = await tokens.find(connection, digest)
        if found is None:
            raise Unauthorized("The token is unknown or was revoked.", code="invalid_token")
        return Principal(
            level=found.level,
            company_id=found.company_id,
            instance_id=found.instance_id,
            token_id=found.id,
            company_settings=msgspec.convert(found.company_settings or {}, CompanySettings),
            suspended=found.company_status == "suspended",
        )

    async def company(self, company_id: CompanyId) -> Principal:
        """A company, as one of its own tokens would stand for it. Raises `Forbidden` when it is suspended."""
        async with self._db.worker.acquire() as connection:
            found = await companies.get(connection, company_id)
        if found is None or found.status == "suspended":
            raise Forbidden("The company is suspended.", code="company_suspended")
        return Principal(
            level="company",
            company_id=company_id,
            instance_id=None,
            token_id=None,
            company_settings=msgspec.convert(found.settings, CompanySettings),
        )

    # --- instances ------------------------------------------------------------------------------------

    def cached_instance(self, company_id: UUID, instance_id: UUID) -> InstanceView | None:
        """The instance, when it is known without asking the database."""
        return self._instances.get((company_id, instance_id))

    async def instance(self, company_id: UUID, instance_id: UUID) -> InstanceView:
        """The company's instance. Raises `NotFound`, also for another company's."""
        key = (company_id, instance_id)
        return await self._instances.load(key, lambda: self._load_instance(company_id, instance_id))

    async def _load_instance(self, company_id: UUID, instance_id: UUID) -> InstanceView:
        async with self._db.worker.acquire() as connection:
            rows = await connections.load_instance(connection, company_id, instance_id)
        if not rows:
            raise no_instance(instance_id)
        views = tuple(self._view(row) for row in rows if row["connection_id"] is not None)
        return InstanceView(
            company_id=rows[0]["company_id"],
            id=rows[0]["id"],
            name=rows[0]["name"],
            status=ConnectionStatus(rows[0]["status"]),
            paused=rows[0]["paused"],
            settings=msgspec.convert(rows[0]["settings"], InstanceSettings),
            active=next((view for view in views if view.active), None),
            connections=views,
        )

    def _view(self, row: refusals.Row) -> ConnectionView:
        return ConnectionView(
            id=row["connection_id"],
            kind=row["kind"],
            status=ConnectionStatus(row["connection_status"]),
            server_id=row["server_id"],
            rank=row["rank"],
            active=row["active"],
            connection=self.connection_of(row, instance_id=row["id"]),
        )

    def connection_of(self, row: refusals.Row, *, instance_id: UUID) -> provider.Connection:
        """What an adapter is called with, out of a row of `store.connections` that has the server's columns too."""
        return provider.Connection(
            id=row["connection_id"],
            company_id=row["company_id"],
            instance_id=InstanceId(instance_id),
            server=provider.Server(
                id=row["server_id"],
                kind=row["kind"],
                base_url=row["base_url"],
                credentials=self._keyring.open(row["server_credentials"], server_context(row["server_id"])),
            ),
            credentials=self._keyring.open(row["credentials"], connection_context(row["connection_id"])),
            account=row["account"],
            webhook_url=self.webhook_url(row["kind"], row["hook_key"]),
        )

    # --- the Z-API surface ----------------------------------------------------------------------------

    def cached_zapi(self, public_id: str) -> ZapiView | None:
        """The instance behind an id in Z-API's addresses, when it is known without asking the database."""
        return self._zapi.get(public_id)

    async def zapi(self, public_id: str) -> ZapiView:
        """The instance behind an id in Z-API's addresses. Raises `NotFound`."""
        return await self._zapi.load(public_id, lambda: self._load_zapi(public_id))

    async def zapi_of(self, company_id: UUID, instance_id: UUID) -> ZapiView | None:
        """A company's instance as Z-API clients know it; None when it is not open to them."""
        async with self._db.worker.acquire() as connection:
            public_id = await zapi.public_id_of(connection, company_id, instance_id)
        return None if public_id is None else await self.zapi(public_id)

    async def _load_zapi(self, public_id: str) -> ZapiView:
        async with self._db.worker.acquire() as connection:
            row = await zapi.find(connection, public_id)
        if row is None:
            raise NotFound("Instance not found", code="instance_not_found")
        settings = msgspec.convert(row["company_settings"], CompanySettings)
        suspended = row["company_status"] == "suspended"
        return ZapiView(
            company_id=row["company_id"],
            id=row["instance_id"],
            public_id=row["public_id"],
            token=self._keyring.decrypt(row["token"], zapi_context(row["instance_id"])).decode(),
            settings=msgspec.convert(row["settings"], ZapiSettings),
            account=msgspec.convert(row["account_settings"], AccountSettings),
            client_token=row["client_token"] if row["client_token_enabled"] else None,
            subscribed_at=row["subscribed_at"],
            due_at=row["due_at"],
            created_at=row["created_at"],
            principal=Principal(
                level="instance",
                company_id=row["company_id"],
                instance_id=row["instance_id"],
                token_id=None,
                company_settings=settings,
                suspended=suspended,
            ),
        )

    # --- webhook addresses ----------------------------------------------------------------------------

    def webhook_url(self, kind: str, key: str) -> str:
        """Where a provider posts to."""
        return f"{self._base_url}/hooks/{kind}/{key}"

    async def by_hook(self, kind: str, key: str) -> HookTarget:
        """Whose webhook address this is. Raises `NotFound`."""
        return await self._hooks.load((kind, key), lambda: self._load_hook(kind, key))

    async def _load_hook(self, kind: str, key: str) -> HookTarget:
        async with self._db.worker.acquire() as connection:
            row = await connections.load_hook(connection, kind, key)
            shared = None if row else await servers.load_hook(connection, kind, key)
        if row:
            found = self.connection_of(row, instance_id=row["instance_id"])
            return HookTarget(
                company_id=found.company_id,
                source_id=found.id,
                server_id=found.server.id,
                connection=found,
                caller=found,
            )
        if shared:
            return self._server_hook(shared)
        raise NotFound("Nothing listens at this webhook address.", code="hook_not_found")

    def _server_hook(self, row: refusals.Row) -> HookTarget:
        credentials = self._keyring.open(row["credentials"], server_context(row["id"]))
        server = provider.Server(id=row["id"], kind=row["kind"], base_url=row["base_url"], credentials=credentials)
        company_id = row["company_id"] or ids.PLATFORM
        caller = provider.Connection(
            id=ConnectionId(UUID(int=0)),
            company_id=company_id,
            instance_id=InstanceId(UUID(int=0)),
            server=server,
            credentials=credentials,
            webhook_url=self.webhook_url(row["kind"], row["hook_key"]),
        )
        return HookTarget(
            company_id=company_id, source_id=server.id, server_id=server.id, connection=None, caller=caller
        )

    # --- changes --------------------------------------------------------------------------------------

    def invalidate(self) -> None:
        """Forget everything now."""
        self._principals.clear()
        self._instances.clear()
        self._hooks.clear()
        self._zapi.clear()

    async def changed(self, connection: db.Connection) -> None:
        """Tell every process at commit that what it keeps is old; this one forgets it at once.

        What this process loads between now and the commit is cleared by its own listener. A caller that owns the
        transaction and cannot wait for that uses `changing`.
        """
        await tokens.notify_caches(connection)
        self.invalidate()

    @contextlib.asynccontextmanager
    async def changing(self, company_id: CompanyId | None = None) -> AsyncIterator[db.Connection]:
        """A transaction that changes what is kept here: of one company, or of the platform.

        When the block ends, the change is committed and this process has forgotten what it kept.
        """
        door = self._db.work() if company_id is None else self._db.tenant(company_id)
        try:
            async with door as connection:
                yield connection
                await tokens.notify_caches(connection)
        finally:
            self.invalidate()

    async def watch(self, signals: Signals, stop: asyncio.Event) -> None:
        """Forget everything whenever the topic `caches` is signalled, and what is old every few seconds."""
        waiter = signals.waiter("caches")
        while not stop.is_set():
            if await waiter.wait(TTL_SECONDS):
                self.invalidate()
            else:
                for cache in (self._principals, self._instances, self._hooks, self._zapi):
                    cache.sweep()
