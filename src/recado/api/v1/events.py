"""Events: everything that happened, as endpoints receive it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, get
from litestar.params import FromPath, FromQuery, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime, company_or_instance
from recado.services import webhooks
from recado.services.webhooks import EventView

Since = Annotated[datetime | None, QueryParameter(description="Recorded at or after this time (RFC 3339).")]
Type = Annotated[str | None, QueryParameter(name="type", description="One event type, as in message.received.")]


@get("/", guards=[company_or_instance])
async def list_events(
    runtime: Runtime,
    principal: Principal,
    event_type: Type = None,
    instance_id: FromQuery[UUID | None] = None,
    since: Since = None,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> paging.Page[EventView]:
    """Events, newest first."""
    rows = await webhooks.list_events(
        runtime,
        principal,
        type=event_type,
        instance_id=instance_id,
        since=since,
        before=paging.after(cursor),
        limit=limit + 1,
    )
    return paging.page(rows, limit, lambda row: row, lambda row: row.id)


@get("/{event_id:uuid}", guards=[company_or_instance])
async def get_event(runtime: Runtime, principal: Principal, event_id: FromPath[UUID]) -> EventView:
    """One event."""
    return await webhooks.get_event(runtime, principal, event_id)


router = Router("/v1/events", route_handlers=[list_events, get_event], tags=["Events"])
