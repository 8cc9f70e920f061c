"""What the engine told, as events. The engine writes these bodies into the inbox itself; nobody posts them.

A body is `{"event": …, "at": …, "own": {"phone", "lid"}, …}`; WhatsApp ids are text without devices. `event`:

message         info {id, chat, sender, sender_alt, recipient_alt, from_me, group, push_name, category, edit}, message
                (WhatsApp's protobuf as JSON), `message_id` where it is the echo of one of ours; of a poll's vote
                `vote_hashes` (SHA-256 of the options' names), and `votes` (the names) where the poll was ours
undecryptable   info: its content is asked of the sender's phone again
receipt         ids, type, chat, sender, from_me, and `message_ids` {id: ours} for those that are known
state           status, reason, qr, pairing_code, expires_at, phone, details
gap             reason, since: nobody listened; WhatsApp keeps what came and delivers it now, but for what was
                acknowledged and not stored yet when the process was killed
offline_preview, offline_completed   counts of what WhatsApp kept
unreadable      kind, error, data (base64): what neonize handed over and could not be understood
presence, call, group, joined_group, picture, identity_change, blocklist, channel, stream_error
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

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
from recado.providers import waproto, whatsapp, wire

Json = Mapping[str, Any]

_STATES = {
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
    "played": MessageStatus.PLAYED,
}
_GROUP_CHANGES = {"joined": "added", "left": "removed", "promoted": "promoted", "demoted": "demoted"}


def read(body: bytes) -> list[ProviderEvent]:
    """The events of a body. Raises `ValueError` when it is not the engine's shape."""
    told = wire.decode_webhook(body)
    if not isinstance(told.get("event"), str):
        raise ValueError("the body names no event")
    return list(_READERS.get(told["event"], _unknown)(told, _at(told), _hash(body)))


Reader = Callable[[Json, datetime, str], Iterator[ProviderEvent]]


# --- messages -----------------------------------------------------------------------------------------------


def _message(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    info = _object(told, "info")
    identifier = info.get("id")
    if not isinstance(identifier, str) or not identifier:
        yield from _unknown(told, at, key)
        return
    content = waproto.read(_object(told, "message"))
    chat, sender = _parties(told, info)
    if info.get("chat") == whatsapp.STORIES:
        story = {"provider_id": identifier, "kind": content.kind, "content": content.content}
        yield Noticed(type="status.received", key=f"status:{identifier}", at=at, party=sender, data=story)
        return
    from_me = info.get("from_me") is True
    match content.kind:
        case "protocol":
            return
        case "reaction" if content.about:
            yield Reacted(
                type="reaction.received",
                key=f"message:{identifier}",
                at=at,
                target=content.about,
                chat=chat,
                sender=sender,
                emoji=str((content.content or {}).get("emoji", "")),
                from_me=from_me,
            )
        case "edit" if content.about:
            yield Edited(
                type="message.edited",
                key=f"message:{identifier}",
                at=at,
                target=content.about,
                chat=chat,
                sender=sender,
                kind=content.edited or "text",
                content=content.content,
            )
        case "delete" if content.about:
            yield Deleted(
                type="message.deleted",
                key=f"message:{identifier}",
                at=at,
                target=content.about,
                chat=chat,
                sender=sender,
            )
        case "poll_vote" if content.about:
            # A vote names its options by their hashes, which the engine knows for polls that it sent.
            vote = {"poll": content.about, "options": _texts(told, "votes")}
            if "votes" not in told:
                vote["option_hashes"] = _texts(told, "vote_hashes")
            yield Noticed(type="poll.voted", key=f"message:{identifier}", at=at, party=sender, data=vote)
        case "event_response" if content.about:
            answer = {"event": content.about, "answer": (content.content or {}).get("answer")}
            yield Noticed(type="event.answered", key=f"message:{identifier}", at=at, party=sender, data=answer)
        case "pin" if content.about:
            pin = {"change": "message_pinned", "target": content.about, **(content.content or {})}
            yield Noticed(type="chat.updated", key=f"message:{identifier}", at=at, party=chat, data=pin)
        case _:
            yield _received(told, info, content, chat, sender, at)


def _received(
    told: Json, info: Json, content: waproto.Content, chat: Party, sender: Party, at: datetime
) -> ProviderEvent:
    identifier, from_me = str(info["id"]), info.get("from_me") is True
    media = None
    if content.media is not None:
        media = MediaRef(
            ref={"kind": content.kind, "node": content.media.node},
            mime_type=content.media.mime_type,
            filename=content.media.filename,
            sha256=content.media.sha256,
            size=content.media.size,
        )
    extra = dict(content.extra)
    if content.mentions:
        extra["mentions"] = content.mentions
    if told.get("view_once"):
        extra["view_once"] = True
    ours = told.get("message_id")
    return Received(
        type="message.sent" if from_me else "message.received",
        key=f"message:{identifier}",
        at=at,
        provider_id=identifier,
        chat=chat,
        sender=sender,
        kind=content.kind,
        content=content.content,
        media=media,
        from_me=from_me,
        by_api=from_me and isinstance(ours, str),
        message_id=ours if isinstance(ours, str) else None,
        reply_to=content.reply_to,
        forwarded=content.forwarded,
        extra=extra,
    )


def _parties(told: Json, info: Json) -> tuple[Party, Party]:
    """Whose chat it is and who wrote. In a direct chat the chat is the other person, by all ids that are known."""
    own = _object(told, "own")
    us = whatsapp.party(own.get("phone"), own.get("lid"))
    name = info.get("push_name")
    if info.get("group") is True or str(info.get("chat", "")).endswith(("@g.us", "@newsletter", "@broadcast")):
        chat = whatsapp.party(info.get("chat"))
        if info.get("from_me") is True:
            return chat, us
        return chat, whatsapp.party(info.get("sender"), info.get("sender_alt"), name=name)
    if info.get("from_me") is True:
        return whatsapp.party(info.get("chat"), info.get("recipient_alt")), us
    other = whatsapp.party(info.get("chat"), info.get("sender"), info.get("sender_alt"), name=name)
    return other, other


def _undecryptable(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    info = _object(told, "info")
    chat, _ = _parties(told, info)
    waiting = {
        "provider_id": info.get("id"),
        "chat": whatsapp.address(info.get("chat")),
        "unavailable": told.get("unavailable") is True,
        "hidden": told.get("hidden") is True,
    }
    yield Noticed(type="message.waiting", key=f"waiting:{info.get('id')}", at=at, party=chat, data=waiting)


def _receipt(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    """Of our messages; `read_self` and `sender` are our own phone's, and the others are between devices."""
    state = _STATES.get(str(told.get("type")))
    if state is None or told.get("from_me") is True:
        return
    ours = _object(told, "message_ids")
    reader = whatsapp.address(told.get("sender")) if told.get("group") is True else None
    for identifier in _texts(told, "ids"):
        known = ours.get(identifier)
        yield Receipt(
            type=f"message.{state}",
            key=f"receipt:{identifier}:{state}:{whatsapp.address(told.get('sender')) or ''}",
            at=at,
            provider_id=identifier,
            state=state,
            message_id=known if isinstance(known, str) else None,
            recipient=reader,
        )


# --- how the number stands ----------------------------------------------------------------------------------

_TYPES = {
    ConnectionStatus.CONNECTED: "instance.connected",
    ConnectionStatus.DEGRADED: "instance.degraded",
    ConnectionStatus.QR: "instance.qr",
}


def _state(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    try:
        status = ConnectionStatus(str(told.get("status")))
    except ValueError:
        yield from _unknown(told, at, key)
        return
    yield ConnectionChanged(
        type=_TYPES.get(status, "instance.disconnected"),
        key=f"state:{key}",
        at=at,
        status=status,
        reason=_text(told, "reason"),
        qr=_text(told, "qr"),
        pairing_code=_text(told, "pairing_code"),
        phone=_text(told, "phone"),
        details=dict(_object(told, "details")),
    )


# --- the rest -----------------------------------------------------------------------------------------------


def _presence(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    who = whatsapp.party(told.get("sender"), told.get("sender_alt"))
    data = _given(state=told.get("state"), chat=whatsapp.address(told.get("chat")), last_seen=_text(told, "last_seen"))
    yield Noticed(type="presence.updated", key=f"presence:{key}", at=at, party=who, data=data)


def _call(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    who = whatsapp.party(told.get("caller"), told.get("caller_alt"))
    state = told.get("state")
    data = _given(
        call_id=told.get("id"),
        kind=told.get("kind"),
        state=state,
        group=whatsapp.address(told.get("group")),
        reason=told.get("reason"),
    )
    yield Noticed(type="call.received", key=f"call:{told.get('id')}:{state}", at=at, party=who, data=data)


def _group(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    """One event per change: a body may tell several."""
    group, by = whatsapp.party(told.get("group")), _person(told.get("by"))
    changes: list[dict[str, Any]] = []
    for field, change in _GROUP_CHANGES.items():
        if people := [_person(one) for one in _texts(told, field)]:
            changes.append({"change": change, "participants": people})
    for field in ("subject", "description"):
        if isinstance(told.get(field), str):
            changes.append({"change": field, field: told[field]})
    settings = {name: told[name] for name in ("locked", "announce", "ephemeral") if name in told}
    if settings:
        changes.append({"change": "settings", "settings": settings})
    if told.get("invite_link"):
        changes.append({"change": "invite", "invite_link": told["invite_link"]})
    if told.get("deleted"):
        changes.append({"change": "deleted"})
    for told_change in changes:
        data = told_change | ({"by": by} if by else {})
        yield Noticed(type="group.updated", key=f"group:{key}:{data['change']}", at=at, party=group, data=data)


def _joined_group(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    data = {"change": "joined", **_given(subject=_text(told, "subject"), by=_person(told.get("by")) or None)}
    group = whatsapp.party(told.get("group"))
    yield Noticed(type="group.updated", key=f"group:{key}:joined", at=at, party=group, data=data)


def _picture(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    about = whatsapp.party(told.get("about"))
    if about.group is not None:
        data = {"change": "picture", **_given(by=_person(told.get("by")) or None)}
        yield Noticed(type="group.updated", key=f"group:{key}:picture", at=at, party=about, data=data)
        return
    picture = {"picture": None if told.get("removed") else "changed"}
    yield Noticed(type="contact.updated", key=f"contact:{key}", at=at, party=about, data=picture)


def _identity_change(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    about = whatsapp.party(told.get("about"))
    yield Noticed(type="contact.updated", key=f"contact:{key}", at=at, party=about, data={"identity_changed": True})


def _blocklist(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    changes = told.get("changes")
    for index, change in enumerate(changes if isinstance(changes, list) else []):
        if isinstance(change, dict):
            who = whatsapp.party(change.get("contact"))
            data = {"blocked": change.get("blocked") is True}
            yield Noticed(type="contact.updated", key=f"contact:{key}:{index}", at=at, party=who, data=data)


def _unknown(told: Json, at: datetime, key: str) -> Iterator[ProviderEvent]:
    """Also what has no type of its own: gaps, counts of what WhatsApp kept, errors of the stream."""
    data = {name: value for name, value in told.items() if name not in ("at", "own")}
    yield Noticed(type="unknown", key=f"{told['event']}:{key}", at=at, data=data)


_READERS: Mapping[str, Reader] = {
    "message": _message,
    "undecryptable": _undecryptable,
    "receipt": _receipt,
    "state": _state,
    "presence": _presence,
    "call": _call,
    "group": _group,
    "joined_group": _joined_group,
    "picture": _picture,
    "identity_change": _identity_change,
    "blocklist": _blocklist,
}


# --- reading loosely ----------------------------------------------------------------------------------------


def _object(value: Json, name: str) -> Json:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Json, name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) and found else None


def _texts(value: Json, name: str) -> list[str]:
    found = value.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _person(identifier: object) -> dict[str, Any]:
    party = whatsapp.party(identifier)
    return _given(phone=party.phone, lid=party.lid)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:24]


def _at(told: Json) -> datetime:
    try:
        at = msgspec.convert(told.get("at"), datetime)
    except msgspec.ValidationError:
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
