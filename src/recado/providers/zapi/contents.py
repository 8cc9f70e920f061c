"""The content of received messages: Z-API's object of a kind to ours, one reader for each kind.

What an object holds beyond our content is kept under `extra`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from recado.domain.events import MediaRef
from recado.providers import whatsapp
from recado.providers.zapi.addresses import address
from recado.providers.zapi.calls import Json, number, objects, rest, text, time


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A message's content as an event has it; `extra` is what has no place in it."""

    kind: str
    content: Any
    media: MediaRef | None = None
    extra: Json = {}


def _given(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _read_text(value: Json) -> Content | None:
    body = value.get("message")
    if not isinstance(body, str):
        return None
    preview = rest(value, "message")
    return Content(kind="text", content={"body": body}, extra={"preview": preview} if preview else {})


def _media_reader(kind: str, field: str) -> Callable[[Json], Content]:
    def reader(value: Json) -> Content:
        url = text(value, field)
        mime_type = text(value, "mimeType", "mimetype")
        filename = text(value, "fileName")
        spoken = kind == "audio" and value.get("ptt") is True
        shown = "voice" if spoken else "gif" if kind == "video" and value.get("gifPlayback") is True else kind
        details = rest(value, field, "mimeType", "mimetype", "fileName", "caption", "ptt", "gifPlayback")
        return Content(
            kind=shown,
            content=_given(caption=text(value, "caption"), filename=filename, mime_type=mime_type),
            media=MediaRef(ref={"url": url}, mime_type=mime_type, filename=filename) if url else None,
            extra={"media": details} if details else {},
        )

    return reader


def _read_location(value: Json) -> Content | None:
    latitude, longitude = _degrees(value.get("latitude")), _degrees(value.get("longitude"))
    if latitude is None or longitude is None:
        return None
    place = _given(name=text(value, "name"), address=text(value, "address"))
    details = rest(value, "latitude", "longitude", "name", "address")
    content = {"latitude": latitude, "longitude": longitude, **place}
    return Content(kind="location", content=content, extra={"location": details} if details else {})


def _degrees(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) <= 360 else None


def _read_contact(value: Json) -> Content:
    """One card. The pages print its lines joined by a written-out line feed."""
    written = value.get("vCard")
    if isinstance(written, str) and "\n" not in written:
        written = written.replace("\\n", "\n")
    name = text(value, "displayName")
    card = whatsapp.read_vcard(written, name=name)
    if card is None or not card.get("phones"):
        listed = value.get("phones")
        phones = [{"phone": str(one)} for one in listed] if isinstance(listed, list) else []
        shown = name or (phones[0]["phone"] if phones else "?")
        card = {**(card or {"name": {"formatted_name": shown}}), **_given(phones=phones)}
    return Content(kind="contacts", content=[card])


def _read_button_reply(value: Json) -> Content:
    title = text(value, "message") or ""
    return Content(kind="button_reply", content={"id": text(value, "buttonId") or title, "title": title})


def _read_list_reply(value: Json) -> Content:
    title = text(value, "title") or text(value, "message") or ""
    content = {"id": text(value, "selectedRowId") or title, "title": title}
    return Content(kind="list_reply", content={**content, **_given(description=text(value, "message"))})


def _read_buttons(value: Json) -> Content:
    buttons = [
        _given(id=text(button, "buttonId"), title=text(shown, "displayText") if isinstance(shown, dict) else None)
        for button in objects(value.get("buttons"))
        for shown in (button.get("buttonText"),)
    ]
    details = rest(value, "message", "buttons")
    content = {"body": text(value, "message") or "", "buttons": buttons}
    return Content(kind="buttons", content=content, extra={"buttonsMessage": details} if details else {})


def _read_template(value: Json) -> Content:
    """A template that the phone shows: its picture with the text, its buttons, or its text alone."""
    body = text(value, "message") or text(value, "title") or ""
    header = value.get("header")
    header = header if isinstance(header, dict) else {}
    for name, reader in _HEADERS.items():
        if isinstance(header.get(name), dict):
            media = reader(header[name])
            return msgspec.structs.replace(
                media, content={**media.content, **_given(caption=body)}, extra={"hydratedTemplate": value}
            )
    buttons = [found for button in objects(value.get("hydratedButtons")) if (found := _template_button(button))]
    if not buttons:
        return Content(kind="text", content={"body": body}, extra={"hydratedTemplate": value})
    content = {"body": body, "buttons": buttons, **_given(footer=text(value, "footer"))}
    return Content(kind="buttons", content=content, extra={"hydratedTemplate": value})


def _template_button(raw: Json) -> Json:
    for name, field, ours in (
        ("urlButton", "url", "url"),
        ("callButton", "phoneNumber", "phone"),
        ("quickReplyButton", "id", "id"),
    ):
        button = raw.get(name)
        if isinstance(button, dict):
            return _given(**{"title": text(button, "displayText"), ours: text(button, field)})
    return {}


def _read_poll(value: Json) -> Content:
    options = [text(option, "name") or "" for option in objects(value.get("options"))]
    selectable = number(value.get("pollMaxOptions")) or 0
    return Content(
        kind="poll", content={"name": text(value, "question") or "", "options": options, "selectable": selectable}
    )


def _read_product(value: Json) -> Content:
    content = _given(
        catalog_id=address(value.get("businessOwnerJid")),
        product_id=text(value, "productId"),
        body=text(value, "title"),
    )
    return Content(kind="product", content=content, extra={"product": value})


def _read_cart(value: Json) -> Content:
    """A cart. Its prices are WhatsApp's own thousandths, as in the catalogue; ours are cents."""
    content = _given(
        reference_id=text(value, "orderId"),
        items=[_item(item, "price", 0.1) for item in objects(value.get("products"))],
        currency=text(value, "currency"),
        body=text(value, "message"),
    )
    return Content(kind="order", content=content, extra={"order": value})


def _order_reader(name: str) -> Callable[[Json], Content]:
    """An order's state, whose values are those that `send-order` was given: units of the currency."""

    def reader(value: Json) -> Content:
        content = _given(
            reference_id=text(value, "referenceId"),
            items=[_item(item, "value", 100) for item in objects(value.get("products"))],
            currency=text(value, "currency"),
            status=text(value, "orderStatus"),
        )
        return Content(kind="order", content=content, extra={name: value})

    return reader


def _item(raw: Json, field: str, cents: float) -> Json:
    price = raw.get(field)
    amount = round(price * cents) if isinstance(price, int | float) and abs(price) < 2.0**53 else 0
    name, product = text(raw, "name") or "", text(raw, "productId") or ""
    return {"name": name, "product_id": product, "quantity": number(raw.get("quantity")) or 1, "amount": amount}


def _read_pix(value: Json) -> Content:
    content = _given(
        key=text(value, "key"),
        key_type=(text(value, "keyType") or "").lower(),
        merchant_name=text(value, "merchantName"),
    )
    return Content(kind="pix", content=content, extra={"pixKeyMessage": value})


def _read_event(value: Json) -> Content:
    start = time(value.get("scheduleTime"))
    link = text(value, "joinLink") or ""
    place = value.get("location")
    content = _given(
        name=text(value, "name"),
        start_at=start.isoformat() if start else None,
        description=text(value, "description"),
        location=text(place, "name") if isinstance(place, dict) else None,
        call="video" if "/video/" in link else "voice" if "/voice/" in link else None,
    )
    return Content(kind="event", content=content, extra={"event": value})


def _read_pin(value: Json) -> Content | None:
    about = value.get("referencedMessage")
    target = text(about, "messageId") if isinstance(about, dict) else None
    if target is None:
        return None
    pinned = value.get("action") == "pin"
    duration = number(value.get("pinDurationInSecs"))
    return Content(kind="pin", content={"message_id": target, "pinned": pinned, **_given(duration_s=duration)})


def _unread(value: Json) -> None:
    """A kind that no content of ours has the shape of: it stays whole, under `extra`."""


_IMAGE, _VIDEO = _media_reader("image", "imageUrl"), _media_reader("video", "videoUrl")
_DOCUMENT = _media_reader("document", "documentUrl")
_HEADERS = {"image": _IMAGE, "video": _VIDEO, "document": _DOCUMENT}

#: By the key that tells the kind; the first that is present counts.
READERS: Mapping[str, Callable[[Json], Content | None]] = {
    "reaction": _unread,
    "pollVote": _unread,
    "eventResponse": _unread,
    "text": _read_text,
    "image": _IMAGE,
    "audio": _media_reader("audio", "audioUrl"),
    "video": _VIDEO,
    "ptv": _media_reader("ptv", "videoUrl"),
    "document": _DOCUMENT,
    "sticker": _media_reader("sticker", "stickerUrl"),
    "location": _read_location,
    "contact": _read_contact,
    "buttonsResponseMessage": _read_button_reply,
    "listResponseMessage": _read_list_reply,
    "buttonsMessage": _read_buttons,
    "hydratedTemplate": _read_template,
    "poll": _read_poll,
    "product": _read_product,
    "order": _read_cart,
    "reviewOrder": _order_reader("reviewOrder"),
    "reviewAndPay": _order_reader("reviewAndPay"),
    "pixKeyMessage": _read_pix,
    "event": _read_event,
    "pinMessage": _read_pin,
    "carouselMessage": _unread,
    "requestPayment": _unread,
    "sendPayment": _unread,
    "newsletterAdminInvite": _unread,
}
