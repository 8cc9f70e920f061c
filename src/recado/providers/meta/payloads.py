"""Content as Meta takes it: the JSON of `POST /{phone-number-id}/messages`, and Meta's limits on it.

The limits are those of the published document (v23.0) and, where it is silent, of Meta's pages; README.md tells
which is which. `check` is asked before a message is accepted, `body` when it is sent.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from recado.domain.content import (
    ButtonsContent,
    CatalogContent,
    ContactCard,
    LinkContent,
    ListContent,
    LocationContent,
    MediaContent,
    OrderContent,
    ProductContent,
    ReactionContent,
    TemplateContent,
    TextContent,
)
from recado.domain.errors import FieldError
from recado.domain.provider import Outgoing

TEXT_MAX = 4_096
CAPTION_MAX = 1_024
INTERACTIVE_BODY_MAX = 1_024
HEADER_MAX = 60
FOOTER_MAX = 60
BUTTON_TITLE_MAX = 20
BUTTONS_MAX = 3
LIST_ROWS_MAX = 10
ROW_ID_MAX = 200
ROW_TITLE_MAX = 24
ROW_DESCRIPTION_MAX = 72
SECTION_TITLE_MAX = 24
SECTIONS_MAX = 10
PRODUCTS_MAX = 30
CONTACTS_MAX = 5

#: Meta's media object takes a caption for these, and a filename for a document.
_CAPTIONED = frozenset({"image", "video", "document"})
_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_NO_STORIES = "the Cloud API has no stories"
#: Parameters of an order that come from its items and may not be set beside them.
_COMPUTED = frozenset({"reference_id", "currency", "total_amount", "order"})

Json = dict[str, Any]
Problem = tuple[str, str]


def check(kind: str, content: Any) -> list[FieldError]:
    """What Meta would refuse in a content, each with its path in it (`buttons[0].title`; empty for the content itself)."""
    checker = _CHECKS.get(kind)
    if checker is None:
        return [FieldError(field="", message="is no kind that Meta can send")]
    return [FieldError(field=path.removeprefix("."), message=message) for path, message in checker(content)]


def body(message: Outgoing, *, uploaded: str | None = None) -> Json:
    """The JSON to post for a message that `check` found nothing in. `uploaded` is Meta's id of its media."""
    kind = message.kind
    name, value = _media(message, uploaded) if kind in MEDIA else _BUILDERS[kind](message.content)
    request: Json = {
        "messaging_product": "whatsapp",
        **recipient(message.to),
        "type": name,
        name: value,
        "biz_opaque_callback_data": str(message.message_id),
    }
    if message.reply_to and kind != "reaction":
        request["context"] = {"message_id": message.reply_to.provider_id}
    return request


def recipient(to: str) -> Json:
    """Whom a message goes to: a phone in digits, a business-scoped user id, or a group."""
    digits = to.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return {"recipient_type": "individual", "to": digits}
    if _BSUID.fullmatch(to):
        return {"recipient_type": "individual", "recipient": to}
    return {"recipient_type": "group", "to": to}


# --- text, link, place, people ---------------------------------------------------------------------------


def _check_text(content: TextContent) -> Iterator[Problem]:
    yield from _longer(".body", content.body, TEXT_MAX)
    if content.mentions:
        yield ".mentions", "the Cloud API has no mentions"
    if content.story:
        yield ".story", _NO_STORIES
    if content.mention_all or content.group_mentions:
        yield ".mention_all" if content.mention_all else ".group_mentions", "the Cloud API has no mentions"


def _text(content: TextContent) -> tuple[str, Json]:
    return "text", {"body": content.body, "preview_url": content.preview_url}


def _check_link(content: LinkContent) -> Iterator[Problem]:
    yield from _longer(".body", _link_text(content), TEXT_MAX)


def _link(content: LinkContent) -> tuple[str, Json]:
    return "text", {"body": _link_text(content), "preview_url": True}


def _link_text(content: LinkContent) -> str:
    written = content.body or ""
    if content.url in written:
        return written
    return f"{written}\n{content.url}" if written else content.url


def _check_nothing(content: Any) -> Iterator[Problem]:
    yield from ()


def _location(content: LocationContent) -> tuple[str, Json]:
    # The published document types both coordinates as strings.
    place = {"latitude": str(content.latitude), "longitude": str(content.longitude)}
    return "location", place | _given(name=content.name, address=content.address)


def _check_contacts(cards: list[ContactCard]) -> Iterator[Problem]:
    if not 1 <= len(cards) <= CONTACTS_MAX:
        yield "", f"Meta takes 1 to {CONTACTS_MAX} contacts in a message"


def _contacts(cards: list[ContactCard]) -> tuple[str, list[Json]]:
    return "contacts", [_card(card) for card in cards]


def _card(card: ContactCard) -> Json:
    name = card.name
    # Meta wants one more part of the name beside the formatted one.
    first = name.first_name or (None if name.last_name else name.formatted_name)
    result: Json = {
        "name": {"formatted_name": name.formatted_name} | _given(first_name=first, last_name=name.last_name),
    }
    if card.phones:
        result["phones"] = [
            {"phone": phone.phone} | _given(type=_upper(phone.type), wa_id=phone.wa_id) for phone in card.phones
        ]
    if card.emails:
        result["emails"] = [{"email": email.email} | _given(type=_upper(email.type)) for email in card.emails]
    if card.org:
        org = card.org
        result["org"] = _given(company=org.company, department=org.department, title=org.title)
    return result | _given(birthday=card.birthday)


def _reaction(content: ReactionContent) -> tuple[str, Json]:
    return "reaction", {"message_id": content.message_id, "emoji": content.emoji}


# --- media -----------------------------------------------------------------------------------------------


def _check_captioned(content: MediaContent) -> Iterator[Problem]:
    yield from _check_phones_only(content)
    if content.caption:
        yield from _longer(".caption", content.caption, CAPTION_MAX)


def _check_phones_only(content: MediaContent) -> Iterator[Problem]:
    if content.story:
        yield ".story", _NO_STORIES
    if content.view_once:
        yield ".view_once", "the Cloud API sends no media to be opened once"


def _check_captionless(content: MediaContent) -> Iterator[Problem]:
    yield from _check_phones_only(content)
    if content.caption:
        yield ".caption", "Meta shows no caption with this kind of media"


def _media(message: Outgoing, uploaded: str | None) -> tuple[str, Json]:
    content: MediaContent = message.content
    name = "audio" if message.kind == "voice" else message.kind
    media: Json = {"id": uploaded} if uploaded else {"link": content.link}
    if message.kind == "voice":
        media["voice"] = True
    if name in _CAPTIONED and content.caption:
        media["caption"] = content.caption
    if name == "document":
        stored = message.media.filename if message.media else None
        media |= _given(filename=content.filename or stored)
    return name, media


# --- interactive -----------------------------------------------------------------------------------------


def _check_frame(body: str | None, header: str | None, footer: str | None) -> Iterator[Problem]:
    yield from _longer(".body", body, INTERACTIVE_BODY_MAX)
    yield from _longer(".header", header, HEADER_MAX)
    yield from _longer(".footer", footer, FOOTER_MAX)


def _frame(kind: str, action: Json, *, body: str | None, header: str | None = None, footer: str | None = None) -> Json:
    interactive: Json = {"type": kind}
    if header:
        interactive["header"] = {"type": "text", "text": header}
    if body:
        interactive["body"] = {"text": body}
    if footer:
        interactive["footer"] = {"text": footer}
    interactive["action"] = action
    return interactive


def _check_buttons(content: ButtonsContent) -> Iterator[Problem]:
    yield from _check_frame(content.body, content.header, content.footer)
    buttons = content.buttons
    for index, button in enumerate(buttons):
        path = f".buttons[{index}]"
        yield from _longer(f"{path}.title", button.title, BUTTON_TITLE_MAX)
        if button.phone:
            yield f"{path}.phone", "Meta sends call buttons only in templates"
        if button.url and len(buttons) > 1:
            yield f"{path}.url", "Meta takes a link button only alone"
        if button.id is not None and button.id != button.id.strip():
            yield f"{path}.id", "must not begin or end with a space"
    shown = content.image or content.video
    if shown and content.header:
        yield ".header", "Meta shows a text or media over buttons, and not both"
    if shown and shown.startswith("data:"):
        yield ".image", "Meta takes a picture over buttons by its link"
    if len(buttons) > BUTTONS_MAX:
        yield ".buttons", f"Meta takes at most {BUTTONS_MAX} buttons"
    yield from _repeated(".buttons", "title", [button.title for button in buttons])
    yield from _repeated(".buttons", "id", [button.id or button.title for button in buttons])


def _buttons(content: ButtonsContent) -> tuple[str, Json]:
    first = content.buttons[0]
    if first.url:
        action: Json = {"name": "cta_url", "parameters": {"display_text": first.title, "url": first.url}}
        kind = "cta_url"
    else:
        replies = [{"id": button.id or button.title, "title": button.title} for button in content.buttons]
        action = {"buttons": [{"type": "reply", "reply": reply} for reply in replies]}
        kind = "button"
    interactive = _frame(kind, action, body=content.body, header=content.header, footer=content.footer)
    for name, link in (("image", content.image), ("video", content.video)):
        if link:
            interactive["header"] = {"type": name, name: {"link": link}}
    return "interactive", interactive


def _check_list(content: ListContent) -> Iterator[Problem]:
    yield from _check_frame(content.body, content.header, content.footer)
    yield from _longer(".button", content.button, BUTTON_TITLE_MAX)
    rows = 0
    for number, section in enumerate(content.sections):
        path = f".sections[{number}]"
        yield from _section_title(path, section.title, len(content.sections))
        for index, row in enumerate(section.rows):
            yield from _longer(f"{path}.rows[{index}].id", row.id, ROW_ID_MAX)
            yield from _longer(f"{path}.rows[{index}].title", row.title, ROW_TITLE_MAX)
            yield from _longer(f"{path}.rows[{index}].description", row.description, ROW_DESCRIPTION_MAX)
        rows += len(section.rows)
    if rows > LIST_ROWS_MAX:
        yield ".sections", f"Meta takes at most {LIST_ROWS_MAX} rows in all sections together"
    yield from _repeated(".sections", "row id", [row.id for section in content.sections for row in section.rows])


def _list(content: ListContent) -> tuple[str, Json]:
    sections = [
        _given(title=section.title)
        | {"rows": [{"id": row.id, "title": row.title} | _given(description=row.description) for row in section.rows]}
        for section in content.sections
    ]
    action = {"button": content.button, "sections": sections}
    return "interactive", _frame("list", action, body=content.body, header=content.header, footer=content.footer)


# --- commerce --------------------------------------------------------------------------------------------


def _check_product(content: ProductContent) -> Iterator[Problem]:
    yield from _check_frame(content.body, None, content.footer)


def _product(content: ProductContent) -> tuple[str, Json]:
    action = {"catalog_id": content.catalog_id, "product_retailer_id": content.product_id}
    return "interactive", _frame("product", action, body=content.body, footer=content.footer)


def _check_catalog(content: CatalogContent) -> Iterator[Problem]:
    yield from _check_frame(content.body, content.header, content.footer)
    if not content.body:
        yield ".body", "Meta wants a text with a catalogue"
    if content.description or content.language:
        yield ".description" if content.description else ".language", "Meta writes the card of a catalogue itself"
    if not content.catalog_id and not content.sections:
        if content.header:
            yield ".header", "Meta shows a header only over a list of products"
        return
    if not content.catalog_id:
        yield ".catalog_id", "a list of products needs the catalogue they are in"
    if not content.header:
        yield ".header", "Meta wants a header over a list of products"
    if not 1 <= len(content.sections) <= SECTIONS_MAX:
        yield ".sections", f"Meta takes 1 to {SECTIONS_MAX} sections"
    products = 0
    for number, section in enumerate(content.sections):
        path = f".sections[{number}]"
        title = section.get("title")
        if title is not None and not isinstance(title, str):
            yield f"{path}.title", "must be a text"
        else:
            yield from _section_title(path, title, len(content.sections))
        ids = _product_ids(section)
        if not ids:
            yield f"{path}.product_items", "must be a list of objects with `product_retailer_id`"
        products += len(ids or [])
    if products > PRODUCTS_MAX:
        yield ".sections", f"Meta takes at most {PRODUCTS_MAX} products in all sections together"


def _catalog(content: CatalogContent) -> tuple[str, Json]:
    if not content.catalog_id:
        action: Json = {"name": "catalog_message"}
        if content.thumbnail_product_id:
            action["parameters"] = {"thumbnail_product_retailer_id": content.thumbnail_product_id}
        return "interactive", _frame("catalog_message", action, body=content.body, footer=content.footer)
    sections = [
        _given(title=section.get("title"))
        | {"product_items": [{"product_retailer_id": product} for product in _product_ids(section) or []]}
        for section in content.sections
    ]
    action = {"catalog_id": content.catalog_id, "sections": sections}
    frame = _frame("product_list", action, body=content.body, header=content.header, footer=content.footer)
    return "interactive", frame


def _product_ids(section: Json) -> list[str] | None:
    items = section.get("product_items")
    if not isinstance(items, list):
        return None
    ids = [item.get("product_retailer_id") if isinstance(item, dict) else None for item in items]
    return [item for item in ids if isinstance(item, str) and item] if all(ids) else None


def _check_order(content: OrderContent) -> Iterator[Problem]:
    if not content.body:
        yield ".body", "Meta wants a text with an order"
    yield from _longer(".body", content.body, INTERACTIVE_BODY_MAX)
    if content.status != "pending":
        return
    payment = content.payment or {}
    for name in sorted(_COMPUTED & payment.keys()):
        yield f".payment.{name}", "is made from the order's own fields"
    if content.currency != "BRL" and "payment_type" not in payment:
        yield ".payment.payment_type", f"is needed for {content.currency}"
    for index, item in enumerate(content.items):
        if not item.product_id:
            yield f".items[{index}].product_id", "is needed by Meta"
    if content.discount > sum(item.amount * item.quantity for item in content.items):
        yield ".discount", "is more than the items cost"


def _order(content: OrderContent) -> tuple[str, Json]:
    if content.status != "pending":
        changed = {"reference_id": content.reference_id, "order": {"status": content.status}}
        return "interactive", _frame("order_status", {"name": "review_order", "parameters": changed}, body=content.body)
    subtotal = sum(item.amount * item.quantity for item in content.items)
    items = [
        {
            "retailer_id": item.product_id,
            "name": item.name,
            "amount": _cents(item.amount),
            "quantity": item.quantity,
        }
        for item in content.items
    ]
    parameters: Json = {
        "type": "digital-goods",
        **({"payment_type": "br"} if content.currency == "BRL" else {}),
        **(content.payment or {}),
        "reference_id": content.reference_id,
        "currency": content.currency,
        "total_amount": _cents(subtotal + content.tax + content.shipping - content.discount),
        "order": {
            "status": "pending",
            "items": items,
            "subtotal": _cents(subtotal),
            "tax": _cents(content.tax),
            **({"shipping": _cents(content.shipping)} if content.shipping else {}),
            **({"discount": _cents(content.discount)} if content.discount else {}),
        },
    }
    action = {"name": "review_and_pay", "parameters": parameters}
    return "interactive", _frame("order_details", action, body=content.body)


def _cents(amount: int) -> Json:
    return {"value": amount, "offset": 100}


def _template(content: TemplateContent) -> tuple[str, Json]:
    template: Json = {"name": content.name, "language": {"policy": "deterministic", "code": content.language}}
    if content.components:
        template["components"] = content.components
    return "template", template


# --- shared ----------------------------------------------------------------------------------------------


def _given(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}


def _upper(value: str | None) -> str | None:
    return value.upper() if value else None


def _longer(path: str, text: str | None, limit: int) -> Iterator[Problem]:
    if text and len(text) > limit:
        yield path, f"has {len(text)} characters; Meta takes at most {limit}"


def _repeated(path: str, what: str, values: list[str]) -> Iterator[Problem]:
    if len(set(values)) != len(values):
        yield path, f"each {what} must be different"


def _section_title(path: str, title: str | None, sections: int) -> Iterator[Problem]:
    if sections > 1 and not title:
        yield f"{path}.title", "is needed when there are several sections"
    yield from _longer(f"{path}.title", title, SECTION_TITLE_MAX)


MEDIA = frozenset({"image", "video", "audio", "voice", "document", "sticker"})

_CHECKS: dict[str, Callable[[Any], Iterator[Problem]]] = {
    "text": _check_text,
    "image": _check_captioned,
    "video": _check_captioned,
    "audio": _check_captionless,
    "voice": _check_captionless,
    "document": _check_captioned,
    "sticker": _check_captionless,
    "location": _check_nothing,
    "contacts": _check_contacts,
    "link": _check_link,
    "buttons": _check_buttons,
    "list": _check_list,
    "reaction": _check_nothing,
    "product": _check_product,
    "catalog": _check_catalog,
    "order": _check_order,
    "template": _check_nothing,
}

_BUILDERS: dict[str, Callable[[Any], tuple[str, Any]]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "link": _link,
    "buttons": _buttons,
    "list": _list,
    "reaction": _reaction,
    "product": _product,
    "catalog": _catalog,
    "order": _order,
    "template": _template,
}

KINDS = frozenset(_CHECKS)
