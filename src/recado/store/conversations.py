"""Conversations: an instance and a contact. Made by `contacts.resolve`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from recado.domain.ids import CompanyId, ContactId, ConversationId, InstanceId
from recado.store import db, queries

Q = queries.load("conversations")


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """What new messages change in one conversation. The `received` fields are None when all were our own."""

    company_id: CompanyId
    id: ConversationId
    last_message_at: datetime
    last_received_at: datetime | None = None
    last_received_id: str | None = None
    unread: int = 0


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    id: ConversationId
    instance_id: InstanceId
    contact_id: ContactId
    contact_name: str | None
    contact_kind: str
    unread: int
    last_message_at: datetime | None
    last_received_at: datetime | None
    created_at: datetime


async def note(connection: db.Connection, noted: Sequence[Noted]) -> None:
    """Write what new messages change, one entry per conversation."""
    if not noted:
        return
    await connection.execute(
        Q.note_messages,
        [n.company_id for n in noted],
        [n.id for n in noted],
        [n.last_message_at for n in noted],
        [n.last_received_at for n in noted],
        [n.last_received_id for n in noted],
        [n.unread for n in noted],
    )


async def page(
    connection: db.Connection,
    company_id: CompanyId,
    *,
    instance_id: InstanceId | None,
    contact_id: ContactId | None,
    unread: bool,
    after: UUID | None,
    after_at: datetime | None,
    limit: int,
) -> list[Conversation]:
    """Conversations after the one with id `after` and last message at `after_at`, the most recent first."""
    rows = await connection.fetch(Q.list_recent, company_id, instance_id, contact_id, unread, after, after_at, limit)
    return [Conversation(**row) for row in rows]


async def get(
    connection: db.Connection,
    company_id: CompanyId,
    conversation_id: ConversationId,
    *,
    instance_id: InstanceId | None = None,
) -> Conversation | None:
    """One conversation; with `instance_id`, only if it is that instance's."""
    row = await connection.fetchrow(Q.get_conversation, company_id, conversation_id, instance_id)
    return None if row is None else Conversation(**row)
