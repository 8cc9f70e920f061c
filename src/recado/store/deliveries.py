"""Deliveries: events on their way to companies' endpoints, and the lanes that keep them in order.

A lane is one endpoint's queue for one conversation. At most one delivery of a lane is in flight: `claim` takes the
lane's head and lends the lane to its owner, `finish` writes what became of it and gives the lane back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from recado.domain.ids import CompanyId, ConversationId, DeliveryId, EventId, InstanceId, MessageId, WebhookId
from recado.store import db, queries

Q = queries.load("deliveries")

#: The lane of test events: they wait for nothing else.
TEST_LANE = "test"

#: Where a walk over all endpoints starts.
START = (UUID(int=0), UUID(int=0))

#: `skipped`: an endpoint of the format zapi was not to be told of the event, so nothing was posted.
Status = Literal["pending", "delivered", "failed", "skipped"]


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """How many more lanes of an endpoint may be claimed: while it is healthy, and while it is failing."""

    healthy: int
    failing: int


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery in flight, with its endpoint and event. It is the claimer's until the lease ends.

    `attempts` counts those since the delivery was made or last put back, the first of them at `first_at`; `number`
    is that of the attempt to make. The event's own fields are None when its retention is over. `callback` is what the
    event is told as at an endpoint of the format zapi; a test has none.
    """

    company_id: CompanyId
    webhook_id: WebhookId
    key: str
    fence: int
    delivery_id: DeliveryId
    attempts: int
    number: int
    first_at: datetime | None
    url: str
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None
    failing_since: datetime | None
    event_id: EventId
    type: str | None
    at: datetime | None
    instance_id: InstanceId | None
    conversation_id: ConversationId | None
    sequence: int | None
    data: str | None
    format: str
    callback: str | None
    message_id: MessageId | None


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt. `retry_at` is set while `status` is `pending`; `answer` is the HTTP status.

    A pending one that steps `aside` is tried again in a lane of its own: those behind it do not wait for it any more.
    """

    company_id: CompanyId
    webhook_id: WebhookId
    key: str
    fence: int
    delivery_id: DeliveryId
    number: int
    at: datetime
    duration_ms: float
    status: Status
    answer: int | None = None
    error: str | None = None
    retry_at: datetime | None = None
    aside: bool = False


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A lane given back: when it is due again (None: it is idle), and since when its endpoint is marked failing."""

    delivery_id: DeliveryId
    next_at: datetime | None
    failing_since: datetime | None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A row, with the event's type and, while it is pending, when its lane is looked at next."""

    company_id: CompanyId
    id: DeliveryId
    webhook_id: WebhookId
    event_id: EventId
    lane_key: str
    sequence: int
    status: Status
    attempts: int
    last_status: int | None
    last_error: str | None
    created_at: datetime
    delivered_at: datetime | None
    next_at: datetime | None
    type: str | None
    callback: str | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One post of a delivery."""

    delivery_id: DeliveryId
    number: int
    at: datetime
    duration_ms: float
    status: int | None
    error: str | None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many events were queued again, and the last of them."""

    deliveries: int
    last_id: EventId | None


async def claim(
    connection: db.Connection,
    *,
    owner: UUID,
    limit: int,
    each: int,
    lease: timedelta,
    now: datetime,
    rooms: Mapping[WebhookId, Room] | None = None,
    after: tuple[UUID, UUID] = START,
) -> list[Claimed]:
    """Take the heads of up to `limit` due lanes, of the endpoints after `after` (company, webhook) in their order.

    An endpoint gives at most `each`, or what `rooms` says; one that is failing gives one, due or not, as a probe.
    A lane whose lease ended is due again. Fewer than `limit` means that the walk came to the end.
    """
    rooms = rooms or {}
    rows = await connection.fetch(
        Q.claim,
        now,
        limit,
        owner,
        lease,
        *after,
        each,
        list(rooms),
        [room.healthy for room in rooms.values()],
        [room.failing for room in rooms.values()],
    )
    return [Claimed(**row) for row in rows]


async def finish(
    connection: db.Connection, items: Sequence[Finish], *, owner: UUID, now: datetime
) -> list[Finished | None]:
    """Write attempts and their outcomes and give the lanes back, in one statement.

    None stands for an item whose lane was claimed again since, or is gone: nothing was written for it.
    """
    rows = await connection.fetch(
        Q.finish,
        now,
        owner,
        [item.company_id for item in items],
        [item.webhook_id for item in items],
        [item.key for item in items],
        [item.fence for item in items],
        [item.delivery_id for item in items],
        [item.number for item in items],
        [item.at for item in items],
        [item.duration_ms for item in items],
        [item.answer for item in items],
        [item.error for item in items],
        [item.status for item in items],
        [item.retry_at for item in items],
        [item.aside for item in items],
    )
    found = {
        (row["delivery_id"], row["fence"]): Finished(
            delivery_id=row["delivery_id"], next_at=row["next_at"], failing_since=row["failing_since"]
        )
        for row in rows
    }
    return [found.get((item.delivery_id, item.fence)) for item in items]


async def park(connection: db.Connection, company_id: CompanyId, webhook_id: UUID) -> None:
    """Stop looking at an endpoint's lanes."""
    await connection.execute(Q.park, company_id, webhook_id)


async def release(connection: db.Connection, company_id: CompanyId, webhook_id: UUID, *, now: datetime) -> None:
    """Look at an endpoint's lanes again at once, with a fresh run of retries for what waits."""
    await connection.execute(Q.release, company_id, webhook_id, now)
    await connection.execute(Q.forget_attempts, company_id, webhook_id)


async def hasten(connection: db.Connection, company_id: CompanyId, webhook_id: UUID, *, now: datetime) -> None:
    """Retry at once what waits for its next retry."""
    await connection.execute(Q.hasten, company_id, webhook_id, now)


async def wake_lane(
    connection: db.Connection, company_id: CompanyId, webhook_id: UUID, key: str, *, parked: bool
) -> None:
    """Hold a lane until the transaction ends, and have it looked at then. Call it before adding to the lane."""
    await connection.execute(Q.wake_lane, company_id, webhook_id, key, parked)


async def insert(
    connection: db.Connection, company_id: CompanyId, delivery_id: DeliveryId, *, webhook_id: UUID, event_id: UUID,
    key: str,
) -> None:  # fmt: skip
    """Queue one event for one endpoint, whatever its filter. The caller holds the lane."""
    await connection.execute(Q.insert_delivery, company_id, delivery_id, webhook_id, event_id, key)


async def requeue(connection: db.Connection, company_id: CompanyId, delivery_id: UUID) -> None:
    """Make a delivery pending again, with a fresh run of retries. The caller holds the lane."""
    await connection.execute(Q.requeue, company_id, delivery_id)


async def replay(
    connection: db.Connection,
    company_id: CompanyId,
    webhook_id: UUID,
    *,
    events: Sequence[str],
    instance_id: UUID | None,
    since: UUID,
    parked: bool,
    limit: int,
    callbacks: Sequence[str] = (),
) -> Replayed:
    """Queue the events from the id `since` on that match a filter, except those that wait already; at an endpoint of the
    format zapi, once for each of its `callbacks` that an event becomes."""
    row = await connection.fetchrow(
        Q.replay, company_id, webhook_id, since, instance_id, list(events), parked, limit, list(callbacks)
    )
    assert row is not None, "an aggregate gives a row"
    return Replayed(**row)


async def move(
    connection: db.Connection,
    company_id: CompanyId,
    source: UUID,
    target: UUID,
    callbacks: Sequence[str],
    *,
    parked: bool,
) -> None:
    """Give what waits at one endpoint for some callbacks to another, in its order, with a fresh run of retries."""
    for row in await connection.fetch(Q.move, company_id, source, target, list(callbacks)):
        await wake_lane(connection, company_id, target, row["lane_key"], parked=parked)


async def skip_waiting(connection: db.Connection, company_id: CompanyId, webhook_id: UUID) -> None:
    """Tell nobody what waits at an endpoint of the format zapi that is forgotten."""
    await connection.execute(Q.skip_waiting, company_id, webhook_id)


async def get(
    connection: db.Connection, company_id: CompanyId, delivery_id: UUID, *, instance_id: UUID | None = None
) -> Delivery | None:
    """One delivery; with `instance_id`, only of that instance's own endpoints."""
    row = await connection.fetchrow(Q.get_delivery, company_id, delivery_id, instance_id)
    return Delivery(**row) if row else None


async def page(
    connection: db.Connection,
    company_id: CompanyId,
    webhook_id: UUID,
    *,
    status: Status | None,
    before: UUID | None,
    limit: int,
) -> list[Delivery]:
    """An endpoint's deliveries older than `before`, the newest first."""
    rows = await connection.fetch(Q.list_deliveries, company_id, webhook_id, status, before, limit)
    return [Delivery(**row) for row in rows]


async def attempts(
    connection: db.Connection, company_id: CompanyId, delivery_ids: Sequence[UUID]
) -> dict[UUID, list[Attempt]]:
    """The attempts of each delivery, in order."""
    found: dict[UUID, list[Attempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    for row in await connection.fetch(Q.list_attempts, company_id, list(delivery_ids)):
        found[row["delivery_id"]].append(Attempt(**row))
    return found


async def count_pending(connection: db.Connection, company_id: CompanyId, webhook_id: UUID) -> int:
    """How much waits for an endpoint."""
    return int(await connection.fetchval(Q.count_pending, company_id, webhook_id))


async def sweep(connection: db.Connection) -> int:
    """Wake lanes that hold work and would never be looked at; return how many. What was written for an endpoint of the
    format zapi while its callback went to another one is brought there."""
    followed = await connection.fetch(Q.follow)
    for row in followed:
        await wake_lane(connection, row["company_id"], row["webhook_id"], row["lane_key"], parked=row["parked"])
    return len(followed) + len(await connection.fetch(Q.sweep))
