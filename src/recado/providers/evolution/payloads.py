"""Content as Evolution takes it: route and JSON of every kind, and the limits its validators set.

Routes and fields are those of the server's code (v2.3.6), which the published document contradicts in places: see
README.md. A phone goes as its digits, because the server finds out the canonical number only for those; keys of
messages hold WhatsApp ids.
"""

import mimetypes
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from recado.domain.content import (
    Button,
    ButtonsContent,
    ContactCard,
    DeleteContent,
    EditContent,
    LinkContent,
    ListContent,
    LocationContent,
    MediaContent,
    OtpContent,
    PixContent,
    PollContent,
    ReactionContent,
    TemplateContent,
    TextContent,
)
from recado.domain.errors import FieldError
from recado.domain.provider import Outgoing, Referenced
from recado.providers import whatsapp

Json = dict[str, Any]

REPLY_BUTTONS_MAX = 3
POLL_OPTIONS_MAX = 10
PHONE_MIN = 10

#: Kind -> the server's word for it, and the name and type of a file that tells neither.
_SENT_AS_MEDIA: Mapping[str, tuple[str, str, str]] = {
    "image": ("image", "image.jpg", "image/jpeg"),
    "video": ("video", "video.mp4", "video/mp4"),
    "audio": ("audio", "audio.mp3", "audio/mpeg"),
    "document": ("document", "file.bin", "application/octet-stream"),
}
_QUOTED_MEDIA: Mapping[str, str] = {
    "image": "imageMessage",
    "video": "videoMessage",
    "gif": "videoMessage",
    "ptv": "ptvMessage",
    "audio": "audioMessage",
    "voice": "audioMessage",
    "document": "documentMessage",
    "sticker": "stickerMessage",
}
_KEY_TYPES = {"evp": "random"}
_COPY = "Copiar código"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, and where to."""

    route: str
    json: Json
    method: str = "POST"


def request(message: Outgoing, *, media: str | None, cloud: bool) -> Request:
    """The request for a message that nothing was found wrong with. `media` is a link or base64 without a prefix."""
    kind = message.kind
    if kind in _SENT_AS_MEDIA:
        built = Request(route="message/sendMedia", json=_media(message, media or ""))
    elif kind in _FILES:
        route, field = _FILES[kind]
        built = Request(route=route, json={field: media or ""})
    elif kind in _ABOUT:
        assert message.about is not None
        return _ABOUT[kind](message.content, message.about)
    elif kind == "buttons" and cloud:
        built = _cloud_buttons(message.content)
    else:
        built = _BUILDERS[kind](message.content)
    whom: Json = {"number": message.to.removeprefix("+")}
    if message.reply_to is not None:
        whom["quoted"] = quoted(message.reply_to)
    return msgspec.structs.replace(built, json=whom | built.json)


def key(message: Referenced) -> Json:
    """The key of an earlier message as WhatsApp has it."""
    found: Json = {
        "id": message.provider_id,
        "remoteJid": whatsapp.jid(message.chat),
        "fromMe": message.from_me,
    }
    if message.sender and not message.from_me and message.chat.endswith("@g.us"):
        found["participant"] = whatsapp.jid(message.sender)
    return found


def quoted(message: Referenced) -> Json:
    """A quote. Without a `message` the server looks for its own copy, and quotes nothing where it keeps none."""
    content = message.content if isinstance(message.content, dict) else {}
    quote: Json = {"key": key(message)}
    body, caption = content.get("body"), content.get("caption")
    if message.kind in _QUOTED_MEDIA:
        quote["message"] = {_QUOTED_MEDIA[message.kind]: {"caption": caption} if isinstance(caption, str) else {}}
    elif isinstance(body, str) and body:
        quote["message"] = {"conversation": body}
    return quote


# --- one builder per kind ------------------------------------------------------------------------------------


def _text(content: TextContent) -> Request:
    json: Json = {"text": content.body, "linkPreview": content.preview_url}
    if content.mentions:
        # The validator wants each to begin with digits, and takes the `@lid` behind them.
        json["mentioned"] = list(dict.fromkeys(mention.removeprefix("+") for mention in content.mentions))
    if content.mention_all:
        json["mentionsEveryOne"] = True
    return Request(route="message/sendText", json=json)


def _link(content: LinkContent) -> Request:
    """The server makes the preview itself."""
    body = content.body or ""
    text = body if content.url in body else f"{body}\n{content.url}" if body else content.url
    return Request(route="message/sendText", json={"text": text, "linkPreview": True})


def _media(message: Outgoing, media: str) -> Json:
    content: MediaContent = message.content
    word, default_name, default_type = _SENT_AS_MEDIA[message.kind]
    filename = content.filename or (message.media.filename if message.media else _name_in(content.link))
    mime_type = content.mime_type or (message.media.mime_type if message.media else None)
    mime_type = (mime_type or mimetypes.guess_type(filename)[0] or default_type).partition(";")[0].strip()
    if mimetypes.guess_type(filename)[0] is None:
        # The server finds the type by the name, and sends the text "false" as the type of a name without an ending.
        ending = mimetypes.guess_extension(mime_type) or PurePosixPath(default_name).suffix
        filename = f"{filename or PurePosixPath(default_name).stem}{ending}"
    json: Json = {"mediatype": word, "mimetype": mime_type, "media": media, "fileName": filename}
    return json | ({"caption": content.caption} if content.caption else {})


def _name_in(link: str | None) -> str:
    try:
        return PurePosixPath(unquote(urlsplit(link or "").path)).name
    except ValueError:
        return ""


def _location(content: LocationContent) -> Request:
    place: Json = {"latitude": content.latitude, "longitude": content.longitude}
    return Request(
        route="message/sendLocation", json=place | {"name": content.name or "", "address": content.address or ""}
    )


def _contacts(cards: list[ContactCard]) -> Request:
    """One phone per card: the server has no room for more."""
    contacts = []
    for card in cards:
        phone = card.phones[0]
        contacts.append(
            {
                "fullName": card.name.formatted_name,
                "wuid": digits(phone.wa_id or phone.phone),
                "phoneNumber": phone.phone,
                "organization": (card.org.company if card.org else None) or "",
                "email": card.emails[0].email if card.emails else "",
                "url": "",
            }
        )
    return Request(route="message/sendContact", json={"contact": contacts})


def _poll(content: PollContent) -> Request:
    json = {"name": content.name, "selectableCount": content.selectable, "values": list(content.options)}
    return Request(route="message/sendPoll", json=json)


def _list(content: ListContent) -> Request:
    sections = []
    for section in content.sections:
        rows = [
            {"title": row.title, "rowId": row.id} | ({"description": row.description} if row.description else {})
            for row in section.rows
        ]
        sections.append({"title": section.title or "", "rows": rows})
    json = {
        "title": content.header or "",
        "description": content.body,
        "buttonText": content.button,
        "footerText": content.footer or "",
        "sections": sections,
    }
    return Request(route="message/sendList", json=json)


def _buttons(content: ButtonsContent) -> Request:
    """The server shows the title in bold and the description below it; without a header the body is the title."""
    buttons = [_button(button) for button in content.buttons]
    return _interactive(content.header or content.body, content.body if content.header else "", content.footer, buttons)


def _cloud_buttons(content: ButtonsContent) -> Request:
    """The Cloud channel sends the title only."""
    text = f"*{content.header}*\n\n{content.body}" if content.header else content.body
    return _interactive(text, "", None, [_button(button) for button in content.buttons])


def _button(button: Button) -> Json:
    if button.url is not None:
        return {"type": "url", "displayText": button.title, "url": button.url}
    if button.phone is not None:
        return {"type": "call", "displayText": button.title, "phoneNumber": button.phone}
    return {"type": "reply", "displayText": button.title, "id": button.id}


def _otp(content: OtpContent) -> Request:
    copy = {"type": "copy", "displayText": content.button or _COPY, "copyCode": content.code}
    return _interactive(content.body, "", content.footer, [copy])


def _pix(content: PixContent) -> Request:
    pix = {
        "type": "pix",
        "currency": "BRL",
        "name": content.merchant_name or "",
        "keyType": _KEY_TYPES.get(content.key_type, content.key_type),
        "key": content.key,
    }
    return _interactive(content.merchant_name or "Pix", "", None, [pix])


def _interactive(title: str, description: str, footer: str | None, buttons: list[Json]) -> Request:
    json = {"title": title, "description": description, "footer": footer or "", "buttons": buttons}
    return Request(route="message/sendButtons", json=json)


def _template(content: TemplateContent) -> Request:
    json = {"name": content.name, "language": content.language, "components": content.components}
    return Request(route="message/sendTemplate", json=json)


def _reaction(content: ReactionContent, about: Referenced) -> Request:
    return Request(route="message/sendReaction", json={"key": key(about), "reaction": content.emoji})


def _edit(content: EditContent, about: Referenced) -> Request:
    json = {"number": whatsapp.jid(about.chat), "text": content.body, "key": key(about)}
    return Request(route="chat/updateMessage", json=json)


def _delete(content: DeleteContent, about: Referenced) -> Request:
    return Request(route="chat/deleteMessageForEveryone", json=key(about), method="DELETE")


_FILES: Mapping[str, tuple[str, str]] = {
    "voice": ("message/sendWhatsAppAudio", "audio"),
    "sticker": ("message/sendSticker", "sticker"),
    "ptv": ("message/sendPtv", "video"),
}
_BUILDERS: Mapping[str, Callable[[Any], Request]] = {
    "text": _text,
    "link": _link,
    "location": _location,
    "contacts": _contacts,
    "poll": _poll,
    "list": _list,
    "buttons": _buttons,
    "otp": _otp,
    "pix": _pix,
    "template": _template,
}
_ABOUT: Mapping[str, Callable[[Any, Referenced], Request]] = {
    "reaction": _reaction,
    "edit": _edit,
    "delete": _delete,
}

MEDIA_KINDS = frozenset(_SENT_AS_MEDIA) | frozenset(_FILES)
CLOUD_KINDS = frozenset(
    {
        "text",
        "link",
        "image",
        "video",
        "audio",
        "voice",
        "document",
        "location",
        "contacts",
        "buttons",
        "list",
        "reaction",
        "template",
    }
)
#: Kinds that change a message.
CHANGES = frozenset({"edit", "delete"})
#: Kinds that cannot carry a quote: on phones the server drops the quotes of two more without a word.
UNQUOTABLE_ON_CLOUD = frozenset(_ABOUT) & CLOUD_KINDS
UNQUOTABLE = frozenset(_ABOUT) | {"voice", "contacts"}
BAILEYS_KINDS = (MEDIA_KINDS | frozenset(_BUILDERS) | frozenset(_ABOUT)) - {"template"}


# --- limits --------------------------------------------------------------------------------------------------


def check(kind: str, content: Any) -> list[FieldError]:
    """What the server would refuse on any channel, each with its path in the content."""
    match content:
        case ButtonsContent():
            problems = _check_buttons(content)
        case PollContent():
            problems = _check_poll(content)
        case list():
            problems = _check_contacts(content)
        case TextContent() if content.group_mentions:
            problems = iter([("group_mentions", "the server mentions people only")])
        case TextContent() | MediaContent() if content.story:
            problems = iter([("story", "the server answers no stories")])
        case MediaContent() if content.view_once:
            problems = iter([("view_once", "the server sends no media to be opened once")])
        case OtpContent() if content.image:
            problems = iter([("image", "the server shows no picture with a code")])
        case _:
            return []
    return [FieldError(field=path, message=message) for path, message in problems]


def check_cloud(kind: str, content: Any) -> str | None:
    """Why the Cloud channel would fail on a content; None when it would not."""
    match content:
        case ButtonsContent() if any(button.id is None for button in content.buttons):
            return "the Cloud channel has reply buttons only"
        case ListContent():
            if not content.header or not content.footer:
                return "the Cloud channel needs a list's header and footer"
            if not all(section.title and all(row.description for row in section.rows) for section in content.sections):
                return "the Cloud channel needs a title for every section of a list and a description for every row"
        case _:
            return None
    return None


def _check_buttons(content: ButtonsContent) -> Iterator[tuple[str, str]]:
    replies = [button.id is not None for button in content.buttons]
    if any(replies) and not all(replies):
        yield "buttons", "reply buttons cannot be mixed with links and calls"
    elif any(replies) and len(replies) > REPLY_BUTTONS_MAX:
        yield "buttons", f"at most {REPLY_BUTTONS_MAX} reply buttons"
    if content.image or content.video:
        yield "image" if content.image else "video", "the server shows no media over buttons"
    for place, button in enumerate(content.buttons):
        if sum(value is not None for value in (button.id, button.url, button.phone)) != 1:
            yield f"buttons[{place}]", "needs exactly one of `id`, `url` and `phone`"


def _check_poll(content: PollContent) -> Iterator[tuple[str, str]]:
    if len(content.options) > POLL_OPTIONS_MAX:
        yield "options", f"at most {POLL_OPTIONS_MAX} options"
    if content.selectable > POLL_OPTIONS_MAX:
        yield "selectable", f"at most {POLL_OPTIONS_MAX}"
    if len(set(content.options)) != len(content.options):
        yield "options", "each option only once"


def _check_contacts(cards: list[Any]) -> Iterator[tuple[str, str]]:
    if not cards:
        yield "", "needs a card"
    for place, card in enumerate(cards):
        if not card.phones:
            yield f"[{place}].phones", "needs a phone"
        elif len(card.phones[0].phone) < PHONE_MIN or len(digits(card.phones[0].wa_id or card.phones[0].phone)) < 10:
            yield f"[{place}].phones[0].phone", "needs the country code: at least 10 digits"


def digits(phone: str) -> str:
    """The digits of a phone."""
    return "".join(character for character in phone if character.isascii() and character.isdigit())
