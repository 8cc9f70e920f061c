"""Content to a route of UAZAPI and its JSON.

`/send/menu` takes its choices as texts with `|` between title, id and description, so none of these may hold one; an id
that begins like a link or an action becomes one. `check` refuses what would arrive as something else.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from recado.domain import content as contents
from recado.domain.content import (
    Button,
    ButtonsContent,
    CarouselContent,
    ContactCard,
    EditContent,
    LinkContent,
    ListContent,
    LocationContent,
    MediaContent,
    OrderContent,
    OtpContent,
    PinContent,
    PixContent,
    PollContent,
    ReactionContent,
    TextContent,
)
from recado.domain.errors import FieldError
from recado.domain.provider import Outgoing, Referenced
from recado.providers import whatsapp
from recado.providers.uazapi.calls import Json

TRACK_SOURCE = "recado"

#: Kind of media -> `type` of `/send/media`.
MEDIA_TYPES = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "voice": "ptt",
    "document": "document",
    "sticker": "sticker",
    "gif": "videoplay",
    "ptv": "ptv",
}
_CAPTIONED = frozenset({"image", "video", "gif", "document"})

#: Kinds that go through a route with `track_id`, so that they can be looked up by it.
TRACKED = frozenset(
    {*MEDIA_TYPES, "text", "link", "location", "contacts", "buttons", "list", "otp", "poll", "pix", "order", "forward"}
    | {"carousel"}
)
KINDS = TRACKED | {"reaction", "edit", "delete", "pin"}

#: Kinds that can be sent again with WhatsApp's mark of a forwarded message.
_FORWARDED = frozenset({*MEDIA_TYPES, "text", "link", "location", "contacts"})

#: What `order.payment` may set of `/send/request-payment`; one of `_WAYS_TO_PAY` is needed.
_PAYMENT = frozenset(
    {"pixKey", "pixType", "pixName", "paymentLink", "fileUrl", "fileName", "boletoCode", "title", "footer"}
)
_WAYS_TO_PAY = ("pixKey", "paymentLink", "boletoCode")
_ACTIONS = ("http:", "https:", "url:", "copy:", "call:")
_COPY = "Copiar código"


class Unsendable(Exception):
    """A message that cannot be put into a request. `code` and the text become the refusal."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What to post, and where."""

    path: str
    json: Json


def post(message: Outgoing, *, file: str | None = None) -> Post:
    """The request that sends a message. `file` is stored media in base64. Raises `Unsendable`."""
    about = message.about
    if message.kind in ("reaction", "edit", "delete", "pin"):
        if about is None:
            raise Unsendable("target_missing", "the message it is about is not known")
        return _about(message.kind, message.content, about, message.to)
    if message.kind == "forward":
        path, body = _forward(about)
    else:
        path, body = _content(message.kind, message.content, file)
    common: Json = {"track_source": TRACK_SOURCE, "track_id": str(message.message_id)}
    if message.reply_to is not None:
        common["replyid"] = message.reply_to.provider_id
    return Post(path=path, json={"number": number(message.to), **body, **common})


def number(address: str) -> str:
    """An address as the `number` of a request: digits, or a WhatsApp id."""
    return whatsapp.address(address) or address


def _forward(about: Referenced | None) -> tuple[str, Json]:
    """The earlier message again, with the mark. Media only by link: what WhatsApp keeps cannot be sent by reference."""
    if about is None:
        raise Unsendable("target_missing", "the message to forward is not known")
    if about.kind not in _FORWARDED:
        raise Unsendable("unsupported_by_provider", f"UAZAPI forwards no {about.kind}")
    try:
        content = msgspec.convert(about.content, type=contents.KINDS[about.kind])
    except msgspec.ValidationError as error:
        raise Unsendable("unsupported_by_provider", f"the message to forward cannot be sent again: {error}") from None
    if isinstance(content, MediaContent) and not content.link:
        raise Unsendable("unsupported_by_provider", "UAZAPI forwards media only by link, and this one has none")
    path, body = _content(about.kind, content, None)
    return path, {**body, "forward": True}


def _about(kind: str, content: Any, about: Referenced, to: str) -> Post:
    target = about.provider_id
    channel = to if to.endswith("@newsletter") else None
    match kind, content:
        case "reaction", ReactionContent():
            if channel:
                raise Unsendable("unsupported_by_provider", "UAZAPI reacts in channels only by the post's number")
            chat = whatsapp.jid(about.chat)
            return Post(path="/message/react", json={"number": chat, "text": content.emoji, "id": target})
        case "edit", EditContent():
            if channel:
                edit = {"jid": channel, "messageid": target, "text": content.body}
                return Post(path="/newsletter/messages/edit", json=edit)
            return Post(path="/message/edit", json={"id": target, "text": content.body})
        case "pin", PinContent():
            days = {"duration": content.duration_s // 86_400} if content.pinned else {}
            return Post(path="/message/pin", json={"id": target, "pin": content.pinned, **days})
        case _:
            if channel:
                return Post(path="/newsletter/messages/delete", json={"jid": channel, "messageid": target})
            return Post(path="/message/delete", json={"id": target})


def _content(kind: str, content: Any, file: str | None) -> tuple[str, Json]:
    match content:
        case TextContent():
            who = "all" if content.mention_all else ",".join(number(one) for one in content.mentions)
            return "/send/text", {"text": content.body, "linkPreview": content.preview_url, **_present(mentions=who)}
        case LinkContent():
            return "/send/text", _link(content)
        case MediaContent():
            return "/send/media", _media(kind, content, file)
        case LocationContent():
            place = _present(name=content.name, address=content.address)
            return "/send/location", {"latitude": content.latitude, "longitude": content.longitude, **place}
        case [ContactCard() as card, *_]:
            return "/send/contact", _card(card)
        case PixContent():
            named = _present(pixName=content.merchant_name)
            return "/send/pix-button", {"pixType": content.key_type.upper(), "pixKey": content.key, **named}
        case OrderContent():
            return "/send/request-payment", _order(content)
        case CarouselContent():
            return "/send/carousel", _carousel(content)
        case _:
            return "/send/menu", _menu(content)


def _link(content: LinkContent) -> Json:
    body = content.body or ""
    said = body if content.url in body else "\n".join(part for part in (body, content.url) if part)
    preview = _present(
        linkPreviewTitle=content.title,
        linkPreviewDescription=content.description,
        linkPreviewImage=content.image,
        linkPreviewLarge=content.size == "large",
    )
    return {"text": said, "linkPreview": True, **preview}


def _media(kind: str, content: MediaContent, file: str | None) -> Json:
    body: Json = {"type": MEDIA_TYPES[kind], "file": content.link or file}
    return body | _present(
        text=content.caption,
        docName=content.filename if kind == "document" else None,
        mimetype=content.mime_type,
        viewOnce=content.view_once,
    )


def _card(card: ContactCard) -> Json:
    """The one card that fits. WhatsApp's own spelling of a phone finds its chat, so it goes first."""
    phones = ",".join(number(phone.wa_id or phone.phone) for phone in card.phones)
    return {"fullName": card.name.formatted_name, "phoneNumber": phones} | _present(
        organization=card.org.company if card.org else None,
        email=card.emails[0].email if card.emails else None,
    )


def _order(content: OrderContent) -> Json:
    total = sum(item.amount * item.quantity for item in content.items)
    total += content.tax + content.shipping - content.discount
    bought = ", ".join(f"{item.quantity} × {item.name}" for item in content.items)
    named = _present(text=content.body, itemName=bought, invoiceNumber=content.reference_id)
    return {"amount": total / 100, **named, **(content.payment or {})}


def _menu(content: Any) -> Json:
    match content:
        case ButtonsContent():
            choices = [_button(button) for button in content.buttons]
            shown = _present(imageButton=content.image)
            return {"type": "button", "text": _headed(content), "choices": choices, **shown, **_footed(content.footer)}
        case OtpContent():
            choices = [f"{content.button or _COPY}|copy:{content.code}"]
            shown = _present(imageButton=content.image)
            return {"type": "button", "text": content.body, "choices": choices, **shown, **_footed(content.footer)}
        case ListContent():
            listed = {"type": "list", "text": _headed(content), "choices": list(_rows(content))}
            return listed | {"listButton": content.button, **_footed(content.footer)}
        case PollContent():
            most = content.selectable or len(content.options)
            return {"type": "poll", "text": content.name, "choices": content.options, "selectableCount": most}
        case _:
            raise Unsendable("unsupported_by_provider", "UAZAPI does not send this kind")


def _carousel(content: CarouselContent) -> Json:
    cards = [
        {"text": card.body, "image": card.image, "buttons": [_card_button(one) for one in card.buttons]}
        for card in content.cards
    ]
    return {"text": content.body, "carousel": cards}


def _card_button(button: Button) -> Json:
    if button.url is not None:
        return {"id": button.url, "text": button.title, "type": "URL"}
    if button.phone is not None:
        return {"id": whatsapp.address(button.phone) or button.phone, "text": button.title, "type": "CALL"}
    return {"id": button.id or button.title, "text": button.title, "type": "REPLY"}


def _button(button: Button) -> str:
    if button.url is not None:
        return f"{button.title}|{button.url}" if button.url.startswith("http") else f"{button.title}|url:{button.url}"
    if button.phone is not None:
        return f"{button.title}|call:+{whatsapp.address(button.phone) or button.phone}"
    return f"{button.title}|{button.id}" if button.id is not None else button.title


def _rows(content: ListContent) -> Iterator[str]:
    for section in content.sections:
        if section.title:
            yield f"[{section.title}]"
        for row in section.rows:
            yield "|".join(part for part in (row.title, row.id, row.description) if part)


def _headed(content: ButtonsContent | ListContent) -> str:
    """UAZAPI has no header: it becomes the first line, in bold."""
    return f"*{content.header}*\n{content.body}" if content.header else content.body


def _footed(footer: str | None) -> Json:
    return _present(footerText=footer)


def _present(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}


# --- what is known to be refused, or to arrive as something else ---------------------------------------------


def check(kind: str, content: Any) -> list[FieldError]:
    """What UAZAPI would refuse or change, each with its path in the content."""
    return list(_problems(kind, content))


def _problems(kind: str, content: Any) -> Iterator[FieldError]:
    match content:
        case TextContent() | MediaContent() if content.story:
            yield _problem("story", "UAZAPI answers no stories")
        case MediaContent():
            if content.caption and kind not in _CAPTIONED:
                yield _problem("caption", f"WhatsApp shows no caption with {kind}")
            if content.view_once and kind not in contents.VIEWED_ONCE:
                yield _problem("view_once", f"UAZAPI sends no {kind} to be opened once")
        case TextContent() if content.group_mentions:
            yield _problem("group_mentions", "UAZAPI mentions people only")
        case CarouselContent() if content.footer:
            yield _problem("footer", "UAZAPI's carousels have no footer")
        case [ContactCard() as card, *others]:
            if others:
                yield _problem("", "UAZAPI sends one card in a message")
            if not card.phones:
                yield _problem("[0].phones", "UAZAPI needs a phone in a card")
        case ButtonsContent():
            for index, button in enumerate(content.buttons):
                yield from _choice(f"buttons[{index}]", title=button.title, id=button.id)
            if content.video:
                yield _problem("video", "UAZAPI shows a picture over buttons, and no video")
        case ListContent():
            yield from _list_problems(content)
        case OtpContent():
            yield from _choice("", code=content.code, button=content.button)
        case OrderContent():
            yield from _order_problems(content)
        case _:
            return


def _list_problems(content: ListContent) -> Iterator[FieldError]:
    for at, section in enumerate(content.sections):
        if at and not section.title:
            yield _problem(f"sections[{at}].title", "UAZAPI tells sections apart by their titles")
        for index, row in enumerate(section.rows):
            path = f"sections[{at}].rows[{index}]"
            if row.title.startswith("["):
                yield _problem(f"{path}.title", "UAZAPI reads a title in brackets as a section")
            yield from _choice(path, title=row.title, id=row.id, description=row.description)


def _choice(path: str, **parts: str | None) -> Iterator[FieldError]:
    for name, value in parts.items():
        if value is not None and _breaks(value):
            yield _problem(f"{path}.{name}".removeprefix("."), "may hold neither | nor a line break")
    identifier = parts.get("id")
    if identifier is not None and identifier.lower().startswith(_ACTIONS):
        yield _problem(f"{path}.id", "UAZAPI makes a link or an action of an id that begins like one")


def _order_problems(content: OrderContent) -> Iterator[FieldError]:
    if content.status != "pending":
        yield _problem("status", "UAZAPI asks for payment and does not follow orders")
    if content.currency != "BRL":
        yield _problem("currency", "UAZAPI asks for payment in BRL")
    payment = content.payment or {}
    if unknown := sorted(set(payment) - _PAYMENT):
        yield _problem("payment", f"not known to UAZAPI: {', '.join(unknown)}")
    if not any(isinstance(payment.get(name), str) and payment[name] for name in _WAYS_TO_PAY):
        yield _problem("payment", f"needs one of {', '.join(_WAYS_TO_PAY)}")


def _breaks(value: str) -> bool:
    return "|" in value or "\n" in value


def _problem(field: str, message: str) -> FieldError:
    return FieldError(field=field, message=message)


def described(kind: str, problems: Iterable[FieldError]) -> str:
    """The problems in one line."""
    return "; ".join(
        f"{kind}.{one.field}: {one.message}" if one.field else f"{kind}: {one.message}" for one in problems
    )
