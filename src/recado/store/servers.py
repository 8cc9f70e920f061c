"""Servers: providers' installations, their capacity and health. `credentials` are encrypted."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.ids import CompanyId, InstanceId, ServerId
from recado.store import db, queries

Q = queries.load("servers")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `company_id` is None for a server that every company may use. `error_rate` is the share of checks, of the
    server and of its connections, that failed in about the last five minutes."""

    id: ServerId
    company_id: CompanyId | None
    name: str
    kind: str
    base_url: str
    credentials: bytes
    max_instances: int
    instances: int
    region: str | None
    status: str
    healthy: bool
    unhealthy_since: datetime | None
    health_error: str | None
    latency_ms: float | None
    error_rate: float | None
    version: str | None
    checked_at: datetime | None
    hook_key: str
    created_at: datetime


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The servers of a kind together: the worst of what is measured, and since when the first of them is away."""

    kind: str
    healthy: int
    unhealthy: int
    latency_ms: float | None
    error_rate: float | None
    unhealthy_since: datetime | None


def _server(row: asyncpg.Record | None) -> Server | None:
    return Server(**row) if row else None


async def insert(
    connection: db.Connection,
    *,
    server_id: ServerId,
    company_id: CompanyId | None,
    name: str,
    kind: str,
    base_url: str,
    credentials: bytes,
    max_instances: int,
    region: str | None,
    hook_key: str,
) -> Server:
    """Register a server. Raises `asyncpg.ForeignKeyViolationError` when the company does not exist."""
    row = await connection.fetchrow(
        Q.insert_server, server_id, company_id, name, kind, base_url, credentials, max_instances, region, hook_key
    )
    assert row is not None, "INSERT … RETURNING gives a row"
    return Server(**row)


async def get(connection: db.Connection, server_id: UUID) -> Server | None:
    """One server."""
    return _server(await connection.fetchrow(Q.get_server, server_id))


async def lock(connection: db.Connection, server_id: UUID) -> Server | None:
    """One server, held against other changes until the transaction ends."""
    return _server(await connection.fetchrow(Q.lock_server, server_id))


async def page(
    connection: db.Connection, *, after: UUID | None, kind: str | None, company_id: UUID | None, limit: int
) -> list[Server]:
    """Servers after an id, the oldest first."""
    return [Server(**row) for row in await connection.fetch(Q.list_servers, after, kind, company_id, limit)]


async def update(
    connection: db.Connection,
    server_id: UUID,
    *,
    name: str,
    base_url: str,
    credentials: bytes,
    max_instances: int,
    region: str | None,
    status: str,
) -> Server | None:
    """Replace what a person may change."""
    return _server(
        await connection.fetchrow(
            Q.update_server, server_id, name, base_url, credentials, max_instances, region, status
        )
    )


async def delete(connection: db.Connection, server_id: UUID) -> None:
    """Remove a server. Raises `asyncpg.ForeignKeyViolationError` while connections are placed on it."""
    await connection.execute(Q.delete_server, server_id)


async def set_health(
    connection: db.Connection,
    server_id: UUID,
    *,
    healthy: bool,
    error: str | None,
    latency_ms: float | None,
    version: str | None,
    at: datetime,
) -> Server | None:
    """Store what a check found."""
    return _server(await connection.fetchrow(Q.set_health, server_id, healthy, error, latency_ms, version, at))


async def place(
    connection: db.Connection, kind: str, company_id: CompanyId, *, unhealthy_will_do: bool
) -> Server | None:
    """Take a place on the healthy active server of the kind with room and the fewest instances.

    With `unhealthy_will_do`, on an unhealthy one when there is no such. Waits for other placements of the kind, so call it late in the transaction.
    """
    await connection.execute(Q.lock_placement, kind)
    return _server(await connection.fetchrow(Q.place_by_kind, kind, company_id, unhealthy_will_do))


async def place_on(connection: db.Connection, server_id: UUID, company_id: CompanyId) -> Server | None:
    """Take a place on one server; None when it is away, draining, full or another company's."""
    return _server(await connection.fetchrow(Q.place_on, server_id, company_id))


async def free_places(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId | None = None) -> None:
    """Give back the places of an instance, or of all of a company's. Call it before the connections are removed."""
    await connection.execute(Q.free_places, company_id, instance_id)


async def lock_defaults(connection: db.Connection) -> None:
    """Hold, until the transaction ends, the right to make the platform's own servers."""
    await connection.execute(Q.lock_defaults)


async def platform_kinds(connection: db.Connection) -> set[str]:
    """The kinds that have a server for every company."""
    return {row["kind"] for row in await connection.fetch(Q.platform_kinds)}


async def load_hook(connection: db.Connection, kind: str, key: str) -> asyncpg.Record | None:
    """The server that a webhook key belongs to."""
    return await connection.fetchrow(Q.load_hook, key, kind)


async def claim_checks(
    connection: db.Connection, *, before: datetime, spread: timedelta, at: datetime, limit: int
) -> list[ServerId]:
    """Take servers that were last checked before a time, or up to `spread` later.

    No other process gets them until they are due again.
    """
    due = [ServerId(row["id"]) for row in await connection.fetch(Q.due_for_check, before, spread, limit)]
    await connection.execute(Q.claim_checks, due, at)
    return due


async def check_soon(connection: db.Connection, server_id: ServerId) -> None:
    """Have a server that was thought to be well checked next."""
    await connection.execute(Q.check_soon, server_id)


async def count_calls(connection: db.Connection, calls: Mapping[ServerId, tuple[int, int]], at: datetime) -> None:
    """Add calls to what is counted of servers: (how many, how many of them failed) of each."""
    if calls:
        await connection.execute(
            Q.count_calls,
            list(calls),
            [float(made) for made, _ in calls.values()],
            [float(failed) for _, failed in calls.values()],
            at,
        )


async def measure(connection: db.Connection) -> list[Measured]:
    """Every kind that has servers."""
    return [Measured(**row) for row in await connection.fetch(Q.measure)]
