"""The providers, one folder each, and the one place that lists them.

A provider is a class that fulfils `recado.domain.provider.Provider` and any of the optional protocols there.
To add one: its folder and a line in `_over_http`, or in both functions below when it needs more than the client.

wire.py      one call of JSON over HTTP, and what its answer means
whatsapp.py  how WhatsApp writes people, chats and cards
waproto.py   messages in WhatsApp's own schema, as some providers pass them on
"""

from collections.abc import Mapping
from typing import Any, cast

from recado.domain.provider import Provider
from recado.kit.http import Http
from recado.providers.evolution.adapter import Evolution
from recado.providers.meta.adapter import Meta
from recado.providers.native.adapter import Engine, Native
from recado.providers.sandbox.adapter import Sandbox, SandboxPhones
from recado.providers.uazapi.adapter import Uazapi
from recado.providers.waha.adapter import Waha
from recado.providers.zapi.adapter import Zapi

#: Every kind there is an adapter for.
KINDS = (Sandbox.kind, Meta.kind, Waha.kind, Evolution.kind, Uazapi.kind, Zapi.kind, Native.kind)


def build(
    client: Http, *, graph_version: str, sandbox: Provider, native: Provider, timeout: float = 30.0
) -> Mapping[str, Provider]:
    """The providers by kind, for a running process. `timeout` is that of one call, in seconds."""
    meta = Meta(client, graph_version=graph_version, timeout=timeout)
    return _by_kind(sandbox, native, meta, *_over_http(client, timeout))


def registry() -> Mapping[str, Provider]:
    """The providers by kind, for what needs no network: `read`, `verify`, `capabilities`, credential fields."""
    offline = _Offline()
    client = cast(Http, offline)
    return _by_kind(
        Sandbox(cast(SandboxPhones, offline)),
        Native(cast(Engine, offline)),
        Meta(client),
        *_over_http(client, 30.0),
    )


def _over_http(client: Http, timeout: float) -> tuple[Provider, ...]:
    return (
        Waha(client, timeout=timeout),
        Evolution(client, timeout=timeout),
        Uazapi(client, timeout=timeout),
        Zapi(client, timeout=timeout),
    )


def _by_kind(*adapters: Provider) -> Mapping[str, Provider]:
    return {adapter.kind: adapter for adapter in adapters}


class _Offline:
    """Stands where a client would be. Calling out through it is a mistake of ours, and says so."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"`{name}` was called on a provider of `registry()`, which makes no calls: use `build()`")
