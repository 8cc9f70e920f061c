"""Content to the request that sends it."""

import binascii
import mimetypes
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from recado.domain.content import (
    ContactCard,
    DeleteContent,
    EditContent,
    EventContent,
    LinkContent,
    ListContent,
    LocationContent,
    MediaContent,
    PinContent,
    PollContent,
    ReactionContent,
    TextContent,
)
from recado.domain.errors import FieldError
from recado.domain.provider import Outgoing
from recado.providers import whatsapp, wire
from recado.providers.waha import ids
from recado.providers.waha.capabilities import CHOOSES_IDS, CUSTOM_PREVIEWS, MEDIA_KINDS
from recado.providers.waha.reading import Json, given

#: What plays as a voice note, or as a video, without being converted first.
_VOICE_TYPE = "audio/ogg"
_VIDEO_TYPE = "video/mp4"
_OCTETS = "application/octet-stream"

Problem = tuple[str, str]

_NO_STORY_REPLIES = "WAHA answers no stories"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the server. `target` is the message it is about, where it makes none of its own; `told` that what
    became of it is the answer, so that no answer means that nothing did."""

    method: str
    path: str
    json: Json | None = None
    target: str | None = None
    told: bool = False


class File(msgspec.Struct, frozen=True, kw_only=True):
    """Stored media, read."""

    data: bytes
    mime_type: str
    filename: str


# --- limits ------------------------------------------------------------------------------------------------


def check(kind: str, content: Any) -> list[FieldError]:
    """What WAHA has no way to send, each with its path in the content."""
    checker = _CHECKS.get(kind)
    if checker is None:
        return []
    return [FieldError(field=path, message=why) for path, why in checker(content)]


def _check_poll(content: PollContent) -> Iterator[Problem]:
    if content.selectable not in (0, 1, len(content.options)):
        yield "selectable", "WAHA's polls let people choose one option (1) or any number of them (0)"


def _check_event(content: EventContent) -> Iterator[Problem]:
    if content.call:
        yield "call", "WAHA's events have no call"


def _check_text(content: TextContent) -> Iterator[Problem]:
    if content.group_mentions:
        yield "group_mentions", "WAHA mentions people only"
    if content.story:
        yield "story", _NO_STORY_REPLIES


def _check_media(content: MediaContent) -> Iterator[Problem]:
    if content.view_once:
        yield "view_once", "WAHA sends no media to be opened once"
    if content.story:
        yield "story", _NO_STORY_REPLIES


_CHECKS: dict[str, Callable[[Any], Iterator[Problem]]] = {
    **dict.fromkeys(MEDIA_KINDS, _check_media),
    "text": _check_text,
    "poll": _check_poll,
    "event": _check_event,
}


# --- requests ----------------------------------------------------------------------------------------------


def request(message: Outgoing, *, session: str, engine: str, file: File | None) -> Request:
    """The request that sends a message. `file` is its media where Recado stores it."""
    if message.kind in MEDIA_KINDS:
        path, fields = _media(message.kind, message.content, file)
        return _post(path, message, session, fields)
    about = _ABOUT.get(message.kind)
    if about is not None:
        return about(message, session)
    if message.kind == "forward":
        return _forward(message, session, engine)
    if message.kind == "event":
        return _event(message, session)
    path, fields = (
        _link(message.content, engine) if message.kind == "link" else _BUILDERS[message.kind](message.content)
    )
    if path in _WITH_ID and engine in CHOOSES_IDS:
        fields = fields | {"id": ids.ours(message.message_id)}
    return _post(path, message, session, fields)


def _post(path: str, message: Outgoing, session: str, fields: Json) -> Request:
    quoted = given(reply_to=ids.decorated(message.reply_to) if message.reply_to else None)
    whole = {"session": session, "chatId": ids.chat_id(message.to), **fields, **quoted}
    return Request(method="POST", path=path, json=whole)


def _text(content: TextContent) -> tuple[str, Json]:
    fields: Json = {"text": content.body, "linkPreview": content.preview_url}
    mentions = [mention if mention == "all" else ids.chat_id(mention) for mention in content.mentions]
    if content.mention_all:
        mentions = ["all"]
    if mentions:
        fields["mentions"] = mentions
    return "/api/sendText", fields


def _link(content: LinkContent, engine: str) -> tuple[str, Json]:
    body = content.body or content.url
    if content.url not in body:
        body = f"{body}\n{content.url}"
    # GOWS breaks on a preview without a picture (`sendLinkCustomPreview` of its session).
    if engine not in CUSTOM_PREVIEWS or not content.title or (engine == "GOWS" and not content.image):
        return "/api/sendText", {"text": body, "linkPreview": True}
    preview: Json = {"url": content.url, "title": content.title, "description": content.description or ""}
    if content.image:
        preview["image"] = {"url": content.image}
    return "/api/send/link-custom-preview", {"text": body, "linkPreviewHighQuality": True, "preview": preview}


def _location(content: LocationContent) -> tuple[str, Json]:
    # There is no field for the address: the title is all that is shown beside the map.
    title = ", ".join(part for part in (content.name, content.address) if part)
    return "/api/sendLocation", {"latitude": content.latitude, "longitude": content.longitude, "title": title}


def _contacts(content: list[ContactCard]) -> tuple[str, Json]:
    return "/api/sendContactVcard", {"contacts": [{"vcard": whatsapp.vcard(card)} for card in content]}


def _poll(content: PollContent) -> tuple[str, Json]:
    poll = {"name": content.name, "options": content.options, "multipleAnswers": content.selectable != 1}
    return "/api/sendPoll", {"poll": poll}


def _list(content: ListContent) -> tuple[str, Json]:
    sections = [
        {
            "title": section.title or "",
            "rows": [
                {"title": row.title, "rowId": row.id} | given(description=row.description) for row in section.rows
            ],
        }
        for section in content.sections
    ]
    # The title is wanted; a list without a header has its text there.
    title, description = (content.header, content.body) if content.header else (content.body, None)
    message = {"title": title, "button": content.button, "sections": sections}
    return "/api/sendList", {"message": message | given(description=description, footer=content.footer)}


def _event(message: Outgoing, session: str) -> Request:
    content: EventContent = message.content
    event: Json = {"name": content.name, "startTime": int(content.start_at.timestamp())}
    event |= given(
        endTime=int(content.end_at.timestamp()) if content.end_at else None,
        description=content.description,
        location={"name": content.location} if content.location else None,
    )
    fields = {"chatId": ids.chat_id(message.to), "event": event}
    fields |= given(reply_to=ids.decorated(message.reply_to) if message.reply_to else None)
    return Request(method="POST", path=f"/api/{wire.part(session)}/events", json=fields)


def _forward(message: Outgoing, session: str, engine: str) -> Request:
    assert message.about is not None, "a forward speaks of a message"
    fields = {"session": session, "chatId": ids.chat_id(message.to), "messageId": ids.decorated(message.about)}
    chosen = given(id=ids.ours(message.message_id) if engine in CHOOSES_IDS else None)
    return Request(method="POST", path="/api/forwardMessage", json=fields | chosen)


# --- about an earlier message --------------------------------------------------------------------------------


def _reaction(message: Outgoing, session: str) -> Request:
    assert message.about is not None, "a reaction speaks of a message"
    content: ReactionContent = message.content
    fields = {"session": session, "messageId": ids.decorated(message.about), "reaction": content.emoji}
    return Request(method="PUT", path="/api/reaction", json=fields, target=message.about.provider_id)


def _edit(message: Outgoing, session: str) -> Request:
    content: EditContent = message.content
    # The browser engines answer nothing when WhatsApp lets the message be edited no more (whatsapp-web.js `edit`).
    return msgspec.structs.replace(_on_message(message, session, "PUT", json={"text": content.body}), told=True)


def _delete(message: Outgoing, session: str) -> Request:
    assert isinstance(message.content, DeleteContent)
    return _on_message(message, session, "DELETE")


def _pin(message: Outgoing, session: str) -> Request:
    content: PinContent = message.content
    if not content.pinned:
        return _on_message(message, session, "POST", "/unpin")
    return _on_message(message, session, "POST", "/pin", json={"duration": content.duration_s})


def _on_message(message: Outgoing, session: str, method: str, step: str = "", json: Json | None = None) -> Request:
    assert message.about is not None, f"{message.kind} speaks of a message"
    chat = wire.part(ids.chat_id(message.about.chat))
    whole = wire.part(ids.decorated(message.about))
    path = f"/api/{wire.part(session)}/chats/{chat}/messages/{whole}{step}"
    return Request(method=method, path=path, json=json, target=message.about.provider_id)


# --- media ---------------------------------------------------------------------------------------------------


def media(kind: str, content: MediaContent, stored: File | None) -> Json:
    """The `file` and what belongs to it of a media request, also of a story."""
    mime_type = _mime_type(kind, content, stored)
    filename = content.filename or (stored.filename if stored else None) or _name_in(content.link)
    if stored is not None:
        source: Json = {"data": binascii.b2a_base64(stored.data, newline=False).decode()}
    else:
        source = {"url": content.link}
    if kind in ("video", "ptv"):
        # The document wants a name for these, and for a voice that is not a link.
        filename = filename or "video.mp4"
    elif kind == "voice":
        filename = (filename or "voice") if stored else None
    fields: Json = {"file": {"mimetype": mime_type, **given(filename=filename), **source}}
    if kind == "voice":
        return fields | {"convert": not mime_type.startswith(_VOICE_TYPE)}
    if kind in ("video", "ptv"):
        return fields | {"convert": mime_type != _VIDEO_TYPE} | given(caption=content.caption)
    return fields | given(caption=content.caption)


def _media(kind: str, content: MediaContent, stored: File | None) -> tuple[str, Json]:
    fields = media(kind, content, stored)
    if kind in ("video", "ptv"):
        fields["asNote"] = kind == "ptv"
    paths = {"image": "sendImage", "document": "sendFile", "voice": "sendVoice"}
    return f"/api/{paths.get(kind, 'sendVideo')}", fields


def _mime_type(kind: str, content: MediaContent, stored: File | None) -> str:
    """What the media is said to be, else what its name says, else what its kind most often is."""
    said = content.mime_type or (stored.mime_type if stored else None)
    if said and said.partition(";")[0].strip().lower() != _OCTETS:
        return said
    guessed, _ = mimetypes.guess_type(content.filename or _name_in(content.link) or "")
    if guessed:
        return guessed
    return {"image": "image/jpeg", "video": _VIDEO_TYPE, "ptv": _VIDEO_TYPE, "voice": "audio/mpeg"}.get(kind, _OCTETS)


def _name_in(link: str | None) -> str | None:
    try:
        return urlsplit(link or "").path.rpartition("/")[2] or None
    except ValueError:
        return None


_BUILDERS: dict[str, Callable[[Any], tuple[str, Json]]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "poll": _poll,
    "list": _list,
}

_ABOUT: dict[str, Callable[[Outgoing, str], Request]] = {
    "reaction": _reaction,
    "edit": _edit,
    "delete": _delete,
    "pin": _pin,
}

#: Requests that have a field for an id of ours, as forwarding has.
_WITH_ID = frozenset({"/api/sendText", "/api/sendLocation", "/api/sendContactVcard", "/api/sendPoll"})
