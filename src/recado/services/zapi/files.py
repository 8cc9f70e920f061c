"""Files of requests that are answered only when it is done: fetched by us while the caller waits, since not every provider
fetches what is posted."""

import base64
from http import HTTPStatus
from typing import Literal

from recado.domain.content import MediaContent
from recado.domain.errors import invalid
from recado.kit.http import HttpError
from recado.services import media
from recado.services.runtime import Runtime

#: What Z-API takes of a video; pictures are no larger.
MOST_BYTES = 10_000_000
_REDIRECTS = 5
_SECONDS = 30.0

Family = Literal["image", "video"]


async def content(runtime: Runtime, value: str, *, family: Family, caption: str | None = None) -> MediaContent:
    """The content of an image or a video behind a URL or in a data URI, the file in it. Raises `Invalid` naming `family` for
    what is none, is too large or cannot be had."""
    value = value.strip()
    if value.startswith("data:"):
        data = _decoded(value, family)
    else:
        data = await fetch(runtime, value, field=family, most=MOST_BYTES)
    mime_type = media.mime_type_of(data, None)
    if not mime_type.startswith(f"{family}/"):
        raise invalid(family, f"is no {family}")
    encoded = base64.b64encode(data).decode()
    return MediaContent(data=f"data:{mime_type};base64,{encoded}", mime_type=mime_type, caption=caption)


async def fetch(runtime: Runtime, url: str, *, field: str, most: int) -> bytes:
    """What is behind a URL, of `most` bytes. Raises `Invalid` naming `field` for no URL, and for what cannot be had."""
    if not url.startswith(("http://", "https://")):
        raise invalid(field, "is neither a URL nor a data URI")
    # Clients name files as people do; an address has no blanks.
    address = url.replace(" ", "%20")
    try:
        answer = await runtime.http.request("GET", address, timeout=_SECONDS, max_bytes=most, follow=_REDIRECTS)
    except HttpError as error:
        raise invalid(field, f"cannot be fetched: {error}") from None
    if answer.status != HTTPStatus.OK:
        raise invalid(field, f"cannot be fetched: it answered HTTP {answer.status}")
    return answer.body


def _decoded(value: str, field: str) -> bytes:
    head, _, encoded = value.partition(",")
    if len(encoded) > MOST_BYTES * 4 // 3 + 4:
        raise invalid(field, f"is larger than {MOST_BYTES} bytes")
    try:
        if not head.endswith(";base64"):
            raise ValueError
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise invalid(field, "is no data URI in base64") from None
