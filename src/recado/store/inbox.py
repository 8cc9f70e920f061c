"""The inbox: provider webhooks stored and not processed yet. Their order holds per source, a connection or a server."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.ids import CompanyId, ConnectionId, InstanceId, RawWebhookId, ServerId
from recado.domain.states import SENDING
from recado.domain.zapi import REACTIONS
from recado.store import db, queries

Q = queries.load("inbox")


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook to keep. `headers` are those that may be kept: never credentials."""

    company_id: CompanyId
    id: RawWebhookId
    kind: str
    server_id: ServerId
    connection_id: ConnectionId | None
    source: UUID
    headers: dict[str, str]
    body: bytes
    received_at: datetime


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook to process. `connection_id` is None when it came by a server's shared address."""

    sequence: int
    source: UUID
    company_id: CompanyId
    id: RawWebhookId
    kind: str
    server_id: ServerId | None
    connection_id: ConnectionId | None
    body: bytes
    received_at: datetime


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that events may belong to. `proven`: its provider was asked, and its credentials are good.
    `reactions` are the settings of `domain.zapi.REACTIONS` that are on for its instance."""

    company_id: CompanyId
    id: ConnectionId
    instance_id: InstanceId
    server_id: ServerId
    kind: str
    account: str | None
    proven: bool
    reactions: Sequence[str] = ()


async def store(connection: db.Connection, webhooks: Sequence[NewWebhook]) -> None:
    """Keep webhooks and queue them, in this order."""
    await connection.execute(
        Q.store,
        [w.company_id for w in webhooks],
        [w.id for w in webhooks],
        [w.kind for w in webhooks],
        [w.server_id for w in webhooks],
        [w.connection_id for w in webhooks],
        [w.source for w in webhooks],
        [w.headers for w in webhooks],
        [w.body for w in webhooks],
        [w.received_at for w in webhooks],
    )


#: Where a round over the sources begins.
START = UUID(int=0)


async def sources(connection: db.Connection, *, limit: int, after: UUID = START) -> list[UUID]:
    """Up to `limit` sources that have webhooks waiting, in the order of their ids, after one."""
    return [row["source"] for row in await connection.fetch(Q.list_sources, limit, after)]


async def lock(connection: db.Connection, wanted: Collection[UUID]) -> list[UUID]:
    """Those of the sources that no other process works on, ours until the transaction ends.

    What they have waiting must be fetched by a statement after this one, which then sees all that another process
    finished before it let go.
    """
    return [row["source"] for row in await connection.fetch(Q.lock_sources, list(wanted))]


async def fetch(connection: db.Connection, locked: Collection[UUID], *, limit: int, most_bytes: int) -> list[Waiting]:
    """The oldest webhooks of locked sources, in order; at least one if there is any."""
    return [Waiting(**row) for row in await connection.fetch(Q.fetch, list(locked), limit, most_bytes)]


async def drop_orphans(connection: db.Connection, locked: Collection[UUID]) -> None:
    """Remove what locked sources have waiting whose raw webhook is gone."""
    await connection.execute(Q.drop_orphans, list(locked))


async def routes(
    connection: db.Connection,
    connections: Collection[tuple[CompanyId, ConnectionId]],
    accounts: Collection[tuple[str, str]],
) -> list[Route]:
    """These connections, and those of any company with one of these (kind, account); the oldest first."""
    rows = await connection.fetch(
        Q.route,
        [company_id for company_id, _ in connections],
        [connection_id for _, connection_id in connections],
        [kind for kind, _ in accounts],
        [account for _, account in accounts],
        list(SENDING),
    )
    return [_route(**row) for row in rows]


def _route(*, settings: dict[str, Any] | None, **row: Any) -> Route:
    reactions = [name for name in REACTIONS if settings.get(name)] if settings else ()
    return Route(reactions=reactions, **row)


async def measure(connection: db.Connection) -> tuple[int, datetime | None]:
    """How many webhooks wait, and since when the oldest does."""
    row = await connection.fetchrow(Q.measure)
    assert row is not None, "a SELECT of scalars has one row"
    return row["backlog"], row["oldest_at"]
