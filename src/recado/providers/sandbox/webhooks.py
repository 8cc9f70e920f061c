"""The sandbox's webhooks: a JSON object with a list of events, in order, for one connection.

    {"events": [{"id": "…", "event": "receipt", "at": "2026-01-31T12:00:00Z", "payload": {…}}, …]}

`event` and its payload:
- `receipt`     {message_id, to, state, code?, why?}: a message of the instance reached a state
- `message`     {id, from, type, content, name?, reply_to?, media?}: a phone wrote
- `connection`  {status, reason?, phone?, qr?}: the instance's connection changed
- `notice`      {type, phone?, group?, data}: calls, presence, groups and stories, as `domain.events.Noticed` has them
- `expiry`      {}: the code that was shown ended unused

Ids on the wire are UUIDs; the provider id that leaves the adapter is `SBX` and the UUID in upper-case hex.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.events import (
    ConnectionChanged,
    Deleted,
    Edited,
    MediaRef,
    Noticed,
    Party,
    ProviderEvent,
    Reacted,
    Receipt,
    Received,
)
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.providers.sandbox.world import Notice

SIGNATURE = "x-sandbox-signature"

PREFIX = "SBX"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event on the wire. `id` is unique per connection."""

    id: str
    event: str
    at: datetime
    payload: dict[str, Any] = {}


class Body(msgspec.Struct, frozen=True, kw_only=True):
    events: list[Event]


class ReceiptPayload(msgspec.Struct, frozen=True, kw_only=True):
    message_id: UUID
    to: str
    state: MessageStatus
    code: str | None = None
    why: str | None = None


class Media(msgspec.Struct, frozen=True, kw_only=True):
    mime_type: str
    sha256: str
    size: int
    filename: str | None = None


class MessagePayload(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}, omit_defaults=True):
    id: UUID
    from_: str
    type: str
    content: Any
    name: str | None = None
    reply_to: str | None = None
    media: Media | None = None


class ConnectionPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    status: ConnectionStatus
    reason: str | None = None
    phone: str | None = None
    qr: str | None = None


def provider_id(id: UUID) -> str:
    """What the sandbox calls a message."""
    return PREFIX + id.hex.upper()


def parse_id(text: str) -> UUID | None:
    """The UUID in one of our provider ids, or None when it is none."""
    try:
        return UUID(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None
    except ValueError:
        return None


def compose(events: Sequence[Event]) -> bytes:
    """The body of a webhook."""
    return msgspec.json.encode(Body(events=list(events)))


def sign(secret: str, body: bytes) -> str:
    """The value of the signature header: HMAC-SHA256 of the body, in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(secret: str | None, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the body is signed with the secret. Without a secret nobody from outside is believed."""
    given = headers.get(SIGNATURE, "")
    return bool(secret) and hmac.compare_digest(sign(secret or "", body).encode(), given.encode())


def read(body: bytes) -> list[ProviderEvent]:
    """The events of a body, in its order. Raises `ValueError` when it is not the sandbox's shape."""
    try:
        decoded = msgspec.json.decode(body, type=Body)
    except RecursionError as error:
        raise ValueError("the body is nested too deeply") from error
    return [_read(event) for event in decoded.events]


def _read(event: Event) -> ProviderEvent:
    match event.event:
        case "receipt":
            return _receipt(event, msgspec.convert(event.payload, ReceiptPayload))
        case "message":
            return _message(event, msgspec.convert(event.payload, MessagePayload))
        case "connection":
            return _connection(event, msgspec.convert(event.payload, ConnectionPayload))
        case "notice":
            return _notice(event, msgspec.convert(event.payload, Notice))
        case "expiry":
            expired = ConnectionPayload(status=ConnectionStatus.DISCONNECTED, reason="pairing_expired")
            return _connection(event, expired)
        case _:
            return Noticed(type="unknown", key=event.id, at=event.at, data=msgspec.to_builtins(event))


def _receipt(event: Event, receipt: ReceiptPayload) -> Receipt:
    sent = provider_id(receipt.message_id)
    return Receipt(
        type=f"message.{receipt.state}",
        key=f"{sent}:{receipt.state}",
        at=event.at,
        provider_id=sent,
        state=receipt.state,
        message_id=str(receipt.message_id),
        code=receipt.code,
        why=receipt.why,
    )


def _message(event: Event, message: MessagePayload) -> ProviderEvent:
    written = provider_id(message.id)
    sender = Party(phone=message.from_, name=message.name)
    content = message.content if isinstance(message.content, dict) else {}
    target = str(content.get("message_id", ""))
    if message.type == "reaction":
        return Reacted(
            type="reaction.received",
            key=written,
            at=event.at,
            target=target,
            chat=sender,
            sender=sender,
            emoji=str(content.get("emoji", "")),
        )
    if message.type == "edit":
        return Edited(
            type="message.edited",
            key=written,
            at=event.at,
            target=target,
            chat=sender,
            sender=sender,
            kind="text",
            content={"body": content.get("body", "")},
        )
    if message.type == "delete":
        return Deleted(type="message.deleted", key=written, at=event.at, target=target, chat=sender, sender=sender)
    return Received(
        type="message.received",
        key=written,
        at=event.at,
        provider_id=written,
        chat=sender,
        sender=sender,
        kind=message.type,
        content=message.content,
        media=_media(message.id, message.media) if message.media else None,
        reply_to=message.reply_to,
    )


def _notice(event: Event, notice: Notice) -> Noticed:
    party = Party(phone=notice.phone, group=notice.group)
    return Noticed(type=notice.type, key=event.id, at=event.at, party=party, data=notice.data)


def _media(id: UUID, media: Media) -> MediaRef:
    return MediaRef(
        ref={"id": str(id)},
        mime_type=media.mime_type,
        filename=media.filename,
        sha256=media.sha256,
        size=media.size,
    )


def _connection(event: Event, changed: ConnectionPayload) -> ConnectionChanged:
    kinds = {
        ConnectionStatus.CONNECTED: "instance.connected",
        ConnectionStatus.DEGRADED: "instance.degraded",
        ConnectionStatus.QR: "instance.qr",
    }
    return ConnectionChanged(
        type=kinds.get(changed.status, "instance.disconnected"),
        key=event.id,
        at=event.at,
        status=changed.status,
        reason=changed.reason,
        qr=changed.qr,
        phone=changed.phone,
    )
