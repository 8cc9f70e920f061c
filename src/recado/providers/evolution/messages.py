"""Messages, their receipts, changes and votes, out of the `data` of a webhook."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from recado.domain.events import Deleted, Edited, MediaRef, Noticed, Party, ProviderEvent, Reacted, Receipt, Received
from recado.domain.states import MessageStatus
from recado.providers import waproto, whatsapp
from recado.providers.evolution.envelope import (
    NO_NAMES,
    Envelope,
    Json,
    Unreadable,
    digest,
    each,
    entries,
    mapping,
    required,
    unknown,
)

#: `status` of messages.update: those of Baileys, and Meta's in capitals on the Cloud channel.
STATES: Mapping[str, tuple[str, MessageStatus]] = {
    "SERVER_ACK": ("message.server_ack", MessageStatus.SERVER_ACK),
    "SENT": ("message.server_ack", MessageStatus.SERVER_ACK),
    "DELIVERY_ACK": ("message.delivered", MessageStatus.DELIVERED),
    "DELIVERED": ("message.delivered", MessageStatus.DELIVERED),
    "READ": ("message.read", MessageStatus.READ),
    "PLAYED": ("message.played", MessageStatus.PLAYED),
    "ERROR": ("message.failed", MessageStatus.FAILED),
    "FAILED": ("message.failed", MessageStatus.FAILED),
}


def messages(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """One message, as messages.upsert and send.message have it; v1 and other senders may put several in a list."""
    listed = data.get("messages") if isinstance(data, dict) and "key" not in data else data
    return each(envelope, listed, _message)


def _message(envelope: Envelope, data: Json) -> Iterator[ProviderEvent]:
    key = mapping(data.get("key"))
    identifier = required(key, "id")
    mine = key.get("fromMe") is True
    at = waproto.moment(data.get("messageTimestamp")) or envelope.at
    chat, sender = _people(envelope, key, data.get("pushName"), mine=mine)
    message = data.get("message")
    message = message if isinstance(message, dict) else {}
    around = data.get("contextInfo")
    read = waproto.read(_like_baileys(message), context=around if isinstance(around, dict) else None)
    if key.get("remoteJid") == whatsapp.STORIES:
        told = {"provider_id": identifier, "kind": read.kind, "content": read.content}
        yield Noticed(type="status.received", key=f"status:{identifier}", at=at, data=told, party=sender)
        return
    if not message or "placeholderMessage" in message:
        told = {"provider_id": identifier, "chat": whatsapp.address(key.get("remoteJid"))}
        yield Noticed(type="message.waiting", key=f"waiting:{identifier}", at=at, data=told, party=chat)
        return
    match read.kind:
        case "protocol":
            return
        case "reaction":
            yield Reacted(
                type="reaction.received",
                key=f"reaction:{identifier}",
                target=read.about or "",
                emoji=read.content["emoji"],
                from_me=mine,
                at=at,
                chat=chat,
                sender=sender,
            )
        case "edit":
            yield _edited(read, at=at, chat=chat, sender=sender)
        case "delete":
            yield _taken_back(read.about or "", at=at, chat=chat, sender=sender)
        case "poll_vote":
            told = {"poll": read.about, "options": read.content["options"] or []}
            yield Noticed(type="poll.voted", key=f"vote:{identifier}", at=at, data=told, party=sender)
        case "event_response":
            told = {"event": read.about, "answer": read.content["answer"]}
            yield Noticed(type="event.answered", key=f"answer:{identifier}", at=at, data=told, party=sender)
        case _:
            yield _received(envelope, data, read, key, at=at, chat=chat, sender=sender)


def _received(
    envelope: Envelope, data: Json, read: waproto.Content, key: Json, *, at: datetime, chat: Party, sender: Party
) -> Received:
    identifier, mine = required(key, "id"), key.get("fromMe") is True
    by_api = mine and envelope.event == "send.message"
    if by_api:
        read = _as_asked(read)
    message = waproto.fields(data.get("message"))
    content = read.content
    if read.kind == "pin":
        content = {"message_id": read.about, **content}
    extra = dict(read.extra)
    if read.mentions and read.kind == "text":
        content = {**content, "mentions": read.mentions}
    elif read.mentions:
        extra["mentions"] = read.mentions
    speech = message.get("speechToText")
    if isinstance(speech, str):
        extra["speech_to_text"] = speech
    return Received(
        type="message.sent" if mine else "message.received",
        key=f"message:{identifier}",
        at=at,
        provider_id=identifier,
        chat=chat,
        sender=sender,
        kind=read.kind,
        content=content,
        media=_media(read, key, message) if read.media is not None else None,
        from_me=mine,
        by_api=by_api,
        reply_to=read.reply_to,
        forwarded=read.forwarded,
        extra=extra,
    )


_IN_BOLD = re.compile(r"\*(?P<title>.*?)\*(?:\n\n(?P<below>.*)\n)?", re.DOTALL)
_TEMPLATE = re.compile("\N{BLACK RIGHT-POINTING TRIANGLE}\ufe0f(?P<name>.+)\N{BLACK LEFT-POINTING TRIANGLE}\ufe0f")


def _as_asked(read: waproto.Content) -> waproto.Content:
    """An echo as it was asked for, so that it is known for ours before the answer to the sending came: the server puts a
    title in bold with the description below it, and echoes a template as a text of its name."""
    body = read.content.get("body") if isinstance(read.content, dict) else None
    if not isinstance(body, str):
        return read
    if read.kind == "text" and (template := _TEMPLATE.fullmatch(body)):
        return msgspec.structs.replace(read, kind="template", content={"name": template["name"]})
    bold = _IN_BOLD.fullmatch(body) if read.kind in ("buttons", "otp") else None
    if bold is None:
        return read
    parts = {"header": bold["title"], "body": bold["below"]} if bold["below"] else {"body": bold["title"]}
    return msgspec.structs.replace(read, content={**read.content, **parts})


def _media(read: waproto.Content, key: Json, message: Json) -> MediaRef:
    """What fetching needs: the message itself, because a server may keep none, or Meta's id of the file."""
    spec = read.media
    assert spec is not None
    ref: Json
    if isinstance(spec.node.get("id"), str) and "mediaKey" not in spec.node:
        ref = {"meta_id": spec.node["id"]}
    else:
        named = {name: key[name] for name in ("id", "remoteJid", "fromMe", "participant") if name in key}
        whole = "mediaKey" in spec.node or "directPath" in spec.node
        ref = {"key": named, "message": {spec.field: spec.node}} if whole else {"key": named}
    stored = message.get("mediaUrl")
    if isinstance(stored, str) and stored.startswith(("http://", "https://")):
        ref["url"] = stored
    return MediaRef(ref=ref, mime_type=spec.mime_type, filename=spec.filename, sha256=spec.sha256, size=spec.size)


def _like_baileys(message: Json) -> Json:
    """The Cloud channel keeps Meta's names within Baileys' messages: `mime_type`, `sha256`, `filename`, `voice`."""
    for name, value in message.items():
        if isinstance(value, dict) and "mime_type" in value:
            more = {"mimetype": value["mime_type"], "fileSha256": value.get("sha256")}
            if "filename" in value:
                more["fileName"] = value["filename"]
            return message | {name: value | more}
    return message


def _people(envelope: Envelope, key: Json, name: Any, *, mine: bool) -> tuple[Party, Party]:
    """The chat and who wrote, each by all that the key calls them. Raises `Unreadable` for a key without a chat."""
    chat_id = required(key, "remoteJid")
    members = [key.get(field) for field in ("participant", "participantAlt", "participantPn", "participantLid")]
    others = [key.get(field) for field in ("remoteJidAlt", "previousRemoteJid")]
    if not mine:
        others += [key.get("senderPn"), key.get("senderLid")]
    shared = chat_id.endswith(("@g.us", "@newsletter")) or chat_id == whatsapp.STORIES
    name = None if mine or not isinstance(name, str) or name in NO_NAMES or name.isdigit() else name
    if shared:
        chat = whatsapp.party(chat_id)
        sender = whatsapp.party(*members, *([envelope.own] if mine else ()), name=name)
        return chat, sender
    # A broadcast list's message is one of its sender's, in the chat with them.
    ids = [*members, *others] if chat_id.endswith("@broadcast") else [chat_id, *others]
    if mine and key.get("previousRemoteJid") and whatsapp.address(chat_id) == envelope.own:
        # v2.3.1 to v2.3.5 put the sender's phone in the place of an `@lid`: our own, where we wrote.
        ids.remove(chat_id)
    chat = whatsapp.party(*ids, name=name)
    if not chat.identities():
        raise Unreadable("a chat that is none")
    return chat, whatsapp.party(envelope.own) if mine else chat


def _edited(read: waproto.Content, *, at: datetime, chat: Party, sender: Party) -> Edited:
    return Edited(
        type="message.edited",
        # A message can be edited again, even back; and a server may tell one edit in two events.
        key=f"edited:{read.about}:{digest([read.content, read.edited_at])}",
        at=at,
        target=read.about or "",
        chat=chat,
        sender=sender,
        kind=read.edited or "text",
        content=read.content,
    )


def _taken_back(target: str, *, at: datetime, chat: Party, sender: Party) -> Deleted:
    """Two events of the server may tell the same deletion."""
    return Deleted(type="message.deleted", key=f"deleted:{target}", at=at, target=target, chat=chat, sender=sender)


def edit(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """messages.edited and send.message.update: the protocol message alone. What it takes back, messages.delete tells.

    Its key is as its author sees it: always `fromMe`, and for somebody who edits in a chat with us, of the chat with our
    own number. Who wrote is told only where that is certain; `target` names the message in any case.
    """
    raw = mapping(data)
    read = waproto.read({"protocolMessage": raw} if "key" in raw else raw)
    if read.kind in ("protocol", "delete"):
        return
    if read.kind != "edit" or read.about is None:
        raise Unreadable("no edit")
    key = mapping(raw.get("key"))
    chat = whatsapp.party(required(key, "remoteJid"))
    if not chat.identities():
        raise Unreadable("a chat that is none")
    sender = Party()
    if envelope.event == "send.message.update" or (envelope.own and chat.phone and chat.phone != envelope.own):
        sender = whatsapp.party(envelope.own)
    elif chat.group is not None:
        sender = whatsapp.party(key.get("participant"))
    yield _edited(read, at=read.edited_at or envelope.at, chat=chat, sender=sender)


def deleted(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """A key, or a record with one when it was deleted through the API."""
    raw = mapping(data)
    key = raw.get("key")
    key = key if isinstance(key, dict) else raw
    identifier = required(key, "id")
    chat, sender = _people(envelope, key, None, mine=key.get("fromMe") is True)
    yield _taken_back(identifier, at=envelope.at, chat=chat, sender=sender)


def updates(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """Statuses; one, or a list of them."""
    return each(envelope, data, _update)


def _update(envelope: Envelope, data: Json) -> Iterator[ProviderEvent]:
    """One status. `keyId` is WhatsApp's id; `messageId` is the server's own and of no use to anybody else."""
    raw_key = data.get("key")
    key = raw_key if isinstance(raw_key, dict) else data
    identifier = waproto.text(data, "keyId") or required(key, "id")
    status = waproto.text(data, "status") or waproto.text(waproto.fields(data.get("update")), "status") or ""
    chat = whatsapp.address(key.get("remoteJid"))
    # The Cloud channel writes `fromMe: false` for all, and tells of nothing but our own messages.
    cloud = identifier.startswith("wamid.")
    ours = cloud or key.get("fromMe") is True
    votes = data.get("pollUpdates")
    if isinstance(votes, list) and votes:
        yield _votes(envelope, identifier, key, votes)
    if status in STATES and ours:
        type_, state = STATES[status]
        recipient = whatsapp.address(key.get("participant")) if chat and chat.endswith("@g.us") else None
        yield Receipt(
            type=type_,
            key=f"receipt:{identifier}:{state}:{recipient or ''}",
            at=envelope.at,
            provider_id=identifier,
            state=state,
            recipient=recipient,
            code="error" if state is MessageStatus.FAILED else None,
            why="WhatsApp refused the message." if state is MessageStatus.FAILED else None,
        )
    elif status in ("READ", "PLAYED"):
        yield Noticed(
            type="chat.updated",
            key=f"chat-read:{identifier}:{status}",
            at=envelope.at,
            data={"chat": chat, "change": "read", "provider_id": identifier},
            party=whatsapp.party(key.get("remoteJid")),
        )
    elif status == "DELETED" and cloud:
        yield from deleted(envelope, {**key, "id": identifier})
    elif status not in STATES and status != "PENDING" and not votes:
        # `DELETED` is what the server says of every change without a status, edits among them (issue #2010); a
        # message that was taken back is told by messages.delete.
        yield unknown(envelope, {"provider_id": identifier, "status": status, "chat": chat})


def _votes(envelope: Envelope, poll: str, key: Json, votes: list[Any]) -> Noticed:
    """The state of a poll as a whole: who chose what, not who changed their mind."""
    results = {
        name: [found for voter in entries(vote.get("voters")) if (found := whatsapp.address(voter))]
        for vote in votes
        if isinstance(vote, dict) and (name := waproto.text(vote, "name"))
    }
    return Noticed(
        type="poll.voted",
        key=f"votes:{poll}:{digest(results)}",
        at=envelope.at,
        data={"poll": poll, "options": [name for name, voters in results.items() if voters], "results": results},
        party=whatsapp.party(key.get("remoteJid")),
    )
