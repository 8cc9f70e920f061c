"""The numbers that an engine process holds: starting them one after another, and closing them before anybody else may."""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

import asyncpg
import structlog

from recado.domain.ids import ConnectionId
from recado.domain.states import ConnectionStatus
from recado.kit.batching import FlushFailed, Stopped
from recado.services.native import REPLIES, TOPIC
from recado.services.runtime import Runtime
from recado.store import db, native
from recado.telemetry import metrics
from recado.workers.native_journal import Journal

if TYPE_CHECKING:
    from recado.native.device import Result, Sink
    from recado.native.events import Told

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: So many threads that Go never gave back are enough: the process is replaced.
SPENT_AT_MOST = 50
#: The part of a lease in which its holder may still act.
SAFE_PART = 0.8

_FAILED_PAUSE, _LONGEST_PAUSE = 30.0, 900.0
#: A number that was connected for so long has not failed in a row.
_SETTLED_SECONDS = 300.0


def clock() -> float:
    """Seconds that also pass while the machine sleeps, where the system has such a clock: leases end meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Device(Protocol):
    """A number, as `native.device.Device` is one. Its methods block."""

    @property
    def ready(self) -> bool: ...

    @property
    def spent(self) -> bool: ...

    def start(self) -> None: ...

    def close(self) -> None: ...

    def perform(
        self,
        operation: str,
        request: dict[str, Any],
        payload: bytes | None,
        secret: bytes | None,
        may: Callable[[], bool],
    ) -> "Result": ...


Factory = Callable[[native.Held, "Sink"], Device]


class Number:
    """A number that this process holds."""

    def __init__(self, held: native.Held) -> None:
        self.held = held
        self.device: Device | None = None
        self.starting: asyncio.Task[None] | None = None
        self.status = ConnectionStatus.CONNECTING
        self.phone_device = held.device
        self.going = False
        self.failures = held.failures
        self.connected_at: float | None = None

    def stands(self, status: ConnectionStatus) -> None:
        """Note how it stands."""
        if status == ConnectionStatus.CONNECTED and self.status != status:
            self.connected_at = clock()
        self.status = status

    @property
    def failed_before(self) -> int:
        """How often it failed in a row."""
        settled = self.connected_at is not None and clock() - self.connected_at > _SETTLED_SECONDS
        return 0 if settled else self.failures


class Numbers:
    """`renewed_at` is when the leases were last asked to be renewed. `factory` is set before the first number is taken."""

    factory: Factory

    def __init__(
        self, runtime: Runtime, journal: Journal, *, owner: UUID, lease: float, capacity: int, pace: float
    ) -> None:
        self.by_id: dict[ConnectionId, Number] = {}
        self.renewed_at = clock()
        self._runtime = runtime
        self._journal = journal
        self._owner = owner
        self._lease = lease
        self._pace = pace
        # One thread each: when leases end, no number waits for another, or for a command, to be disconnected.
        self._threads = ThreadPoolExecutor(max_workers=capacity + 8, thread_name_prefix="native")
        self._under_way: set[asyncio.Task[None]] = set()
        self._spent = 0

    @property
    def starting(self) -> int:
        """How many are being started."""
        return sum(1 for number in self.by_id.values() if number.starting is not None)

    def may_act(self, number: Number) -> bool:
        """Whether nobody else can hold the number yet. Looked at again right before a message leaves."""
        return not number.going and clock() - self.renewed_at < self._lease * SAFE_PART

    def take(self, held: native.Held) -> None:
        """Begin to hold a number."""
        number = self.by_id[held.connection_id] = Number(held)
        number.starting = asyncio.create_task(self._start(number))

    async def _start(self, number: Number) -> None:
        held = number.held
        loop = asyncio.get_running_loop()

        def hear(told: "Told") -> None:
            """Called from the number's own threads: returns when it is stored, or when the number is given up."""
            asyncio.run_coroutine_threadsafe(self._told(number, told), loop).result()

        try:
            if held.lost_at is not None:
                await self._journal.gap(held, since=held.lost_at - timedelta(seconds=self._lease))
            await asyncio.sleep(random.uniform(0, 2 * self._pace))
            if held.device is not None and not await native.has_device(self._runtime.db.worker, held.device):
                # neonize 0.5.2 does not look whether it found the device, and its library ends the process.
                lost = native.Change(
                    status=ConnectionStatus.LOGGED_OUT, reason="device_lost", unpaired=True, stays=False
                )
                await self._journal.report(held, lost)
                self.spawn(self.let_go(number, reason=None))
                return
            if number.going:
                return
            number.device = self.factory(held, hear)
            await self.in_thread(number.device.start)
        except Exception:
            log.exception("native_start_failed", connection_id=str(held.connection_id))
            metrics.loop_errors.labels(loop="native").inc()
            pause = paused(_FAILED_PAUSE, number.failed_before)
            await self.let_go(number, reason="engine_failed", pause=pause, failed=True)
        finally:
            number.starting = None
        if held.logout:
            self.spawn(self.log_out(number))

    async def _told(self, number: Number, told: "Told") -> None:
        change = told.change
        await self._journal.told(number.held, told, wanted=lambda: not number.going or change is None)
        if change is not None:
            number.stands(change.status)
            number.phone_device = change.device or number.phone_device
        if told.ended and not number.going:
            failed = change is not None and change.stays
            pause = paused(told.pause, number.failed_before) if failed else 0.0
            self.spawn(self.let_go(number, reason=None, pause=pause, failed=failed))

    async def let_go(self, number: Number, *, reason: str | None, pause: float = 0.0, failed: bool = False) -> None:
        """Disconnect a number and release its lease, so that another process can take it at once."""
        if number.going:
            return
        await self._close(number)
        held = number.held
        try:
            if reason is not None and reason != "handed_over":
                await self._journal.report(held, native.Change(status=ConnectionStatus.DISCONNECTED, reason=reason))
            failures = number.failed_before + 1 if failed else 0
            async with self._runtime.db.worker.acquire() as connection:
                await native.release(connection, self._owner, held, pause=pause, failures=failures)
                await native.wake(connection, TOPIC)
                await native.wake(connection, REPLIES)
        except (*db.AWAY, asyncpg.PostgresError, FlushFailed, Stopped) as error:
            # It is renewed no more, so that the lease ends by itself.
            log.warning("native_release_failed", why=type(error).__name__)
        finally:
            self._forget(number)

    async def drop(self, number: Number) -> None:
        """Disconnect a number that somebody else holds, or may hold soon."""
        if not number.going:
            await self._close(number)
            self._forget(number)

    async def log_out(self, number: Number) -> None:
        """End the pairing, where whatsmeow can: without a connection it stays on the phone until that ends it."""
        if number.going or number.starting is not None or number.device is None:
            return
        result = await self.in_thread(number.device.perform, "logout", {}, None, None, lambda: self.may_act(number))
        if result.reply["outcome"] != "done":
            log.warning("native_logout_failed", why=result.reply.get("why"))
        gone = native.Change(status=ConnectionStatus.DISCONNECTED, reason="logged_out", unpaired=True, stays=False)
        await self._journal.report(number.held, gone)
        await self.let_go(number, reason=None)

    async def _close(self, number: Number) -> None:
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
        await self.in_thread(device.close)
        await self._end_backends(number)
        if device.spent:
            self._spent += 1
            if self._spent == SPENT_AT_MOST:
                log.warning("native_worn", threads=self._spent)
                signal.raise_signal(signal.SIGTERM)

    async def _end_backends(self, number: Number) -> None:
        """neonize never closes the pool of a number, so that each start would leave two connections behind."""
        try:
            async with self._runtime.db.work() as connection:
                await native.end_backends(connection, store_name(number.held))
        except (*db.AWAY, asyncpg.PostgresError) as error:
            log.warning("native_pool_left", why=type(error).__name__)

    def _forget(self, number: Number) -> None:
        if self.by_id.get(number.held.connection_id) is number:
            del self.by_id[number.held.connection_id]

    async def finish(self, tasks: set[asyncio.Task[None]], *, grace: float) -> None:
        """Wait for `tasks` and what is under way, then let go of every number."""
        ending = [task for task in (*tasks, *self._under_way) if not task.done()]
        if ending:
            await asyncio.wait(ending, timeout=grace)
        await asyncio.gather(
            *(self.let_go(number, reason="handed_over") for number in list(self.by_id.values())),
            return_exceptions=True,
        )

    async def stop(self) -> None:
        """Give up whatever is still under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside everything else."""
        spawn(self._under_way, work)

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do what blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*arguments))


def spawn(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    """Begin a task and keep it in `tasks` until it ends."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def store_name(held: native.Held) -> str:
    """How the database connections of a number are named: as no other holder's are."""
    return f"recado_whatsmeow {held.connection_id.hex} {held.fence}"


def paused(base: float, failures: int) -> float:
    """Longer after each failure, never the same for all, and never shorter than asked for."""
    return float(min(base * 2 ** min(failures, 8), max(base, _LONGEST_PAUSE)) * random.uniform(1.0, 1.3))
