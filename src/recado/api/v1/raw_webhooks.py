"""`/v1/raw-webhooks`: what providers posted, as it came, with what became of it."""

import base64
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime
from recado.services import raw_webhooks as service
from recado.store import raw_webhooks

Error = Annotated[bool | None, QueryParameter(description="true: only those with an error; false: only those without.")]
Kind = Annotated[str | None, QueryParameter(description="Only of this provider.")]
Since = Annotated[datetime | None, QueryParameter(description="Received at or after this time (RFC 3339).")]
Company = Annotated[
    UUID | None,
    QueryParameter(
        name="company_id",
        description="With an admin token: whose log; without it, that of servers that companies share.",
    ),
]


class RawWebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook. `events` is how many were read out of it; `error` says what was wrong."""

    id: UUID
    kind: str
    connection_id: UUID | None
    server_id: UUID | None
    received_at: datetime
    processed_at: datetime | None
    events: int | None
    error: str | None
    size: int


class RawWebhookDetail(RawWebhookView, frozen=True, kw_only=True):
    """With its body: as text where it is text (`encoding` is `utf-8`), else in base64."""

    headers: dict[str, Any]
    encoding: str
    body: str


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    status: str = "queued"


@get("/")
async def list_raw_webhooks(
    runtime: Runtime,
    principal: Principal,
    error: Error = None,
    kind: Kind = None,
    since: Since = None,
    company: Company = None,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> paging.Page[RawWebhookView]:
    """The newest first, without bodies."""
    rows = await service.page(
        runtime,
        service.company_of(principal, company),
        before=paging.after(cursor),
        error=error,
        kind=kind,
        since=since,
        instance_id=principal.instance_id,
        limit=limit,
    )
    return paging.page(rows, limit, _view, lambda row: row.id)


@get("/{raw_webhook_id:uuid}")
async def get_raw_webhook(
    runtime: Runtime, principal: Principal, raw_webhook_id: FromPath[UUID], company: Company = None
) -> RawWebhookDetail:
    """One, with its body."""
    row = await service.get(runtime, service.company_of(principal, company), raw_webhook_id, principal.instance_id)
    try:
        encoding, body = "utf-8", row.body.decode()
    except UnicodeDecodeError:
        encoding, body = "base64", base64.b64encode(row.body).decode()
    return RawWebhookDetail(**_fields(row), headers=row.headers, encoding=encoding, body=body)


@post("/{raw_webhook_id:uuid}/replay", status_code=202)
async def replay_raw_webhook(
    runtime: Runtime, principal: Principal, raw_webhook_id: FromPath[UUID], company: Company = None
) -> Replayed:
    """Process it again. What it led to before is recognised and not repeated."""
    await service.replay(runtime, service.company_of(principal, company), raw_webhook_id, principal.instance_id)
    return Replayed(id=raw_webhook_id)


def _fields(row: raw_webhooks.Listed) -> dict[str, Any]:
    return {name: getattr(row, name) for name in RawWebhookView.__struct_fields__}


def _view(row: raw_webhooks.Listed) -> RawWebhookView:
    return RawWebhookView(**_fields(row))


router = Router(
    "/v1/raw-webhooks",
    route_handlers=[list_raw_webhooks, get_raw_webhook, replay_raw_webhook],
    tags=["Provider webhooks"],
)
