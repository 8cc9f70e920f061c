"""The built-in engine: one process holds numbers by leases, runs each on whatsmeow, and carries out their commands.

A number belongs to one process at a time. Its lease is renewed for all numbers in one statement; who cannot renew
disconnects before the lease ends, and the fence makes void what a former holder still writes. A process that stops
lets go of each number as soon as it is disconnected, and another takes it within a moment.
"""

import asyncio
import hashlib
import math
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

import asyncpg
import msgspec
import structlog

from recado import native as engine
from recado.domain import ids
from recado.domain.content import MEDIA_KINDS
from recado.domain.ids import ConnectionId, RawWebhookId
from recado.domain.states import ConnectionStatus
from recado.kit.batching import Batcher, FlushFailed, Stopped
from recado.kit.http import HttpError, NotSent
from recado.services.native import COMMANDS, REPLIES, TOPIC
from recado.services.runtime import Runtime
from recado.store import db, embedded, inbox, native
from recado.workers import loop, native_child

if TYPE_CHECKING:
    from recado.native.device import Result, Sink
    from recado.native.events import Told

log = structlog.get_logger(__name__)

T = TypeVar("T")

LEASE_SECONDS = 15.0
#: Each number takes two connections to PostgreSQL, since neonize opens a pool of its own for each.
CAPACITY = 40
#: Between two starts, on average: a thousand numbers must not connect at once.
PACE_SECONDS = 0.25
#: So many threads that Go never gave back are enough: the process is replaced.
SPENT_AT_MOST = 50

_LOOK_EVERY = 1.0
_COMMANDS_AT_ONCE = 64
_MOST_PER_COMMIT = 200
_STARTS_PER_LOOK = 4
_LET_GO_PER_LOOK = 2
_LONGEST_PAUSE = 900.0
_KEEP = timedelta(days=7)
_PRUNE_EVERY = 600.0
_LINK_TIMEOUT = 20.0
#: Sends whose second copy changes nothing need no proof that the first never left.
_REPEATABLE = frozenset({"reaction", "edit", "delete", "pin"})


class Device(Protocol):
    """A number, as `native.device.Device` is one. Its methods block."""

    @property
    def ready(self) -> bool: ...

    @property
    def spent(self) -> bool: ...

    def start(self) -> None: ...

    def close(self) -> None: ...

    def perform(
        self, operation: str, request: dict[str, Any], payload: bytes | None, secret: bytes | None
    ) -> "Result": ...


Factory = Callable[[str, native.Held, "Sink"], Device]


class _Number:
    """A number that this process holds."""

    def __init__(self, held: native.Held) -> None:
        self.held = held
        self.device: Device | None = None
        self.starting: asyncio.Task[None] | None = None
        self.status = ConnectionStatus.CONNECTING
        self.phone_device = held.device
        self.going = False


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    number: Any
    told: Any
    body: dict[str, Any]


class NativeWorker:
    """The engine. `factory` makes the numbers; without one it is neonize's, which must be installed."""

    name = "native"

    def __init__(
        self,
        runtime: Runtime,
        *,
        factory: Factory | None = None,
        owner: UUID | None = None,
        lease: float = LEASE_SECONDS,
        capacity: int = CAPACITY,
        pace: float = PACE_SECONDS,
    ) -> None:
        self._runtime = runtime
        self._factory = factory
        self.owner = owner or native_child.given_owner() or ids.new()
        self._lease = lease
        self._capacity = capacity
        self._pace = pace
        self._store = runtime.settings.database_url or embedded.EmbeddedPostgres(runtime.settings.postgres_dir).url
        self._numbers: dict[ConnectionId, _Number] = {}
        self._renewed_at = time.monotonic()
        self._threads = ThreadPoolExecutor(max_workers=_COMMANDS_AT_ONCE + 16, thread_name_prefix="native")
        self._writer = Batcher[_Item, bool](self._write, max_items=_MOST_PER_COMMIT)
        self._under_way: set[asyncio.Task[None]] = set()
        self._wishes, self._free = runtime.signals.waiter(TOPIC), runtime.signals.waiter(TOPIC)
        self._commands = runtime.signals.waiter(COMMANDS)
        self._leaving = False
        self._stopping = asyncio.Event()
        self._parent = os.getppid()
        self._spent = 0
        self._pruned_at = 0.0
        self._loop: asyncio.AbstractEventLoop

    async def run(self, stop: asyncio.Event) -> None:
        """Hold numbers until `stop` is set, then let go of each. Without neonize, say so and do nothing."""
        if self._factory is None:
            trouble = engine.trouble()
            if trouble is not None:
                log.error("native_missing", why=trouble)
                return
            self._factory = _neonize(self._store)
        self._loop = asyncio.get_running_loop()
        await self._writer.start()
        log.info("native_started", owner=str(self.owner), capacity=self._capacity)
        loops = [
            asyncio.create_task(loop.forever("native_leases", self._keep, self._stopping)),
            asyncio.create_task(loop.forever("native_sessions", self._look, self._stopping)),
            asyncio.create_task(loop.forever("native_commands", self._take, self._stopping)),
            asyncio.create_task(self._guard()),
        ]
        try:
            await stop.wait()
        finally:
            await self._finish(loops)

    @property
    def holds(self) -> frozenset[ConnectionId]:
        """The numbers that it holds."""
        return frozenset(self._numbers)

    # --- leases ---------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Renew every lease, and let go of what belongs to somebody else or is wanted no more."""
        asked_at = time.monotonic()
        asked_for = [number for number in self._numbers.values() if not number.going]
        async with self._runtime.db.worker.acquire() as connection:
            if not self._leaving:
                await native.enroll(connection, self.owner, capacity=self._capacity, version=_version())
            renewed = {one.connection_id: one for one in await native.renew(connection, self.owner, lease=self._lease)}
        self._renewed_at = asked_at
        for number in asked_for:
            id = number.held.connection_id
            one = renewed.get(id)
            if one is None or one.fence != number.held.fence:
                log.warning("native_lease_lost", connection_id=str(id))
                self._spawn(self._drop(number))
            elif one.logout:
                self._spawn(self._log_out(number))
            elif not one.wanted:
                self._spawn(self._let_go(number, reason="stopped"))
            elif number.status == ConnectionStatus.QR and one.method != number.held.method:
                self._spawn(self._let_go(number, reason=None))
        if os.getppid() != self._parent and native_child.given_owner() is not None:
            log.warning("native_orphaned")
            signal.raise_signal(signal.SIGTERM)
        if asked_at - self._pruned_at > _PRUNE_EVERY:
            await native.prune(self._runtime.db.worker, datetime.now(UTC) - _KEEP)
            self._pruned_at = asked_at
        await self._wishes.wait(self._lease / 3)

    async def _guard(self) -> None:
        """Disconnect everything before the leases end, while they cannot be renewed: another process may take over."""
        while not await loop.pause_or_stop(self._stopping, min(self._lease / 20, 0.5)):
            if self._numbers and time.monotonic() - self._renewed_at > self._lease * 0.8:
                log.warning("native_leases_ending", numbers=len(self._numbers))
                await asyncio.gather(*(self._drop(number) for number in list(self._numbers.values())))

    async def _look(self) -> None:
        """Take numbers that nobody holds, up to a fair share, and give back what is beyond it."""
        await self._free.wait(_LOOK_EVERY)
        if self._leaving or time.monotonic() - self._renewed_at > self._lease / 2:
            return
        async with self._runtime.db.worker.acquire() as connection:
            found = await native.engines(connection, seen_within=self._lease)
            share = min(self._capacity, math.ceil(found.wanted / max(found.engines, 1)))
            beyond = len(self._numbers) - share
            if beyond > max(1, share // 10) and found.engines > 1:
                await self._give_back(min(beyond, _LET_GO_PER_LOOK))
                return
            starting = sum(1 for number in self._numbers.values() if number.starting is not None)
            room = min(share - len(self._numbers), _STARTS_PER_LOOK - starting)
            # A number that is only to be logged out is beyond the share, and soon gone.
            limit = max(room, 1)
            taken = await native.claim(connection, self.owner, limit=limit, lease=self._lease, logouts=room < 1)
        for held in taken:
            number = _Number(held)
            self._numbers[held.connection_id] = number
            number.starting = asyncio.create_task(self._start(number))
        if len(taken) == limit:
            self._runtime.signals.set(TOPIC)

    async def _give_back(self, how_many: int) -> None:
        settled = [one for one in self._numbers.values() if one.status == ConnectionStatus.CONNECTED and not one.going]
        for number in random.sample(settled, min(how_many, len(settled))):
            await self._let_go(number, reason="handed_over")

    # --- numbers --------------------------------------------------------------------------------------------

    async def _start(self, number: _Number) -> None:
        held = number.held
        assert self._factory is not None
        try:
            if held.lost_at is not None:
                await self._tell_gap(number)
            await asyncio.sleep(random.uniform(0, 2 * self._pace))
            if held.device is not None and not await native.has_device(self._runtime.db.worker, held.device):
                # neonize 0.5.2 does not look whether it found the device, and its library ends the process.
                lost = native.Change(
                    status=ConnectionStatus.LOGGED_OUT, reason="device_lost", unpaired=True, stays=False
                )
                await self._report(number, lost)
                self._spawn(self._let_go(number, reason=None))
                return
            if number.going:
                return
            number.device = self._factory(self._store, held, lambda told: self._hear(number, told))
            await self._in_thread(number.device.start)
        except Exception:
            log.exception("native_start_failed", connection_id=str(held.connection_id))
            await self._let_go(number, reason="engine_failed", pause=_pause(30.0, held.failures), failed=True)
        finally:
            number.starting = None
        if held.logout:
            self._spawn(self._log_out(number))

    async def _tell_gap(self, number: _Number) -> None:
        """The former holder was killed: what it had acknowledged and not stored is lost, and nobody knows what."""
        since = number.held.lost_at
        body = {
            "event": "gap",
            "at": datetime.now(UTC).isoformat(),
            "reason": "engine_lost",
            "since": (since - timedelta(seconds=self._lease)).isoformat() if since else None,
        }
        await self._store_told(number, None, body)

    def _hear(self, number: _Number, told: "Told") -> None:
        """Called from the number's own threads: returns when it is stored, or when the process gives the number up."""
        asyncio.run_coroutine_threadsafe(self._told(number, told), self._loop).result()

    async def _told(self, number: _Number, told: "Told") -> None:
        body = dict(told.body)
        while not number.going or told.change is None:
            try:
                await self._enrich(number, body)
                await self._store_told(number, told, body)
                break
            except Stopped:
                log.error("native_event_lost", connection_id=str(number.held.connection_id), told=body["event"])
                return
            except (*db.AWAY, asyncpg.PostgresError, FlushFailed) as error:
                log.warning("native_event_waits", why=type(error).__name__)
                await asyncio.sleep(0.5)
        if told.change is not None:
            number.status = told.change.status
            number.phone_device = told.change.device or number.phone_device
        if told.ended and not number.going:
            failed = told.change is not None and told.change.stays
            pause = _pause(told.pause, number.held.failures) if failed else 0.0
            self._spawn(self._let_go(number, reason=None, pause=pause, failed=failed))

    async def _enrich(self, number: _Number, body: dict[str, Any]) -> None:
        """Our own ids of the messages that are spoken of, and the names behind the hashes of a vote."""
        held, pool = number.held, self._runtime.db.worker
        if body["event"] == "receipt":
            ours = await native.message_ids(pool, held.company_id, held.connection_id, body["ids"])
            body["message_ids"] = {provider_id: str(id) for provider_id, id in ours.items()}
        elif body["event"] == "message":
            info = body["info"]
            if info.get("from_me"):
                ours = await native.message_ids(pool, held.company_id, held.connection_id, [info["id"]])
                if info["id"] in ours:
                    body["message_id"] = str(ours[info["id"]])
            if "vote_hashes" in body:
                poll = body["message"].get("pollUpdateMessage", {}).get("pollCreationMessageKey", {}).get("ID", "")
                options = await native.poll_options(pool, held.company_id, held.connection_id, poll)
                if options:
                    body["votes"] = _chosen(options, body["vote_hashes"])

    async def _store_told(self, number: _Number, told: "Told | None", body: dict[str, Any]) -> None:
        if not await self._writer.submit(_Item(number=number, told=told, body=body)):
            log.info("native_state_void", connection_id=str(number.held.connection_id))
            return
        self._runtime.signals.set("inbox")
        if told is not None and told.change is not None:
            self._runtime.signals.set(REPLIES)

    async def _write(self, items: list[_Item]) -> list[bool | BaseException]:
        """Store what numbers told, in their order. How a number stands is void once somebody else holds it; what people
        wrote never is: WhatsApp will not tell it again, and a repeat is recognised."""
        stored: list[bool | BaseException] = []
        webhooks = []
        async with self._runtime.db.work() as connection:
            for item in items:
                change = item.told.change if item.told is not None else None
                good = change is None or await native.report(connection, item.number.held, change)
                stored.append(good)
                if good:
                    webhooks.append(_webhook(item.number.held, item.body))
            if webhooks:
                await inbox.store(connection, webhooks)
            if any(item.told is not None and item.told.change is not None for item in items):
                await native.wake(connection, REPLIES)
        return stored

    async def _let_go(self, number: _Number, *, reason: str | None, pause: float = 0.0, failed: bool = False) -> None:
        """Disconnect a number and release its lease, so that another process can take it at once."""
        if number.going:
            return
        await self._close(number)
        held = number.held
        try:
            if reason is not None and reason != "handed_over":
                change = native.Change(status=ConnectionStatus.DISCONNECTED, reason=reason)
                await self._report(number, change)
            async with self._runtime.db.worker.acquire() as connection:
                await native.release(connection, self.owner, held, pause=pause, failed=failed)
                await native.wake(connection, TOPIC)
                await native.wake(connection, REPLIES)
        except (*db.AWAY, asyncpg.PostgresError) as error:
            # The lease ends by itself.
            log.warning("native_release_failed", why=type(error).__name__)
        self._numbers.pop(held.connection_id, None)

    async def _drop(self, number: _Number) -> None:
        """Disconnect a number that somebody else holds, or may hold soon."""
        if not number.going:
            await self._close(number)
            self._numbers.pop(number.held.connection_id, None)

    async def _log_out(self, number: _Number) -> None:
        """End the pairing, where whatsmeow can: without a connection it stays on the phone until that ends it."""
        if number.going or number.starting is not None or number.device is None:
            return
        result = await self._in_thread(number.device.perform, "logout", {}, None, None)
        if result.reply["outcome"] != "done":
            log.warning("native_logout_failed", why=result.reply.get("why"))
        gone = native.Change(status=ConnectionStatus.DISCONNECTED, reason="logged_out", unpaired=True, stays=False)
        await self._report(number, gone)
        await self._let_go(number, reason=None)

    async def _report(self, number: _Number, change: native.Change) -> None:
        from_change = {"status": change.status, "reason": change.reason}
        body = {"event": "state", "at": datetime.now(UTC).isoformat(), **from_change}
        await self._writer.submit(_Item(number=number, told=_Reported(change=change), body=body))

    async def _close(self, number: _Number) -> None:
        number.going = True
        starting = number.starting
        if starting is not None and starting is not asyncio.current_task():
            if number.device is None:
                starting.cancel()
            # One that is being started cannot be stopped yet: the library would not know it, and start it after all.
            await asyncio.wait({starting})
        device = number.device
        if device is None:
            return
        await self._in_thread(device.close)
        if device.spent:
            self._spent += 1
            if self._spent == SPENT_AT_MOST:
                log.warning("native_worn", threads=self._spent)
                signal.raise_signal(signal.SIGTERM)

    # --- commands -------------------------------------------------------------------------------------------

    async def _take(self) -> None:
        """Begin what waits for our numbers, as many at once as there are threads."""
        room = _COMMANDS_AT_ONCE - len(self._under_way)
        commands: list[native.Command] = []
        if room > 0 and self._numbers:
            async with self._runtime.db.worker.acquire() as connection:
                commands = await native.begin(connection, self.owner, limit=room)
        for command in commands:
            self._spawn(self._carry_out(command))
        if not commands or len(commands) < room:
            await self._commands.wait(_LOOK_EVERY)

    async def _carry_out(self, command: native.Command) -> None:
        result = await self._performed(command)
        for attempt in range(20):
            try:
                async with self._runtime.db.worker.acquire() as connection:
                    await native.reply(
                        connection,
                        self.owner,
                        command,
                        result.reply,
                        payload=result.payload,
                        provider_id=result.provider_id,
                    )
                self._runtime.signals.set(REPLIES)
                return
            except (*db.AWAY, asyncpg.PostgresError) as error:
                log.warning("native_reply_waits", why=type(error).__name__, attempt=attempt)
                await asyncio.sleep(0.5)
        log.error("native_reply_lost", command_id=str(command.id))

    async def _performed(self, command: native.Command) -> "_Result":
        number = self._numbers.get(command.connection_id)
        if number is None or number.device is None or number.going or number.held.fence != command.fence:
            return _Result(reply={"outcome": "not_connected", "why": "The number is being handed over."})
        try:
            if command.operation == "settle":
                return await self._settle(number, UUID(str(command.request["message_id"])))
            payload = command.payload
            if command.operation == "send":
                again = await self._sent_before(number, command)
                if again is not None:
                    return again
            if command.operation in ("send", "post_story") and payload is None:
                payload = await self._linked(command.request)
            made = await self._in_thread(
                number.device.perform, command.operation, command.request, payload, command.secret
            )
        except _NotPrepared as error:
            return _Result(reply=error.reply)
        except (*db.AWAY, asyncpg.PostgresError) as error:
            return _Result(reply={"outcome": "retry", "code": "engine_store", "why": f"{type(error).__name__}"})
        except Exception as error:
            log.exception("native_command_failed", operation=command.operation)
            unknown = "unknown" if command.operation == "send" else "failed"
            return _Result(reply={"outcome": unknown, "code": "engine_failed", "why": type(error).__name__})
        return _Result(reply=made.reply, payload=made.payload, provider_id=made.provider_id)

    async def _sent_before(self, number: _Number, command: native.Command) -> "_Result | None":
        """For a message that was begun before: that it may have left. None when it certainly did not, or may twice."""
        if command.doubted is None or command.secret is None or command.request.get("kind") in _REPEATABLE:
            return None
        return await self._in_doubt(number, command.secret, command.doubted)

    async def _in_doubt(self, number: _Number, secret: bytes, device: str) -> "_Result | None":
        """whatsmeow writes down a message's id and secret just before it leaves, for as long as the device is paired."""
        why = "An earlier try was about to leave when its engine ended; a receipt will tell."
        if device != number.phone_device:
            return _Result(reply={"outcome": "unknown", "code": "in_doubt", "why": f"{why} Its device is gone."})
        found = await native.about_to_send(self._runtime.db.worker, device, secret)
        if found is None:
            return None
        return _Result(reply={"outcome": "unknown", "code": "in_doubt", "why": why}, provider_id=found)

    async def _settle(self, number: _Number, message_id: UUID) -> "_Result":
        """`done` when the message certainly never left."""
        held, pool = number.held, self._runtime.db.worker
        begun = await native.doubt(pool, held.company_id, held.connection_id, message_id)
        in_doubt = await self._in_doubt(number, *begun) if begun is not None else None
        if in_doubt is not None and in_doubt.provider_id is not None:
            # Its receipts are then known as those of our message.
            await native.name_sent(pool, held.company_id, held.connection_id, message_id, in_doubt.provider_id)
        return in_doubt or _Result(reply={"outcome": "done"})

    async def _linked(self, request: Mapping[str, Any]) -> bytes | None:
        """The bytes behind a link, fetched by the guarded client. Raises `_NotPrepared`: nothing was sent yet."""
        content = request.get("content")
        link = content.get("link") if isinstance(content, dict) and request.get("kind") in MEDIA_KINDS else None
        if not link:
            return None
        most = self._runtime.settings.max_media_bytes
        try:
            answer = await self._runtime.http.request("GET", str(link), timeout=_LINK_TIMEOUT, max_bytes=most, follow=3)
        except NotSent as error:
            raise _NotPrepared("refused", "media_link", str(error)) from error
        except HttpError as error:
            raise _NotPrepared("retry", "media_link", f"{type(error).__name__}: {error}") from error
        if answer.status != 200:
            kind = "retry" if answer.status >= 500 or answer.status == 429 else "refused"
            raise _NotPrepared(kind, "media_link", f"The link answered HTTP {answer.status}.")
        return answer.body

    # --- stopping -------------------------------------------------------------------------------------------

    async def _finish(self, loops: list["asyncio.Task[None]"]) -> None:
        """Finish what is under way, then let go of every number; renewing goes on until the last is gone."""
        self._leaving = True
        try:
            await native.leave(self._runtime.db.worker, self.owner)
        except (*db.AWAY, asyncpg.PostgresError) as error:
            log.warning("native_not_left", why=type(error).__name__)
        ending = [task for task in self._under_way if not task.done()]
        if ending:
            await asyncio.wait(ending, timeout=self._runtime.settings.shutdown_grace_seconds / 2)
        await asyncio.gather(
            *(self._let_go(number, reason="handed_over") for number in list(self._numbers.values())),
            return_exceptions=True,
        )
        self._stopping.set()
        self._runtime.signals.set(TOPIC)
        await asyncio.wait(loops, timeout=self._lease / 3)
        for task in (*loops, *self._under_way):
            task.cancel()
        await asyncio.gather(*loops, *self._under_way, return_exceptions=True)
        await self._writer.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        log.info("native_stopped", owner=str(self.owner))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._loop.run_in_executor(self._threads, lambda: work(*arguments))


class _Reported(msgspec.Struct, frozen=True, kw_only=True):
    """A change of our own making, where a number tells its own."""

    change: native.Change


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """As `native.device.Result`, which only a process with neonize has."""

    reply: dict[str, Any]
    payload: bytes | None = None
    provider_id: str | None = None


class _NotPrepared(Exception):
    def __init__(self, outcome: str, code: str, why: str) -> None:
        super().__init__(why)
        self.reply = {"outcome": outcome, "code": code, "why": why}


def _neonize(store: str) -> Factory:
    from recado.native import device

    url = device.store_url(store)
    return lambda _, held, sink: device.Device(url, held, sink)


def _version() -> str:
    return engine.version() if engine.trouble() is None else "none"


def _pause(base: float, failures: int) -> float:
    """Longer after each failure, and never the same for all."""
    return float(min(base * 2 ** min(failures, 8), max(base, _LONGEST_PAUSE)) * random.uniform(0.8, 1.2))


def _chosen(options: list[str], hashes: list[str]) -> list[str]:
    return [option for option in options if hashlib.sha256(option.encode()).hexdigest() in hashes]


def _webhook(held: native.Held, body: dict[str, Any]) -> inbox.NewWebhook:
    return inbox.NewWebhook(
        company_id=held.company_id,
        id=RawWebhookId(ids.new()),
        kind="native",
        server_id=held.server_id,
        connection_id=held.connection_id,
        source=held.connection_id,
        headers={"content-type": "application/json"},
        body=msgspec.json.encode(body),
        received_at=datetime.now(UTC),
    )
