"""From events to rows: messages, media to fetch, receipts, amendments, states of connections, and what is told of each.

Everything here runs inside the transaction of a batch, with a fixed number of statements however many events it holds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from recado.domain import events, ids
from recado.domain.content import MEDIA_KINDS
from recado.domain.events import Party
from recado.domain.ids import CompanyId, ConversationId, MediaId, MessageId
from recado.domain.provider import ConnectionState
from recado.domain.states import MessageStatus
from recado.services import connections, routing
from recado.services.routing import About, Item, Talk
from recado.services.runtime import Runtime
from recado.store import contacts, conversations, db, media, provider_ids, receipts, received
from recado.store.events import NewEvent

# --- messages -----------------------------------------------------------------------------------------


async def resolve(
    connection: db.Connection,
    items: Sequence[Item],
    known: dict[provider_ids.Key, MessageId],
    *,
    lenient: bool = False,
) -> None:
    """The contact and conversation of every chat; who writes in a group becomes a contact too.

    What is about a known message belongs where that stands, whichever chat its provider names: some name our own number.
    Raises `contacts.Divided` for people who have several contacts, unless `lenient`.
    """
    written = {item.message_id: item for item in items if isinstance(item.event, events.Received)}
    await _place(connection, items, known, written)
    for item in items:
        # Its message was known, and is not kept any more.
        if isinstance(item.event, About) and item.chat is None and not item.event.chat.identities():
            routing.set_aside(item, item.event)
    talking = [(item, item.event) for item in items if isinstance(item.event, Talk)]
    if not talking:
        return
    asked = [
        (item, event) for item, event in talking if item.chat is None and written.get(item.message_id, item) is item
    ]
    resolved = await contacts.resolve(
        connection,
        [
            contacts.Wanted(company_id=item.route.company_id, instance_id=item.route.instance_id, party=event.chat)
            for item, event in asked
        ],
        [
            (item.route.company_id, event.sender)
            for item, event in talking
            if event.chat.group and event.sender.identities() and event.sender.group != event.chat.group
        ],
        lenient=lenient,
    )
    for (item, _), chat in zip(asked, resolved, strict=True):
        item.chat = chat
    for item, _ in talking:
        if item.chat is None:
            item.chat = written[item.message_id].chat


async def _place(
    connection: db.Connection,
    items: Sequence[Item],
    known: dict[provider_ids.Key, MessageId],
    written: dict[MessageId | None, Item],
) -> None:
    """Let what is about a known message speak of the chat of that one."""
    stored: list[tuple[Item, About, MessageId]] = []
    for item in items:
        event = item.event
        if not isinstance(event, About):
            continue
        item.message_id = known.get((*item.place, event.target))
        if item.message_id in written:
            about = written[item.message_id].event
            assert isinstance(about, events.Received)
            item.event = msgspec.structs.replace(event, chat=about.chat)
        elif item.message_id is not None:
            stored.append((item, event, item.message_id))
    places = await contacts.places(connection, {(item.route.company_id, message_id) for item, _, message_id in stored})
    for item, event, message_id in stored:
        if (item.route.company_id, message_id) in places:
            item.chat, chat = places[item.route.company_id, message_id]
            item.event = msgspec.structs.replace(event, chat=chat)


async def store_messages(
    connection: db.Connection, items: Sequence[Item], known: dict[provider_ids.Key, MessageId]
) -> tuple[int, list[tuple[CompanyId, ConversationId]]]:
    """Write messages; how many have media to fetch, and the conversations that became known by them."""
    rows: list[received.NewMessage] = []
    files: list[media.Pending] = []
    noted: dict[tuple[CompanyId, ConversationId], conversations.Noted] = {}
    now = datetime.now(UTC)
    for item in items:
        event = item.event
        if not isinstance(event, events.Received) or item.chat is None or item.message_id is None:
            continue
        content = event.content
        if event.media is not None and isinstance(content, dict):
            media_id = MediaId(ids.new())
            content = {**content, "media_id": str(media_id)}
            files.append(
                media.Pending(
                    company_id=item.route.company_id,
                    id=media_id,
                    message_id=item.message_id,
                    connection_id=item.route.id,
                    ref=event.media.ref,
                    mime_type=event.media.mime_type,
                    filename=event.media.filename,
                    size=event.media.size,
                )
            )
        quoted = known.get((*item.place, event.reply_to)) if event.reply_to else None
        reply_to = str(quoted) if quoted else event.reply_to
        metadata = _metadata(event)
        rows.append(
            received.NewMessage(
                company_id=item.route.company_id,
                id=item.message_id,
                instance_id=item.route.instance_id,
                conversation_id=item.chat.conversation_id,
                contact_id=item.chat.contact_id,
                direction="outbound" if event.from_me else "inbound",
                status=MessageStatus.SENT.value if event.from_me else MessageStatus.RECEIVED.value,
                type=event.kind,
                address=event.chat.identities()[0][1],
                content=content,
                reply_to=reply_to,
                provider_id=event.provider_id,
                metadata=metadata or None,
                provider_at=event.at,
            )
        )
        _note(noted, item, event, min(event.at, now))
        item.told = _message_event(item, event, content, reply_to, metadata)
    await received.insert(connection, rows)
    await media.insert_pending(connection, files)
    return len(files), await conversations.note(connection, list(noted.values()))


def _metadata(event: events.Received) -> dict[str, Any]:
    """What is kept of a message beside its content."""
    metadata: dict[str, Any] = {}
    if event.forwarded:
        metadata["forwarded"] = True
    if event.from_me:
        metadata["source"] = _source(event)
    if event.chat.group:
        metadata["sender"] = msgspec.to_builtins(event.sender)
    if event.extra:
        metadata["extra"] = event.extra
    return metadata


def _source(event: events.Received) -> str:
    """Who wrote a message of our own number: somebody on the phone, or another system through the same provider."""
    return "api" if event.by_api else "device"


def _note(
    noted: dict[tuple[CompanyId, ConversationId], conversations.Noted],
    item: Item,
    event: events.Received,
    at: datetime,
) -> None:
    """Add a message to what changes in its conversation."""
    assert item.chat is not None
    key = (item.route.company_id, item.chat.conversation_id)
    old = noted.get(key)
    last_message_at = at if old is None else max(old.last_message_at, at)
    last_received_at = old.last_received_at if old else None
    last_received_id = old.last_received_id if old else None
    unread = old.unread if old else 0
    if not event.from_me:
        unread += 1
        if last_received_at is None or at >= last_received_at:
            last_received_at, last_received_id = at, event.provider_id
    noted[key] = conversations.Noted(
        company_id=key[0],
        id=key[1],
        last_message_at=last_message_at,
        last_received_at=last_received_at,
        last_received_id=last_received_id,
        unread=unread,
    )


def _message_event(
    item: Item, event: events.Received, content: Any, reply_to: str | None, metadata: dict[str, Any]
) -> NewEvent:
    assert item.chat is not None
    message: dict[str, Any] = {
        "id": item.message_id,
        "conversation_id": item.chat.conversation_id,
        "contact": _contact(item.chat, event.chat),
        "direction": "outbound" if event.from_me else "inbound",
        "status": "sent" if event.from_me else "received",
        "type": event.kind,
        "content": content,
        "provider_id": event.provider_id,
        "reply_to": reply_to,
        "at": event.at,
        **metadata,
    }
    if event.from_me:
        message["to"] = event.chat.identities()[0][1]
    data: dict[str, Any] = {"message": message}
    if event.from_me:
        data["source"] = _source(event)
    return NewEvent(
        company_id=item.route.company_id,
        type=event.type,
        data=data,
        instance_id=item.route.instance_id,
        conversation_id=item.chat.conversation_id,
        message_id=item.message_id,
        at=event.at,
    )


def _contact(chat: contacts.Resolved, party: Party) -> dict[str, Any]:
    """A contact in an event: our id, what the provider calls it, the name it gave or else the one in our books."""
    return {"id": chat.contact_id, "phone": None, **dict(party.identities()), "name": party.name or chat.name}


# --- what is about earlier messages -------------------------------------------------------------------


async def store_receipts(
    connection: db.Connection, items: Sequence[Item], known: dict[provider_ids.Key, MessageId]
) -> receipts.Recorded:
    """Keep receipts, and advance the messages that they are about."""
    about: list[tuple[Item, receipts.Receipt]] = []
    for item in items:
        event = item.event
        if not isinstance(event, events.Receipt):
            continue
        error = None
        if event.code is not None or event.why is not None:
            error = {"code": event.code or "unknown", "why": event.why or ""}
        about.append(
            (
                item,
                receipts.Receipt(
                    company_id=item.route.company_id,
                    instance_id=item.route.instance_id,
                    provider_id=event.provider_id,
                    state=event.state,
                    at=event.at,
                    recipient=event.recipient or "",
                    message_id=known.get((*item.place, event.provider_id)),
                    error=error,
                    raw_webhook_id=item.raw.id,
                ),
            )
        )
    recorded = await receipts.record(connection, [receipt for _, receipt in about])
    for (item, _), told in zip(about, recorded.events, strict=True):
        item.told = told
    return recorded


async def amend(connection: db.Connection, items: Sequence[Item]) -> None:
    """Edits and deletions of messages that we have; each also becomes an event, unless it changes nothing: then somebody
    told of it before."""
    about = [(item, item.event) for item in items if isinstance(item.event, About)]
    held = await received.hold(
        connection,
        {
            (item.route.company_id, item.message_id)
            for item, event in about
            if item.message_id is not None and not isinstance(event, events.Reacted)
        },
    )
    changed: dict[MessageId, received.Amendable] = {}
    for item, event in about:
        message = held.get((item.route.company_id, item.message_id)) if item.message_id is not None else None
        if message is not None and isinstance(event, events.Edited):
            content = _edited(message, event.content)
            if content == message.content:
                continue
            message.content = content
            message.metadata = {**(message.metadata or {}), "edited_at": event.at.isoformat()}
            changed[message.id] = message
            if message.type in MEDIA_KINDS:
                event = item.event = msgspec.structs.replace(event, kind=message.type, content=content)
        elif message is not None and isinstance(event, events.Deleted):
            message.metadata = {**(message.metadata or {}), "deleted_at": event.at.isoformat()}
            changed[message.id] = message
        item.told = _about_event(item, event)
    await received.amend(connection, list(changed.values()))


def _edited(message: received.Amendable, content: Any) -> Any:
    """The content of an edited message. What is edited of a file is its caption, which some providers tell as a text."""
    if message.type not in MEDIA_KINDS or not isinstance(message.content, dict) or not isinstance(content, dict):
        return content
    told = dict(content)
    if "body" in told:
        told["caption"] = told.pop("body")
    return {**message.content, **told}


def _about_event(item: Item, event: events.Edited | events.Deleted | events.Reacted) -> NewEvent:
    assert item.chat is not None
    told: dict[str, Any] = {
        "conversation_id": item.chat.conversation_id,
        "contact": _contact(item.chat, event.chat),
        "sender": msgspec.to_builtins(event.sender),
        "provider_id": event.target,
        "at": event.at,
    }
    match event:
        case events.Edited():
            data = {"message": {"id": item.message_id, "type": event.kind, "content": event.content, **told}}
        case events.Deleted():
            data = {"message": {"id": item.message_id, **told}}
        case events.Reacted():
            reaction = {"emoji": event.emoji, "message_id": item.message_id, "from_me": event.from_me, **told}
            data = {"reaction": {**reaction, "extra": event.extra} if event.extra else reaction}
    return NewEvent(
        company_id=item.route.company_id,
        type=event.type,
        data=data,
        instance_id=item.route.instance_id,
        conversation_id=item.chat.conversation_id,
        message_id=item.message_id,
        at=event.at,
    )


# --- everything else ----------------------------------------------------------------------------------


def tell_others(items: Sequence[Item]) -> None:
    """The events of everything else."""
    for item in items:
        event = item.event
        if not isinstance(event, events.Noticed):
            continue
        data = dict(event.data)
        if event.party is not None:
            data["party"] = msgspec.to_builtins(event.party)
        if event.type == "unknown":
            data["raw_webhook_id"] = item.raw.id
        item.told = NewEvent(
            company_id=item.route.company_id,
            type=event.type,
            data=data,
            instance_id=item.route.instance_id,
            at=event.at,
        )


async def change_connection(
    runtime: Runtime, connection: db.Connection, item: Item, event: events.ConnectionChanged
) -> bool:
    """Store how a connection stands; whether that is news."""
    state = ConnectionState(
        status=event.status,
        reason=event.reason,
        phone=event.phone,
        qr=event.qr,
        pairing_code=event.pairing_code,
        details=event.details,
    )
    return await connections.change_status(connection, runtime, item.route.company_id, item.route.id, state)
