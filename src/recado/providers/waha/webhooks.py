"""Webhook bodies to events.

One body is one event of one session: `{id, timestamp, event, session, me, payload, …}`. Nothing is validated:
the published schemas want fields that real payloads leave out. What is not understood becomes `unknown`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from recado.domain.events import (
    ConnectionChanged,
    Deleted,
    Edited,
    Noticed,
    Party,
    ProviderEvent,
    Reacted,
    Receipt,
    Received,
)
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.providers import whatsapp, wire
from recado.providers.waha import contents, ids, notices
from recado.providers.waha.errors import STATUSES
from recado.providers.waha.ids import MessageKey
from recado.providers.waha.notices import Envelope, Unreadable
from recado.providers.waha.reading import (
    Json,
    fingerprint,
    flag,
    identifier,
    inner,
    moment,
    objects,
    rest,
    text,
    whole,
)

#: `ack` -> the type of event. 0 is pending: nothing happened yet.
_ACKS: Mapping[int, tuple[str, MessageStatus]] = {
    -1: ("message.failed", MessageStatus.FAILED),
    1: ("message.server_ack", MessageStatus.SERVER_ACK),
    2: ("message.delivered", MessageStatus.DELIVERED),
    3: ("message.read", MessageStatus.READ),
    4: ("message.played", MessageStatus.PLAYED),
}
_ACK_NAMES = {"ERROR": -1, "SERVER": 1, "DEVICE": 2, "READ": 3, "PLAYED": 4}
_CONNECTION_TYPES = {ConnectionStatus.CONNECTED: "instance.connected", ConnectionStatus.QR: "instance.qr"}
_PASSKEY = {"PASSKEY_REQUIRED": "challenge", "PASSKEY_CONFIRMATION_REQUIRED": "confirmation"}


def read(body: bytes) -> list[ProviderEvent]:
    """The events in a webhook body. Raises `ValueError` when it is not WAHA's shape."""
    whole_body = wire.decode_webhook(body)
    event, payload = whole_body.get("event"), whole_body.get("payload")
    if not isinstance(event, str) or not isinstance(whole_body.get("session"), str) or not isinstance(payload, dict):
        raise ValueError("the body has no `event`, `session` and `payload`")
    me = inner(whole_body, "me")
    at = moment(payload.get("timestamp")) or moment(whole_body.get("timestamp")) or datetime.now(UTC)
    envelope = Envelope(
        event=event,
        payload=payload,
        # Versions without event ids repeat themselves word for word (a session that works again): the time tells.
        stamp=text(whole_body, "id") or fingerprint([event, payload, at]),
        at=at,
        own=whatsapp.party(me.get("id"), me.get("lid"), me.get("jid")),
    )
    reader = _READERS.get(event)
    if reader is None:
        return [_unknown(envelope)]
    try:
        return reader(envelope)
    except Unreadable:
        return [_unknown(envelope)]


# --- messages ----------------------------------------------------------------------------------------------


class _Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message stands: its key, its chat, and who wrote it."""

    key: MessageKey
    chat: Party
    sender: Party
    from_me: bool


def _frame(envelope: Envelope, payload: Json) -> _Frame:
    key = ids.parse(identifier(payload.get("id")))
    if key is None:
        raise Unreadable("no id")
    said = flag(payload, "fromMe")
    from_me = said if said is not None else key.from_me is True
    place = key.chat or text(payload, "to" if from_me else "from") or text(payload, "from")
    data = inner(payload, "_data")
    info, raw = inner(data, "Info"), inner(data, "key")
    name = None if from_me else text(info, "PushName") or text(data, "pushName") or text(data, "notifyName")
    if whatsapp.party(place).group:
        chat = whatsapp.party(place)
        others: tuple[Any, ...] = (
            info.get("SenderAlt"),
            raw.get("participantAlt"),
            raw.get("participantPn"),
            raw.get("participantLid"),
        )
        named: tuple[Any, ...] = (payload.get("participant"), key.participant, payload.get("author"))
        if not any(named) and chat.group and chat.group.endswith("@newsletter"):
            # A channel speaks for itself.
            named = (chat.group,)
        sender = envelope.own if from_me else whatsapp.party(*named, *others, name=name)
    else:
        others = (raw.get("remoteJidAlt"), raw.get("senderPn"), raw.get("senderLid"))
        alternate = info.get("RecipientAlt" if from_me else "SenderAlt")
        chat = whatsapp.party(place, alternate, *(others[:1] if from_me else others), name=name)
        sender = envelope.own if from_me else chat
    if not chat.identities():
        raise Unreadable("no chat")
    return _Frame(key=key, chat=chat, sender=sender, from_me=from_me)


def _message(envelope: Envelope) -> list[ProviderEvent]:
    payload = envelope.payload
    frame = _frame(envelope, payload)
    said = contents.read(payload, frame.key)
    # `source` is `app` once WAHA has forgotten what it sent, after ten minutes or a restart, and on some versions of
    # NOWEB always (issue 1689). An id of ours is not forgotten.
    ours = ids.message_of(frame.key.id, envelope.at) if frame.from_me else None
    by_api = ours is not None or (frame.from_me and payload.get("source") == "api")
    if frame.chat.group == whatsapp.STORIES:
        return [_story(envelope, frame, said)]
    return [
        Received(
            type="message.sent" if frame.from_me else "message.received",
            key=f"message:{frame.key.id}",
            at=envelope.at,
            provider_id=frame.key.id,
            chat=frame.chat,
            sender=frame.sender,
            kind=said.kind,
            content=said.content,
            media=said.media,
            from_me=frame.from_me,
            by_api=by_api,
            message_id=ours,
            reply_to=said.reply_to,
            forwarded=said.forwarded,
            extra=said.extra,
        )
    ]


def _story(envelope: Envelope, frame: _Frame, said: contents.Said) -> ProviderEvent:
    return Noticed(
        type="status.received",
        key=f"message:{frame.key.id}",
        at=envelope.at,
        data={"provider_id": frame.key.id, "kind": said.kind, "content": said.content},
        party=frame.sender,
    )


def _waiting(envelope: Envelope) -> list[ProviderEvent]:
    frame = _frame(envelope, envelope.payload)
    data = {"provider_id": frame.key.id, "chat": _address(frame.chat)}
    return [Noticed(type="message.waiting", key=f"waiting:{frame.key.id}", at=envelope.at, data=data, party=frame.chat)]


def _reaction(envelope: Envelope) -> list[ProviderEvent]:
    frame = _frame(envelope, envelope.payload)
    reaction = inner(envelope.payload, "reaction")
    target = ids.bare(identifier(reaction.get("messageId")))
    if target is None:
        raise Unreadable("no target")
    return [
        Reacted(
            type="reaction.received",
            # The engines of a browser give a reaction the id of its message; the time tells two of them apart.
            key=f"reaction:{frame.key.id}:{target}:{envelope.at.timestamp()}",
            at=envelope.at,
            target=target,
            chat=frame.chat,
            sender=frame.sender,
            emoji=text(reaction, "text") or "",
            from_me=frame.from_me,
        )
    ]


def _edited(envelope: Envelope) -> list[ProviderEvent]:
    frame = _frame(envelope, envelope.payload)
    target = ids.bare(text(envelope.payload, "editedMessageId"))
    body = envelope.payload.get("body")
    media = envelope.payload.get("hasMedia") is True
    # An edit that WAHA cannot decrypt has an empty text; WhatsApp itself knows no empty one.
    if target is None or not isinstance(body, str) or not (body or media):
        raise Unreadable("no edit")
    said = contents.read(envelope.payload, frame.key) if media else None
    return [
        Edited(
            type="message.edited",
            key=f"edited:{frame.key.id}:{envelope.at.timestamp()}",
            at=envelope.at,
            target=target,
            chat=frame.chat,
            sender=frame.sender,
            kind=said.kind if said else "text",
            content=said.content if said else {"body": body},
        )
    ]


def _revoked(envelope: Envelope) -> list[ProviderEvent]:
    after = inner(envelope.payload, "after") or inner(envelope.payload, "before")
    frame = _frame(envelope, after)
    target = ids.bare(text(envelope.payload, "revokedMessageId")) or frame.key.id
    return [
        Deleted(
            type="message.deleted",
            key=f"deleted:{target}",
            at=moment(after.get("timestamp")) or envelope.at,
            target=target,
            chat=frame.chat,
            sender=frame.sender,
        )
    ]


def _ack(envelope: Envelope) -> list[ProviderEvent]:
    """How far a message of ours got. What others' messages got says nothing new, and `ack` may be unknown."""
    payload = envelope.payload
    key = ids.parse(identifier(payload.get("id")))
    if key is None:
        raise Unreadable("no id")
    ack = whole(payload.get("ack"))
    told = _ACKS.get(ack if ack is not None else _ACK_NAMES.get(text(payload, "ackName") or "", 0))
    from_me = flag(payload, "fromMe")
    if told is None or (from_me if from_me is not None else key.from_me) is False:
        return []
    type_, state = told
    recipient = _recipient(envelope, key)
    code, why = _failure(payload) if state is MessageStatus.FAILED else (None, None)
    return [
        Receipt(
            type=type_,
            key=f"receipt:{key.id}:{state.value}:{recipient or ''}",
            at=envelope.at,
            provider_id=key.id,
            state=state,
            message_id=ids.message_of(key.id, envelope.at),
            recipient=recipient,
            code=code,
            why=why,
        )
    ]


def _recipient(envelope: Envelope, key: MessageKey) -> str | None:
    """Who of a group a receipt is from. NOWEB names there who wrote the message, and the reader in its own receipt."""
    payload = envelope.payload
    if not whatsapp.party(key.chat or payload.get("from")).group:
        return None
    receipt = inner(inner(payload, "_data"), "receipt")
    found = whatsapp.address(receipt.get("userJid")) or whatsapp.address(payload.get("participant"))
    return None if found in (envelope.own.phone, envelope.own.lid) else found


def _failure(payload: Json) -> tuple[str, str]:
    """Code and reason of an error; newer versions of NOWEB say WhatsApp's own code, and until when it holds."""
    error = inner(payload, "error")
    told = [part for name in ("code", "reason") if (part := text(error, name))]
    until = text(error, "until")
    more = " ".join((*told, *((f"until {until}",) if until else ())))
    why = "WhatsApp reports an error for the message"
    return text(error, "code") or "ack_error", f"{why}: {more}" if more else why


# --- votes and answers ---------------------------------------------------------------------------------------


def _vote(envelope: Envelope) -> list[ProviderEvent]:
    vote, poll = inner(envelope.payload, "vote"), inner(envelope.payload, "poll")
    target, own = ids.bare(identifier(poll.get("id"))), ids.parse(identifier(vote.get("id")))
    if target is None or own is None:
        raise Unreadable("no poll")
    options = vote.get("selectedOptions")
    chosen = [option for option in options if isinstance(option, str)] if isinstance(options, list) else []
    data: Json = {"poll": target, "options": chosen}
    if envelope.event.endswith(".failed"):
        # The vote cannot be decrypted: that it was cast is all that is known.
        data["options"] = None
    at = moment(vote.get("timestamp")) or envelope.at
    voter = _voter(envelope, vote, own)
    return [
        Noticed(type="poll.voted", key=f"vote:{own.id}:{at.timestamp()}", at=at, data=data, party=voter),
    ]


def _voter(envelope: Envelope, vote: Json, key: MessageKey) -> Party:
    if flag(vote, "fromMe") is True:
        return envelope.own
    return whatsapp.party(vote.get("participant") or key.participant or vote.get("from") or key.chat)


def _answered(envelope: Envelope) -> list[ProviderEvent]:
    frame = _frame(envelope, envelope.payload)
    target = ids.bare(identifier(inner(envelope.payload, "eventCreationKey").get("id")))
    if target is None:
        raise Unreadable("no event")
    response = inner(envelope.payload, "eventResponse")
    answer = text(response, "response")
    data: Json = {"event": target, "answer": answer.lower() if answer else None}
    guests = whole(response.get("extraGuestCount"))
    if guests:
        data["guests"] = guests
    return [Noticed(type="event.answered", key=f"answer:{frame.key.id}", at=envelope.at, data=data, party=frame.sender)]


# --- connection ----------------------------------------------------------------------------------------------


def _session(envelope: Envelope) -> list[ProviderEvent]:
    told = text(envelope.payload, "status")
    if told is None:
        raise Unreadable("no status")
    status = STATUSES.get(told, ConnectionStatus.DISCONNECTED)
    details: Json = {}
    if told in _PASSKEY:
        details["passkey"] = {"step": _PASSKEY[told], **inner(envelope.payload, "data")}
    connected = status is ConnectionStatus.CONNECTED
    at = _latest(envelope.payload, told) or envelope.at
    return [
        ConnectionChanged(
            type=_CONNECTION_TYPES.get(status, "instance.disconnected"),
            key=f"status:{envelope.stamp}",
            at=at,
            status=status,
            reason=None if connected else f"WAHA says {told}",
            phone=envelope.own.phone if connected else None,
            details=details,
        )
    ]


def _latest(payload: Json, status: str) -> datetime | None:
    times = [
        found
        for one in objects(payload.get("statuses"))
        if one.get("status") == status
        if (found := moment(one.get("timestamp")))
    ]
    return max(times, default=None)


def _unknown(envelope: Envelope) -> ProviderEvent:
    data = {"event": envelope.event, "payload": rest(envelope.payload, "_data")}
    return Noticed(type="unknown", key=f"unknown:{envelope.stamp}", at=envelope.at, data=data)


def _address(party: Party) -> str | None:
    return party.group or party.phone or party.lid


_READERS: Mapping[str, Callable[[Envelope], list[ProviderEvent]]] = {
    "message": _message,
    "message.any": _message,
    "message.waiting": _waiting,
    "message.reaction": _reaction,
    "message.edited": _edited,
    "message.revoked": _revoked,
    "message.ack": _ack,
    "message.ack.group": _ack,
    "poll.vote": _vote,
    "poll.vote.failed": _vote,
    "event.response": _answered,
    "event.response.failed": _answered,
    "session.status": _session,
    "presence.update": notices.presence,
    "call.received": notices.call,
    "call.accepted": notices.call,
    "call.rejected": notices.call,
    "group.v2.join": notices.group_joined,
    "group.v2.leave": notices.group_left,
    "group.v2.update": notices.group_changed,
    "group.v2.participants": notices.group_people,
    "chat.archive": notices.archived,
    "label.upsert": notices.label,
    "label.deleted": notices.label,
    "label.chat.added": notices.labelled,
    "label.chat.deleted": notices.labelled,
}
