"""What is kept how long, and what waits: the janitor's queries, across companies."""

from datetime import datetime
from typing import Literal

import msgspec

from recado.domain import ids
from recado.store import db, queries

Q = queries.load("retention")

#: Tables that are partitioned by month, their rows told apart in time by their ids.
Partitioned = Literal["messages", "attempts", "events", "raw_webhooks"]
#: Tables whose rows carry their time.
Dated = Literal["idempotency", "provider_ids", "receipts", "dead_letters", "deliveries", "canonical_phones"]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, and since when the oldest of it does: messages that are due, deliveries to active endpoints."""

    queued: int
    queued_since: datetime | None
    dead_letters: int
    deliveries: int
    deliveries_since: datetime | None


async def ensure_partitions(connection: db.Connection) -> int:
    """Make the partitions of this month and the next ones; return how many were missing."""
    return int(await connection.fetchval(Q.ensure_partitions))


async def try_lock(connection: db.Connection) -> bool:
    """Whether this connection is now the only one that cleans; until `unlock`, or until it goes back to its pool."""
    return bool(await connection.fetchval(Q.try_lock))


async def unlock(connection: db.Connection) -> None:
    """Let another process clean."""
    await connection.execute(Q.unlock)


async def drop_partitions(connection: db.Connection, table: Partitioned, before: datetime) -> list[str]:
    """Drop the months that ended before the month of `before`; return their names.

    For the rest of the caller's transaction the connection acts as its owner. Raises `asyncpg.LockNotAvailableError`
    when the table is busy for two seconds: waiting longer would hold up everybody who queues behind.
    """
    await connection.execute(Q.be_owner)
    expired = await connection.fetch(Q.list_expired_partitions, table, before)
    for partition in expired:
        await connection.execute(partition["statement"])
    return [partition["name"] for partition in expired]


async def delete_by_id(connection: db.Connection, table: Partitioned, before: datetime, *, limit: int) -> int:
    """Delete rows made before a time, at most `limit`; return how many."""
    return await _delete(connection, f"delete_{table}", ids.lowest(before), limit)


async def delete_by_date(connection: db.Connection, table: Dated, before: datetime, *, limit: int) -> int:
    """Delete rows made before a time, at most `limit`; return how many."""
    return await _delete(connection, f"delete_{table}", before, limit)


async def _delete(connection: db.Connection, name: str, before: object, limit: int) -> int:
    statement: str = getattr(Q, name)
    # A command tag is "DELETE 42".
    return int((await connection.execute(statement, before, limit)).split()[-1])


async def delete_idle_lanes(connection: db.Connection, *, before: datetime, limit: int) -> int:
    """Remove sending lanes of recipients that nothing was sent to since `before`; return how many.

    The caller's transaction holds the lanes between the look and the removal, so none can be given work unseen.
    """
    held = await connection.fetch(Q.lock_idle_lanes, before, limit)
    names = ("company_id", "instance_id", "key")
    return len(await connection.fetch(Q.delete_lanes, *([row[name] for row in held] for name in names)))


async def delete_idle_delivery_lanes(connection: db.Connection, *, limit: int) -> int:
    """As `delete_idle_lanes`, for lanes of endpoints."""
    held = await connection.fetch(Q.lock_idle_delivery_lanes, limit)
    names = ("company_id", "webhook_id", "key")
    return len(await connection.fetch(Q.delete_delivery_lanes, *([row[name] for row in held] for name in names)))


async def measure(connection: db.Connection) -> Waiting:
    """What waits now."""
    row = await connection.fetchrow(Q.measure)
    assert row is not None, "an aggregate gives a row"
    return Waiting(**row)
