"""The outbound heart: accepting, claiming, finishing, cancelling. Each is one statement, so each is one commit.

The life of a lane row, and the two traps in it, are described in docs/explanation/lanes.md.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec

from recado.domain import ids
from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.store import db, queries

Q = queries.load("outbox")


class Extra(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What few messages have. `fingerprint` is the SHA-256, in hex, of the body that `idempotency_key` came with;
    `fallback` lets the message go as text at a provider that cannot render it; `pause_ms` is how long its lane rests
    behind it, None where pacing decides."""

    reply_to: str | None = None
    client_id: str | None = None
    metadata: dict[str, Any] | None = None
    send_at: datetime | None = None
    delay_ms: int = 0
    typing_ms: int = 0
    pause_ms: int | None = None
    fallback: bool = False
    idempotency_key: str | None = None
    fingerprint: str | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A validated message on its way into the outbox. `content` is its JSON.

    `budgeted` tells whether its instance has a budget for first contacts; None where nothing can be one: a group, or a
    provider that needs no pacing.
    """

    company_id: CompanyId
    id: MessageId
    instance_id: InstanceId
    conversation_id: UUID
    contact_id: UUID
    type: str
    priority: int
    address: str
    content: msgspec.Raw
    lane_key: str
    extra: Extra | None = None
    budgeted: bool | None = None


async def accept(connection: db.Connection, drafts: Sequence[Draft]) -> dict[MessageId, datetime]:
    """Write messages, outbox, lane wake-ups and, where an endpoint asked for it, events; return what was written, with
    the time of it.

    A draft whose idempotency key is taken is not written: look its first result up with `find_replayed`.
    """
    rows = await connection.fetch(
        Q.accept,
        [d.company_id for d in drafts],
        [d.id for d in drafts],
        [d.instance_id for d in drafts],
        [d.conversation_id for d in drafts],
        [d.contact_id for d in drafts],
        [d.type for d in drafts],
        [d.priority for d in drafts],
        [d.address for d in drafts],
        [d.content for d in drafts],
        [d.lane_key for d in drafts],
        [d.extra for d in drafts],
        [d.budgeted for d in drafts],
    )
    return {row["id"]: row["created_at"] for row in rows}


async def find_replayed(
    connection: db.Connection, keys: Sequence[tuple[CompanyId, str]]
) -> dict[tuple[CompanyId, str], Any]:
    """(company, key) -> the first message of that key with its `fingerprint`."""
    rows = await connection.fetch(Q.find_replayed, [company for company, _ in keys], [key for _, key in keys])
    return {(row["company_id"], row["key"]): row for row in rows}


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A message that this process, and no other, may send now. `fence` proves it when finishing.

    `interrupted`: an earlier claim ended without an outcome, so it may have been sent. `unproven_at`: since when
    an earlier attempt waits for proof. `proven`: a receipt says meanwhile that it was sent.
    """

    company_id: CompanyId
    instance_id: InstanceId
    key: str
    fence: int
    message_id: MessageId
    attempts: int
    typing_ms: int
    unproven_at: datetime | None
    due_at: datetime
    interrupted: bool
    conversation_id: UUID
    type: str
    priority: int
    address: str
    content: Any
    reply_to: str | None
    client_id: str | None
    metadata: dict[str, Any] | None
    created_at: datetime
    resent: bool
    proven: bool


async def claim(
    connection: db.Connection, *, owner: UUID, limit: int, lease: timedelta, now: datetime
) -> list[Claimed]:
    """Claim up to `limit` due lanes, one message each, for `lease`. Lanes that are due but empty or blocked are put off."""
    rows = await connection.fetch(Q.claim, now, limit, owner, lease)
    return [Claimed(**row) for row in rows]


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a claimed message.

    done          it leaves the outbox
    status        the message's new status, unless a receipt was faster; None leaves it
    spent         1 when an attempt was used up
    next_at       when the lane is looked at next; None: as soon as pacing allows, if anything waits
    not_before    pacing: the earliest time of the lane's next send, unless the message has left and names a pause itself
    unproven      it may have been sent and stays at the head of its lane until that is settled
    typed         "typing…" was shown, and is not shown again
    attempt_id    None when no call was made
    """

    claimed: Claimed
    done: bool
    status: str | None = None
    provider_id: str | None = None
    error: dict[str, Any] | None = None
    next_at: datetime | None = None
    not_before: datetime
    per_minute: int = 0
    spent: int = 0
    unproven: bool = False
    typed: bool = False
    attempt_id: UUID | None = None
    connection_id: UUID | None = None
    started_at: datetime | None = None
    duration_ms: float | None = None
    outcome: str | None = None
    code: str | None = None
    why: str | None = None
    event_type: str | None = None
    event: dict[str, Any] | None = None


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A finish that counted. `early`: a receipt for it is already there and waits to be applied."""

    message_id: MessageId
    company_id: CompanyId
    instance_id: InstanceId
    provider_id: str | None
    early: bool


async def finish(connection: db.Connection, results: Sequence[Finish], *, now: datetime) -> list[Finished]:
    """Write the results whose claim is still the newest of its lane; the others are left out and change nothing."""
    rows = await connection.fetch(
        Q.finish,
        now,
        [r.claimed.company_id for r in results],
        [r.claimed.instance_id for r in results],
        [r.claimed.key for r in results],
        [r.claimed.fence for r in results],
        [r.claimed.message_id for r in results],
        [r.done for r in results],
        [r.status for r in results],
        [r.provider_id for r in results],
        [r.error for r in results],
        [r.next_at for r in results],
        [r.not_before for r in results],
        [r.per_minute for r in results],
        [r.spent for r in results],
        [r.unproven for r in results],
        [r.attempt_id for r in results],
        [r.connection_id for r in results],
        [r.started_at for r in results],
        [r.duration_ms for r in results],
        [r.outcome for r in results],
        [r.code for r in results],
        [r.why for r in results],
        [ids.new() for _ in results],
        [r.claimed.conversation_id for r in results],
        [r.event_type for r in results],
        [r.event for r in results],
        [r.claimed.attempts + 1 for r in results],
        [r.typed for r in results],
    )
    return [Finished(**row) for row in rows]


async def mark_resent(connection: db.Connection, company_id: CompanyId, message_id: MessageId) -> None:
    """Say on a message that it is sent again although an earlier attempt may have reached its recipient."""
    await connection.execute(Q.mark_resent, company_id, message_id)


async def has_fallback(connection: db.Connection, company_id: CompanyId, message_id: MessageId) -> bool:
    """Whether a waiting message may go as text where a provider cannot render it."""
    return bool(await connection.fetchval(Q.has_fallback, company_id, message_id))


async def keep_content(connection: db.Connection, claimed: Claimed, content: Any) -> bool:
    """Write what a claimed message carries from now on, as plain data; it is not to be sent under this claim. False: the claim
    is over, and nothing was written."""
    kept = await connection.fetchval(
        Q.keep_content,
        claimed.company_id,
        claimed.instance_id,
        claimed.key,
        claimed.fence,
        claimed.message_id,
        content,
    )
    return kept is not None


async def next_due(connection: db.Connection) -> datetime | None:
    """When the next lane is due; None when nothing waits."""
    due: datetime | None = await connection.fetchval(Q.next_due)
    return due


async def cancel(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId, message_id: MessageId | None = None
) -> list[Any]:
    """Take one waiting message, or all of an instance, out of the queue; return the rows taken.

    What is being sent, or may have been, is not touched: it can no longer be taken back.
    """
    await connection.execute(Q.lock_lanes, company_id, instance_id)
    return await connection.fetch(Q.cancel, company_id, instance_id, message_id)


async def requeue(
    connection: db.Connection, company_id: CompanyId, messages: Sequence[tuple[MessageId, str]]
) -> set[MessageId]:
    """Queue failed or unproven messages again, each in the lane named with it; return those queued. They go without the
    delay, the typing and the pause that they were accepted with."""
    rows = await connection.fetch(
        Q.requeue, company_id, [message_id for message_id, _ in messages], [key for _, key in messages]
    )
    return {row["id"] for row in rows}


async def summarise(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> Any:
    """Counts by state, `oldest_at` and `next_send_at` of an instance's queue."""
    return await connection.fetchrow(Q.summarise, company_id, instance_id)


async def list_waiting(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId, *, after: UUID | None, limit: int
) -> list[Any]:
    """What waits for an instance, oldest first, after a message id."""
    return await connection.fetch(Q.list_waiting, company_id, instance_id, after, limit)


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a message stands in the queue of its instance: in the index of heads."""

    lane_key: str
    priority: Annotated[int, msgspec.Meta(ge=-1, le=2)]
    due_at: Annotated[datetime, msgspec.Meta(tz=True)]
    message_id: UUID


#: Before every message.
FRONT = Place("", -1, datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


async def list_in_order(
    connection: db.Connection,
    company_id: CompanyId,
    instance_id: InstanceId,
    *,
    after: Place = FRONT,
    limit: int,
    offset: int = 0,
) -> list[Any]:
    """What waits for an instance, with what it carries, in the order in which it is sent: that of its one lane, or one
    lane after the other. First contacts stand in their places, also while they are held. It reads the page, and what
    `offset` passes over. Call it last in a transaction."""
    # Not knowing how short a page is, nor how long the queue was when it planned, the planner would rather sort all of it.
    await connection.execute("SET LOCAL enable_sort = off")
    return await connection.fetch(
        Q.list_in_order,
        company_id,
        instance_id,
        after.lane_key,
        after.priority,
        after.due_at,
        after.message_id,
        limit,
        offset,
    )


async def count_waiting(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> int:
    """How many messages wait for an instance."""
    return int(await connection.fetchval(Q.count_waiting, company_id, instance_id))


async def is_taken(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId, message_id: UUID
) -> bool | None:
    """Whether a waiting message is being sent, or may have been; None for one that does not wait."""
    taken: bool | None = await connection.fetchval(Q.is_taken, company_id, instance_id, message_id)
    return taken
