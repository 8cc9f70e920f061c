"""The content of a received message.

WAHA writes `body`, `media`, `location`, `vCards` and `replyTo` alike for all engines and leaves everything else in
`_data`, which is the engine's own: WhatsApp's protobuf under `Message` (GOWS) or `message` (NOWEB), the browser's
object with a `type` (WEBJS, WPP). The engine's is read first because it knows a sticker from a picture; where it says
nothing, WAHA's own fields are read.
"""

from typing import Any

import msgspec

from recado.domain.events import MediaRef
from recado.providers import waproto, whatsapp
from recado.providers.waha.ids import MessageKey, bare
from recado.providers.waha.reading import Json, flag, given, inner, objects, text, whole

_MEDIA = frozenset({"image", "video", "audio", "voice", "document", "sticker", "gif", "ptv"})
#: `type` of the browser engines.
_BROWSER_KINDS = {
    "chat": "text",
    "image": "image",
    "video": "video",
    "ptt": "voice",
    "audio": "audio",
    "document": "document",
    "sticker": "sticker",
    "ptv": "ptv",
    "location": "location",
    "vcard": "contacts",
    "multi_vcard": "contacts",
    "poll_creation": "poll",
    "list_response": "list_reply",
    "buttons_response": "button_reply",
    "template_button_reply": "button_reply",
}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says, and what it quotes."""

    kind: str
    content: Any
    media: MediaRef | None = None
    reply_to: str | None = None
    forwarded: bool = False
    extra: Json = {}


def read(payload: Json, key: MessageKey) -> Said:
    """The content of a message payload. Never raises."""
    data = inner(payload, "_data")
    message = inner(data, "Message") or inner(data, "message")
    proto = waproto.read(message) if message else None
    if proto is not None and proto.kind not in ("unknown", "protocol") and proto.about is None:
        found = _engines(payload, key, proto)
    else:
        found = _wahas(payload, key, data, proto)
    reply_to = bare(inner(payload, "replyTo").get("id")) or found.reply_to
    forwarded = found.forwarded or flag(data, "isForwarded") is True or bool(whole(data.get("forwardingScore")))
    return msgspec.structs.replace(found, reply_to=reply_to, forwarded=forwarded)


def _engines(payload: Json, key: MessageKey, proto: waproto.Content) -> Said:
    """What WhatsApp's own message says, its media where WAHA keeps it."""
    spec = proto.media
    media = _media(payload, key, mime_type=spec.mime_type, filename=spec.filename) if spec is not None else None
    if media is not None and spec is not None:
        media = msgspec.structs.replace(media, sha256=spec.sha256, size=spec.size)
    # GOWS writes what makes a voice note of a sound in capitals.
    spoken = proto.kind == "audio" and spec is not None and spec.node.get("PTT") is True
    return Said(
        kind="voice" if spoken else proto.kind,
        content=proto.content,
        media=media,
        reply_to=proto.reply_to,
        forwarded=proto.forwarded,
        extra=proto.extra | ({"mentions": proto.mentions} if proto.mentions else {}),
    )


def _wahas(payload: Json, key: MessageKey, data: Json, proto: waproto.Content | None) -> Said:
    """What WAHA's own fields say, with the browser engines' `type` where there is one."""
    told = text(data, "type")
    kind = _BROWSER_KINDS.get(told or "")
    if payload.get("hasMedia") is True or inner(payload, "media") or kind in _MEDIA:
        return _file(payload, key, kind)
    place = inner(payload, "location")
    if place:
        return _location(place)
    cards = payload.get("vCards")
    if isinstance(cards, list) and cards:
        read = [card for card in map(whatsapp.read_vcard, cards) if card is not None]
        if read:
            return Said(kind="contacts", content=read)
    body = payload.get("body")
    if kind == "poll":
        poll = _poll(data)
        if poll is not None:
            return poll
    if kind in ("list_reply", "button_reply"):
        return _reply(kind, data, body)
    if isinstance(body, str) and body and (kind == "text" or told is None):
        return Said(kind="text", content={"body": body})
    extra = proto.extra if proto is not None else {}
    if proto is not None and proto.about is not None:
        extra = extra | {"type": proto.kind, "about": proto.about, "content": proto.content}
    return Said(
        kind="unknown", content={}, extra=extra | given(type=told, body=body if isinstance(body, str) else None)
    )


def _file(payload: Json, key: MessageKey, kind: str | None) -> Said:
    media = _media(payload, key)
    mime_type = media.mime_type or ""
    if kind not in _MEDIA:
        family, _, form = mime_type.partition("/")
        kind = family if family in ("image", "video", "audio") else "document"
        if family == "audio" and form.startswith("ogg"):
            # Only voice notes are Opus in Ogg; the engines say nothing better here.
            kind = "voice"
        elif form.startswith("webp"):
            kind = "sticker"
    body = payload.get("body")
    caption = body if isinstance(body, str) and body != media.filename else None
    content = given(caption=caption, filename=media.filename, mime_type=media.mime_type)
    return Said(kind=kind, content=content, media=media)


def _media(payload: Json, key: MessageKey, *, mime_type: str | None = None, filename: str | None = None) -> MediaRef:
    """How to fetch it: by its address, or through the message when WAHA did not keep it or keeps it no more."""
    told = inner(payload, "media")
    chat = key.chat or text(payload, "from")
    ref = given(url=text(told, "url") or text(payload, "mediaUrl"), chat=chat, message=text(payload, "id"))
    return MediaRef(
        ref=ref,
        mime_type=text(told, "mimetype") or mime_type,
        filename=text(told, "filename") or filename,
    )


def _location(place: Json) -> Said:
    latitude, longitude = waproto.number(place.get("latitude")), waproto.number(place.get("longitude"))
    if latitude is None or longitude is None:
        return Said(kind="unknown", content={}, extra={"location": place})
    content = {"latitude": latitude, "longitude": longitude}
    named = given(name=text(place, "name"), address=text(place, "address"))
    extra = given(live=flag(place, "live"), url=text(place, "url"), description=text(place, "description"))
    return Said(kind="location", content=content | named, extra=extra)


def _poll(data: Json) -> Said | None:
    name = text(data, "pollName")
    options = [option for one in objects(data.get("pollOptions")) if (option := text(one, "name"))]
    if name is None or not options:
        return None
    selectable = whole(data.get("pollSelectableOptionsCount")) or 0
    return Said(kind="poll", content={"name": name, "options": options, "selectable": selectable})


def _reply(kind: str, data: Json, body: Any) -> Said:
    """A tap on a list or a button, as the browser engines tell it."""
    title = body if isinstance(body, str) else ""
    if kind == "list_reply":
        answer = inner(data, "listResponse")
        chosen = text(inner(answer, "singleSelectReply"), "selectedRowId")
        content = {"id": chosen or title, "title": text(answer, "title") or title}
        return Said(kind=kind, content=content | given(description=text(answer, "description")))
    return Said(kind=kind, content={"id": text(data, "selectedButtonId") or title, "title": title})
