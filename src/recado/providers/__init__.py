"""The providers, one folder each, and the one place that lists them.

A provider is a class that fulfils `recado.domain.provider.Provider` and any of the optional protocols there.
To add one: its folder, a line in `build`, a line in `registry`.
"""

from collections.abc import Mapping
from typing import Any, cast

from recado.domain.provider import Provider
from recado.kit.http import Http
from recado.providers.meta.adapter import Meta
from recado.providers.sandbox.adapter import Sandbox, SandboxPhones

#: Every kind there is an adapter for.
KINDS = (Sandbox.kind, Meta.kind)


def build(client: Http, *, graph_version: str, sandbox: Provider, timeout: float = 30.0) -> Mapping[str, Provider]:
    """The providers by kind, for a running process. `timeout` is that of one call, in seconds."""
    adapters: tuple[Provider, ...] = (
        sandbox,
        Meta(client, graph_version=graph_version, timeout=timeout),
    )
    return {adapter.kind: adapter for adapter in adapters}


def registry() -> Mapping[str, Provider]:
    """The providers by kind, for what needs no network: `read`, `verify`, `capabilities`, credential fields."""
    offline = _Offline()
    adapters: tuple[Provider, ...] = (
        Sandbox(cast(SandboxPhones, offline)),
        Meta(cast(Http, offline)),
    )
    return {adapter.kind: adapter for adapter in adapters}


class _Offline:
    """Stands where a client would be. Calling out through it is a mistake of ours, and says so."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"`{name}` was called on a provider of `registry()`, which makes no calls: use `build()`")
