"""Passing requests on: what Recado has no operation for, the upstream does where it is Z-API itself."""

import re
from asyncio import timeout
from collections.abc import Mapping

from recado.domain.errors import Conflict, Invalid, ProviderFailed
from recado.domain.provider import CallFailed, Relayed, Relays
from recado.providers import wire
from recado.services.directory import Principal, ZapiView
from recado.services.runtime import Runtime

_PART = re.compile(r"\{(\w+)\}", re.ASCII)


async def relay(
    runtime: Runtime,
    view: ZapiView,
    principal: Principal,
    *,
    method: str,
    path: str,
    parts: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes | None,
) -> Relayed | None:
    """The upstream's answer to a request, or None where the provider in use is not one to pass requests on to.

    `path` is the route's, below the instance, with `{name}` for each of `parts`. Raises `Conflict` for an instance
    without a connection, `Invalid` for parts that cannot stand in a path, and `ProviderFailed`.
    """
    wanted = principal.check_instance(view.id)
    active = (await runtime.directory.instance(principal.company, wanted)).active
    if active is None:
        raise Conflict("The instance has no connection.", code="no_connection")
    adapter = runtime.providers[active.kind]
    if not isinstance(adapter, Relays):
        return None
    target = filled(path, parts)
    try:
        async with timeout(runtime.settings.send_timeout_seconds):
            return await adapter.relay(active.connection, method=method, path=target, query=query, body=body)
    except CallFailed as error:
        raise ProviderFailed(f"{active.kind}: {error.why}", code=error.code) from error
    except TimeoutError:
        raise ProviderFailed(f"{active.kind} did not answer in time.", code="provider_timeout") from None
    finally:
        # What failed may have been done all the same.
        if method != "GET":
            runtime.answers.forget(wanted)


def filled(path: str, parts: Mapping[str, str]) -> str:
    """A route's path with its parts, percent-encoded so that each stays the one part that it is. Raises `Invalid`."""

    def part(match: re.Match[str]) -> str:
        try:
            return wire.part(parts[match[1]], safe="@")
        except CallFailed as error:
            raise Invalid(f"{match[1]}: {error.why}", code=error.code) from None

    return _PART.sub(part, path)
