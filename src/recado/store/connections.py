"""Connections: an instance on a server, with its credentials (encrypted) and its webhook key."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.ids import CompanyId, ConnectionId, InstanceId, ServerId
from recado.domain.states import SENDING, ConnectionStatus
from recado.store import db, queries

Q = queries.load("connections")


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `pairing` is what is shown while pairing: a code, or the step of a passkey.

    `active`: the instance sends through it, because of `activated_by`. `opened`: its session at the provider is ours;
    `opening_until`: somebody makes it until then, or tried to and got no answer. The last four are what `liveness` knows of it.
    """

    company_id: CompanyId
    id: ConnectionId
    instance_id: InstanceId
    server_id: ServerId
    kind: str
    rank: int
    status: str
    status_reason: str | None
    status_at: datetime
    credentials: bytes
    account: str | None
    hook_key: str
    pairing: dict[str, Any] | None
    checked_at: datetime | None
    active: bool
    activated_by: str
    opened: bool
    opening_until: datetime | None
    latency_ms: float | None = None
    error_rate: float | None = None
    heard_at: datetime | None = None
    evidence: str | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection stands, with the health of its server. `status_at` is the last change of its status, `turned_at`
    the last between one in which it sends and one in which it does not."""

    id: ConnectionId
    kind: str
    rank: int
    status: ConnectionStatus
    status_reason: str | None
    status_at: datetime
    turned_at: datetime
    active: bool
    activated_by: str
    activated_at: datetime
    healthy: bool
    unhealthy_since: datetime | None

    @property
    def sends(self) -> bool:
        """Whether a message that goes through it now would arrive."""
        return self.status in SENDING and self.healthy

    @property
    def since(self) -> datetime:
        """Since when it sends, or does not, as far as that is known."""
        if self.healthy or self.unhealthy_since is None:
            return self.turned_at
        return self.unhealthy_since if self.status in SENDING else min(self.unhealthy_since, self.turned_at)


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """A connection and what matters of its instance, held until the transaction ends."""

    id: ConnectionId
    instance_id: InstanceId
    kind: str
    rank: int
    status: str
    status_reason: str | None
    status_at: datetime
    pairing: dict[str, Any] | None
    checked_at: datetime | None
    active: bool
    instance_status: str
    paused: bool
    phone: str | None


async def insert(
    connection: db.Connection,
    company_id: CompanyId,
    *,
    connection_id: ConnectionId,
    instance_id: InstanceId,
    server_id: ServerId,
    kind: str,
    rank: int,
    status: ConnectionStatus,
    credentials: bytes,
    account: str | None,
    hook_key: str,
    active: bool = True,
) -> Connection:
    """Place an instance on a server. `active`: it is the instance's first."""
    row = await connection.fetchrow(
        Q.insert_connection,
        company_id,
        connection_id,
        instance_id,
        server_id,
        kind,
        rank,
        status,
        credentials,
        account,
        hook_key,
        active,
    )
    assert row is not None, "INSERT … RETURNING gives a row"
    return Connection(**row)


async def of_instances(
    connection: db.Connection, company_id: CompanyId, instance_ids: Sequence[UUID]
) -> dict[UUID, list[Connection]]:
    """The connections of each instance, the best rank first."""
    found: dict[UUID, list[Connection]] = {instance_id: [] for instance_id in instance_ids}
    for row in await connection.fetch(Q.list_of_instances, company_id, list(instance_ids)):
        found[row["instance_id"]].append(Connection(**row))
    return found


async def get(
    connection: db.Connection, company_id: CompanyId, instance_id: UUID, connection_id: UUID
) -> Connection | None:
    """One connection of an instance."""
    row = await connection.fetchrow(Q.get_connection, company_id, instance_id, connection_id)
    return Connection(**row) if row else None


async def lock(connection: db.Connection, company_id: CompanyId, connection_id: ConnectionId) -> Locked | None:
    """Hold a connection, and before it its instance, against other changes of status."""
    if await connection.fetchval(Q.lock_instance, company_id, connection_id) is None:
        return None
    row = await connection.fetchrow(Q.lock_connection, company_id, connection_id)
    return Locked(**row) if row else None


async def set_status(
    connection: db.Connection,
    company_id: CompanyId,
    connection_id: ConnectionId,
    *,
    status: ConnectionStatus,
    reason: str | None,
    pairing: dict[str, Any] | None,
    at: datetime,
) -> None:
    """Store how a connection stands."""
    await connection.execute(Q.set_status, company_id, connection_id, status, reason, pairing, at, sorted(SENDING))


async def active_status(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId
) -> tuple[ConnectionStatus, str | None]:
    """Status and reason of the connection that the instance sends through."""
    row = await connection.fetchrow(Q.active_status, company_id, instance_id)
    return (ConnectionStatus(row["status"]), row["status_reason"]) if row else (ConnectionStatus.CREATED, None)


async def set_checked(
    connection: db.Connection, company_id: CompanyId, connection_id: ConnectionId, at: datetime
) -> None:
    """Remember that the provider was asked and nothing had changed."""
    await connection.execute(Q.set_checked, company_id, connection_id, at)


async def set_credentials(
    connection: db.Connection,
    company_id: CompanyId,
    connection_id: ConnectionId,
    *,
    credentials: bytes,
    account: str | None,
) -> None:
    """Replace the credentials."""
    await connection.execute(Q.set_credentials, company_id, connection_id, credentials, account)


async def begin_session(
    connection: db.Connection, company_id: CompanyId, connection_id: ConnectionId, lease: timedelta
) -> datetime | None:
    """Be the one who opens this connection's session, until the time returned; None: somebody else is, or was."""
    until: datetime | None = await connection.fetchval(Q.begin_session, company_id, connection_id, lease)
    return until


async def leave_session(
    connection: db.Connection, company_id: CompanyId, connection_id: ConnectionId, until: datetime
) -> None:
    """Let others open the session that could not be opened until that time."""
    await connection.execute(Q.leave_session, company_id, connection_id, until)


async def set_session(
    connection: db.Connection,
    company_id: CompanyId,
    connection_id: ConnectionId,
    *,
    credentials: bytes,
    account: str,
    until: datetime,
) -> bool:
    """Keep the session that we opened for a connection; False when the time of `begin_session` was over for us."""
    kept = await connection.fetchval(Q.set_session, company_id, connection_id, credentials, account, until)
    return kept is not None


async def rank(
    connection: db.Connection, company_id: CompanyId, instance_id: UUID, order: Sequence[ConnectionId]
) -> None:
    """Rank all connections of an instance, from 1 on. Hold the instance before."""
    await connection.execute(Q.unset_ranks, company_id, instance_id)
    await connection.execute(Q.set_ranks, company_id, list(order), list(range(1, len(order) + 1)))


async def activate(
    connection: db.Connection, company_id: CompanyId, instance_id: UUID, connection_id: ConnectionId, *, by: str
) -> None:
    """Make a connection the one that its instance sends through. Hold the instance before."""
    await connection.execute(Q.deactivate, company_id, instance_id)
    await connection.execute(Q.activate, company_id, connection_id, by)


async def delete(connection: db.Connection, company_id: CompanyId, connection_id: ConnectionId) -> None:
    """Remove a connection and give back its place on its server."""
    await connection.execute(Q.delete_connection, company_id, connection_id)


async def candidates(
    connection: db.Connection, *, except_reason: str, after: tuple[UUID, UUID], limit: int
) -> list[tuple[CompanyId, InstanceId]]:
    """Instances that may have to switch by themselves, in order, after (company, instance); but nothing takes over from a
    connection that is away for a reason."""
    rows = await connection.fetch(Q.candidates, sorted(SENDING), limit, *after, except_reason)
    return [(row["company_id"], row["instance_id"]) for row in rows]


async def standings(connection: db.Connection, company_id: CompanyId, instance_id: UUID) -> list[Standing]:
    """How an instance's connections stand, the best rank first."""
    rows = await connection.fetch(Q.standings, company_id, instance_id)
    return [Standing(**{**row, "status": ConnectionStatus(row["status"])}) for row in rows]


async def load_instance(connection: db.Connection, company_id: UUID, instance_id: UUID) -> list[asyncpg.Record]:
    """A row per connection of an instance, in rank order, with its server; one row of nulls when it has none."""
    return await connection.fetch(Q.load_instance, company_id, instance_id)


async def load_hook(connection: db.Connection, kind: str, key: str) -> asyncpg.Record | None:
    """The connection, with its server, that a webhook key belongs to."""
    return await connection.fetchrow(Q.load_hook, key, kind)


async def claim_checks(
    connection: db.Connection,
    *,
    kinds: Sequence[str],
    except_reason: str,
    except_servers: Collection[ServerId],
    before: datetime,
    spread: timedelta,
    at: datetime,
    limit: int,
) -> list[asyncpg.Record]:
    """Take connections of some kinds, with their servers, that were last asked before a time, or up to `spread` later.

    Those that have a session, or could have one again. No other process gets them until they are due again.
    """
    rows = await connection.fetch(
        Q.due_for_check, list(kinds), except_reason, before, spread, limit, list(except_servers)
    )
    await connection.execute(
        Q.claim_checks, [row["company_id"] for row in rows], [row["connection_id"] for row in rows], at
    )
    return rows


async def count_by_status(connection: db.Connection) -> list[tuple[str, str, int]]:
    """(kind, status, how many) of all connections."""
    rows = await connection.fetch(Q.count_by_status)
    return [(row["kind"], row["status"], row["connections"]) for row in rows]
