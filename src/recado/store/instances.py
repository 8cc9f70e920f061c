"""Instances: the WhatsApp numbers of a company."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.ids import CompanyId, ConversationId, InstanceId, MessageId
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.store import db, queries

Q = queries.load("instances")


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    company_id: CompanyId
    id: InstanceId
    name: str
    status: str
    status_reason: str | None
    phone: str | None
    settings: dict[str, Any]
    paused: bool
    hold_until: datetime | None
    created_at: datetime


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A queued message that will not be sent: `cancelled`, or `unproven` when it was being sent."""

    id: MessageId
    conversation_id: ConversationId
    status: MessageStatus


def _instance(row: asyncpg.Record | None) -> Instance | None:
    return Instance(**row) if row else None


async def insert(
    connection: db.Connection,
    company_id: CompanyId,
    *,
    instance_id: InstanceId,
    name: str,
    status: ConnectionStatus,
    phone: str | None,
    settings: dict[str, Any],
) -> Instance:
    """Add an instance."""
    row = await connection.fetchrow(Q.insert_instance, company_id, instance_id, name, status, phone, settings)
    assert row is not None, "INSERT … RETURNING gives a row"
    return Instance(**row)


async def get(connection: db.Connection, company_id: CompanyId, instance_id: UUID) -> Instance | None:
    """One instance of a company."""
    return _instance(await connection.fetchrow(Q.get_instance, company_id, instance_id))


async def lock(connection: db.Connection, company_id: CompanyId, instance_id: UUID) -> Instance | None:
    """One instance, held against other changes until the transaction ends."""
    return _instance(await connection.fetchrow(Q.lock_instance, company_id, instance_id))


async def page(
    connection: db.Connection, company_id: CompanyId, *, after: UUID | None, status: str | None, limit: int
) -> list[Instance]:
    """Instances of a company after an id, the oldest first."""
    return [Instance(**row) for row in await connection.fetch(Q.list_instances, company_id, after, status, limit)]


async def update(
    connection: db.Connection, company_id: CompanyId, instance_id: UUID, *, name: str, settings: dict[str, Any]
) -> Instance | None:
    """Replace what a person may change."""
    return _instance(await connection.fetchrow(Q.update_instance, company_id, instance_id, name, settings))


async def set_status(
    connection: db.Connection,
    company_id: CompanyId,
    instance_id: InstanceId,
    *,
    status: ConnectionStatus,
    reason: str | None,
    phone: str | None,
) -> None:
    """Store how the instance stands. A phone of None keeps the one that is known."""
    await connection.execute(Q.set_status, company_id, instance_id, status, reason, phone)


async def cancel_queued(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> list[Ended]:
    """End what the instance still had to send. The outbox rows go with the instance."""
    rows = await connection.fetch(Q.cancel_queued, company_id, instance_id)
    return [
        Ended(id=row["id"], conversation_id=row["conversation_id"], status=MessageStatus(row["status"])) for row in rows
    ]


async def delete(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> None:
    """Remove the instance and what cannot be without it. Its messages stay."""
    await connection.execute(Q.delete_dead_letters, company_id, instance_id)
    await connection.execute(Q.delete_instance, company_id, instance_id)


async def delete_all(connection: db.Connection, company_id: CompanyId) -> None:
    """Remove every instance of a company with its connections, lanes and queued work."""
    await connection.execute(Q.delete_all, company_id)
