"""What the routes of a phone share: the instance in the path, addresses, pictures."""

from typing import Annotated

import msgspec
from litestar import Router
from litestar.types import ControllerRouterHandler

from recado.api.dependencies import company_or_instance

ROOT = "/v1/instances/{instance_id:uuid}"

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Identifiers = Annotated[list[Identifier], msgspec.Meta(min_length=1, max_length=256)]


class PictureRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A picture: `data` (base64 or a data URL, up to 5 MB) or the `media_id` of an upload."""

    data: str | None = None
    media_id: str | None = None


def router(tag: str, handlers: list[ControllerRouterHandler]) -> Router:
    """The routes of one noun."""
    return Router(ROOT, route_handlers=handlers, guards=[company_or_instance], tags=[tag])
