"""Looking at messages, and what a person may still do to them: take back, try again, mark as read."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.errors import Conflict, NotFound, ProviderFailed, invalid
from recado.domain.ids import CompanyId, ContactId, InstanceId, MessageId
from recado.domain.provider import CallFailed, MarksRead
from recado.domain.states import PRIORITY_RANK, RANK
from recado.services.accepting import event_data, lane_key, ordering_of
from recado.services.directory import InstanceView, Principal
from recado.services.runtime import Runtime
from recado.store import contacts, conversations, db, events, messages, outbox
from recado.store.events import NewEvent

_RETRY_AT_ONCE = 1_000
_PRIORITY_NAME = {rank: priority.value for priority, rank in PRIORITY_RANK.items()}


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a message. `by` says who knows of it, `proof` what shows it: an attempt, a provider's id, a webhook."""

    state: str
    at: datetime
    by: str
    proof: dict[str, Any] = {}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    number: int
    connection_id: UUID | None
    started_at: datetime
    duration_ms: float | None
    outcome: str
    code: str | None
    why: str | None
    provider_id: str | None


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the API shows it. `content` has the shape that its `type` has in a request.

    `to` is set on what we sent, `from` on what we received: both name the chat.
    """

    id: UUID
    instance_id: UUID
    conversation_id: UUID
    contact_id: UUID
    direction: str
    status: str
    type: str
    to: str | None
    sender: str | None = msgspec.field(name="from")
    content: Any
    priority: str
    reply_to: str | None
    client_id: str | None
    provider_id: str | None
    metadata: dict[str, Any] | None
    error: dict[str, Any] | None
    resent: bool
    created_at: datetime
    provider_at: datetime | None
    timeline: list[Moment] | msgspec.UnsetType = msgspec.UNSET
    attempts: list[Attempt] | msgspec.UnsetType = msgspec.UNSET


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    instance_id: UUID
    type: str
    address: str = msgspec.field(name="to")
    client_id: str | None
    attempts: int
    code: str
    why: str
    created_at: datetime
    died_at: datetime


async def list_messages(
    runtime: Runtime,
    principal: Principal,
    *,
    before: UUID | None,
    limit: int,
    instance_id: UUID | None,
    conversation_id: UUID | None,
    contact_id: UUID | None,
    direction: str | None,
    status: str | None,
    since: datetime | None,
    text: str | None,
) -> list[MessageView]:
    """Messages of a company, or of the token's instance, newest first."""
    if since is not None and since.tzinfo is None:
        raise invalid("since", "needs a time zone: 2026-12-01T09:00:00Z or …-03:00")
    async with runtime.db.tenant(principal.company) as connection:
        if conversation_id is not None:
            conversation_id = await conversations.survivor(connection, principal.company, conversation_id)
        if contact_id is not None:
            contact_id = await contacts.survivor(connection, principal.company, ContactId(contact_id))
        rows = await messages.list_page(
            connection,
            principal.company,
            before=before,
            limit=limit,
            instance_id=_only(principal, instance_id),
            conversation_id=conversation_id,
            contact_id=contact_id,
            direction=direction,
            status=status,
            since=since,
            text=text,
        )
    return [_view(row) for row in rows]


async def get(runtime: Runtime, principal: Principal, message_id: UUID) -> MessageView:
    """One message with its timeline. Raises `NotFound`."""
    async with runtime.db.tenant(principal.company) as connection:
        row = await _load(connection, principal, message_id)
        attempts = await messages.list_attempts(connection, principal.company, message_id)
        receipts = await messages.list_receipts(connection, principal.company, message_id)
    view = _view(row)
    return msgspec.structs.replace(
        view,
        timeline=timeline(row, attempts, receipts),
        attempts=[Attempt(**attempt) for attempt in attempts],
    )


async def cancel(runtime: Runtime, principal: Principal, message_id: UUID) -> MessageView:
    """Take a waiting message back. Raises `Conflict` when it is too late."""
    async with runtime.db.tenant(principal.company) as connection:
        row = await _load(connection, principal, message_id)
        taken = await take_back(connection, principal.company, row["instance_id"], MessageId(message_id))
        if not taken:
            raise Conflict(
                f"Message {message_id} is {row['status']} and can no longer be taken back: it was sent, is being sent "
                "right now, or nobody knows whether it was.",
                code="not_cancellable",
            )
        row = await _load(connection, principal, message_id)
    runtime.signals.set("deliveries")
    return _view(row)


async def take_back(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId, message_id: MessageId | None = None
) -> int:
    """Cancel one waiting message, or all of an instance, and tell of it; return how many. Call it last in a transaction."""
    rows = await outbox.cancel(connection, company_id, instance_id, message_id)
    await events.insert(
        connection,
        [
            NewEvent(
                company_id=company_id,
                type="message.cancelled",
                instance_id=instance_id,
                conversation_id=row["conversation_id"],
                message_id=row["id"],
                data=event_data(
                    message_id=row["id"],
                    to=row["address"],
                    kind=row["type"],
                    status="cancelled",
                    client_id=row["client_id"],
                    metadata=row["metadata"],
                ),
            )
            for row in rows
        ],
    )
    return len(rows)


async def retry(runtime: Runtime, principal: Principal, message_id: UUID) -> MessageView:
    """Queue a failed or unproven message again. Raises `Conflict` for any other."""
    async with runtime.db.tenant(principal.company) as connection:
        row = await _load(connection, principal, message_id)
        view = await runtime.directory.instance(principal.company, row["instance_id"])
        key = _lane_of(runtime, view, row["address"])
        if not await outbox.requeue(connection, principal.company, [(MessageId(message_id), key)]):
            raise Conflict(
                f"Message {message_id} is {row['status']}; only one that failed, or that is unproven and no longer "
                "queued, can be retried.",
                code="not_retryable",
            )
        row = await _load(connection, principal, message_id)
    runtime.signals.set("lanes")
    return _view(row)


async def mark_read(runtime: Runtime, principal: Principal, message_id: UUID) -> None:
    """Show the sender that a received message was read, and count it as read here.

    Raises `Conflict` for a message of our own and `ProviderFailed` when the provider does not do it.
    """
    async with runtime.db.tenant(principal.company) as connection:
        row = await _load(connection, principal, message_id)
    if row["direction"] != "inbound" or row["provider_id"] is None:
        raise Conflict(f"Message {message_id} was not received, so it cannot be marked as read.", code="not_received")
    view = await runtime.directory.instance(principal.company, row["instance_id"])
    if view.active is None:
        raise Conflict(f"Instance {view.id} has no connection.", code="no_connection")
    provider: object = runtime.providers[view.active.kind]
    if not isinstance(provider, MarksRead):
        kind = view.active.kind
        raise invalid("message_id", f"the provider {kind} cannot mark as read", code="unsupported_by_provider")
    try:
        await provider.mark_read(view.active.connection, chat=row["address"], provider_id=row["provider_id"])
    except CallFailed as error:
        raise ProviderFailed(f"{view.active.kind} did not mark it as read: {error.why}", code=error.code) from error
    async with runtime.db.tenant(principal.company) as connection:
        await messages.mark_conversation_read(connection, principal.company, row["conversation_id"], message_id)


async def list_dead(
    runtime: Runtime,
    principal: Principal,
    *,
    before: UUID | None,
    limit: int,
    instance_id: UUID | None,
    code: str | None,
) -> list[DeadLetter]:
    """Messages that were given up, newest first."""
    async with runtime.db.tenant(principal.company) as connection:
        rows = await messages.list_dead(
            connection,
            principal.company,
            before=before,
            instance_id=_only(principal, instance_id),
            code=code,
            limit=limit,
        )
    return [
        DeadLetter(
            id=row["message_id"], **{n: row[n] for n in DeadLetter.__struct_fields__ if n not in ("id", "message_id")}
        )
        for row in rows
    ]


async def retry_dead(
    runtime: Runtime,
    principal: Principal,
    *,
    message_ids: list[UUID] | None,
    instance_id: UUID | None,
    code: str | None,
    since: datetime | None,
) -> list[UUID]:
    """Queue dead letters again, oldest first, up to a thousand; return those queued."""
    async with runtime.db.tenant(principal.company) as connection:
        rows = await messages.list_dead_for_retry(
            connection,
            principal.company,
            message_ids=message_ids,
            instance_id=_only(principal, instance_id),
            code=code,
            since=since,
            limit=_RETRY_AT_ONCE,
        )
        chosen = []
        for row in rows:
            view = await runtime.directory.instance(principal.company, row["instance_id"])
            chosen.append((MessageId(row["id"]), _lane_of(runtime, view, row["address"])))
        queued = await outbox.requeue(connection, principal.company, chosen)
    runtime.signals.set("lanes")
    return [message_id for message_id, _ in chosen if message_id in queued]


def timeline(row: Mapping[str, Any], attempts: list[Any], receipts: list[Any]) -> list[Moment]:
    """What happened to a message, in order, with who says so and the proof."""
    if row["direction"] == "inbound":
        return [
            Moment(state="received", at=row["created_at"], by="provider", proof={"provider_id": row["provider_id"]})
        ]
    # Accepted and queued are one commit: the same row proves both.
    stored = {"message_id": row["id"]}
    moments = [Moment(state=state, at=row["created_at"], by="recado", proof=stored) for state in ("accepted", "queued")]
    for attempt in attempts:
        proof: dict[str, Any] = {"attempt_id": attempt["id"], "connection_id": attempt["connection_id"]}
        if attempt["why"]:
            proof["why"] = attempt["why"]
        if attempt["provider_id"]:
            proof["provider_id"] = attempt["provider_id"]
        state = _STATE_OF_OUTCOME.get(attempt["outcome"], attempt["outcome"])
        answered = attempt["started_at"] + timedelta(milliseconds=attempt["duration_ms"] or 0)
        moments.append(Moment(state=state, at=answered, by="recado", proof=proof))
    for receipt in receipts:
        proof = {"raw_webhook_id": receipt["raw_webhook_id"]}
        if receipt["recipient"]:
            proof["recipient"] = receipt["recipient"]
        if receipt["error"]:
            proof["error"] = receipt["error"]
        moments.append(Moment(state=receipt["state"], at=receipt["at"], by="provider", proof=proof))
    # A provider's clock may run before ours: within one message what we accepted always comes first.
    # Providers count in seconds: of what happened in the same one, the lesser state came first.
    return [*moments[:2], *sorted(moments[2:], key=lambda moment: (moment.at, _RANK.get(moment.state, 0)))]


_RANK: dict[str, int] = {state.value: rank for state, rank in RANK.items()}

#: How an attempt's outcome shows in a timeline, where the name of the outcome is not the name of the state.
_STATE_OF_OUTCOME = {"accepted": "sent", "refused": "failed", "unknown": "unproven"}


def _lane_of(runtime: Runtime, view: InstanceView, address: str) -> str:
    return lane_key(ordering_of(runtime.providers, view), address) if view.connections else ""


def _only(principal: Principal, instance_id: UUID | None) -> UUID | None:
    """An instance's token sees its own instance only, whatever it asks for."""
    if principal.instance_id is None:
        return instance_id
    return principal.check_instance(instance_id) if instance_id is not None else principal.instance_id


async def _load(connection: db.Connection, principal: Principal, message_id: UUID) -> Any:
    row = await messages.get(connection, principal.company, message_id)
    if row is None or (principal.instance_id is not None and row["instance_id"] != principal.instance_id):
        raise NotFound(f"There is no message {message_id}.", code="message_not_found")
    return row


def _view(row: Mapping[str, Any]) -> MessageView:
    same = ("id", "instance_id", "conversation_id", "contact_id", "direction", "status", "type", "content",
            "reply_to", "client_id", "provider_id", "metadata", "error", "resent", "created_at", "provider_at")  # fmt: skip
    received = row["direction"] == "inbound"
    return MessageView(
        priority=_PRIORITY_NAME[row["priority"]],
        to=None if received else row["address"],
        sender=row["address"] if received else None,
        **{name: row[name] for name in same},
    )
