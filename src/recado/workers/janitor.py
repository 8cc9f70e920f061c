"""The cleaning role: makes partitions ahead of time, removes what its retention no longer keeps, measures what waits.

Any number of processes may run it: one at a time cleans, each measures for its own `/metrics`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg
import structlog

from recado.config import Settings
from recado.services.runtime import Runtime
from recado.store import db, deliveries, inbox, retention, webhooks
from recado.telemetry import metrics
from recado.workers import loop

log = structlog.get_logger(__name__)

_MEASURE_EVERY = 15.0
_SWEEP_EVERY = 60.0
_CLEAN_EVERY = 3_600.0
_BATCH = 5_000
_Delete = Callable[[db.Connection], Awaitable[int]]

#: A lane that was idle so long can be made again when it is needed.
_IDLE = timedelta(hours=1)
#: Longer than any transaction that may still refer to a deleted endpoint.
_RETIRED = timedelta(minutes=10)


class Janitor:
    """Cleans every hour, sweeps every minute, measures every few seconds."""

    name = "janitor"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; what is under way is one short transaction."""

        async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
            async def step() -> None:
                await work()
                await loop.pause_or_stop(stop, seconds)

            await loop.forever(self.name, step, stop)

        await asyncio.gather(
            every(_MEASURE_EVERY, lambda: measure(self._runtime.db)),
            every(_SWEEP_EVERY, lambda: sweep(self._runtime.db)),
            every(_CLEAN_EVERY, lambda: clean(self._runtime.db, self._runtime.settings, datetime.now(UTC), stop)),
        )


async def measure(database: db.Database) -> None:
    """Set the gauges that describe the database."""
    async with database.worker.acquire() as connection:
        found = await retention.measure(connection)
        webhooks_waiting, webhooks_since = await inbox.measure(connection)
    now = datetime.now(UTC)
    metrics.message_queue_backlog.set(found.queued)
    metrics.message_queue_oldest_seconds.set(_age(found.queued_since, now))
    metrics.dead_letters.set(found.dead_letters)
    metrics.webhook_delivery_backlog.set(found.deliveries)
    metrics.webhook_delivery_lag_seconds.set(_age(found.deliveries_since, now))
    metrics.inbound_backlog.set(webhooks_waiting)
    metrics.inbound_lag_seconds.set(_age(webhooks_since, now))


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


async def sweep(database: db.Database) -> None:
    """Wake delivery lanes that hold work and would never be looked at."""
    async with database.work() as connection:
        woken = await deliveries.sweep(connection)
        if woken:
            await webhooks.notify(connection, "deliveries")
    if woken:
        log.warning("delivery_lanes_swept", lanes=woken)


async def clean(database: db.Database, settings: Settings, now: datetime, stop: asyncio.Event) -> None:
    """Make the coming partitions and remove what is too old, unless another process is at it."""
    async with database.work() as connection:
        made = await retention.ensure_partitions(connection)
    if made:
        log.info("partitions_made", count=made)
    async with database.worker.acquire() as guard:
        if not await retention.try_lock(guard):
            return
        try:
            await _remove(database, settings, now, stop)
        finally:
            await retention.unlock(guard)


async def _remove(database: db.Database, settings: Settings, now: datetime, stop: asyncio.Event) -> None:
    message, event = _before(now, settings.message_days), _before(now, settings.event_days)
    by_id: dict[retention.Partitioned, datetime] = {
        "messages": message,
        "attempts": message,
        "events": event,
        "raw_webhooks": _before(now, settings.raw_webhook_days),
    }
    by_date: dict[retention.Dated, datetime] = {
        "idempotency": _before(now, settings.idempotency_days),
        "provider_ids": message,
        "receipts": message,
        "dead_letters": message,
        "canonical_phones": _before(now, 1),
        "deliveries": event,
    }
    steps: list[tuple[str, _Delete]] = []
    for table, before in by_id.items():
        await _drop_months(database, table, before)
        steps.append((table, partial(retention.delete_by_id, table=table, before=before, limit=_BATCH)))
    for dated, before in by_date.items():
        steps.append((dated, partial(retention.delete_by_date, table=dated, before=before, limit=_BATCH)))
    steps.append(("lanes", partial(retention.delete_idle_lanes, before=now - _IDLE, limit=_BATCH)))
    steps.append(("delivery_lanes", partial(retention.delete_idle_delivery_lanes, limit=_BATCH)))
    for name, delete in steps:
        await _in_batches(database, name, delete, stop)
    async with database.work() as connection:
        retired = await webhooks.delete_retired(connection, now - _RETIRED)
    if retired:
        log.info("retention_removed", what="webhooks", rows=retired)


async def _drop_months(database: db.Database, table: retention.Partitioned, before: datetime) -> None:
    try:
        async with database.work() as connection:
            dropped = await retention.drop_partitions(connection, table, before)
    except (asyncpg.LockNotAvailableError, asyncpg.InsufficientPrivilegeError) as error:
        # Busy, or a login that owns nothing: the rows are deleted one by one below.
        log.warning("partitions_not_dropped", table=table, why=str(error))
        return
    if dropped:
        log.info("partitions_dropped", names=dropped)


async def _in_batches(database: db.Database, name: str, delete: _Delete, stop: asyncio.Event) -> None:
    """Small transactions, so that nobody waits for the janitor."""
    total = 0
    while not stop.is_set():
        async with database.work() as connection:
            removed = await delete(connection)
        total += removed
        if removed < _BATCH:
            break
    if total:
        log.info("retention_removed", what=name, rows=total)


def _before(now: datetime, days: int) -> datetime:
    return now - timedelta(days=days)
