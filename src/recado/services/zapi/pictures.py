"""Pictures that a request names by their address: fetched by us, since providers take bytes."""

from http import HTTPStatus

from recado.domain.errors import invalid
from recado.domain.operations import Picture
from recado.kit.http import HttpError
from recado.services import media, operating
from recado.services.directory import Principal
from recado.services.runtime import Runtime

_MAX_BYTES = 5_000_000
_REDIRECTS = 5
_SECONDS = 15.0


async def fetch(runtime: Runtime, principal: Principal, value: str, *, field: str = "value") -> Picture:
    """The picture behind a URL, or in a data URI. Raises `Invalid` for what is no picture, or cannot be had."""
    if value.startswith("data:"):
        return _checked(await operating.picture(runtime, principal, data=value, media_id=None), field)
    if not value.startswith(("http://", "https://")):
        raise invalid(field, "is neither a URL nor a data URI")
    try:
        answer = await runtime.http.request("GET", value, timeout=_SECONDS, max_bytes=_MAX_BYTES, follow=_REDIRECTS)
    except HttpError as error:
        raise invalid(field, f"cannot be fetched: {error}") from None
    if answer.status != HTTPStatus.OK:
        raise invalid(field, f"cannot be fetched: it answered HTTP {answer.status}")
    return _checked(Picture(data=answer.body, mime_type=answer.headers.get("content-type", "")), field)


def _checked(picture: Picture, field: str) -> Picture:
    """The picture with the type that its bytes have."""
    mime_type = media.mime_type_of(picture.data, None)
    if not mime_type.startswith("image/"):
        raise invalid(field, "is no picture")
    return Picture(data=picture.data, mime_type=mime_type)
