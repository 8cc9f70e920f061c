"""Messages: history. What is still to do lives in `outbox`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from recado.domain import ids
from recado.store import db, queries

Q = queries.load("messages")

_LAST = UUID(int=2**128 - 1)


async def get(connection: db.Connection, company_id: UUID, message_id: UUID) -> Any | None:
    """One message, or None."""
    return await connection.fetchrow(Q.get, company_id, message_id)


async def list_page(
    connection: db.Connection,
    company_id: UUID,
    *,
    before: UUID | None,
    limit: int,
    instance_id: UUID | None = None,
    conversation_id: UUID | None = None,
    contact_id: UUID | None = None,
    direction: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    text: str | None = None,
) -> list[Any]:
    """Messages, newest first, before an id. `text` is looked for in bodies and captions, without regard to case."""
    if conversation_id and not any((instance_id, contact_id, direction, status, since, text)):
        return await connection.fetch(Q.list_of_conversation, company_id, conversation_id, before or _LAST, limit)
    escaped = None
    if text:
        escaped = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return await connection.fetch(
        Q.list_page,
        company_id,
        before,
        instance_id,
        conversation_id,
        contact_id,
        direction,
        status,
        ids.lowest(since) if since else None,
        escaped,
        limit,
    )


async def find(connection: db.Connection, company_id: UUID, instance_id: UUID, reference: str) -> Any | None:
    """A message of an instance by our id or the provider's, without what only its own page shows; None when there is
    none."""
    try:
        message_id = UUID(reference)
    except ValueError:
        return await connection.fetchrow(Q.find_by_provider_id, company_id, instance_id, reference)
    found = await connection.fetchrow(Q.find_by_id, company_id, instance_id, message_id)
    return found or await connection.fetchrow(Q.find_by_provider_id, company_id, instance_id, reference)


async def find_by_client_id(
    connection: db.Connection, company_id: UUID, instance_id: UUID, client_id: str
) -> Any | None:
    """As `find`, by the id that its client gave the message."""
    return await connection.fetchrow(Q.find_by_client_id, company_id, f"client:{instance_id}:{client_id}")


async def list_attempts(connection: db.Connection, company_id: UUID, message_id: UUID) -> list[Any]:
    """The attempts of a message, first first."""
    return await connection.fetch(Q.list_attempts, company_id, message_id)


async def list_receipts(connection: db.Connection, company_id: UUID, message_id: UUID) -> list[Any]:
    """The receipts of a message, in the order of their own times."""
    return await connection.fetch(Q.list_receipts, company_id, message_id)


async def list_dead(
    connection: db.Connection,
    company_id: UUID,
    *,
    before: UUID | None,
    instance_id: UUID | None,
    code: str | None,
    limit: int,
) -> list[Any]:
    """Dead letters, newest first."""
    return await connection.fetch(Q.list_dead, company_id, before, instance_id, code, limit)


async def list_dead_for_retry(
    connection: db.Connection,
    company_id: UUID,
    *,
    message_ids: list[UUID] | None,
    instance_id: UUID | None,
    code: str | None,
    since: datetime | None,
    limit: int,
) -> list[Any]:
    """The messages of the dead letters meant, oldest first."""
    return await connection.fetch(Q.list_dead_for_retry, company_id, message_ids, instance_id, code, since, limit)


async def last_received(connection: db.Connection, company_id: UUID, conversation_id: UUID) -> str | None:
    """The provider's id of a conversation's newest inbound message."""
    found: str | None = await connection.fetchval(Q.last_received, company_id, conversation_id)
    return found


async def mark_conversation_read(
    connection: db.Connection, company_id: UUID, conversation_id: UUID, message_id: UUID
) -> None:
    """Count as unread only what was received after `message_id`."""
    await connection.execute(Q.mark_conversation_read, company_id, conversation_id, message_id)
