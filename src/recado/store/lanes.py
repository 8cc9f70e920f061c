"""Lanes: an instance's sending queues, stopped and started as a whole."""

from datetime import datetime
from typing import Any
from uuid import UUID

from recado.domain.ids import ConnectionId
from recado.store import db, queries

Q = queries.load("lanes")


async def park(connection: db.Connection, company_id: UUID, instance_id: UUID) -> None:
    """Stop looking at an instance's lanes: it is paused or not connected. What is in flight ends as it ends."""
    await connection.execute(Q.park, company_id, instance_id)


async def release(connection: db.Connection, company_id: UUID, instance_id: UUID) -> None:
    """Look at an instance's lanes again at once and wake the dispatchers. What is in flight, and is told to wait, does not:
    what it would wait for is over."""
    await connection.execute(Q.release, company_id, instance_id)
    await connection.execute(Q.wake)


async def set_paused(connection: db.Connection, company_id: UUID, instance_id: UUID, paused: bool) -> str | None:
    """Whether a person paused the instance's queue; its status, which is held. Park or release its lanes in the same
    transaction."""
    status: str | None = await connection.fetchval(Q.set_paused, company_id, instance_id, paused)
    return status


async def hold(connection: db.Connection, company_id: UUID, instance_id: UUID, until: datetime) -> None:
    """Nothing of this instance leaves before `until`."""
    await connection.execute(Q.hold, company_id, instance_id, until)


async def record_connection(
    connection: db.Connection, company_id: UUID, instance_id: UUID, key: str, *, fence: int, connection_id: UUID
) -> bool:
    """Remember, before the call, what a claimed lane sends through. It writes only what is news, so an instance that
    never switches pays for a look. False: the claim is not the newest any more, and nothing may be sent by it."""
    return bool(await connection.fetchval(Q.record_connection, company_id, instance_id, key, fence, connection_id))


async def connection_of(
    connection: db.Connection, company_id: UUID, instance_id: UUID, key: str
) -> ConnectionId | None:
    """What a lane last sent through; None where its instance had one connection at the time: its oldest."""
    found: ConnectionId | None = await connection.fetchval(Q.connection_of, company_id, instance_id, key)
    return found


async def forget_connection(
    connection: db.Connection, company_id: UUID, instance_id: UUID, connection_id: UUID, *, oldest: bool
) -> None:
    """A connection is removed: only lanes that wait for proof of what it tried keep its name. `oldest` tells that it is
    the one that lanes without a name mean."""
    await connection.execute(Q.forget_connection, company_id, instance_id, connection_id, oldest)


async def sweep(connection: db.Connection) -> list[Any]:
    """Wake lanes that hold work and would never be looked at. Whatever it returns is a lost wake-up, and a bug."""
    return await connection.fetch(Q.sweep)
