"""Pictures that a request names by their address: fetched by us, since providers take bytes."""

from recado.domain.errors import invalid
from recado.domain.operations import Picture
from recado.services import media, operating
from recado.services.directory import Principal
from recado.services.runtime import Runtime
from recado.services.zapi import files

_MOST_BYTES = 5_000_000


async def fetch(runtime: Runtime, principal: Principal, value: str, *, field: str = "value") -> Picture:
    """The picture behind a URL, or in a data URI. Raises `Invalid` for what is no picture, or cannot be had."""
    value = value.strip()
    if value.startswith("data:"):
        return _checked((await operating.picture(runtime, principal, data=value, media_id=None)).data, field)
    return _checked(await files.fetch(runtime, value, field=field, most=_MOST_BYTES), field)


def _checked(data: bytes, field: str) -> Picture:
    """The picture with the type that its bytes have."""
    mime_type = media.mime_type_of(data, None)
    if not mime_type.startswith("image/"):
        raise invalid(field, "is no picture")
    return Picture(data=data, mime_type=mime_type)
