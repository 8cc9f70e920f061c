"""Receipts: what became of our messages, as the provider tells it. Each is kept; a message's status never goes back.

A receipt can come before the provider's id of its message is known, because the provider is faster than the
transaction that ends the send. It is then kept without its message and applied later, by `settle` or by `sweep`.
Messages are locked with SKIP LOCKED: nothing here ever waits for a sender, which locks several in its own order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from recado.domain import states
from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.domain.states import MessageStatus
from recado.store import db, events, queries
from recado.store.events import NewEvent

Q = queries.load("receipts")

#: How many early receipts one sweep looks at.
SWEEP_BATCH = 1_000


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was told of a message. `message_id` is None while nobody knows which; `error` has `code` and `why`."""

    company_id: CompanyId
    instance_id: InstanceId
    provider_id: str
    state: MessageStatus
    at: datetime
    recipient: str = ""
    message_id: MessageId | None = None
    error: dict[str, Any] | None = None
    raw_webhook_id: UUID | None = None

    @property
    def key(self) -> tuple[UUID, UUID, str, str, str]:
        """What makes a second one a repeat."""
        return (self.company_id, self.instance_id, self.provider_id, self.state.value, self.recipient)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What `record` did. `events` has one place for each receipt given, None where there is nothing to tell.

    `deferred`: some message was being written by a sender, so `sweep` should be called soon. `released`: lanes were
    freed, so their dispatchers should look.
    """

    events: list[NewEvent | None]
    deferred: bool = False
    released: bool = False


async def find_own(
    connection: db.Connection, asked: set[tuple[CompanyId, InstanceId, MessageId]]
) -> set[tuple[CompanyId, InstanceId, MessageId]]:
    """Which of these are outbound messages of that company and instance."""
    if not asked:
        return set()
    columns = [list(column) for column in zip(*asked, strict=True)]
    return {(r["company_id"], r["instance_id"], r["id"]) for r in await connection.fetch(Q.find_own, *columns)}


class Echo(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to whom the provider says a message was sent. `place` is the caller's name for the echo; one that names
    a person in several ways has as many rows."""

    place: int
    company_id: CompanyId
    instance_id: InstanceId
    kind: str
    value: str


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """A message of ours that is being sent, or of which nobody knows whether it was. `elsewhere`: it is being sent, and the
    instance has other connections, which may hear of it first."""

    id: MessageId
    type: str
    content: Any
    elsewhere: bool


async def find_in_flight(
    connection: db.Connection, echoes: Sequence[Echo], *, since: UUID
) -> dict[int, list[InFlight]]:
    """The messages to the same contact that are being sent or unproven and have no provider's id, by the place of the
    echo, the oldest first. Of the unproven ones those whose id is at least `since`."""
    if not echoes:
        return {}
    rows = await connection.fetch(
        Q.find_in_flight,
        [e.place for e in echoes],
        [e.company_id for e in echoes],
        [e.instance_id for e in echoes],
        [e.kind for e in echoes],
        [e.value for e in echoes],
        since,
    )
    found: dict[int, list[InFlight]] = {}
    for row in rows:
        found.setdefault(row["place"], []).append(InFlight(**{name: row[name] for name in InFlight.__struct_fields__}))
    return found


async def record(connection: db.Connection, receipts: Sequence[Receipt]) -> Recorded:
    """Keep receipts and advance their messages. The caller writes the events, last in its transaction."""
    if not receipts:
        return Recorded(events=[])
    wanted = {(r.company_id, r.message_id) for r in receipts if r.message_id is not None}
    locked = await _lock(connection, wanted)
    fresh = {r.key: r for r in reversed(receipts)}
    rows = await connection.fetch(
        Q.insert,
        [r.company_id for r in fresh.values()],
        [r.instance_id for r in fresh.values()],
        [r.provider_id for r in fresh.values()],
        [r.state.value for r in fresh.values()],
        [r.recipient for r in fresh.values()],
        [r.message_id if (r.company_id, r.message_id) in locked else None for r in fresh.values()],
        [r.at for r in fresh.values()],
        [r.error for r in fresh.values()],
        [r.raw_webhook_id for r in fresh.values()],
    )
    new = {_key(row) for row in rows}
    applied: list[Receipt] = []
    places: list[int] = []
    for place, receipt in enumerate(receipts):
        if fresh[receipt.key] is receipt and receipt.key in new and (receipt.company_id, receipt.message_id) in locked:
            applied.append(receipt)
            places.append(place)
    told, released = await _apply(connection, locked, applied)
    out: list[NewEvent | None] = [None] * len(receipts)
    for place, event in zip(places, told, strict=True):
        out[place] = event
    return Recorded(events=out, deferred=len(locked) < len(wanted), released=released)


async def settle(connection: db.Connection, found: Sequence[tuple[CompanyId, InstanceId, str, MessageId]]) -> bool:
    """Apply the receipts that came before these (company, instance, provider id, message) were known.

    Writes their events, so call it last in a transaction. Returns whether lanes were freed.
    """
    if not found:
        return False
    columns = [list(column) for column in zip(*found, strict=True)]
    return await _apply_early(connection, await connection.fetch(Q.find_early_of, *columns))


async def sweep(connection: db.Connection, *, since: datetime) -> tuple[int, bool]:
    """Apply early receipts, kept at `since` or later, whose message is known by now: those that `settle` missed.

    The two may miss each other when both commit at the same moment; this is what makes no interleaving lose one.
    Returns how many there were (call again when there were many) and whether lanes were freed.
    """
    rows = await connection.fetch(Q.find_early, since, SWEEP_BATCH)
    return len(rows), await _apply_early(connection, rows)


async def _apply_early(connection: db.Connection, rows: Sequence[asyncpg.Record]) -> bool:
    if not rows:
        return False
    receipts = [
        Receipt(
            company_id=row["company_id"],
            instance_id=row["instance_id"],
            provider_id=row["provider_id"],
            state=MessageStatus(row["state"]),
            at=row["at"],
            recipient=row["recipient"],
            message_id=row["message_id"],
            error=row["error"],
            raw_webhook_id=row["raw_webhook_id"],
        )
        for row in rows
    ]
    locked = await _lock(connection, {(r.company_id, r.message_id) for r in receipts if r.message_id is not None})
    ready = [r for r in receipts if (r.company_id, r.message_id) in locked]
    if not ready:
        return False
    claimed = await connection.fetch(
        Q.claim_early,
        [r.company_id for r in ready],
        [r.instance_id for r in ready],
        [r.provider_id for r in ready],
        [r.state.value for r in ready],
        [r.recipient for r in ready],
        [r.message_id for r in ready],
    )
    mine = {_key(row) for row in claimed}
    told, released = await _apply(connection, locked, [r for r in ready if r.key in mine])
    await events.insert(connection, [event for event in told if event is not None])
    return released


def _key(row: asyncpg.Record) -> tuple[UUID, UUID, str, str, str]:
    return (row["company_id"], row["instance_id"], row["provider_id"], row["state"], row["recipient"])


async def _lock(
    connection: db.Connection, wanted: set[tuple[CompanyId, MessageId]]
) -> dict[tuple[CompanyId, MessageId | None], asyncpg.Record]:
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return {(row["company_id"], row["id"]): row for row in await connection.fetch(Q.lock_messages, *columns)}


async def _apply(
    connection: db.Connection,
    locked: dict[tuple[CompanyId, MessageId | None], asyncpg.Record],
    receipts: Sequence[Receipt],
) -> tuple[list[NewEvent | None], bool]:
    """Advance the locked messages by new receipts, in order; their events, and whether lanes were freed."""
    now: dict[tuple[CompanyId, MessageId | None], tuple[MessageStatus, str, dict[str, Any] | None]] = {}
    told: list[NewEvent | None] = []
    for receipt in receipts:
        place = (receipt.company_id, receipt.message_id)
        row = locked[place]
        status, provider_id, error = now.get(
            place, (MessageStatus(row["status"]), row["provider_id"] or receipt.provider_id, row["error"])
        )
        after = states.advance(status, receipt.state)
        if after is not status:
            error = receipt.error if after is MessageStatus.FAILED else None
        now[place] = (after, provider_id, error)
        # The sender tells of `sent` itself, also when this comes first, unless it never learned that the message was.
        known_to_sender = after is status or row["status"] == MessageStatus.QUEUED
        repeats_sender = receipt.state is MessageStatus.SENT and known_to_sender
        silent = repeats_sender or row["direction"] != "outbound"
        told.append(None if silent else _event(receipt, row, after, provider_id))
    changed = [
        (company_id, message_id, status.value, provider_id, error)
        for (company_id, message_id), (status, provider_id, error) in now.items()
        if status.value != locked[company_id, message_id]["status"]
        or locked[company_id, message_id]["provider_id"] is None
    ]
    if not changed:
        return told, False
    columns = [list(column) for column in zip(*changed, strict=True)]
    await connection.execute(Q.advance_messages, *columns)
    proven = [
        (company_id, message_id, status != "failed")
        for company_id, message_id, status, _, _ in changed
        if locked[company_id, message_id]["status"] in _WAITING
        or (locked[company_id, message_id]["status"] == "failed" and status != "failed")
    ]
    if not proven:
        return told, False
    columns = [list(column) for column in zip(*proven, strict=True)]
    freed = await connection.fetch(Q.release_proven, *columns)
    return told, bool(freed)


#: A message in these states may still have a row in the outbox.
_WAITING = frozenset({MessageStatus.QUEUED.value, MessageStatus.UNPROVEN.value})


def _event(receipt: Receipt, row: asyncpg.Record, status: MessageStatus, provider_id: str) -> NewEvent:
    message: dict[str, Any] = {
        "id": row["id"],
        "conversation_id": row["conversation_id"],
        "contact_id": row["contact_id"],
        "direction": "outbound",
        "to": row["address"],
        "type": row["type"],
        "status": status.value,
        "provider_id": provider_id,
    }
    if row["client_id"] is not None:
        message["client_id"] = row["client_id"]
    if row["metadata"] is not None:
        message["metadata"] = row["metadata"]
    data: dict[str, Any] = {"message": message, "state": receipt.state.value, "at": receipt.at}
    if receipt.recipient:
        data["recipient"] = receipt.recipient
    if receipt.error is not None:
        data["error"] = receipt.error
    return NewEvent(
        company_id=receipt.company_id,
        type=f"message.{receipt.state.value}",
        data=data,
        instance_id=receipt.instance_id,
        conversation_id=row["conversation_id"],
        message_id=row["id"],
        at=receipt.at,
    )
