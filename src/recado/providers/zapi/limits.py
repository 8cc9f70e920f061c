"""What Z-API's pages rule out in a content: asked before a message is accepted, and again before it is sent."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from recado.domain.content import (
    VIEWED_ONCE,
    ButtonsContent,
    CarouselContent,
    CatalogContent,
    ContactCard,
    EventContent,
    EventEditContent,
    EventResponseContent,
    ListContent,
    MediaContent,
    OrderContent,
    OrderUpdateContent,
    OtpContent,
    ProductContent,
    TextContent,
)
from recado.domain.errors import FieldError
from recado.providers.zapi.about import RESPONSES
from recado.providers.zapi.payloads import CAPTIONED, KINDS, MEDIA

Problem = tuple[str, str]

_PAYMENT = frozenset({"pix", "card"})
_STORY_REPLIES = frozenset({"gif", "sticker"})


def check(kind: str, content: Any) -> list[FieldError]:
    """What Z-API has no place for in a content, each with its path in it (empty for the content itself)."""
    if kind not in KINDS:
        return [FieldError(field="", message="is no kind that Z-API can send")]
    checker = _CHECKS.get(kind)
    return [FieldError(field=path, message=message) for path, message in checker(content)] if checker else []


def _check_media(kind: str) -> Callable[[MediaContent], Iterator[Problem]]:
    def checker(content: MediaContent) -> Iterator[Problem]:
        if content.caption and kind not in CAPTIONED:
            yield "caption", "Z-API shows no caption with this kind of media"
        if content.view_once and kind not in VIEWED_ONCE:
            yield "view_once", "Z-API sends no such media to be opened once"
        if content.author and kind != "sticker":
            yield "author", "belongs to a sticker"
        if content.story and (kind not in _STORY_REPLIES or content.caption or content.author):
            yield "story", "Z-API answers a story with a text, or with a GIF or sticker and nothing besides"

    return checker


def _check_text(content: TextContent) -> Iterator[Problem]:
    if content.story and (content.mentions or content.mention_all or content.group_mentions):
        yield "story", "Z-API mentions nobody in the answer to a story"


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
    if content.video and (any(acting) or content.header or content.footer):
        yield "video", "Z-API shows a video with quick replies only, without a header and a footer"


def _check_carousel(content: CarouselContent) -> Iterator[Problem]:
    if content.footer:
        yield "footer", "Z-API's carousels have no footer"


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


def _check_event_edit(content: EventEditContent) -> Iterator[Problem]:
    yield from ((f"event.{path}", why) for path, why in _check_event(content.event))


def _check_event_response(content: EventResponseContent) -> Iterator[Problem]:
    if content.response not in RESPONSES:
        yield "response", "Z-API answers an event with going or not_going"


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
    if content.status != "pending":
        yield "status", "Z-API changes an order by an order_update"
    if content.body:
        yield "body", "Z-API sends an order to pay without a text"
    for name in sorted((content.payment or {}).keys() - _PAYMENT):
        yield f"payment.{name}", "is nothing that Z-API takes here"


def _check_order_update(content: OrderUpdateContent) -> Iterator[Problem]:
    if content.status == "partially_shipped":
        yield "status", "Z-API has no partially shipped orders"
    if not content.order_request_id:
        yield "order_request_id", "is needed by Z-API; the webhook of the order tells it"
    for index, item in enumerate(content.items):
        if not item.product_id:
            yield f"items[{index}].product_id", "is needed by Z-API; the webhook of the order tells it"


_CHECKS: Mapping[str, Callable[[Any], Iterator[Problem]]] = {
    **{kind: _check_media(kind) for kind in MEDIA},
    "text": _check_text,
    "contacts": _check_contacts,
    "buttons": _check_buttons,
    "list": _check_list,
    "otp": _check_otp,
    "event": _check_event,
    "product": _check_product,
    "catalog": _check_catalog,
    "order": _check_order,
    "carousel": _check_carousel,
    "event_edit": _check_event_edit,
    "event_response": _check_event_response,
    "order_update": _check_order_update,
}
