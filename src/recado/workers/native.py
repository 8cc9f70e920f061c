"""The built-in engine: one process holds numbers by leases, runs each on whatsmeow, and carries out their commands.

native.py           this: the leases, and how the process starts and stops
native_numbers.py   the numbers that are held: started, closed, let go of
native_journal.py   what they tell, stored
native_commands.py  what they are asked to do
native_child.py     the process as a child of `recado serve`

A number belongs to one process at a time. The leases are renewed in one statement; who cannot renew disconnects before
they end, and the fence makes void what a former holder still writes. A process that stops lets go of each number as
soon as it is disconnected, and another takes it within a moment.
"""

import asyncio
import math
import os
import random
import signal
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from recado import native as engine
from recado.domain import ids
from recado.domain.ids import ConnectionId
from recado.domain.states import ConnectionStatus
from recado.services.native import TOPIC
from recado.services.runtime import Runtime
from recado.store import db, embedded, native
from recado.workers import loop, native_child
from recado.workers.native_commands import Performer
from recado.workers.native_journal import Journal
from recado.workers.native_numbers import SAFE_PART, Factory, Number, Numbers, clock, store_name

log = structlog.get_logger(__name__)

LEASE_SECONDS = 15.0
#: Between two starts, on average: a thousand numbers must not connect at once.
PACE_SECONDS = 0.25

_LOOK_EVERY = 1.0
_STARTS_PER_LOOK = 4
_LET_GO_PER_LOOK = 2
#: neonize opens a pool of its own for each number, of two connections.
_CONNECTIONS_EACH = 2
#: Connections to the database that stay free besides the pools of a gateway and an engine: listeners and commands.
_SPARE_CONNECTIONS = 8
_KEEP = timedelta(days=7)
_PRUNE_EVERY = 600.0


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
        capacity: int | None = None,
        pace: float = PACE_SECONDS,
    ) -> None:
        self._runtime = runtime
        self._factory = factory
        self.owner = owner or native_child.given_owner() or ids.new()
        self._lease = lease
        self._capacity = capacity or runtime.settings.native_capacity
        self._journal = Journal(runtime)
        self.numbers = Numbers(
            runtime, self._journal, owner=self.owner, lease=lease, capacity=self._capacity, pace=pace
        )
        self._performer = Performer(runtime, self.numbers, owner=self.owner)
        self._wishes, self._free = runtime.signals.waiter(TOPIC), runtime.signals.waiter(TOPIC)
        self._leaving = False
        self._stopping = asyncio.Event()
        self._parent = os.getppid()
        self._pruned_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Hold numbers until `stop` is set, then let go of each. Without neonize, say so and do nothing."""
        if self._factory is None:
            trouble = engine.trouble()
            if trouble is not None:
                log.error("native_missing", why=trouble)
                return
            self._factory = self._neonize()
        self.numbers.factory = self._factory
        await self._journal.start()
        log.info("native_started", owner=str(self.owner), capacity=self._capacity)
        loops = [
            asyncio.create_task(loop.forever("native_leases", self._keep, self._stopping)),
            asyncio.create_task(loop.forever("native_sessions", self._look, self._stopping)),
            asyncio.create_task(loop.forever("native_commands", self._performer.step, self._stopping)),
            asyncio.create_task(self._guard()),
        ]
        try:
            await stop.wait()
        finally:
            await self._finish(loops)

    @property
    def holds(self) -> frozenset[ConnectionId]:
        """The numbers that it holds."""
        return frozenset(self.numbers.by_id)

    # --- leases ---------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Renew every lease, and let go of what belongs to somebody else or is wanted no more."""
        asked_at = clock()
        asked_for = [number for number in self.numbers.by_id.values() if not number.going]
        async with self._runtime.db.worker.acquire() as connection:
            if not self._leaving:
                await native.enroll(connection, self.owner, capacity=self._capacity, version=_version())
            found = await native.renew(connection, self.owner, list(self.numbers.by_id), lease=self._lease)
        renewed = {one.connection_id: one for one in found}
        self.numbers.renewed_at = asked_at
        for number in asked_for:
            self._follow(number, renewed.get(number.held.connection_id))
        if os.getppid() != self._parent and native_child.given_owner() is not None:
            log.warning("native_orphaned")
            signal.raise_signal(signal.SIGTERM)
        if asked_at - self._pruned_at > _PRUNE_EVERY:
            await native.prune(self._runtime.db.worker, datetime.now(UTC) - _KEEP)
            self._pruned_at = asked_at
        await self._wishes.wait(self._lease / 3)

    def _follow(self, number: Number, renewed: native.Renewed | None) -> None:
        """Do what people want of a number, and give up one that is ours no more."""
        held = number.held
        if renewed is None or renewed.fence != held.fence:
            log.warning("native_lease_lost", connection_id=str(held.connection_id))
            self.numbers.spawn(self.numbers.drop(number))
        elif renewed.logout:
            self.numbers.spawn(self.numbers.log_out(number))
        elif not renewed.wanted:
            self.numbers.spawn(self.numbers.let_go(number, reason="stopped"))
        elif number.status == ConnectionStatus.QR and (renewed.method, renewed.pair_phone) != (
            held.method,
            held.pair_phone,
        ):
            self.numbers.spawn(self.numbers.let_go(number, reason=None))

    async def _guard(self) -> None:
        """Disconnect everything before the leases end, while they cannot be renewed: another process may take over."""
        numbers = self.numbers
        while not await loop.pause_or_stop(self._stopping, min(self._lease / 20, 0.5)):
            if numbers.by_id and clock() - numbers.renewed_at > self._lease * SAFE_PART:
                log.warning("native_leases_ending", numbers=len(numbers.by_id))
                await asyncio.gather(*(numbers.drop(number) for number in list(numbers.by_id.values())))

    # --- sharing --------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Take numbers that nobody holds, up to a fair share, and give back what is beyond it."""
        await self._free.wait(_LOOK_EVERY)
        if self._leaving or clock() - self.numbers.renewed_at > self._lease / 2:
            return
        mine = len(self.numbers.by_id)
        async with self._runtime.db.worker.acquire() as connection:
            found = await native.engines(connection, seen_within=self._lease)
            share = self._share(found)
            if mine - share > max(1, share // 10) and found.engines > 1:
                await self._give_back(min(mine - share, _LET_GO_PER_LOOK))
                return
            room = min(share - mine, _STARTS_PER_LOOK - self.numbers.starting)
            fits = await self._fits(connection) if room > 0 and found.wanted > found.held else room
            room = min(room, fits)
            # A number that is only to be logged out is beyond the share, and soon gone.
            limit = max(room, 1)
            taken = await native.claim(
                connection,
                self.owner,
                limit=limit,
                lease=self._lease,
                logouts=room < 1,
                without=self.numbers.by_id.keys(),
            )
        for held in taken:
            self.numbers.take(held)
        if len(taken) == limit:
            self._runtime.signals.set(TOPIC)
        full = len(self.numbers.by_id) >= self._capacity and found.held >= found.capacity
        if full and found.wanted > found.held:
            await self._tell_no_room("engine_full")
        elif fits < 1 and share > mine and not self.numbers.starting:
            await self._tell_no_room("database_full")

    def _share(self, found: native.Engines) -> int:
        """A process with twice the room holds twice the numbers."""
        return min(self._capacity, math.ceil(found.wanted * self._capacity / max(found.capacity, self._capacity)))

    async def _fits(self, connection: db.Connection) -> int:
        """How many numbers more the database has connections for, and for the pools of a gateway and an engine."""
        spare = 4 * self._runtime.settings.pool_size + _SPARE_CONNECTIONS
        free = await native.room(connection) - spare
        return free // _CONNECTIONS_EACH - self.numbers.starting

    async def _tell_no_room(self, reason: str) -> None:
        """Numbers that wait must not wait in silence."""
        told_of = await self._journal.no_room(reason)
        if told_of:
            log.error("native_no_room", reason=reason, numbers=told_of, holds=len(self.numbers.by_id))

    async def _give_back(self, how_many: int) -> None:
        held = self.numbers.by_id.values()
        settled = [one for one in held if one.status == ConnectionStatus.CONNECTED and not one.going]
        for number in random.sample(settled, min(how_many, len(settled))):
            await self.numbers.let_go(number, reason="handed_over")

    # --- starting and stopping ------------------------------------------------------------------------------

    def _neonize(self) -> Factory:
        from recado.native import device

        settings = self._runtime.settings
        url = settings.database_url or embedded.EmbeddedPostgres(settings.postgres_dir).url
        return lambda held, sink: device.Device(device.store_url(url, store_name(held)), held, sink)

    async def _finish(self, loops: list["asyncio.Task[None]"]) -> None:
        """Finish what is under way, then let go of every number; renewing goes on until the last is gone."""
        self._leaving = True
        try:
            await native.leave(self._runtime.db.worker, self.owner)
        except (*db.AWAY, asyncpg.PostgresError) as error:
            log.warning("native_not_left", why=type(error).__name__)
        await self.numbers.finish(self._performer.under_way, grace=self._runtime.settings.shutdown_grace_seconds / 2)
        self._stopping.set()
        self._runtime.signals.set(TOPIC)
        await asyncio.wait(loops, timeout=self._lease / 3)
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self._performer.stop()
        await self.numbers.stop()
        await self._journal.stop()
        log.info("native_stopped", owner=str(self.owner))


def _version() -> str:
    return engine.version() if engine.trouble() is None else "none"
