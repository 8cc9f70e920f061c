"""What happened for Z-API to tell it: a payload of its, read by our adapter and recorded as the inbound worker does."""

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from recado.domain import events, ids
from recado.domain.ids import (
    CompanyId,
    ConnectionId,
    ContactId,
    ConversationId,
    InstanceId,
    MessageId,
    RawWebhookId,
    ServerId,
)
from recado.domain.provider import ConnectionState
from recado.domain.states import MessageStatus
from recado.domain.zapi import ZapiSettings
from recado.providers.zapi import addresses, notices
from recado.services import accepting, connections, recording, routing
from recado.services.zapi.payloads import Event, File, Person, Place, Stored
from recado.store import connections as connection_rows
from recado.store import contacts, inbox, receipts
from recado.store.events import NewEvent

COMPANY, INSTANCE, CONNECTION = CompanyId(UUID(int=1)), InstanceId(UUID(int=2)), ConnectionId(UUID(int=3))
CONVERSATION, CONTACT = ConversationId(UUID(int=4)), ContactId(UUID(int=5))
EVENT, MESSAGE, MEDIA = UUID(int=6), MessageId(UUID(int=7)), UUID(int=8)
QUOTED = UUID(int=9)

#: Where a payload has the address of the file that it was read with.
_URLS = ("imageUrl", "audioUrl", "videoUrl", "documentUrl", "stickerUrl")


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event and its place."""

    event: Event
    place: Place


def outward(told: NewEvent, *, message_id: UUID | None = None, type: str | None = None) -> Event:
    """An event as it is stored: its data is plain."""
    return Event(
        id=EVENT,
        type=type or told.type,
        at=told.at or datetime.now(UTC),
        data=msgspec.json.decode(msgspec.json.encode(told.data)),
        message_id=message_id or told.message_id,
    )


def read(raw: dict[str, Any]) -> list[Happened]:
    """What a captured `ReceivedCallback`, presence, connection or proxy callback becomes here."""
    return [_recorded(raw, event) for event in notices.read(msgspec.json.encode(raw))]


def _recorded(raw: dict[str, Any], event: events.ProviderEvent) -> Happened:
    place = Place(
        public_id=raw["instanceId"],
        phone=raw.get("connectedPhone")
        or (raw.get("phone") if raw["type"].lower().endswith("connectedcallback") else None),
        settings=ZapiSettings(with_calls=_is_product(raw)),
    )
    item = _item(event)
    match event:
        case events.Received():
            return _message(raw, place, item, event)
        case events.Reacted() | events.Edited() | events.Deleted():
            about = _about(raw)
            told = recording._about_event(item, event)
            return Happened(event=outward(told), place=msgspec.structs.replace(place, about=about, contact=_books(raw)))
        case events.ConnectionChanged():
            state = ConnectionState(status=event.status, reason=event.reason, phone=event.phone)
            changed = connections._event(COMPANY, _locked(), state, None)
            assert changed is not None
            return Happened(event=outward(msgspec.structs.replace(changed, at=event.at)), place=place)
        case _:
            recording.tell_others([item])
            assert item.told is not None
            found = msgspec.structs.replace(place, about=_about(raw), contact=_books(raw))
            return Happened(event=outward(item.told), place=found)


def _message(raw: dict[str, Any], place: Place, item: routing.Item, event: events.Received) -> Happened:
    content, metadata = event.content, recording._metadata(event)
    if event.media is not None:
        content = {**content, "media_id": str(MEDIA)}
    told = recording._message_event(item, event, content, event.reply_to, metadata)
    place = msgspec.structs.replace(place, contact=_books(raw), about=_about(raw))
    if event.media is None:
        return Happened(event=outward(told), place=place)
    stored = Stored(
        id=MESSAGE,
        type=event.kind,
        content=content,
        address=event.chat.identities()[0][1],
        direction="outbound" if event.from_me else "inbound",
        provider_id=event.provider_id,
        reply_to=event.reply_to,
        metadata=msgspec.to_builtins(metadata),
        provider_at=event.at,
    )
    file = File(url=event.media.ref["url"], mime_type=event.media.mime_type, filename=event.media.filename)
    return Happened(
        event=Event(id=EVENT, type="media.ready", at=datetime.now(UTC), data={"media": {}}, message_id=MESSAGE),
        place=msgspec.structs.replace(place, message=stored, file=file),
    )


def _item(event: events.ProviderEvent) -> routing.Item:
    raw = inbox.Waiting(
        sequence=1,
        source=CONNECTION,
        company_id=COMPANY,
        id=RawWebhookId(ids.new()),
        kind="zapi",
        server_id=None,
        connection_id=CONNECTION,
        body=b"",
        received_at=datetime.now(UTC),
    )
    route = inbox.Route(
        company_id=COMPANY,
        id=CONNECTION,
        instance_id=INSTANCE,
        server_id=ServerId(UUID(int=10)),
        kind="zapi",
        account=None,
        proven=True,
    )
    item = routing.Item(raw=raw, route=route, event=event, result=routing.Result(), message_id=MESSAGE)
    item.chat = contacts.Resolved(contact_id=CONTACT, conversation_id=CONVERSATION)
    return item


def _books(raw: dict[str, Any]) -> Person:
    """The chat as our books have it: its name is the one in the phone's own."""
    group = raw.get("isGroup") is True
    chat = addresses.party(raw.get("phone"), None if group else raw.get("chatLid") or raw.get("senderLid"))
    lid = None if raw.get("fromMe") and not raw.get("chatLid") else chat.lid
    return Person(phone=chat.phone, lid=lid, group=chat.group, name=raw.get("chatName"))


def _about(raw: dict[str, Any]) -> Stored | None:
    """The message that a payload refers to, as it is stored here."""
    held = next((one for one in raw.values() if isinstance(one, dict) and "referencedMessage" in one), None)
    if held is None:
        return None
    told = held["referencedMessage"]
    chat = addresses.party(told["phone"])
    ours = told["fromMe"]
    sender = msgspec.to_builtins(addresses.party(told.get("participant")))
    return Stored(
        id=QUOTED,
        type="text",
        content={},
        address=chat.identities()[0][1],
        direction="outbound" if ours else "inbound",
        provider_id=told["messageId"],
        metadata={"sender": sender} if told.get("participant") else None,
        provider_at=datetime.now(UTC),
    )


def _is_product(raw: dict[str, Any]) -> bool:
    """Whether a call is told as with the calls product, whose notifications have the call's id."""
    return "callId" in raw and raw.get("callId") == raw.get("messageId")


def _locked() -> connection_rows.Locked:
    return connection_rows.Locked(
        id=CONNECTION,
        instance_id=INSTANCE,
        kind="zapi",
        rank=1,
        status="connecting",
        status_reason=None,
        status_at=datetime.now(UTC),
        pairing=None,
        checked_at=None,
        active=True,
        instance_status="connecting",
        paused=False,
        phone=None,
    )


# --- messages of ours --------------------------------------------------------------------------------------


def delivery(raw: dict[str, Any], *, code: str | None = None) -> Happened:
    """The sender's event of a message that was handed to us, or failed, for a captured `DeliveryCallback`."""
    message_id = UUID(hex=raw["zaapId"])
    client_id = raw["messageId"] if raw["messageId"] != raw["zaapId"] else None
    status = "sent" if code is None else "failed"
    data = accepting.event_data(
        message_id=message_id, to=raw["phone"], kind="text", status=status, client_id=client_id, metadata=None
    )
    data["message"].update({"provider_id": "3EB0"} if code is None else {"error": {"code": code, "why": ""}})
    told = NewEvent(company_id=COMPANY, type=f"message.{status}", data=data, message_id=message_id, at=_at(raw))
    return Happened(event=outward(told), place=Place(public_id=raw["instanceId"], message=_ours(raw, client_id)))


def status(raw: dict[str, Any], state: MessageStatus) -> Happened:
    """A receipt's event of a message of ours, for a captured `MessageStatusCallback`."""
    message = _ours(raw, raw["ids"][0])
    receipt = receipts.Receipt(
        company_id=COMPANY, instance_id=INSTANCE, provider_id="3EB0", state=state, at=_at(raw), message_id=MESSAGE
    )
    row = {
        "id": message.id,
        "conversation_id": CONVERSATION,
        "contact_id": CONTACT,
        "address": message.address,
        "type": "text",
        "client_id": message.client_id,
        "metadata": None,
    }
    told = receipts._event(receipt, cast(Any, row), state, "3EB0")
    return Happened(event=outward(told), place=Place(public_id=raw["instanceId"], message=message))


def _ours(raw: dict[str, Any], client_id: str | None) -> Stored:
    return Stored(
        id=UUID(hex=raw["zaapId"]) if "zaapId" in raw else MESSAGE,
        type="text",
        content={"body": "oi"},
        address=raw["phone"],
        direction="outbound",
        client_id=client_id,
        provider_id="3EB0",
    )


def _at(raw: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(raw.get("momment", 0) / 1_000, UTC)
