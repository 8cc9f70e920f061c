"""Provider webhooks as they came: the log that an operator searches and replays."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.ids import CompanyId, InstanceId, RawWebhookId
from recado.store import db, queries

Q = queries.load("raw_webhooks")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A raw webhook without its body. `events` is how many were read out of it, None before it is processed."""

    id: RawWebhookId
    kind: str
    server_id: UUID | None
    connection_id: UUID | None
    received_at: datetime
    processed_at: datetime | None
    events: int | None
    error: str | None
    size: int


class RawWebhook(Listed, frozen=True, kw_only=True):
    """With the headers that are kept, and the body."""

    headers: dict[str, Any]
    body: bytes


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one. `sequence` is its place in the inbox."""

    sequence: int
    company_id: CompanyId
    id: RawWebhookId
    events: int
    error: str | None = None


async def finish(connection: db.Connection, finished: Sequence[Finished]) -> None:
    """Write what became of these and take them out of the inbox."""
    await connection.execute(
        Q.finish,
        [f.sequence for f in finished],
        [f.company_id for f in finished],
        [f.id for f in finished],
        [f.events for f in finished],
        [f.error for f in finished],
    )


async def page(
    connection: db.Connection,
    company_id: CompanyId,
    *,
    before: UUID | None,
    error: bool | None,
    kind: str | None,
    since: UUID | None,
    instance_id: InstanceId | None,
    limit: int,
) -> list[Listed]:
    """Raw webhooks before the id `before` and from the id `since` on, the newest first."""
    if error:
        rows = await connection.fetch(Q.list_errors, company_id, before, kind, since, instance_id, limit)
    else:
        rows = await connection.fetch(Q.list_raw_webhooks, company_id, before, error, kind, since, instance_id, limit)
    return [Listed(**row) for row in rows]


async def get(
    connection: db.Connection,
    company_id: CompanyId,
    raw_webhook_id: RawWebhookId,
    *,
    instance_id: InstanceId | None = None,
) -> RawWebhook | None:
    """One; with `instance_id`, only if it came by a connection of that instance."""
    row = await connection.fetchrow(Q.get_raw_webhook, company_id, raw_webhook_id, instance_id)
    return None if row is None else RawWebhook(**row)


async def replay(connection: db.Connection, company_id: CompanyId, raw_webhook_id: RawWebhookId) -> bool:
    """Have it processed again. False when there is no such raw webhook."""
    return await connection.fetchrow(Q.replay, company_id, raw_webhook_id) is not None
