"""Companies' endpoints: where their events are posted to."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.ids import CompanyId, InstanceId, WebhookId
from recado.store import db, queries

Q = queries.load("webhooks")


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A row. The secrets are sealed. `failing_since` is set while an endpoint takes nothing; `callbacks` are what one of
    the format zapi takes."""

    company_id: CompanyId
    id: WebhookId
    instance_id: InstanceId | None
    url: str
    events: list[str]
    format: str
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None
    status: str
    paused_reason: str | None
    failing_since: datetime | None
    created_at: datetime
    callbacks: list[str]


def _webhook(row: asyncpg.Record | None) -> Webhook | None:
    return Webhook(**row) if row else None


async def insert(
    connection: db.Connection,
    company_id: CompanyId,
    webhook_id: WebhookId,
    *,
    instance_id: InstanceId | None,
    url: str,
    events: Sequence[str],
    format: str,
    secret: bytes,
    callbacks: Sequence[str] = (),
) -> Webhook:
    """Add an endpoint. Raises `asyncpg.ForeignKeyViolationError` when the instance is not the company's."""
    row = await connection.fetchrow(
        Q.insert_webhook, company_id, webhook_id, instance_id, url, list(events), format, secret, list(callbacks)
    )
    assert row is not None, "INSERT … RETURNING gives a row"
    return Webhook(**row)


async def get(
    connection: db.Connection, company_id: CompanyId, webhook_id: UUID, *, instance_id: UUID | None = None
) -> Webhook | None:
    """One endpoint; with `instance_id`, only when it is that instance's own."""
    return _webhook(await connection.fetchrow(Q.get_webhook, company_id, webhook_id, instance_id))


async def lock(
    connection: db.Connection, company_id: CompanyId, webhook_id: UUID, *, instance_id: UUID | None = None
) -> Webhook | None:
    """As `get`, held against other changes until the transaction ends. Events go on being fanned out."""
    return _webhook(await connection.fetchrow(Q.lock_webhook, company_id, webhook_id, instance_id))


async def page(
    connection: db.Connection, company_id: CompanyId, *, instance_id: UUID | None, before: UUID | None, limit: int
) -> list[Webhook]:
    """Endpoints older than `before`, the newest first."""
    rows = await connection.fetch(Q.list_webhooks, company_id, instance_id, before, limit)
    return [Webhook(**row) for row in rows]


async def update(
    connection: db.Connection, company_id: CompanyId, webhook_id: UUID, *, url: str, events: Sequence[str]
) -> Webhook | None:
    """Change an endpoint."""
    return _webhook(await connection.fetchrow(Q.update_webhook, company_id, webhook_id, url, list(events)))


async def list_zapi(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> list[Webhook]:
    """An instance's endpoints of the format zapi, the oldest first, held until the transaction ends."""
    return [Webhook(**row) for row in await connection.fetch(Q.list_zapi, company_id, instance_id)]


async def update_zapi(
    connection: db.Connection,
    company_id: CompanyId,
    webhook_id: UUID,
    *,
    url: str,
    events: Sequence[str],
    callbacks: Sequence[str],
) -> Webhook:
    """Change an endpoint of the format zapi."""
    row = await connection.fetchrow(Q.update_zapi, company_id, webhook_id, url, list(events), list(callbacks))
    assert row is not None, "the row is locked"
    return Webhook(**row)


async def retire(connection: db.Connection, company_id: CompanyId, webhook_id: UUID) -> None:
    """Forget an endpoint: nothing finds it any more. `delete_retired` removes it later, with what belongs to it.

    At once would break the transactions that are writing events for it now.
    """
    await connection.execute(Q.retire_webhook, company_id, webhook_id)


async def delete_retired(connection: db.Connection, before: datetime) -> int:
    """Remove the endpoints that were retired before a time; return how many."""
    return len(await connection.fetch(Q.delete_retired, before))


async def rotate_secret(
    connection: db.Connection, company_id: CompanyId, webhook_id: UUID, *, secret: bytes, previous_until: datetime
) -> Webhook | None:
    """Replace the sealed secret; the old one signs beside it until `previous_until`."""
    return _webhook(await connection.fetchrow(Q.rotate_secret, company_id, webhook_id, secret, previous_until))


async def pause(connection: db.Connection, company_id: CompanyId, webhook_id: UUID, reason: str) -> Webhook | None:
    """Mark an endpoint paused; None when it already was. Its lanes are parked by `deliveries.park`."""
    return _webhook(await connection.fetchrow(Q.pause, company_id, webhook_id, reason))


async def resume(connection: db.Connection, company_id: CompanyId, webhook_id: UUID) -> Webhook | None:
    """Mark an endpoint active; None when it already was. Its lanes are released by `deliveries.release`."""
    return _webhook(await connection.fetchrow(Q.resume, company_id, webhook_id))


async def mark_failing(connection: db.Connection, company_id: CompanyId, webhook_id: UUID, since: datetime) -> bool:
    """Remember since when an endpoint fails; False when that was known."""
    return await connection.fetchval(Q.mark_failing, company_id, webhook_id, since) is not None


async def mark_recovered(connection: db.Connection, company_id: CompanyId, webhook_id: UUID) -> bool:
    """An endpoint took a delivery; False when it was not failing."""
    return await connection.fetchval(Q.mark_recovered, company_id, webhook_id) is not None


async def notify(connection: db.Connection, topic: str) -> None:
    """Wake the loops of every process that wait for a topic, when the transaction commits."""
    await connection.execute(Q.notify, topic)
