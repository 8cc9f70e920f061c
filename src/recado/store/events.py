"""The event log. The database hands every new event to the endpoints that asked for it (`fan_out`)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from recado.domain import ids
from recado.domain.ids import EventId
from recado.store import db, queries

Q = queries.load("events")


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event to write. `at` is when it happened; None is now."""

    company_id: UUID
    type: str
    data: dict[str, Any]
    instance_id: UUID | None = None
    conversation_id: UUID | None = None
    message_id: UUID | None = None
    at: datetime | None = None


async def insert(connection: db.Connection, events: Sequence[NewEvent]) -> list[EventId]:
    """Write events in this order and queue their deliveries. Call it last in a transaction: it locks delivery lanes."""
    if not events:
        return []
    made = [EventId(ids.new()) for _ in events]
    await connection.execute(
        Q.insert,
        [event.company_id for event in events],
        made,
        [event.type for event in events],
        [event.instance_id for event in events],
        [event.conversation_id for event in events],
        [event.message_id for event in events],
        [event.at for event in events],
        [event.data for event in events],
    )
    return made
