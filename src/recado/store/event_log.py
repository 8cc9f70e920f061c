"""Reading the event log; `events` writes it."""

from datetime import datetime
from uuid import UUID

import asyncpg

from recado.domain import ids
from recado.domain.ids import CompanyId
from recado.store import db, queries

Q = queries.load("event_log")

_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


async def page(
    connection: db.Connection,
    company_id: CompanyId,
    *,
    type: str | None,
    instance_id: UUID | None,
    since: datetime | None,
    before: UUID | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Events recorded at or after `since` and older than the id `before`, the newest first."""
    return await connection.fetch(
        Q.list_events,
        company_id,
        type,
        instance_id,
        ids.lowest(since) if since else _FIRST,
        before or _LAST,
        limit,
    )


async def get(
    connection: db.Connection, company_id: CompanyId, event_id: UUID, *, instance_id: UUID | None = None
) -> asyncpg.Record | None:
    """One event; with `instance_id`, only that instance's."""
    return await connection.fetchrow(Q.get_event, company_id, event_id, instance_id)
