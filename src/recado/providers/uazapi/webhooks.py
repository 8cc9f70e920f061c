"""Webhook bodies to events: messages, receipts and the connection. Everything else is in notices.py.

A body is `{EventType, owner, instanceName, token, message | event | instance | chat, …}`. The published schema of
webhooks does not match what is sent; what is read here are captures. What is not understood inside a message is kind
`unknown`, any other `EventType` an `unknown` event with short facts, and only what is no body of UAZAPI a `ValueError`.
"""

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
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
from recado.providers import waproto, whatsapp, wire
from recado.providers.uazapi import notices
from recado.providers.uazapi.calls import Json, bare, flag, given, maybe, text
from recado.providers.uazapi.errors import moment

STATES: Mapping[str, tuple[str, MessageStatus]] = {
    "sent": ("message.server_ack", MessageStatus.SERVER_ACK),
    "delivered": ("message.delivered", MessageStatus.DELIVERED),
    "read": ("message.read", MessageStatus.READ),
    "played": ("message.played", MessageStatus.PLAYED),
    "failed": ("message.failed", MessageStatus.FAILED),
}

#: What whatsmeow calls the end of a pairing, by the number in front of its text.
_ENDED: Mapping[str, ConnectionStatus] = {
    "401": ConnectionStatus.LOGGED_OUT,
    "402": ConnectionStatus.BANNED,
    "403": ConnectionStatus.LOGGED_OUT,
    "406": ConnectionStatus.LOGGED_OUT,
}
_KINDS_OF_REACTION = frozenset({"reactionmessage", "encreactionmessage"})
_WAITING = frozenset({"placeholdermessage", "undecryptablemessage"})
#: `groupName` of a chat that is none.
_NO_NAME = frozenset({"Unknown", ""})


# --- the token in every body ---------------------------------------------------------------------------------


class _Signed(msgspec.Struct):
    """The one field that proves a body; the decoder skips the others without building them."""

    token: str = ""


_signed = msgspec.json.Decoder(_Signed)
_TOKEN = re.compile(rb'"(token|openai_apikey)"(\s*:\s*)"(?:[^"\\]|\\.)*"')


def verify(token: str, body: bytes) -> bool:
    """Whether the body carries the instance's token. Constant time; False without a token to compare with."""
    try:
        found = _signed.decode(body).token
    except (ValueError, RecursionError):
        return False
    same = hmac.compare_digest(found.encode("utf-8", "surrogatepass"), token.encode("utf-8", "surrogatepass"))
    return same and bool(token)


def redact(body: bytes) -> bytes:
    """The body with every `token` empty. In JSON a quoted name before a colon can only be a key, so no text changes."""
    return _TOKEN.sub(rb'"\1"\2""', body)


# --- reading -------------------------------------------------------------------------------------------------


def read(body: bytes) -> list[ProviderEvent]:
    """The events in a webhook body, in its order. Raises `ValueError` when it is not UAZAPI's shape."""
    hook = wire.decode_webhook(body)
    if b"\\u0000" in body:
        hook = without_nul(hook)
    kind = hook.get("EventType")
    if not isinstance(kind, str) or not kind:
        raise ValueError("the body has no `EventType`")
    match kind:
        case "messages" | "newsletter_messages" if isinstance(hook.get("message"), dict):
            return _message(hook, hook["message"])
        case "messages_update" if isinstance(hook.get("event"), dict):
            return _update(hook, hook["event"])
        case "connection" if isinstance(hook.get("instance"), dict):
            return [_connection(hook, hook["instance"])]
        case _:
            return notices.read(kind, hook)


# --- messages ------------------------------------------------------------------------------------------------


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What every event about a message shares."""

    id: str
    at: datetime
    chat: Party
    sender: Party
    from_me: bool
    by_api: bool


def _message(hook: Json, raw: Json) -> list[ProviderEvent]:
    identifier = bare(raw.get("messageid")) or bare(raw.get("id"))
    chat_id = whatsapp.address(raw.get("chatid"))
    if identifier is None or chat_id is None:
        return [notices.unknown("messages", hook, given(message_type=text(raw, "messageType")))]
    from_me = flag(raw.get("fromMe")) is True
    chat = _chat(hook, raw, chat_id, from_me)
    if not chat.identities():
        facts = given(chat=chat_id, provider_id=identifier, message_type=text(raw, "messageType"))
        return [notices.unknown("messages", hook, facts)]
    told = _Told(
        id=identifier,
        at=moment(raw.get("messageTimestamp")) or datetime.now(UTC),
        chat=chat,
        sender=_sender(hook, raw, from_me) if from_me or chat.group else chat,
        from_me=from_me,
        by_api=flag(raw.get("wasSentByApi")) is True,
    )
    kind = (text(raw, "messageType") or "").lower()
    if kind in _WAITING:
        facts = {"provider_id": identifier, "chat": chat_id}
        return [_noticed("message.waiting", f"waiting:{identifier}", told, facts)]
    content = _content(raw)
    if chat_id == whatsapp.STORIES:
        facts = {"provider_id": identifier, "kind": content.kind, "content": content.content}
        return [_noticed("status.received", f"status:{identifier}", told, facts)]
    target = bare(raw.get("reaction"))
    if kind in _KINDS_OF_REACTION or (target and raw.get("type") == "reaction"):
        return [_reaction(told, target or content.about, text(raw, "text") or "", hook)]
    return [_read_content(told, raw, content, hook)]


def _read_content(told: _Told, raw: Json, content: waproto.Content, hook: Json) -> ProviderEvent:
    edited = bare(raw.get("edited"))
    about = content.about
    match content.kind:
        case "edit" if about:
            return _edit(told, about, content.edited or "unknown", content.content)
        case "delete" if about:
            return _deleted(told, about)
        case "poll_vote":
            poll = bare(raw.get("quoted")) or about
            facts = given(poll=poll, options=_votes(raw), chat=whatsapp.address(raw.get("chatid")))
            return _noticed("poll.voted", f"vote:{told.id}", told, {"options": []} | facts)
        case "event_response":
            facts = given(event=about, answer=(content.content or {}).get("answer"))
            return _noticed("event.answered", f"answer:{told.id}", told, facts)
        case "pin" | "protocol":
            facts = given(message_type=text(raw, "messageType"), provider_id=told.id, about=about)
            return notices.unknown("messages", hook, facts | given(content=content.content))
        case kind:
            return _edit(told, edited, kind, content.content) if edited else _received(told, raw, content)


def _received(told: _Told, raw: Json, content: waproto.Content) -> ProviderEvent:
    media = content.media
    return Received(
        type="message.sent" if told.from_me else "message.received",
        key=f"message:{told.id}",
        at=told.at,
        provider_id=told.id,
        chat=told.chat,
        sender=told.sender,
        kind=content.kind,
        content=content.content,
        media=MediaRef(
            ref={"id": told.id},
            mime_type=media.mime_type,
            filename=media.filename,
            sha256=media.sha256,
            size=media.size,
        )
        if media
        else None,
        from_me=told.from_me,
        by_api=told.by_api,
        message_id=_ours(raw.get("track_id")),
        reply_to=bare(raw.get("quoted")) or content.reply_to,
        forwarded=content.forwarded,
        extra=content.extra | given(mentions=content.mentions, source=text(raw, "source")),
    )


def _content(raw: Json) -> waproto.Content:
    """What the message says. UAZAPI gives the inner object and names it by `messageType`; now and then the whole."""
    kind = text(raw, "messageType") or "Conversation"
    name = kind[0].lower() + kind[1:]
    value = raw.get("content")
    if isinstance(value, str) and name != "conversation" and value.startswith("{"):
        value = wire.decode(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        found = waproto.read(value if name in value else {name: _whatsmeow(value)})
    else:
        found = waproto.read({})
    return _completed(raw, kind, found)


def _whatsmeow(value: Json) -> Json:
    """whatsmeow writes `PTT` where the schema says `ptt`."""
    return {**value, "ptt": value["PTT"]} if "PTT" in value else value


def _completed(raw: Json, kind: str, found: waproto.Content) -> waproto.Content:
    """The content with what UAZAPI read itself: the text, the chosen button or row, the kind of the media."""
    said, chosen = text(raw, "text"), text(raw, "buttonOrListid")
    if chosen and found.kind in ("unknown", "protocol", "button_reply", "list_reply", "text", "nfm_reply"):
        reply = found.content if found.kind in ("button_reply", "list_reply") else {}
        kept = "list_reply" if found.kind == "list_reply" or "list" in kind.lower() else "button_reply"
        title = text(raw, "vote") or reply.get("title") or said or chosen
        return msgspec.structs.replace(found, kind=kept, content={**reply, "id": chosen, "title": title})
    if found.kind in ("unknown", "protocol") and said and kind in ("Conversation", "ExtendedTextMessage"):
        return msgspec.structs.replace(found, kind="text", content={"body": said}, extra={})
    if found.kind == "video" and raw.get("mediaType") in ("gif", "ptv"):
        return msgspec.structs.replace(found, kind=raw["mediaType"])
    if found.kind == "audio" and raw.get("mediaType") == "ptt":
        return msgspec.structs.replace(found, kind="voice")
    return found


def _reaction(told: _Told, target: str | None, emoji: str, hook: Json) -> ProviderEvent:
    if target is None:
        return notices.unknown("messages", hook, {"message_type": "reaction", "provider_id": told.id})
    return Reacted(
        type="reaction.received",
        key=f"reaction:{told.id}",
        at=told.at,
        target=target,
        chat=told.chat,
        sender=told.sender,
        emoji=emoji,
        from_me=told.from_me,
    )


def _edit(told: _Told, target: str, kind: str, content: Any) -> ProviderEvent:
    return Edited(
        type="message.edited",
        key=f"edited:{told.id}",
        at=told.at,
        target=target,
        chat=told.chat,
        sender=told.sender,
        kind=kind,
        content=content,
    )


def _deleted(told: _Told, target: str) -> ProviderEvent:
    return Deleted(
        type="message.deleted",
        key=f"deleted:{target}",
        at=told.at,
        target=target,
        chat=told.chat,
        sender=told.sender,
    )


def _noticed(type_: str, key: str, told: _Told, data: Json) -> ProviderEvent:
    return Noticed(type=type_, key=key, at=told.at, data=data, party=told.sender)


def _votes(raw: Json) -> list[str]:
    """The names of the options chosen. UAZAPI joins them with a comma and a blank, which a name may hold too."""
    vote = text(raw, "vote") or ""
    return [option for option in vote.split(", ") if option]


def _chat(hook: Json, raw: Json, chat_id: str, from_me: bool) -> Party:
    """The other person by every id that the body holds, or the group. A broadcast list's message is one of its
    sender's, in the chat with them. Empty where that leaves nobody: our own lists, and the bots of Meta."""
    listed = maybe(hook.get("chat"))
    own = {whatsapp.address(listed.get("wa_chatid")), whatsapp.address(listed.get("wa_chatlid"))}
    # The chat beside a message is its own; its ids are joined to the person's only where one of them proves it.
    beside = (listed.get("wa_chatid"), listed.get("wa_chatlid")) if chat_id in own else ()
    if chat_id.endswith(("@g.us", "@newsletter")) or chat_id == whatsapp.STORIES:
        name = text(raw, "groupName")
        return whatsapp.party(chat_id, name=name if name not in _NO_NAME else text(listed, "name"))
    ids = () if chat_id.endswith("@broadcast") else (chat_id, raw.get("chatlid"), *beside)
    if from_me:
        return whatsapp.party(*ids, name=listed.get("wa_name") if beside else None)
    sender = (raw.get("sender_pn"), raw.get("sender_lid"), raw.get("sender"))
    return whatsapp.party(*ids, *sender, name=raw.get("senderName"))


def _sender(hook: Json, raw: Json, from_me: bool) -> Party:
    ids = (raw.get("sender_pn"), raw.get("sender_lid"), raw.get("sender"))
    if from_me:
        return whatsapp.party(raw.get("owner") or hook.get("owner"), *ids, name=raw.get("senderName"))
    return whatsapp.party(*ids, name=raw.get("senderName"))


def _ours(track_id: object) -> str | None:
    """Our own message id, where `track_id` is one: other systems write theirs into the same field."""
    try:
        return str(UUID(track_id)) if isinstance(track_id, str) else None
    except ValueError:
        return None


# --- receipts ------------------------------------------------------------------------------------------------


def _update(hook: Json, event: Json) -> list[ProviderEvent]:
    """One event per message: a batch names up to 246. `event.Type` changes its case, the `state` beside it does not."""
    state = (text(hook, "state") or text(event, "Type") or "").lower()
    listed = event.get("MessageIDs")
    ids = [found for one in listed if (found := bare(one))] if isinstance(listed, list) else []
    at = moment(event.get("Timestamp")) or datetime.now(UTC)
    sender = whatsapp.party(event.get("sender_pn"), event.get("sender_lid"), event.get("Sender"))
    chat = whatsapp.party(event.get("Chat"), event.get("chatid"), event.get("chatlid"))
    deleted = state == "deleted" and chat.identities() and chat.group != whatsapp.STORIES
    if not ids or not (deleted or state in STATES):
        facts = given(state=state, messages=ids, mime_type=text(event, "MimeType"), type=text(hook, "type"))
        return [notices.unknown("messages_update", hook, facts)]
    if deleted:
        return [
            Deleted(type="message.deleted", key=f"deleted:{one}", at=at, target=one, chat=chat, sender=sender)
            for one in ids
        ]
    mine = flag(event.get("IsFromMe")) is True
    if mine and state == "delivered":
        # Another device of ours has it, which says nothing of the other person.
        return []
    if mine and state in ("read", "played"):
        facts = given(chat=chat.group or chat.phone or chat.lid, change="read", messages=ids)
        return [Noticed(type="chat.updated", key=f"read:{notices.hashed(facts)}", at=at, data=facts, party=chat)]
    in_group = flag(event.get("IsGroup")) is True or chat.group is not None
    recipient = (sender.phone or sender.lid) if in_group else None
    return [_receipt(one, state, recipient, at, event, hook) for one in ids]


def _receipt(identifier: str, state: str, recipient: str | None, at: datetime, event: Json, hook: Json) -> Receipt:
    type_, status = STATES[state]
    return Receipt(
        type=type_,
        key=f"receipt:{identifier}:{state}:{recipient or ''}",
        at=at,
        provider_id=identifier,
        state=status,
        message_id=_ours(event.get("track_id")),
        recipient=recipient,
        why=text(event, "Error", "error") or text(hook, "error") if status is MessageStatus.FAILED else None,
    )


# --- the connection ------------------------------------------------------------------------------------------


def connection_status(instance: Json) -> ConnectionStatus:
    """The state of an instance, in webhooks as in answers. `hibernated` keeps its pairing and receives nothing."""
    match (text(instance, "status") or "").lower():
        case "connected":
            return ConnectionStatus.CONNECTED
        case "connecting":
            shown = text(instance, "qrcode", "paircode")
            return ConnectionStatus.QR if shown else ConnectionStatus.CONNECTING
        case "disconnected":
            code = (text(instance, "lastDisconnectReason") or "").partition(":")[0].strip()
            return _ENDED.get(code, ConnectionStatus.DISCONNECTED)
        case _:
            return ConnectionStatus.DISCONNECTED


def qr_details(instance: Json) -> Json:
    """The QR code, of which UAZAPI gives a picture and not its text."""
    image = text(instance, "qrcode")
    return {"qr_image": image} if image else {}


def _connection(hook: Json, instance: Json) -> ProviderEvent:
    """Only newer versions number these, and only the end of a connection has a time. Where there is neither and no code
    to tell two apart, the time of reading keeps a second `connected` from being taken for a repeat of the first."""
    status = connection_status(instance)
    now = datetime.now(UTC)
    # A new pairing still carries the end of the last one, beside its code.
    is_end = status not in (ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING, ConnectionStatus.QR)
    ended = moment(instance.get("lastDisconnect")) if is_end else None
    shown = instance if status is ConnectionStatus.QR else {}
    code = text(shown, "qrcode", "paircode")
    proof = text(hook, "event_id") or (ended.isoformat() if ended else None)
    proof = proof or (notices.hashed(code) if code else now.isoformat())
    reported = text(instance, "status")
    reason = text(instance, "lastDisconnectReason")
    if status is ConnectionStatus.DISCONNECTED and reported != "disconnected":
        reason = reason or reported
    return ConnectionChanged(
        type=_CONNECTION_TYPES.get(status, "instance.disconnected"),
        key=f"connection:{status}:{proof}",
        at=ended or now,
        status=status,
        reason=reason if is_end else None,
        pairing_code=text(shown, "paircode"),
        phone=whatsapp.address(hook.get("owner")),
        details=qr_details(shown),
    )


_CONNECTION_TYPES = {
    ConnectionStatus.CONNECTED: "instance.connected",
    ConnectionStatus.QR: "instance.qr",
}


def without_nul(value: Any) -> Any:
    """Plain data without NUL characters, of which PostgreSQL stores none: a message must not be lost for one."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {name.replace("\x00", ""): without_nul(item) for name, item in value.items()}
    return value
