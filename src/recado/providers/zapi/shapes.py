"""What several of Z-API's requests have in common: a button, an event, an order, the ending of a document."""

import mimetypes
import re
from collections.abc import Mapping
from datetime import UTC
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from recado.domain.content import Button, EventContent, OrderContent, OrderUpdateContent
from recado.providers.zapi.addresses import phone

Json = dict[str, Any]

_EXTENSION = re.compile(r"[a-z0-9]{1,10}")
#: How the ids begin that Z-API gives to what is in no catalogue.
_CUSTOM_ITEM = "custom-item-"


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


def given(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}


def action(button: Button) -> Json:
    acts = button.url or button.phone
    return given(
        id=button.id or (None if acts else button.title),
        type="URL" if button.url else "CALL" if button.phone else "REPLY",
        label=button.title,
        url=button.url,
        phone=phone(button.phone) if button.phone else None,
    )


def event(content: EventContent) -> Json:
    start = content.start_at if content.start_at.tzinfo else content.start_at.replace(tzinfo=UTC)
    return given(
        name=content.name,
        dateTime=start.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        description=content.description,
        location={"name": content.location} if content.location else None,
        callLinkType=content.call,
    )


def order(content: OrderContent | OrderUpdateContent) -> Json:
    products = [
        {"name": item.name, "value": item.amount / 100, "quantity": item.quantity}
        | given(productId=item.product_id, isCustomItem=(item.product_id or "").startswith(_CUSTOM_ITEM))
        for item in content.items
    ]
    amounts = {"discount": content.discount, "tax": content.tax, "shipping": content.shipping}
    return {"currency": content.currency, "products": products} | {
        name: cents / 100 for name, cents in amounts.items() if cents
    }


def extension(filename: str | None, link: str | None, mime_type: str | None) -> str:
    """The ending of a document: that of its name, of its link, of its type, or `bin`."""
    guessed = mimetypes.guess_extension((mime_type or "").partition(";")[0].strip()) or ""
    for candidate in (filename or "", urlsplit(link or "").path, f"x{guessed}"):
        found = PurePosixPath(candidate).suffix.removeprefix(".").lower()
        if _EXTENSION.fullmatch(found):
            return found
    return "bin"
