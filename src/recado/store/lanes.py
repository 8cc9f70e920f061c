"""Lanes: an instance's sending queues, stopped and started as a whole."""

from datetime import datetime
from typing import Any
from uuid import UUID

from recado.store import db, queries

Q = queries.load("lanes")


async def park(connection: db.Connection, company_id: UUID, instance_id: UUID) -> None:
    """Stop looking at an instance's lanes: it is paused or not connected. What is in flight ends as it ends."""
    await connection.execute(Q.park, company_id, instance_id)


async def release(connection: db.Connection, company_id: UUID, instance_id: UUID) -> None:
    """Look at an instance's lanes again at once and wake the dispatchers."""
    await connection.execute(Q.release, company_id, instance_id)
    await connection.execute(Q.wake)


async def set_paused(connection: db.Connection, company_id: UUID, instance_id: UUID, paused: bool) -> None:
    """Whether a person paused the instance's queue. Park or release its lanes in the same transaction."""
    await connection.execute(Q.set_paused, company_id, instance_id, paused)


async def hold(connection: db.Connection, company_id: UUID, instance_id: UUID, until: datetime) -> None:
    """Nothing of this instance leaves before `until`."""
    await connection.execute(Q.hold, company_id, instance_id, until)


async def sweep(connection: db.Connection) -> list[Any]:
    """Wake lanes that hold work and would never be looked at. Whatever it returns is a lost wake-up, and a bug."""
    return await connection.fetch(Q.sweep)
