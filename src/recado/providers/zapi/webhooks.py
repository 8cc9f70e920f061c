"""Webhook bodies to events: messages. `notices` reads everything else.

A message's kind is the key that is present. What is understood becomes a typed event and the rest of it is kept under
`extra`; a message of a kind we do not know is `unknown` with Z-API's objects there. Their examples differ between two
generations of documentation, so every field may be absent.

Chat and sender: `phone` is the chat, often as a `@lid`; `chatLid` (`senderLid` in older pages) is the same person's
stable id. In groups `participantPhone` and `participantLid` are who wrote. What our own number wrote has
`connectedPhone` as its sender; `fromApi` tells Z-API's own sends from those typed on a phone.
"""

import hashlib
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from recado.domain.events import Deleted, Edited, Noticed, Party, ProviderEvent, Reacted, Received
from recado.providers import whatsapp, wire
from recado.providers.zapi.addresses import group, party
from recado.providers.zapi.calls import Json, objects, rest, text, time
from recado.providers.zapi.contents import READERS, Content

_LARGEST_BODY = 64 * 1024 * 1024
_GZIP = b"\x1f\x8b"

#: What every message has, or what an event has a field for; the rest that is not its content goes to `extra`.
_ENVELOPE = frozenset(
    {"isStatusReply", "chatLid", "senderLid", "connectedPhone", "waitingMessage", "isEdit", "isGroup", "isNewsletter"}
    | {"instanceId", "messageId", "phone", "fromMe", "fromApi", "momment", "status", "chatName", "senderPhoto"}
    | {"senderName", "photo", "broadcast", "participantPhone", "participantLid", "referenceMessageId", "forwarded"}
    | {"type", "messageExpirationSeconds", "expiresAt", "callId", "code", "notificationParameters"}
)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What every `ReceivedCallback` tells, whatever it is about."""

    raw: Json
    id: str
    at: datetime
    chat: Party
    sender: Party
    from_me: bool

    @property
    def address(self) -> str:
        """Our address of the chat."""
        return self.chat.group or self.chat.phone or self.chat.lid or ""

    @property
    def talks(self) -> bool:
        """Whether it is in a chat. A story is none: what is said about one belongs to no conversation."""
        return self.address not in ("", whatsapp.STORIES)


# --- bodies ------------------------------------------------------------------------------------------------


def decode(body: bytes) -> Json:
    """The object in a webhook body. Z-API announced gzip for large ones. Raises `ValueError`."""
    body = _unzipped(body) if body[:2] == _GZIP else body
    found = wire.decode_webhook(body)
    if not isinstance(found.get("type"), str):
        raise ValueError("the body has no `type`")
    try:
        return _without_nul(found) if b"\\u0000" in body else found
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None


def plain(body: bytes) -> bytes:
    """The body as Z-API wrote it, unzipped where it can be."""
    try:
        return _unzipped(body) if body[:2] == _GZIP else body
    except ValueError:
        return body


def _unzipped(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacking.decompress(body, _LARGEST_BODY)
    except zlib.error as error:
        raise ValueError(f"not gzip: {error}") from None
    if not unpacking.eof:
        raise ValueError("the gzip is cut off or too large")
    return unpacked


def _without_nul(value: Any) -> Any:
    """PostgreSQL stores no NUL character in a text; a message must not be lost for one."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {name.replace("\x00", ""): _without_nul(item) for name, item in value.items()}
    return value


def moment(raw: Json) -> datetime:
    """When it happened; now, where Z-API does not tell."""
    return time(raw.get("momment")) or datetime.now(UTC)


def instant(raw: Json) -> str:
    """What tells an event from a later one that says the same: Z-API's time, else the second that it is read in."""
    told = raw.get("momment")
    return str(told) if time(told) else f"read-{int(datetime.now(UTC).timestamp())}"


def fingerprint(value: Any) -> str:
    """A short name of some facts."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:32]


# --- messages ----------------------------------------------------------------------------------------------


def envelope(raw: Json) -> Message:
    """Who, where and when."""
    from_me = raw.get("fromMe") is True
    own = party(raw.get("connectedPhone"))
    chat_name = raw.get("chatName")
    in_group = raw.get("isGroup") is True or raw.get("isNewsletter") is True
    chat = party(raw.get("phone"), raw.get("chatLid"), name=chat_name)
    if in_group or chat.group:
        # The id of a group stands alone: `chatLid` and `senderLid` are people.
        chat = party(group(raw.get("phone")) if raw.get("isGroup") is True else raw.get("phone"), name=chat_name)
        named = (raw.get("participantPhone"), raw.get("participantLid"))
        # Only where the author is not named: beside a phone it need not be the same person's.
        author = party(*(named if any(named) else (raw.get("senderLid"),)), name=raw.get("senderName"))
        sender = own if from_me else author
    elif from_me:
        sender = own
    else:
        name = raw.get("senderName") or chat_name
        chat = sender = party(raw.get("phone"), raw.get("chatLid"), raw.get("senderLid"), name=name)
    return Message(raw=raw, id=text(raw, "messageId") or "", at=moment(raw), chat=chat, sender=sender, from_me=from_me)


#: What the envelope says that no event has a field for. Whoever is told of the event by Z-API's own contract is told this.
_SAID = ("senderPhoto", "photo", "messageExpirationSeconds", "expiresAt")
_SAID_OF_OUR_OWN = ("senderName", "senderLid", "participantPhone", "participantLid")


def said(message: Message, *more: str, by: str | None = None) -> Json:
    """What the envelope says beyond the event, under Z-API's names; `by` is how the content names who did it."""
    names = (*_SAID, *(_SAID_OF_OUR_OWN if message.from_me else ()), *more)
    found = {name: message.raw[name] for name in names if message.raw.get(name) is not None}
    found |= {} if by is None else {"by": by}
    return {"envelope": found} if found else {}


def read_message(message: Message) -> ProviderEvent:
    """A `ReceivedCallback` that is no notification."""
    raw = message.raw
    kind = next((name for name in READERS if raw.get(name) not in (None, {}, [])), None)
    special = _SPECIAL.get(kind or "")
    if special is not None and kind is not None and isinstance(raw[kind], dict):
        return special(message, raw[kind]) if message.talks else unknown(raw)
    if not message.id or not message.address:
        return unknown(raw)
    if kind is None and raw.get("waitingMessage") is True:
        return waiting(message)
    content = _content(kind, raw)
    if message.address == whatsapp.STORIES:
        return Noticed(
            type="status.received",
            key=f"story:{message.id}",
            at=message.at,
            party=message.sender,
            data={"provider_id": message.id, "kind": content.kind, "content": content.content},
        )
    if raw.get("isEdit") is True:
        if content.kind == "unknown":
            # It would replace what the message said by nothing.
            return unknown(raw)
        return Edited(
            type="message.edited",
            key=f"edit:{message.id}:{fingerprint([raw.get('momment'), content.content])}",
            at=message.at,
            target=message.id,
            chat=message.chat,
            sender=message.sender,
            kind=content.kind,
            content=content.content,
        )
    return Received(
        type="message.sent" if message.from_me else "message.received",
        key=f"message:{message.id}",
        at=message.at,
        provider_id=message.id,
        chat=message.chat,
        sender=message.sender,
        kind=content.kind,
        content=content.content,
        media=content.media,
        from_me=message.from_me,
        by_api=message.from_me and raw.get("fromApi") is True,
        reply_to=text(raw, "referenceMessageId"),
        forwarded=raw.get("forwarded") is True,
        extra={**content.extra, **said(message)},
    )


def waiting(message: Message) -> ProviderEvent:
    """A message whose content WhatsApp has not delivered yet."""
    return Noticed(
        type="message.waiting",
        key=f"waiting:{message.id}",
        at=message.at,
        party=message.sender if message.sender.identities() else message.chat,
        data={
            "provider_id": message.id,
            "chat": message.address,
            **_own(message),
            **({"view_once": True} if message.raw.get("viewOnce") is True else {}),
            **said(message),
        },
    )


def deleted(message: Message) -> ProviderEvent:
    """A message taken back. The page names the notification only: the quoted id is tried before the notice's own."""
    target = text(message.raw, "referenceMessageId") or message.id
    if not target or not message.talks:
        return unknown(message.raw)
    return Deleted(
        type="message.deleted",
        key=f"delete:{target}",
        at=message.at,
        target=target,
        chat=message.chat,
        sender=message.sender,
    )


def unknown(raw: Json) -> ProviderEvent:
    """Something of Z-API's that we do not know, with its facts."""
    return Noticed(
        type="unknown",
        key=f"unknown:{fingerprint(raw)}",
        at=moment(raw),
        data=rest(raw, "instanceId", "connectedPhone", "senderPhoto", "photo"),
    )


def _content(kind: str | None, raw: Json) -> Content:
    beside = rest({name: value for name, value in raw.items() if name not in _ENVELOPE and value is not False})
    if raw.get("isStatusReply") is True:
        beside["isStatusReply"] = True
    value = raw.get(kind) if kind else None
    reader = READERS.get(kind or "")
    if reader is None or not isinstance(value, dict):
        return Content(kind="unknown", content={}, extra=beside)
    found = reader(value)
    if found is None:
        return Content(kind="unknown", content={}, extra=beside)
    beside.pop(kind or "", None)
    return msgspec.structs.replace(found, extra={**beside, **found.extra})


# --- what is about another message -------------------------------------------------------------------------


def _about(value: Json) -> Json:
    found = value.get("referencedMessage")
    return found if isinstance(found, dict) else {}


def _own(message: Message) -> Json:
    return {"from_me": True} if message.from_me else {}


def _key(message: Message, value: Json) -> str:
    """No page tells whether `messageId` is that of the reaction, vote or answer, or of the message it is about: then
    the next one of the same person, or another person's, has the same."""
    said = [message.sender.identities(), message.raw.get("momment"), value]
    return f"message:{message.id}:{fingerprint(said)}"


def _reacted(message: Message, value: Json) -> ProviderEvent:
    target = text(_about(value), "messageId")
    if target is None:
        return unknown(message.raw)
    return Reacted(
        type="reaction.received",
        key=_key(message, value),
        at=time(value.get("time")) or message.at,
        target=target,
        chat=message.chat,
        sender=message.sender if message.sender.identities() else party(value.get("reactionBy")),
        emoji=text(value, "value") or "",
        from_me=message.from_me,
        extra=said(message, "messageId", by=text(value, "reactionBy")),
    )


def _voted(message: Message, value: Json) -> ProviderEvent:
    options = [text(option, "name") or "" for option in objects(value.get("options"))]
    return Noticed(
        type="poll.voted",
        key=_key(message, value),
        at=message.at,
        party=message.sender,
        data={
            "poll": text(value, "pollMessageId"),
            "options": options,
            "chat": message.address,
            **_own(message),
            **said(message, "messageId"),
        },
    )


def _answered(message: Message, value: Json) -> ProviderEvent:
    return Noticed(
        type="event.answered",
        key=_key(message, value),
        at=time(value.get("time")) or message.at,
        party=message.sender if message.sender.identities() else party(value.get("responseFrom")),
        data={
            "event": text(_about(value), "messageId"),
            "answer": (text(value, "response") or "").lower(),
            "chat": message.address,
            **_own(message),
            **said(message, "messageId", by=text(value, "responseFrom")),
        },
    )


_SPECIAL: Mapping[str, Callable[[Message, Json], ProviderEvent]] = {
    "reaction": _reacted,
    "pollVote": _voted,
    "eventResponse": _answered,
}
