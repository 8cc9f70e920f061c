"""Content as Z-API takes it: the route and the JSON of each kind, and Z-API's limits on it.

`check` knows what Z-API's pages rule out and is asked before a message is accepted; `request` makes what is sent.
Nothing is left out silently: what has no place in Z-API's request is a problem that `check` tells.
"""

import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from recado.domain.content import (
    ButtonsContent,
    CatalogContent,
    ContactCard,
    EditContent,
    EventContent,
    LinkContent,
    ListContent,
    LocationContent,
    MediaContent,
    OrderContent,
    OtpContent,
    PinContent,
    PixContent,
    PollContent,
    ProductContent,
    ReactionContent,
    TextContent,
)
from recado.domain.errors import FieldError
from recado.domain.provider import MediaLimit, Outgoing
from recado.providers.zapi.addresses import phone

Json = dict[str, Any]
Problem = tuple[str, str]

#: Recado paces a number itself, so Z-API's own wait behind a message is as short as it can be, in seconds.
DELAY = 1

_AUDIO = MediaLimit(max_bytes=16 * 1024 * 1024)
_VIDEO = MediaLimit(max_bytes=100 * 1024 * 1024)
_MP4 = MediaLimit(max_bytes=100 * 1024 * 1024, mime_types=frozenset({"video/mp4"}))

#: Video as Z-API's page says, the rest as the page it refers to (WhatsApp's own limits).
MEDIA: Mapping[str, MediaLimit] = {
    "image": MediaLimit(max_bytes=16 * 1024 * 1024),
    "video": _VIDEO,
    "audio": _AUDIO,
    "voice": _AUDIO,
    "document": MediaLimit(max_bytes=100 * 1024 * 1024),
    "sticker": MediaLimit(max_bytes=1024 * 1024),
    "gif": _MP4,
    "ptv": _MP4,
}
_CAPTIONED = frozenset({"image", "video", "gif", "document"})
#: Kinds whose routes document `messageId`, the message to quote.
QUOTING = frozenset({"text", "image", "sticker", "gif", "video", "ptv", "document", "link", "location", "contacts"})
#: Kinds of earlier messages whose text can be replaced without sending their media again.
_EDITABLE = frozenset({"text", "link", "edit"})

_PINNED_FOR = {86_400: "24_hours", 604_800: "7_days", 2_592_000: "30_days"}
_EXTENSION = re.compile(r"[a-z0-9]{1,10}")
_PAYMENT = frozenset({"pix", "card"})
_FOLLOWING = frozenset({"orderRequestId", "paymentStatus"})


class Unsendable(Exception):
    """A message that Z-API cannot send to this chat or about this message, whatever its content."""

    def __init__(self, why: str, *, code: str = "invalid") -> None:
        super().__init__(why)
        self.code = code


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. `names` is the field of the answer with the message's id; None where the answer is empty."""

    route: str
    json: Json | None = None
    method: str = "POST"
    query: Mapping[str, str | int] | None = None
    names: Literal["messageId", "zaapId"] | None = "messageId"


def check(kind: str, content: Any) -> list[FieldError]:
    """What Z-API has no place for in a content, each with its path in it (empty for the content itself)."""
    if kind not in KINDS:
        return [FieldError(field="", message="is no kind that Z-API can send")]
    checker = _CHECKS.get(kind)
    return [FieldError(field=path, message=message) for path, message in checker(content)] if checker else []


def request(message: Outgoing, *, media: str | None = None) -> Request:
    """The request for a message that `check` found nothing in. `media` is its link or data url.

    Raises `Unsendable`.
    """
    if message.reply_to is not None and message.kind in UNQUOTABLE:
        raise _unquotable()
    made = _about(message) if message.kind in _ABOUT else _new(message, media)
    if made.json is not None and made.route.partition("/")[0] in _DELAYED:
        made.json["delayMessage"] = DELAY
    if made.json is not None and message.kind in QUOTING and message.reply_to is not None:
        made.json["messageId"] = message.reply_to.provider_id
    return made


def _unquotable() -> Unsendable:
    return Unsendable("Z-API cannot quote a message with this kind", code="unsupported_by_provider")


def _new(message: Outgoing, media: str | None) -> Request:
    to = {"phone": phone(message.to)}
    if message.kind in MEDIA:
        route, body = _media(message, media or "")
    else:
        route, body = _BUILDERS[message.kind](message)
    return Request(route=route, json={**to, **body})


# --- messages of their own ---------------------------------------------------------------------------------

Built = tuple[str, Json]


def _text(message: Outgoing) -> Built:
    content: TextContent = message.content
    mentioned = [phone(one) for one in content.mentions]
    return "send-text", _given(message=content.body, mentioned=mentioned)


def _media(message: Outgoing, media: str) -> Built:
    content: MediaContent = message.content
    kind = message.kind
    field = "audio" if kind == "voice" else kind
    body: Json = {field: media}
    if kind in _CAPTIONED and content.caption:
        body["caption"] = content.caption
    if field == "audio":
        body["waveform"] = kind == "voice"
    if kind != "document":
        return f"send-{field}", body
    filename = content.filename or (message.media.filename if message.media else None)
    mime_type = content.mime_type or (message.media.mime_type if message.media else None)
    if filename:
        body["fileName"] = filename
    return f"send-document/{extension(filename, content.link, mime_type)}", body


def extension(filename: str | None, link: str | None, mime_type: str | None) -> str:
    """The ending of a document: that of its name, of its link, of its type, or `bin`."""
    guessed = mimetypes.guess_extension((mime_type or "").partition(";")[0].strip()) or ""
    for candidate in (filename or "", urlsplit(link or "").path, f"x{guessed}"):
        found = PurePosixPath(candidate).suffix.removeprefix(".").lower()
        if _EXTENSION.fullmatch(found):
            return found
    return "bin"


def _location(message: Outgoing) -> Built:
    content: LocationContent = message.content
    place = f"{content.latitude}, {content.longitude}"
    return "send-location", {
        "title": content.name or content.address or place,
        "address": content.address or content.name or place,
        "latitude": str(content.latitude),
        "longitude": str(content.longitude),
    }


def _contacts(message: Outgoing) -> Built:
    cards: list[ContactCard] = message.content
    listed = [
        {"name": card.name.formatted_name, "phones": [phone(one.wa_id or one.phone) for one in card.phones]}
        for card in cards
    ]
    if len(listed) == 1 and len(cards[0].phones) == 1:
        return "send-contact", {"contactName": listed[0]["name"], "contactPhone": listed[0]["phones"][0]}
    return "send-contacts", {"contacts": listed}


def _link(message: Outgoing) -> Built:
    """A link with its preview. Z-API demands a picture for that; without one the link goes as text."""
    content: LinkContent = message.content
    text = content.body or ""
    if content.url not in text:
        text = f"{text}\n{content.url}" if text else content.url
    if not content.image:
        return "send-text", {"message": text}
    # The page asks for the link at the very end, or no preview is shown.
    if not text.endswith(content.url):
        text = f"{text}\n{content.url}"
    return "send-link", {
        "message": text,
        "image": content.image,
        "linkUrl": content.url,
        "title": content.title or content.url,
        "linkDescription": content.description or "",
    }


def _buttons(message: Outgoing) -> Built:
    """Quick replies alone are a list of buttons; with a link, a call, a header or a footer they are actions."""
    content: ButtonsContent = message.content
    plain = not content.header and not content.footer and not any(one.url or one.phone for one in content.buttons)
    if plain:
        buttons = [{"id": one.id or one.title, "label": one.title} for one in content.buttons]
        return "send-button-list", {"message": content.body, "buttonList": {"buttons": buttons}}
    actions = [
        _given(
            id=one.id or (None if one.url or one.phone else one.title),
            type="URL" if one.url else "CALL" if one.phone else "REPLY",
            label=one.title,
            url=one.url,
            phone=phone(one.phone) if one.phone else None,
        )
        for one in content.buttons
    ]
    return "send-button-actions", _given(
        message=content.body, title=content.header, footer=content.footer, buttonActions=actions
    )


def _list(message: Outgoing) -> Built:
    content: ListContent = message.content
    if message.to.endswith("@g.us"):
        raise Unsendable("Z-API sends no lists to groups")
    section = content.sections[0]
    options = [_given(id=row.id, title=row.title, description=row.description) for row in section.rows]
    title = content.header or section.title or content.button
    shown = {"title": title, "buttonLabel": content.button, "options": options}
    return "send-option-list", {"message": content.body, "optionList": shown}


def _otp(message: Outgoing) -> Built:
    content: OtpContent = message.content
    return "send-button-otp", {"message": content.body, "code": content.code}


def _pix(message: Outgoing) -> Built:
    content: PixContent = message.content
    return "send-button-pix", _given(
        pixKey=content.key, type=content.key_type.upper(), merchantName=content.merchant_name
    )


def _poll(message: Outgoing) -> Built:
    content: PollContent = message.content
    options = [{"name": option} for option in content.options]
    return "send-poll", _given(message=content.name, poll=options, pollMaxOptions=content.selectable)


def _event(message: Outgoing) -> Built:
    content: EventContent = message.content
    if not message.to.endswith("@g.us"):
        raise Unsendable("Z-API sends events to groups only")
    start = content.start_at if content.start_at.tzinfo else content.start_at.replace(tzinfo=UTC)
    # The page calls `dateTime` a time without a zone and shows one in UTC: with this zone both readings are one time.
    written = start.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    location = {"name": content.location} if content.location else None
    event = _given(
        name=content.name,
        dateTime=written,
        timeZone="UTC+0",
        description=content.description,
        location=location,
        callLinkType=content.call,
    )
    return "send-event", {"event": event}


def _product(message: Outgoing) -> Built:
    content: ProductContent = message.content
    return "send-product", {"catalogPhone": phone(content.catalog_id), "productId": content.product_id}


def _catalog(message: Outgoing) -> Built:
    content: CatalogContent = message.content
    return "send-catalog", _given(
        catalogPhone=phone(content.catalog_id or ""), message=content.body, title=content.header
    )


def _order(message: Outgoing) -> Built:
    """An order to pay; one that is not pending any more follows up on the order message it quotes."""
    content: OrderContent = message.content
    payment = content.payment or {}
    products = [
        {"name": item.name, "value": item.amount / 100, "quantity": item.quantity, "productId": item.product_id}
        for item in content.items
    ]
    order = {"currency": content.currency, "products": products}
    if content.status == "pending" and not payment.keys() & _FOLLOWING:
        if message.reply_to is not None:
            raise _unquotable()
        return "send-order", _given(order=order, paymentSettings=payment)
    if message.reply_to is None:
        raise Unsendable("an order to follow must quote the message of the order")
    return "order-status-update", _given(
        messageId=message.reply_to.provider_id,
        referenceId=content.reference_id,
        orderRequestId=str(payment["orderRequestId"]),
        orderStatus=content.status,
        paymentStatus=payment.get("paymentStatus", "pending"),
        order=order,
        message=content.body,
    )


_BUILDERS: Mapping[str, Callable[[Outgoing], Built]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "link": _link,
    "buttons": _buttons,
    "list": _list,
    "otp": _otp,
    "pix": _pix,
    "poll": _poll,
    "event": _event,
    "product": _product,
    "catalog": _catalog,
    "order": _order,
}

#: Routes that document `delayMessage`.
_DELAYED = frozenset(
    {"send-text", "send-location", "send-contact", "send-contacts", "send-link", "send-button-list"}
    | {"send-option-list", "send-poll", "send-reaction", "send-remove-reaction", "forward-message"}
    | {f"send-{'audio' if kind == 'voice' else kind}" for kind in MEDIA}
)


# --- what speaks of an earlier message ---------------------------------------------------------------------


def _about(message: Outgoing) -> Request:
    about = message.about
    if about is None:
        raise Unsendable("the message that it speaks of is not known")
    chat = phone(message.to)
    target = about.provider_id
    content = message.content
    if isinstance(content, ReactionContent):
        if not content.emoji:
            return Request(route="send-remove-reaction", json={"phone": chat, "messageId": target})
        return Request(route="send-reaction", json={"phone": chat, "reaction": content.emoji, "messageId": target})
    if isinstance(content, EditContent):
        if about.kind not in _EDITABLE:
            raise Unsendable(f"Z-API cannot change the text of this kind of message ({about.kind})")
        return Request(route="send-text", json={"phone": chat, "message": content.body, "editMessageId": target})
    if isinstance(content, PinContent):
        body = {
            "phone": chat,
            "messageId": target,
            "messageAction": "pin" if content.pinned else "unpin",
            "pinMessageDuration": _PINNED_FOR[content.duration_s],
        }
        return Request(route="pin-message", json=body)
    if message.kind == "forward":
        body = {"phone": chat, "messageId": target, "messagePhone": phone(about.chat)}
        return Request(route="forward-message", json=body, names="zaapId")
    query = {"messageId": target, "phone": chat, "owner": "true" if about.from_me else "false"}
    return Request(method="DELETE", route="messages", query=query, names=None)


_ABOUT = frozenset({"reaction", "edit", "pin", "forward", "delete"})

KINDS = frozenset(MEDIA) | frozenset(_BUILDERS) | _ABOUT
#: Kinds that cannot carry a quote. An order to follow names the order's message by one.
UNQUOTABLE = KINDS - QUOTING - {"order"}


# --- limits ------------------------------------------------------------------------------------------------


def _check_media(kind: str) -> Callable[[MediaContent], Iterator[Problem]]:
    def checker(content: MediaContent) -> Iterator[Problem]:
        if content.caption and kind not in _CAPTIONED:
            yield "caption", "Z-API shows no caption with this kind of media"

    return checker


def _check_contacts(cards: list[ContactCard]) -> Iterator[Problem]:
    if not cards:
        yield "", "Z-API takes at least one contact"
    for index, card in enumerate(cards):
        if not card.phones:
            yield f"[{index}].phones", "Z-API takes no contact without a phone"


def _check_buttons(content: ButtonsContent) -> Iterator[Problem]:
    acting = [bool(one.url or one.phone) for one in content.buttons]
    if any(acting) and not all(acting):
        yield "buttons", "Z-API does not mix quick replies with links and calls"


def _check_list(content: ListContent) -> Iterator[Problem]:
    if len(content.sections) > 1:
        yield "sections", "Z-API takes one section"
    if content.footer:
        yield "footer", "Z-API's lists have no footer"


def _check_otp(content: OtpContent) -> Iterator[Problem]:
    if content.footer:
        yield "footer", "Z-API's codes have no footer"


def _check_event(content: EventContent) -> Iterator[Problem]:
    if content.end_at:
        yield "end_at", "Z-API's events have no end"


def _check_product(content: ProductContent) -> Iterator[Problem]:
    yield from _check_catalogue(content.catalog_id)
    if content.body:
        yield "body", "Z-API sends a product without a text"
    if content.footer:
        yield "footer", "Z-API sends a product without a footer"


def _check_catalog(content: CatalogContent) -> Iterator[Problem]:
    yield from _check_catalogue(content.catalog_id)
    if content.footer:
        yield "footer", "Z-API's catalogues have no footer"
    if content.thumbnail_product_id:
        yield "thumbnail_product_id", "Z-API chooses the picture of a catalogue itself"
    if content.sections:
        yield "sections", "Z-API sends a whole catalogue"


def _check_catalogue(catalogue: str | None) -> Iterator[Problem]:
    digits = (catalogue or "").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15):
        yield "catalog_id", "must be the phone of the business, by which Z-API names a catalogue"


def _check_order(content: OrderContent) -> Iterator[Problem]:
    payment = content.payment or {}
    follows = content.status != "pending" or bool(payment.keys() & _FOLLOWING)
    if content.status == "partially_shipped":
        yield "status", "Z-API has no partially shipped orders"
    if follows and not payment.get("orderRequestId"):
        yield "payment.orderRequestId", "is needed to follow an order; the webhook of the order tells it"
    if not follows and content.body:
        yield "body", "Z-API sends an order to pay without a text"
    for name in sorted(payment.keys() - (_FOLLOWING if follows else _PAYMENT)):
        yield f"payment.{name}", "is nothing that Z-API takes here"


_CHECKS: Mapping[str, Callable[[Any], Iterator[Problem]]] = {
    **{kind: _check_media(kind) for kind in MEDIA},
    "contacts": _check_contacts,
    "buttons": _check_buttons,
    "list": _check_list,
    "otp": _check_otp,
    "event": _check_event,
    "product": _check_product,
    "catalog": _check_catalog,
    "order": _check_order,
}


def _given(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}
