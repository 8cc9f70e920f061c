"""Servers: registered, drained, checked. Their credentials go in and never come out."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import structlog

from recado.domain import ids, provider
from recado.domain.errors import Conflict, NotFound, invalid
from recado.domain.ids import CompanyId, ServerId
from recado.services import directory, validation
from recado.services.runtime import Runtime
from recado.store import refusals, servers
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

Status = Literal["active", "draining"]
_ROOM_OF_DEFAULTS = 1_000_000


async def create(
    runtime: Runtime,
    *,
    name: str,
    kind: str,
    base_url: str | None,
    credentials: Mapping[str, str],
    max_instances: int,
    region: str | None = None,
    company_id: UUID | None = None,
) -> servers.Server:
    """Register a server, for every company or for one. Raises `Invalid` naming the field."""
    adapter = adapter_of(runtime, kind)
    given = validation.credentials(credentials, adapter.server_credentials)
    server_id = ServerId(ids.new())
    try:
        async with runtime.db.work() as connection:
            server = await servers.insert(
                connection,
                server_id=server_id,
                company_id=None if company_id is None else CompanyId(company_id),
                name=name,
                kind=kind,
                base_url=_base_url(adapter, base_url),
                credentials=runtime.keyring.seal(given, directory.server_context(server_id)),
                max_instances=max_instances,
                region=region,
                hook_key=secrets.token_hex(16),
            )
    except refusals.BrokenReference:
        raise invalid("company_id", f"There is no company {company_id}.") from None
    log.info("server_created", server_id=server.id, kind=kind)
    return server


async def get(runtime: Runtime, server_id: UUID) -> servers.Server:
    """One server. Raises `NotFound`."""
    async with runtime.db.work() as connection:
        return _found(await servers.get(connection, server_id), server_id)


async def page(
    runtime: Runtime, *, after: UUID | None, limit: int, kind: str | None = None, company_id: UUID | None = None
) -> list[servers.Server]:
    """Servers, the oldest first."""
    async with runtime.db.work() as connection:
        return await servers.page(connection, after=after, kind=kind, company_id=company_id, limit=limit)


async def update(
    runtime: Runtime,
    server_id: UUID,
    *,
    name: str | None = None,
    base_url: str | None = None,
    credentials: Mapping[str, str | None] | None = None,
    max_instances: int | None = None,
    region: str | None = None,
    status: Status | None = None,
) -> servers.Server:
    """Change what is given; credentials are merged, and null takes one away. Raises `NotFound` or `Invalid`.

    A smaller capacity than what is placed there is fine: it only takes no more.
    """
    async with runtime.directory.changing() as connection:
        current = _found(await servers.lock(connection, server_id), server_id)
        adapter = adapter_of(runtime, current.kind)
        sealed = current.credentials
        if credentials is not None:
            merged = validation.merge(opened(runtime, current), credentials)
            given = validation.credentials(merged, adapter.server_credentials)
            sealed = runtime.keyring.seal(given, directory.server_context(current.id))
        updated = await servers.update(
            connection,
            server_id,
            name=current.name if name is None else name,
            base_url=current.base_url if base_url is None else _base_url(adapter, base_url),
            credentials=sealed,
            max_instances=current.max_instances if max_instances is None else max_instances,
            region=current.region if region is None else region,
            status=current.status if status is None else status,
        )
    return _found(updated, server_id)


async def delete(runtime: Runtime, server_id: UUID) -> None:
    """Remove a server. Raises `NotFound`, or `Conflict` while instances are on it."""
    try:
        async with runtime.directory.changing() as connection:
            _found(await servers.lock(connection, server_id), server_id)
            await servers.delete(connection, server_id)
    except refusals.BrokenReference:
        raise Conflict(
            "Instances are placed on this server; drain it and move or delete them first.", code="server_in_use"
        ) from None


async def check(runtime: Runtime, server_id: UUID) -> servers.Server:
    """Ask a server how it is and store the answer. Raises `NotFound`."""
    server = await get(runtime, server_id)
    started = time.perf_counter()
    health = await ask(runtime, server)
    seconds = time.perf_counter() - started
    if health.healthy:
        metrics.health_check_duration.labels(server.kind, "server").observe(seconds)
    async with runtime.db.work() as connection:
        updated = await servers.set_health(
            connection,
            server_id,
            healthy=health.healthy,
            error=None if health.healthy else health.why or "It does not answer.",
            latency_ms=seconds * 1_000 if health.healthy else None,
            version=health.version,
            at=datetime.now(UTC),
        )
    if health.healthy != server.healthy:
        event = "server_recovered" if health.healthy else "server_unhealthy"
        log.warning(event, server_id=server.id, kind=server.kind, why=health.why)
    return _found(updated, server_id)


async def ask(runtime: Runtime, server: servers.Server) -> provider.Health:
    """Ask a server how it is, and store nothing."""
    adapter = runtime.providers.get(server.kind)
    if adapter is None:
        return provider.Health(healthy=False, why=f"This Recado has no adapter for {server.kind}.")
    called = provider.Server(
        id=server.id, kind=server.kind, base_url=server.base_url, credentials=opened(runtime, server)
    )
    try:
        return await asyncio.wait_for(adapter.health(called), runtime.settings.send_timeout_seconds)
    except TimeoutError:
        return provider.Health(healthy=False, why="It did not answer in time.")


async def ensure_defaults(runtime: Runtime) -> None:
    """Make the platform's server of every kind that needs no registering, unless the kind has one for everybody.

    Of processes that start together, one makes them.
    """
    async with runtime.db.work() as connection:
        await servers.lock_defaults(connection)
        present = await servers.platform_kinds(connection)
        for kind, adapter in runtime.providers.items():
            if kind in present or adapter.default_base_url is None:
                continue
            server_id = ServerId(ids.new())
            await servers.insert(
                connection,
                server_id=server_id,
                company_id=None,
                name=kind,
                kind=kind,
                base_url=adapter.default_base_url,
                credentials=runtime.keyring.seal({}, directory.server_context(server_id)),
                max_instances=_ROOM_OF_DEFAULTS,
                region=None,
                hook_key=secrets.token_hex(16),
            )


def adapter_of(runtime: Runtime, kind: str) -> provider.Provider:
    """The adapter of a kind. Raises `Invalid` for a kind that this Recado does not speak."""
    adapter = runtime.providers.get(kind)
    if adapter is None:
        raise invalid("kind", f"There is no provider {kind!r}; there are: {', '.join(sorted(runtime.providers))}.")
    return adapter


def opened(runtime: Runtime, server: servers.Server) -> dict[str, str]:
    """A server's credentials. They must not leave the process except to the provider."""
    return runtime.keyring.open(server.credentials, directory.server_context(server.id))


def _base_url(adapter: provider.Provider, given: str | None) -> str:
    if given is None:
        if adapter.default_base_url is None:
            raise invalid("base_url", "This field is required.")
        return adapter.default_base_url
    return given if given == adapter.default_base_url else validation.http_url(given, "base_url")


def _found(server: servers.Server | None, server_id: UUID) -> servers.Server:
    if server is None:
        raise NotFound(f"There is no server {server_id}.", code="server_not_found")
    return server
