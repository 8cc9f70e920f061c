"""The composition root: what a process is made of, and the one order it starts and stops in.

Start: logs, database, migrations, clients, what every installation has (a token, default servers), the writers of
accepted work, the workers, and last the door. Stop: the door first, then workers, writers, clients, database.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Collection, Iterator
from typing import Any

import asyncpg
import structlog
import uvicorn
from litestar import Litestar

from recado import __version__, providers
from recado.api import application, front, health, ingress, sandbox
from recado.api.v1 import (
    companies,
    contacts,
    conversations,
    deliveries,
    events,
    instances,
    media,
    messages,
    phone,
    queue,
    raw_webhooks,
    servers,
    tokens,
    webhooks,
    zapi,
)
from recado.config import Settings
from recado.kit import crypto
from recado.kit.http import Http
from recado.kit.signals import Signals
from recado.providers.native.adapter import Native
from recado.providers.sandbox.adapter import Sandbox
from recado.services import servers as server_services
from recado.services import tokens as token_services
from recado.services.accepting import Acceptor
from recado.services.directory import Directory
from recado.services.limiting import Limiter
from recado.services.native import Commands
from recado.services.runtime import Runtime
from recado.services.sandbox import Phones
from recado.store import db, embedded, migrate
from recado.store.media_storage import MediaStorage
from recado.telemetry import logs, requests, traces
from recado.workers import deliveries as delivery_worker
from recado.workers import failover, inbound, janitor, loop, native_child, sender
from recado.workers import health as health_worker
from recado.workers import media as media_worker
from recado.workers import native as native_worker
from recado.workers import sandbox as sandbox_worker

log = structlog.get_logger(__name__)

#: What a process can do besides answering the API. `recado serve` does all of it.
ROLES = ("sender", "inbound", "deliveries", "media", "health", "failover", "janitor", "sandbox", "native")

_TOPICS = (
    "lanes", "inbox", "deliveries", "media", "sandbox", "caches", "native", "native_commands", "native_replies",
)  # fmt: skip


class NotMigrated(Exception):
    """The database lacks migrations that this version needs. Run `recado migrate`."""


def build_runtime(settings: Settings, database: db.Database) -> Runtime:
    """The clients of a process, not started yet. Reads, or makes, the secret key."""
    signals = Signals()
    client = Http(allowed_networks=settings.allowed_networks, user_agent=f"recado/{__version__}")
    if settings.secret_key:
        keyring = crypto.parse(settings.secret_key)
    else:
        keyring = crypto.load_or_create(settings.secret_key_path)
    return Runtime(
        settings=settings,
        db=database,
        http=client,
        keyring=keyring,
        signals=signals,
        providers=providers.build(
            client,
            graph_version=settings.meta_graph_version,
            sandbox=Sandbox(Phones(database, signals)),
            native=Native(Commands(database, signals), timeout=settings.send_timeout_seconds),
            timeout=settings.send_timeout_seconds,
        ),
        media=MediaStorage(settings.media_location),
        directory=Directory(db=database, keyring=keyring, settings=settings),
        limiter=Limiter(settings),
    )


def build_api(runtime: Runtime, acceptor: Acceptor, receiver: ingress.Ingress) -> Litestar:
    """The API over a runtime."""
    return application.build(
        runtime,
        [
            health.router,
            companies.router,
            tokens.router,
            servers.router,
            instances.router,
            messages.router(acceptor),
            queue.router,
            *phone.ROUTERS,
            contacts.router,
            conversations.router,
            media.router,
            webhooks.router,
            deliveries.router,
            events.router,
            raw_webhooks.router,
            zapi.router,
            sandbox.router,
            receiver.handler(),
        ],
    )


class Recado:
    """One process of Recado. `start`, then `wait` until a signal or `stop`; starting again needs a new one."""

    def __init__(
        self, settings: Settings, *, roles: Collection[str] = ROLES, api: bool = True, migrations: bool = True
    ) -> None:
        unknown = set(roles) - set(ROLES)
        if unknown:
            raise ValueError(f"There is no role {', '.join(sorted(unknown))}; the roles are {', '.join(ROLES)}.")
        self.settings = settings
        self.runtime: Runtime
        #: Set by `start` when the process answers the API.
        self.url = settings.base_url
        #: The first admin token, when this start made it: it is shown now or never.
        self.admin_token: str | None = settings.admin_token
        self._roles = roles
        self._api = api
        self._migrations = migrations
        self._stopping = asyncio.Event()
        self._stop_workers = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._background: list[asyncio.Task[None]] = []
        self._cleanup = contextlib.AsyncExitStack()
        self._stopped = False

    async def start(self) -> None:
        """Start everything, or raise and leave nothing running."""
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._cleanup = stack.pop_all()

    async def wait(self) -> None:
        """Until SIGTERM, SIGINT or `stop`."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Stop taking work, finish or give back what is in flight within the grace period. Twice is fine."""
        self._stopping.set()
        if self._stopped:
            return
        self._stopped = True
        await self._cleanup.aclose()

    def request_stop(self) -> None:
        """What a signal does: let `wait` return."""
        self._stopping.set()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        settings = self.settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        url = settings.database_url or await self._start_postgres(stack)
        await self._migrate(url)
        database = db.Database(url, pool_size=settings.pool_size)
        stack.push_async_callback(database.stop)
        await database.start()
        # The port is bound before anything needs to know the address, since port 0 is chosen by the system.
        door = _bind(settings) if self._api else None
        if door is not None:
            stack.callback(door.close)
            settings = settings.model_copy(update={"port": door.getsockname()[1]})
            self.settings, self.url = settings, settings.base_url
        self.runtime = runtime = build_runtime(settings, database)
        await runtime.http.start()
        stack.push_async_callback(runtime.http.stop)
        self._spawn(self._listen(url), stack)
        self._spawn(runtime.directory.watch(runtime.signals, self._stop_workers), stack)
        self.admin_token = await token_services.ensure_admin(runtime) or self.admin_token
        await server_services.ensure_defaults(runtime)
        acceptor, receiver = Acceptor(runtime), ingress.Ingress(runtime)
        for writer in (acceptor, receiver):
            await writer.start()
            stack.push_async_callback(writer.stop)
        self._start_workers(runtime)
        stack.push_async_callback(self._finish_workers)
        if door is not None:
            await self._open_door(runtime, acceptor, receiver, door, stack)
        log.info("started", url=self.url if self._api else None, roles=sorted(self._roles))

    async def _start_postgres(self, stack: contextlib.AsyncExitStack) -> str:
        server = embedded.EmbeddedPostgres(self.settings.postgres_dir, connections=self.settings.postgres_connections)
        await asyncio.to_thread(server.start)
        stack.push_async_callback(asyncio.to_thread, server.stop)
        self._spawn(server.watch(), stack)
        return server.url

    async def _migrate(self, url: str) -> None:
        connection = await db.connect(url)
        try:
            if self._migrations:
                for migration in await migrate.migrate(connection):
                    log.info("migrated", number=migration.number, name=migration.name)
            elif missing := await migrate.pending(connection):
                names = ", ".join(f"{migration.number:03}" for migration in missing)
                raise NotMigrated(f"Migrations {names} are not applied to this database; run `recado migrate`.")
        finally:
            await connection.close()

    def _spawn(self, work: Any, stack: contextlib.AsyncExitStack) -> None:
        """Run beside everything else; cancelled when its turn to stop comes."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._background.append(task)
        stack.push_async_callback(_cancel, task)

    def _start_workers(self, runtime: Runtime) -> None:
        made: dict[str, type[Any]] = {
            "sender": sender.SenderWorker,
            "inbound": inbound.InboundWorker,
            "deliveries": delivery_worker.DeliveryWorker,
            "media": media_worker.MediaWorker,
            "health": health_worker.HealthWorker,
            "failover": failover.FailoverWorker,
            "janitor": janitor.Janitor,
            "sandbox": sandbox_worker.SandboxWorker,
            # A panic of the engine ends its process: beside anything else it runs as a child.
            "native": native_worker.NativeWorker if set(self._roles) == {"native"} else native_child.NativeSupervisor,
        }
        for role in ROLES:
            if role in self._roles:
                worker: loop.Worker = made[role](runtime)
                self._tasks.append(asyncio.create_task(worker.run(self._stop_workers), name=role))

    async def _finish_workers(self) -> None:
        self._stop_workers.set()
        for topic in _TOPICS:
            self.runtime.signals.set(topic)
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self.settings.shutdown_grace_seconds)
        for task in late:
            log.warning("worker_cut_off", role=task.get_name(), grace=self.settings.shutdown_grace_seconds)
            await _cancel(task)
        for task in self._tasks:
            if not task.cancelled() and task.exception() is not None:
                log.error("worker_failed", role=task.get_name(), exc_info=task.exception())

    async def _open_door(
        self,
        runtime: Runtime,
        acceptor: Acceptor,
        receiver: ingress.Ingress,
        door: socket.socket,
        stack: contextlib.AsyncExitStack,
    ) -> None:
        app = requests.Requests(front.Front(build_api(runtime, acceptor, receiver), runtime, acceptor))
        server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                access_log=False,
                server_header=False,
                proxy_headers=bool(self.settings.trusted_proxies),
                forwarded_allow_ips=list(self.settings.trusted_proxies),
                log_config=None,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=max(1, int(self.settings.shutdown_grace_seconds)),
            )
        )
        task = asyncio.create_task(server.serve(sockets=[door]))
        opened = asyncio.create_task(server.opened.wait())
        await asyncio.wait({task, opened}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            opened.cancel()
            task.result()
            raise RuntimeError(f"The web server did not start on {self.url}.")

        async def close() -> None:
            server.should_exit = True
            await task

        stack.push_async_callback(close)

    async def _hear(self, connection: db.Owned) -> None:
        """Until the connection is closed."""
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        await connection.add_listener("recado", lambda *told: self.runtime.signals.set(str(told[3])))
        # Whatever was told while nobody listened is looked for once.
        for topic in _TOPICS:
            self.runtime.signals.set(topic)
        await closed.wait()

    async def _listen(self, url: str) -> None:
        """Turn the database's notifications into this process's signals, for as long as the process lives."""

        while True:
            try:
                # A line that was cut without a word must be noticed too, or this process sleeps on it for ever.
                connection = await db.connect(url, application_name="recado_listener", tcp_keepalives_idle="30")
                try:
                    await self._hear(connection)
                finally:
                    connection.terminate()
            except (*db.AWAY, asyncpg.PostgresError) as error:
                log.debug("listener_away", why=type(error).__name__)
            await asyncio.sleep(0.5)


class _Server(uvicorn.Server):
    """A server whose process handles the signals itself, and which says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self.opened.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's delay off only for sockets that are said to be TCP; an answer of two parts would wait 40 ms.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((settings.host, settings.port))
    except OSError as error:
        door.close()
        raise OSError(
            error.errno,
            f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}); set RECADO_PORT to a free one.",
        ) from error
    door.listen(2_048)
    door.setblocking(False)
    return door


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _run(recado: Recado, announce: Any) -> None:
    loop_ = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop_.add_signal_handler(number, recado.request_stop)
    try:
        await recado.start()
        if announce is not None:
            await announce(recado)
        await recado.wait()
        log.info("stopping")
    finally:
        await recado.stop()
        log.info("stopped")


def run(
    settings: Settings,
    roles: Collection[str] = ROLES,
    *,
    api: bool = True,
    migrations: bool = True,
    announce: Any = None,
) -> None:
    """Run one process until SIGTERM or SIGINT. `announce` is awaited with the started `Recado`."""
    import uvloop

    logs.configure(settings.log_level, settings.log_format)
    traces.configure(settings)
    # What was made by now lives as long as the process; collecting garbage need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        uvloop.run(_run(Recado(settings, roles=roles, api=api, migrations=migrations), announce))
    finally:
        traces.flush()
