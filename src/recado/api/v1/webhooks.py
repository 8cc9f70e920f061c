"""Webhooks: a company's endpoints, their secrets and their deliveries."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from recado.api import paging
from recado.api.dependencies import Principal, Runtime, company_or_instance
from recado.services import webhooks
from recado.services.webhooks import DeliveryView, WebhookView
from recado.store import deliveries

_DAY = 86_400

Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2_048, description="http or https; https in production.")]
Filter = Annotated[
    list[str], msgspec.Meta(min_length=1, max_length=100, description='Event types, or ["*"] for every event.')
]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`instance_id` restricts the endpoint to one instance's events."""

    url: Url
    events: Filter
    instance_id: UUID | None = None
    format: str = "recado"


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is absent stays. `status: "active"` resumes a paused endpoint with all that waited for it."""

    url: Url | msgspec.UnsetType = msgspec.UNSET
    events: Filter | msgspec.UnsetType = msgspec.UNSET
    status: webhooks.Status | msgspec.UnsetType = msgspec.UNSET


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For `overlap_seconds` the old secret signs beside the new one."""

    overlap_seconds: Annotated[int, msgspec.Meta(ge=0, le=30 * _DAY)] = _DAY


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events: those recorded at or after `since`."""

    since: datetime


@post("/", guards=[company_or_instance])
async def create_webhook(runtime: Runtime, principal: Principal, data: JSONBody[NewWebhook]) -> WebhookView:
    """Register an endpoint. The answer is the only one that shows its signing secret."""
    return await webhooks.create(
        runtime,
        principal,
        url=data.url,
        filter=data.events,
        instance_id=data.instance_id,
        format=data.format,
    )


@get("/", guards=[company_or_instance])
async def list_webhooks(
    runtime: Runtime, principal: Principal, limit: paging.Limit = paging.DEFAULT_LIMIT, cursor: paging.Cursor = None
) -> paging.Page[WebhookView]:
    """Endpoints, newest first."""
    rows = await webhooks.page(runtime, principal, before=paging.after(cursor), limit=limit + 1)
    return paging.page(rows, limit, lambda row: row, lambda row: row.id)


@get("/{webhook_id:uuid}", guards=[company_or_instance])
async def get_webhook(runtime: Runtime, principal: Principal, webhook_id: FromPath[UUID]) -> WebhookView:
    """One endpoint."""
    return await webhooks.get(runtime, principal, webhook_id)


@patch("/{webhook_id:uuid}", guards=[company_or_instance])
async def change_webhook(
    runtime: Runtime, principal: Principal, webhook_id: FromPath[UUID], data: JSONBody[WebhookChange]
) -> WebhookView:
    """Change the address or the filter, pause, or resume with everything that waited meanwhile."""
    return await webhooks.update(
        runtime,
        principal,
        webhook_id,
        url=None if data.url is msgspec.UNSET else data.url,
        filter=None if data.events is msgspec.UNSET else data.events,
        status=None if data.status is msgspec.UNSET else data.status,
    )


@delete("/{webhook_id:uuid}", guards=[company_or_instance])
async def delete_webhook(runtime: Runtime, principal: Principal, webhook_id: FromPath[UUID]) -> None:
    """Forget an endpoint and what waits for it."""
    await webhooks.delete(runtime, principal, webhook_id)


@post("/{webhook_id:uuid}/test", guards=[company_or_instance], status_code=202)
async def test_webhook(runtime: Runtime, principal: Principal, webhook_id: FromPath[UUID]) -> webhooks.Queued:
    """Send a webhook.test event to this endpoint, whatever its filter. 409 while it is paused."""
    return await webhooks.test(runtime, principal, webhook_id)


@post("/{webhook_id:uuid}/rotate-secret", guards=[company_or_instance], status_code=200)
async def rotate_secret(
    runtime: Runtime,
    principal: Principal,
    webhook_id: FromPath[UUID],
    data: JSONBody[Rotation] = Rotation(),  # noqa: B008  # Frozen.
) -> WebhookView:
    """Replace the signing secret and show the new one once. Both sign until `previous_secret_until`."""
    return await webhooks.rotate_secret(runtime, principal, webhook_id, overlap_seconds=data.overlap_seconds)


@get("/{webhook_id:uuid}/deliveries", guards=[company_or_instance])
async def list_deliveries(
    runtime: Runtime,
    principal: Principal,
    webhook_id: FromPath[UUID],
    status: FromQuery[deliveries.Status | None] = None,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> paging.Page[DeliveryView]:
    """What was and is to be delivered to the endpoint, with every attempt, newest first."""
    rows = await webhooks.list_deliveries(
        runtime, principal, webhook_id, status=status, before=paging.after(cursor), limit=limit + 1
    )
    return paging.page(rows, limit, lambda row: row, lambda row: row.id)


@post("/{webhook_id:uuid}/replay", guards=[company_or_instance], status_code=202)
async def replay(
    runtime: Runtime, principal: Principal, webhook_id: FromPath[UUID], data: JSONBody[ReplayRequest]
) -> webhooks.Replayed:
    """Deliver the matching events since a time again, in their order and with their ids. What waits is not doubled."""
    return await webhooks.replay(runtime, principal, webhook_id, since=data.since)


router = Router(
    "/v1/webhooks",
    route_handlers=[
        create_webhook,
        list_webhooks,
        get_webhook,
        change_webhook,
        delete_webhook,
        test_webhook,
        rotate_secret,
        list_deliveries,
        replay,
    ],
    tags=["Webhooks"],
)
