"""Receiving: provider webhooks become messages, receipts, media to fetch and events (DESIGN 6).

`work` processes a batch of raw webhooks in one transaction with a fixed number of statements, however many events
they hold. Raw webhooks of one source are processed in order and by one process at a time. What cannot be read or
routed stays in the log with its error, to be replayed. The steps of a batch are in `routing` (what came in and whose
it is), `repeats` (what was seen before, and echoes) and `recording` (rows and events).
"""

import collections
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
import structlog

from recado.domain import events
from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.services import merging, recording, remembering, repeats, routing
from recado.services.routing import LONGEST_ERROR, Item, Result
from recado.services.runtime import Runtime
from recado.store import cold, contacts, conversations, db, inbox, liveness, raw_webhooks, receipts
from recado.store import events as event_log
from recado.store.events import NewEvent
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

#: One batch: enough to share a commit, little enough to keep the event loop responsive.
_BATCH = 128
_BATCH_BYTES = 8_000_000

#: How often the people of a batch are united before it is stored as it is: what contradicts itself would never end.
_UNITED_AT_MOST = 3

#: What a row's own data causes. Everything else the database says is about the database, and passes.
_DATA_ERRORS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class Done(msgspec.Struct, kw_only=True):
    """What `work` did, and what should happen next.

    blocked    there was work, and other processes are at it
    deferred   receipts wait for a sender's transaction to end: sweep soon
    changed    instances of which providers told a change that makes remembered answers old
    found      provider ids learned here whose receipts may have come before: settle them
    reacting   what came in for instances that react to it (`services.zapi.reacting`)
    after      the source to go on behind
    """

    webhooks: int = 0
    events: int = 0
    media: int = 0
    blocked: bool = False
    deferred: bool = False
    released: bool = False
    changed: set[InstanceId] = set()
    found: list[tuple[CompanyId, InstanceId, str, MessageId]] = []
    reacting: list[Item] = []
    after: UUID = inbox.START


async def work(runtime: Runtime, *, after: UUID = inbox.START) -> Done:
    """Process the oldest raw webhooks of sources that no other process works on, of those after `after` first.

    A webhook whose data the database refuses ends with its error and stops no other. Raises only for what is not a
    webhook's fault; then nothing was changed.
    """
    async with runtime.db.worker.acquire() as connection:
        wanted = await inbox.sources(connection, limit=_BATCH, after=after)
        if not wanted and after != inbox.START:
            after = inbox.START
            wanted = await inbox.sources(connection, limit=_BATCH)
    if not wanted:
        return Done()
    # Where there are more sources than a batch takes, the next one goes on behind these.
    following = wanted[-1] if len(wanted) == _BATCH else inbox.START
    done = await _work_on(runtime, wanted)
    done.after = following
    _wake(runtime, done)
    return done


async def _work_on(runtime: Runtime, wanted: Sequence[UUID]) -> Done:
    """Process what these sources have, uniting people who turn out to have several contacts on the way."""
    for _ in range(_UNITED_AT_MOST):
        try:
            return await _work_once(runtime, wanted, lenient=False)
        except contacts.Divided as divided:
            await merging.unite(runtime, divided.proofs, make=True)
    return await _work_once(runtime, wanted, lenient=True)


async def _work_once(runtime: Runtime, wanted: Sequence[UUID], *, lenient: bool) -> Done:
    async with runtime.db.worker.acquire() as connection:

        async def together() -> Done:
            async with connection.transaction():
                raws = await _take(connection, wanted)
                return await _process(runtime, connection, raws, lenient=lenient) if raws else Done(blocked=True)

        async def one_by_one() -> Done:
            async with connection.transaction():
                return await _one_by_one(runtime, connection, await _take(connection, wanted), lenient=lenient)

        try:
            return await db.retrying(together)
        except contacts.Divided:
            raise
        except Exception as error:
            if not _is_about_data(error, connection):
                raise
            log.warning("inbound_batch_refused", why=type(error).__name__)
            return await db.retrying(one_by_one)


async def settle(runtime: Runtime, done: Done) -> None:
    """Apply receipts that came before the provider ids that `done` learned."""
    if not done.found:
        return
    async with runtime.db.work() as connection:
        released = await receipts.settle(connection, done.found)
    runtime.signals.set("deliveries")
    if released:
        runtime.signals.set("lanes")


async def sweep(runtime: Runtime, *, since: datetime) -> bool:
    """Apply early receipts that nobody else applied, and move on with the histories of merged contacts; return whether
    there may be more."""
    async with runtime.db.work() as connection:
        moved = await conversations.move(connection)
    async with runtime.db.work() as connection:
        count, released = await receipts.sweep(connection, since=since)
    if count:
        runtime.signals.set("deliveries")
    if released:
        runtime.signals.set("lanes")
    return moved or count >= receipts.SWEEP_BATCH


# --- taking a batch -----------------------------------------------------------------------------------


async def _take(connection: db.Connection, wanted: Sequence[UUID]) -> list[inbox.Waiting]:
    locked = await inbox.lock(connection, wanted)
    if not locked:
        return []
    raws = await inbox.fetch(connection, locked, limit=_BATCH, most_bytes=_BATCH_BYTES)
    if not raws:
        await inbox.drop_orphans(connection, locked)
    return raws


async def _one_by_one(
    runtime: Runtime, connection: db.Connection, raws: Sequence[inbox.Waiting], *, lenient: bool
) -> Done:
    """Each webhook in a savepoint of its own, so that the one at fault is found and kept with its error."""
    total = Done()
    refused: list[NewEvent] = []
    for raw in raws:
        try:
            async with connection.transaction():
                done = await _process(runtime, connection, [raw], lenient=lenient)
        except contacts.Divided:
            raise
        except Exception as error:
            if not _is_about_data(error, connection):
                raise
            why = f"The database refused it: {error}"[:LONGEST_ERROR].replace("\x00", "�")
            await raw_webhooks.finish(connection, [_finished(raw, Result(errors=[why]))])
            metrics.provider_webhooks.labels(kind=raw.kind, result="unreadable").inc()
            refused += routing.unknown(raw, None, why, None)
            done = Done(webhooks=1)
        total.webhooks += done.webhooks
        total.events += done.events
        total.media += done.media
        total.deferred |= done.deferred
        total.released |= done.released
        total.changed |= done.changed
        total.found += done.found
        total.reacting += done.reacting
    await event_log.insert(connection, refused)
    return total


def _is_about_data(error: Exception, connection: db.Connection) -> bool:
    """Whether a webhook's data is at fault, as opposed to the database or the line to it."""
    if isinstance(error, _DATA_ERRORS):
        return True
    if isinstance(error, asyncpg.InterfaceError):
        return not connection.is_closed()
    return not isinstance(error, (asyncpg.PostgresError, *db.AWAY))


def _wake(runtime: Runtime, done: Done) -> None:
    if done.events or done.webhooks:
        runtime.signals.set("deliveries")
    if done.media:
        runtime.signals.set("media")
    if done.released:
        runtime.signals.set("lanes")
    for instance_id in done.changed:
        runtime.answers.forget(instance_id)


# --- one batch ----------------------------------------------------------------------------------------


async def _process(
    runtime: Runtime, connection: db.Connection, raws: Sequence[inbox.Waiting], *, lenient: bool
) -> Done:
    results = [Result() for _ in raws]
    read = [routing.read(runtime, raw, result) for raw, result in zip(raws, results, strict=True)]
    items = await routing.route(connection, raws, read, results)
    done = Done(webhooks=len(raws), events=len(items))

    # Before repeats are dropped: where two connections serve one phone, what one repeats shows that it is alive.
    heard = {
        (item.route.company_id, item.route.id): item.raw.received_at
        for item in items
        if not isinstance(item.event, events.ConnectionChanged)
    }
    known = await repeats.find_known(connection, items)
    items = await repeats.drop(connection, items, known, done.found)
    await recording.resolve(connection, items, known, lenient=lenient)
    done.media, became_known = await recording.store_messages(connection, items, known)
    recorded = await recording.store_receipts(connection, items, known)
    done.deferred |= recorded.deferred
    done.released |= recorded.released
    await recording.amend(connection, items)
    recording.tell_others(items)
    for item in items:
        if isinstance(item.event, events.ConnectionChanged):
            done.released |= await recording.change_connection(runtime, connection, item, item.event)
    # After the instances, as everybody else who locks lanes does it.
    done.released |= await cold.warm(connection, became_known)

    await liveness.heard(connection, heard)
    await raw_webhooks.finish(connection, [_finished(raw, result) for raw, result in zip(raws, results, strict=True)])
    told = [event for result in results for event in result.told]
    told += [item.told for item in items if item.told is not None]
    await event_log.insert(connection, told)
    done.changed = {item.route.instance_id for item in items if item.event.type in remembering.CHANGES}
    done.reacting = [item for item in items if item.route.reactions]
    _count(raws, results, items)
    return done


def _finished(raw: inbox.Waiting, result: Result) -> raw_webhooks.Finished:
    return raw_webhooks.Finished(
        sequence=raw.sequence,
        company_id=raw.company_id,
        id=raw.id,
        events=result.events,
        error=" ".join(result.errors)[:LONGEST_ERROR] or None,
    )


def _count(raws: Sequence[inbox.Waiting], results: Sequence[Result], items: Sequence[Item]) -> None:
    now = datetime.now(UTC)
    outcomes = collections.Counter(
        (raw.kind, "unreadable" if result.errors and not result.events else "processed")
        for raw, result in zip(raws, results, strict=True)
    )
    for (kind, outcome), count in outcomes.items():
        metrics.provider_webhooks.labels(kind=kind, result=outcome).inc(count)
    for raw in raws:
        metrics.inbound_latency.observe(max(0.0, (now - raw.received_at).total_seconds()))
    for (kind, type_), count in collections.Counter((item.raw.kind, item.event.type) for item in items).items():
        metrics.inbound_events.labels(kind=kind, type=type_).inc(count)
