"""Operations beyond messages: asked of the provider behind an instance while the caller waits.

Nothing of them is stored; what is asked often can be remembered for a while (`remembered`). What the provider of the connection in use does not have is refused by name, so that a
caller who switches providers learns of it at once.
"""

import base64
import binascii
from asyncio import timeout
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import msgspec

from recado.domain import operations, phones
from recado.domain.errors import Conflict, Invalid, ProviderFailed, invalid
from recado.domain.operations import Area, Picture
from recado.domain.provider import CallFailed, Connection
from recado.services import media
from recado.services.directory import Principal
from recado.services.remembering import Remembered
from recado.services.runtime import Runtime
from recado.store import contacts

A = TypeVar("A", bound=Area)
T = TypeVar("T")
P = ParamSpec("P")

#: What a person in the address book is called, in the order in which providers understand it best.
_ADDRESSES = ("group", "phone", "lid", "bsuid")
_LARGEST_PICTURE = 5_000_000
#: How the names of operations begin that change nothing at the provider.
_ASKING = ("list_", "get_", "check_", "preview_", "search_")


async def call(
    runtime: Runtime,
    principal: Principal,
    instance_id: UUID,
    operation: Callable[Concatenate[A, Connection, P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """The provider's answer to an operation of `domain.operations`, named by its method there.

    Raises `NotFound`, `Conflict` without a connection, `Invalid` (`unsupported_by_provider`), or `ProviderFailed`.
    """
    wanted = principal.check_instance(instance_id)
    view = await runtime.directory.instance(principal.company, wanted)
    if view.active is None:
        raise Conflict("The instance has no connection.", code="no_connection")
    adapter = runtime.providers[view.active.kind]
    name = operation.__name__
    if name not in operations.operations(adapter):
        raise _unsupported(view.active.kind, name)
    try:
        async with timeout(runtime.settings.send_timeout_seconds):
            found: T = await getattr(adapter, name)(view.active.connection, *args, **kwargs)
            return found
    except operations.Unsupported as error:
        raise _unsupported(view.active.kind, error.operation) from error
    except CallFailed as error:
        raise ProviderFailed(f"{view.active.kind}: {error.why}", code=error.code) from error
    except TimeoutError:
        raise ProviderFailed(f"{view.active.kind} did not answer in time.", code="provider_timeout") from None
    finally:
        # What failed may have been done all the same.
        if not name.startswith(_ASKING):
            runtime.answers.forget(wanted)


async def remembered(
    runtime: Runtime,
    principal: Principal,
    instance_id: UUID,
    operation: Callable[Concatenate[A, Connection, P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Remembered[T]:
    """As `call`, for an operation that asks: answered from memory while that is fresh, and with an older answer where the
    provider fails (`remembering`). The arguments must be hashable. Raises as `call`."""
    wanted = principal.check_instance(instance_id)
    view = await runtime.directory.instance(principal.company, wanted)
    # Another connection may be another phone, or a provider that tells more.
    via = None if view.active is None else view.active.id
    question = (principal.company, via, operation.__name__, args, tuple(sorted(kwargs.items())))
    return await runtime.answers.recall(
        wanted, question, lambda: call(runtime, principal, wanted, operation, *args, **kwargs)
    )


async def supported(runtime: Runtime, principal: Principal, instance_id: UUID) -> list[str]:
    """The operations that the provider of the connection in use has, in the order of the docs."""
    view = await runtime.directory.instance(principal.company, principal.check_instance(instance_id))
    if view.active is None:
        return []
    able = operations.operations(runtime.providers[view.active.kind])
    return [name for name in operations.OPERATIONS if name in able]


async def address(runtime: Runtime, principal: Principal, text: str, *, field: str) -> str:
    """What providers call the person, group or channel in `text`: a phone, a WhatsApp id, or a contact id of ours.

    Raises `Invalid` naming `field`.
    """
    try:
        parsed = phones.parse(text)
    except ValueError as error:
        raise invalid(field, str(error), code="invalid_phone") from error
    if parsed.kind != "contact":
        return parsed.value
    async with runtime.db.tenant(principal.company) as connection:
        named = await contacts.identities(connection, principal.company, UUID(parsed.value))
    for kind in _ADDRESSES:
        if kind in named:
            return named[kind]
    raise invalid(field, f"no contact {parsed.value} with an address exists")


async def picture(runtime: Runtime, principal: Principal, *, data: str | None, media_id: str | None) -> Picture:
    """A picture from base64 (or a data URL), or from stored media: exactly one of both. Raises `Invalid`."""
    if (data is None) == (media_id is None):
        raise invalid("picture", "exactly one of data and media_id must be given")
    if media_id is not None:
        stored = await media.open_stored(runtime, principal.company, media_id)
        if stored is None:
            raise invalid("picture.media_id", f"no media {media_id} is ready")
        if stored.size > _LARGEST_PICTURE:
            raise invalid("picture.media_id", f"has {stored.size} bytes; a picture may have {_LARGEST_PICTURE}")
        return Picture(data=await stored.read(), mime_type=stored.mime_type)
    assert data is not None
    head, separator, encoded = data.partition(",") if data.startswith("data:") else ("data:image/jpeg", ",", data)
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("picture.data", "is not base64") from None
    if not separator or not content or len(content) > _LARGEST_PICTURE:
        raise invalid("picture.data", f"must hold 1 to {_LARGEST_PICTURE} bytes")
    return Picture(data=content, mime_type=head.removeprefix("data:").partition(";")[0] or "image/jpeg")


async def with_media(runtime: Runtime, principal: Principal, content: Any) -> Any:
    """A content whose stored media, if any, is in it as a data URL: what stories are posted with."""
    media_id = getattr(content, "media_id", None)
    if media_id is None:
        return content
    stored = await media.open_stored(runtime, principal.company, media_id)
    if stored is None:
        raise invalid("media_id", f"no media {media_id} is ready")
    encoded = base64.b64encode(await stored.read()).decode()
    return msgspec.structs.replace(content, media_id=None, data=f"data:{stored.mime_type};base64,{encoded}")


def _unsupported(kind: str, operation: str) -> Invalid:
    return Invalid(f"The provider {kind} has no {operation.replace('_', ' ')}.", code="unsupported_by_provider")
