"""The fields that many routes share, and how Z-API's ways of writing them become ours."""

import functools
import math
import re
from datetime import datetime
from typing import Annotated, Any

import msgspec

from recado.api.zapi.errors import ZapiError
from recado.domain import phones
from recado.providers.zapi import addresses

#: A phone, group or channel as Z-API writes it. Clients send numbers as well.
Phone = str | int
#: Text where clients send numbers too.
Text = str | int | float
#: Text that cannot be empty.
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)] | int | float
#: Seconds, 1 to 15. What lies outside is brought in: Z-API does not say what it does with it, and nobody's message should
#: fail for it.
Delay = Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": 15})]
_LONGEST_PHONE = 160
_LONGEST_DELAY = 15
_SHORTEST_DELAY = 1
_WEB = re.compile(r"https?://", re.IGNORECASE)
#: Less base64 than any picture or sound has: a word, which somebody took for a name.
_SHORTEST_FILE = 64
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+=*\s*", re.ASCII)
_BREAKS = re.compile(r"\r\n|\r|%0a", re.IGNORECASE)


def recipient(phone: Phone, *, field: str = "phone") -> str:
    """Our address for `phone`, which may be written as people do, with `+`, blanks, dashes and brackets. Raises `ZapiError`
    with Z-API's words for one that nobody can have."""
    text = str(phone)
    # What is remembered must stay small, however long a text somebody sends.
    found = _recipient(text) if len(text) <= _LONGEST_PHONE else None
    if found is None:
        raise _invalid(field)
    return found


@functools.lru_cache(maxsize=65_536)
def _recipient(text: str) -> str | None:
    found = addresses.address(text)
    try:
        parsed = phones.parse(text if found is None else found)
    except ValueError:
        return None
    return None if found is None and parsed.kind != "phone" else parsed.value


def group(identifier: Phone, *, field: str = "groupId") -> str:
    """Our address for a group or a community. Raises `ZapiError`."""
    found = addresses.group(str(identifier))
    try:
        parsed = None if found is None else phones.parse(found)
    except ValueError:
        parsed = None
    if parsed is None or parsed.kind != "group":
        raise ZapiError(f"Invalid {field}")
    return parsed.value


def channel(identifier: str, *, field: str = "id") -> str:
    """Our address for a newsletter. Raises `ZapiError`."""
    name = identifier if "@" in identifier else f"{identifier}@newsletter"
    try:
        found = phones.parse(name)
    except ValueError:
        raise ZapiError(f"Invalid {field}") from None
    if found.kind != "channel":
        raise ZapiError(f"Invalid {field}")
    return found.value


def shown(address: str | None) -> str | None:
    """An address of ours as Z-API writes it."""
    return None if address is None else addresses.phone(address)


def milliseconds(delay: float | None) -> int | None:
    """A delay in milliseconds, brought between 1 and 15 seconds; None and 0 are the default."""
    if not delay or math.isnan(delay):
        return None
    return int(min(max(delay, _SHORTEST_DELAY), _LONGEST_DELAY) * 1_000)


def lines(text: Text) -> str:
    """A text with its line breaks, which Z-API takes in several spellings, as WhatsApp has them."""
    if not isinstance(text, str):
        return str(text)
    return _BREAKS.sub("\n", text) if "\r" in text or "%" in text else text


def optional(text: Text | None) -> str | None:
    """A text as `lines` makes it; None for none and for an empty one."""
    return None if text is None else lines(text) or None


def media(value: str, **more: Any) -> dict[str, Any]:
    """The content of a file given by URL or data URI, or by its base64 alone, in lines or in one; a URL is fetched by us,
    when the message is sent.

    Raises `ZapiError` with Z-API's words for what is none of them.
    """
    value = value.strip()
    web = _WEB.match(value)
    if web is not None:
        # Clients name files as people do; an address has no blanks.
        return {"link": web[0].lower() + value[web.end() :].replace(" ", "%20"), "fetch": True, **more}
    if value[:5].lower() == "data:":
        return {"data": "data:" + "".join(value[5:].split()), **more}
    if len(value) >= _SHORTEST_FILE and _BASE64.fullmatch(value):
        return {"data": "".join(value.split()), **more}
    raise ZapiError("Message not send caused by invalid media url")


def moment(at: datetime | None) -> int | None:
    """A time in milliseconds, as Z-API has them."""
    return None if at is None else int(at.timestamp() * 1_000)


def _invalid(field: str) -> ZapiError:
    return ZapiError("Invalid phone" if field == "phone" else f"Invalid phone in {field}")
