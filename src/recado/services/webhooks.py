"""Companies' endpoints: registered, tested, paused and resumed, their deliveries looked at and replayed."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec
import structlog

from recado.domain import ids
from recado.domain.errors import Conflict, NotFound, invalid
from recado.domain.events import EVENT_TYPES
from recado.domain.ids import CompanyId, DeliveryId, InstanceId, WebhookId
from recado.kit import signing
from recado.services import delivering
from recado.services.directory import Principal, no_instance
from recado.services.runtime import Runtime
from recado.store import db, deliveries, event_log, events, webhooks

log = structlog.get_logger(__name__)

#: What a replay queues at once; the answer says where to go on.
REPLAY_AT_ONCE = 50_000
_LONGEST_URL = 2_048
_EVERY = "*"

Status = Literal["active", "paused"]


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint. `secret` is there only when it was just made; `failing_since` while the endpoint takes nothing.
    `callbacks` are those of Z-API that one of the format `zapi` takes; it is set up on the Z-API surface."""

    id: WebhookId
    url: str
    events: list[str]
    instance_id: InstanceId | None
    format: str
    status: str
    paused_reason: str | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime
    callbacks: list[str]
    secret: str | msgspec.UnsetType = msgspec.UNSET


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One post. `status` is the HTTP status of the answer, `error` its beginning or what went wrong."""

    number: int
    at: datetime
    duration_ms: float
    status: int | None
    error: str | None


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one endpoint. `next_at` is when its conversation's queue is looked at next; `callback` is
    what the event is told as at an endpoint of the format `zapi`, and `reason` why it was skipped there."""

    id: DeliveryId
    webhook_id: WebhookId
    event_id: UUID
    type: str | None
    callback: str | None
    sequence: int
    status: str
    reason: str | None
    attempts: list[AttemptView]
    next_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A test that is on its way."""

    event_id: UUID
    delivery_id: DeliveryId


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many events were queued again. When there were more, `next_since` is where to go on."""

    deliveries: int
    next_since: datetime | None


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event, as endpoints receive it."""

    id: UUID
    type: str
    at: datetime
    company_id: CompanyId
    instance_id: UUID | None
    conversation_id: UUID | None
    message_id: UUID | None
    sequence: int
    data: dict[str, Any]


# --- endpoints -----------------------------------------------------------------------------------------


async def create(
    runtime: Runtime, principal: Principal, *, url: str, filter: list[str], instance_id: UUID | None, format: str
) -> WebhookView:
    """Register an endpoint; the answer is the only one that shows its secret. Raises `Invalid` or `NotFound`."""
    if format != "recado":
        raise invalid("format", f"Only recado is known, not {format[:50]!r}.", code="unknown_format")
    check_url(url)
    _check_events(filter)
    instance = _instance_of(principal, instance_id)
    webhook_id, secret = WebhookId(ids.new()), signing.make_secret()
    try:
        async with runtime.db.tenant(principal.company) as connection:
            made = await webhooks.insert(
                connection,
                principal.company,
                webhook_id,
                instance_id=instance,
                url=url,
                events=_distinct(filter),
                format=format,
                secret=seal(runtime, webhook_id, secret),
            )
    except asyncpg.ForeignKeyViolationError:
        raise no_instance(instance or UUID(int=0)) from None
    log.info("webhook_created", webhook_id=str(webhook_id), company_id=str(principal.company))
    return _view(made, secret)


async def get(runtime: Runtime, principal: Principal, webhook_id: UUID) -> WebhookView:
    """One endpoint. Raises `NotFound`."""
    async with runtime.db.tenant(principal.company) as connection:
        return _view(await _load(connection, principal, webhook_id))


async def page(runtime: Runtime, principal: Principal, *, before: UUID | None, limit: int) -> list[WebhookView]:
    """The endpoints of the company, or of the token's instance, the newest first."""
    async with runtime.db.tenant(principal.company) as connection:
        rows = await webhooks.page(
            connection, principal.company, instance_id=principal.instance_id, before=before, limit=limit
        )
    return [_view(row) for row in rows]


async def update(
    runtime: Runtime,
    principal: Principal,
    webhook_id: UUID,
    *,
    url: str | None = None,
    filter: list[str] | None = None,
    status: Status | None = None,
) -> WebhookView:
    """Change what is given. Made active again, an endpoint gets its backlog at once. Raises `Invalid`, `NotFound`, or
    `Conflict` for the address or the events of one that is set up on the Z-API surface."""
    if url is not None:
        check_url(url)
    if filter is not None:
        _check_events(filter)
    company_id = principal.company
    async with runtime.db.tenant(company_id) as connection:
        current = await _lock(connection, principal, webhook_id)
        if url is not None or filter is not None:
            _check_own(current)
            await webhooks.update(
                connection, company_id, webhook_id,
                url=current.url if url is None else url,
                events=current.events if filter is None else _distinct(filter),
            )  # fmt: skip
        if status == "active" and await webhooks.resume(connection, company_id, webhook_id):
            await deliveries.release(connection, company_id, webhook_id, now=datetime.now(UTC))
        elif url is not None and current.status == "active":
            await deliveries.hasten(connection, company_id, webhook_id, now=datetime.now(UTC))
        if status == "paused" and await webhooks.pause(connection, company_id, webhook_id, "Paused by request."):
            await deliveries.park(connection, company_id, webhook_id)
        await webhooks.notify(connection, "deliveries")
        changed = await _load(connection, principal, webhook_id)
    runtime.signals.set("deliveries")
    return _view(changed)


async def delete(runtime: Runtime, principal: Principal, webhook_id: UUID) -> None:
    """Forget an endpoint and what waits for it. Raises `NotFound`, or `Conflict` for one of the Z-API surface."""
    async with runtime.db.tenant(principal.company) as connection:
        _check_own(await _lock(connection, principal, webhook_id))
        await webhooks.retire(connection, principal.company, webhook_id)
        await deliveries.park(connection, principal.company, webhook_id)
    log.info("webhook_deleted", webhook_id=str(webhook_id), company_id=str(principal.company))


async def rotate_secret(
    runtime: Runtime, principal: Principal, webhook_id: UUID, *, overlap_seconds: int
) -> WebhookView:
    """A new secret, shown once. For the overlap the old one signs too. Raises `NotFound`."""
    secret = signing.make_secret()
    async with runtime.db.tenant(principal.company) as connection:
        current = await _lock(connection, principal, webhook_id)
        changed = await webhooks.rotate_secret(
            connection,
            principal.company,
            webhook_id,
            secret=seal(runtime, current.id, secret),
            previous_until=datetime.now(UTC) + timedelta(seconds=overlap_seconds),
        )
    assert changed is not None, "the row is locked"
    return _view(changed, secret)


async def test(runtime: Runtime, principal: Principal, webhook_id: UUID) -> Queued:
    """Send a `webhook.test` event to this endpoint alone, whatever its filter, beside what waits for it.

    Raises `NotFound`, or `Conflict` while the endpoint is paused.
    """
    company_id, delivery_id = principal.company, DeliveryId(ids.new())
    async with runtime.db.tenant(company_id) as connection:
        webhook = await _lock(connection, principal, webhook_id)
        if webhook.status == "paused":
            raise Conflict(
                f'Webhook {webhook_id} is paused; PATCH {{"status": "active"}} first.', code="webhook_paused"
            )
        (event_id,) = await events.insert(
            connection,
            [
                events.NewEvent(
                    company_id=company_id,
                    type="webhook.test",
                    instance_id=webhook.instance_id,
                    data={"webhook_id": str(webhook_id), "message": "This is a test."},
                )
            ],
        )
        key = deliveries.TEST_LANE
        await deliveries.wake_lane(connection, company_id, webhook_id, key, parked=False)
        await deliveries.insert(connection, company_id, delivery_id, webhook_id=webhook_id, event_id=event_id, key=key)
        await webhooks.notify(connection, "deliveries")
    runtime.signals.set("deliveries")
    return Queued(event_id=event_id, delivery_id=delivery_id)


# --- deliveries ----------------------------------------------------------------------------------------


async def list_deliveries(
    runtime: Runtime,
    principal: Principal,
    webhook_id: UUID,
    *,
    status: deliveries.Status | None,
    before: UUID | None,
    limit: int,
) -> list[DeliveryView]:
    """An endpoint's deliveries with every attempt, the newest first. Raises `NotFound`."""
    async with runtime.db.tenant(principal.company) as connection:
        await _load(connection, principal, webhook_id)
        rows = await deliveries.page(
            connection, principal.company, webhook_id, status=status, before=before, limit=limit
        )
        attempts = await deliveries.attempts(connection, principal.company, [row.id for row in rows])
    return [_delivery_view(row, attempts[row.id]) for row in rows]


async def get_delivery(runtime: Runtime, principal: Principal, delivery_id: UUID) -> DeliveryView:
    """One delivery. Raises `NotFound`."""
    async with runtime.db.tenant(principal.company) as connection:
        row = await _load_delivery(connection, principal, delivery_id)
        attempts = await deliveries.attempts(connection, principal.company, [row.id])
    return _delivery_view(row, attempts[row.id])


async def replay_delivery(runtime: Runtime, principal: Principal, delivery_id: UUID) -> DeliveryView:
    """Deliver again at once, with the same event id. Raises `NotFound`.

    A delivery that still waits is tried now. At a paused endpoint it waits for its resumption.
    """
    company_id = principal.company
    async with runtime.db.tenant(company_id) as connection:
        row = await _load_delivery(connection, principal, delivery_id)
        webhook = await _lock(connection, principal, row.webhook_id)
        # The lane first: whoever finishes a delivery takes the locks in this order too.
        await deliveries.wake_lane(
            connection, company_id, row.webhook_id, row.lane_key, parked=webhook.status == "paused"
        )
        await deliveries.requeue(connection, company_id, delivery_id)
        await webhooks.notify(connection, "deliveries")
        row = await _load_delivery(connection, principal, delivery_id)
        attempts = await deliveries.attempts(connection, company_id, [row.id])
    runtime.signals.set("deliveries")
    return _delivery_view(row, attempts[row.id])


async def replay(runtime: Runtime, principal: Principal, webhook_id: UUID, *, since: datetime) -> Replayed:
    """Deliver the events recorded since a time that match the endpoint's filter again, in their order.

    What still waits is not doubled. Raises `NotFound`, or `Invalid` for a time without a zone.
    """
    if since.tzinfo is None:
        raise invalid("since", "needs a time zone: 2026-12-01T09:00:00Z or …-03:00")
    async with runtime.db.tenant(principal.company) as connection:
        webhook = await _lock(connection, principal, webhook_id)
        found = await deliveries.replay(
            connection,
            principal.company,
            webhook_id,
            events=webhook.events,
            instance_id=webhook.instance_id,
            since=ids.lowest(max(since, datetime.fromtimestamp(0, UTC))),
            parked=webhook.status == "paused",
            limit=REPLAY_AT_ONCE,
            callbacks=webhook.callbacks,
        )
        await webhooks.notify(connection, "deliveries")
    runtime.signals.set("deliveries")
    more = found.last_id is not None and found.deliveries == REPLAY_AT_ONCE
    return Replayed(
        deliveries=found.deliveries, next_since=ids.made_at(found.last_id) if more and found.last_id else None
    )


# --- events --------------------------------------------------------------------------------------------


async def list_events(
    runtime: Runtime,
    principal: Principal,
    *,
    type: str | None,
    instance_id: UUID | None,
    since: datetime | None,
    before: UUID | None,
    limit: int,
) -> list[EventView]:
    """The event log of the company, or of the token's instance, the newest first. Raises `Invalid` or `NotFound`."""
    if type is not None and type not in EVENT_TYPES:
        raise invalid("type", f"There is no event type {type[:50]!r}.", code="unknown_event_type")
    if since is not None and since.tzinfo is None:
        raise invalid("since", "needs a time zone: 2026-12-01T09:00:00Z or …-03:00")
    async with runtime.db.tenant(principal.company) as connection:
        rows = await event_log.page(
            connection,
            principal.company,
            type=type,
            instance_id=_instance_of(principal, instance_id),
            since=since,
            before=before,
            limit=limit,
        )
    return [EventView(**row) for row in rows]


async def get_event(runtime: Runtime, principal: Principal, event_id: UUID) -> EventView:
    """One event. Raises `NotFound`."""
    async with runtime.db.tenant(principal.company) as connection:
        row = await event_log.get(connection, principal.company, event_id, instance_id=principal.instance_id)
    if row is None:
        raise NotFound(f"There is no event {event_id}.", code="event_not_found")
    return EventView(**row)


# --- helpers -------------------------------------------------------------------------------------------


async def _load(connection: db.Connection, principal: Principal, webhook_id: UUID) -> webhooks.Webhook:
    return _found(
        await webhooks.get(connection, principal.company, webhook_id, instance_id=principal.instance_id), webhook_id
    )


async def _lock(connection: db.Connection, principal: Principal, webhook_id: UUID) -> webhooks.Webhook:
    return _found(
        await webhooks.lock(connection, principal.company, webhook_id, instance_id=principal.instance_id), webhook_id
    )


def _check_own(webhook: webhooks.Webhook) -> None:
    """What Z-API clients set up is changed where they did: the instance's settings say the same."""
    if webhook.format == "zapi":
        raise Conflict(
            f"Webhook {webhook.id} is set up on the Z-API surface; change it there (PUT …/update-webhook-…).",
            code="zapi_webhook",
        )


def _found(webhook: webhooks.Webhook | None, webhook_id: UUID) -> webhooks.Webhook:
    if webhook is None:
        raise NotFound(f"There is no webhook {webhook_id}.", code="webhook_not_found")
    return webhook


async def _load_delivery(connection: db.Connection, principal: Principal, delivery_id: UUID) -> deliveries.Delivery:
    row = await deliveries.get(connection, principal.company, delivery_id, instance_id=principal.instance_id)
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id}.", code="delivery_not_found")
    return row


def _instance_of(principal: Principal, instance_id: UUID | None) -> InstanceId | None:
    """The instance asked for; an instance's token can only mean its own."""
    return principal.instance_id if instance_id is None else principal.check_instance(instance_id)


def check_url(url: str) -> None:
    """Raise `Invalid` for what is no address of an endpoint."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid, parts = False, urlsplit("")
    if not valid or len(url) > _LONGEST_URL or any(char.isspace() or not char.isprintable() for char in url):
        raise invalid("url", "This is not the address of an http or https endpoint.", code="invalid_url")
    if parts.username is not None or parts.password is not None:
        raise invalid(
            "url", "The address may hold no user or password; check the signature instead.", code="invalid_url"
        )


def _check_events(filter: list[str]) -> None:
    if not filter:
        raise invalid("events", 'Name at least one event type, or ["*"] for all.', code="invalid_events")
    for position, type in enumerate(filter):
        if type != _EVERY and type not in EVENT_TYPES:
            raise invalid(f"events[{position}]", f"There is no event type {type[:50]!r}.", code="unknown_event_type")


def _distinct(filter: list[str]) -> list[str]:
    return list(dict.fromkeys(filter))


def seal(runtime: Runtime, webhook_id: WebhookId, secret: str) -> bytes:
    """An endpoint's signing secret as it is stored."""
    return runtime.keyring.encrypt(secret.encode(), delivering.secret_context(webhook_id))


def _view(row: webhooks.Webhook, secret: str | msgspec.UnsetType = msgspec.UNSET) -> WebhookView:
    return WebhookView(
        id=row.id,
        url=row.url,
        events=row.events,
        instance_id=row.instance_id,
        format=row.format,
        status=row.status,
        paused_reason=row.paused_reason,
        failing_since=row.failing_since,
        previous_secret_until=row.previous_until,
        created_at=row.created_at,
        callbacks=row.callbacks,
        secret=secret,
    )


def _delivery_view(row: deliveries.Delivery, attempts: list[deliveries.Attempt]) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        webhook_id=row.webhook_id,
        event_id=row.event_id,
        type=row.type,
        callback=row.callback,
        sequence=row.sequence,
        status=row.status,
        reason=row.last_error if row.status == "skipped" else None,
        attempts=[
            AttemptView(number=one.number, at=one.at, duration_ms=one.duration_ms, status=one.status, error=one.error)
            for one in attempts
        ],
        next_at=row.next_at,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
    )
