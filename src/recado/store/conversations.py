"""Conversations: an instance and a contact. Made by `contacts.resolve`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
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


async def note(connection: db.Connection, noted: Sequence[Noted]) -> list[tuple[CompanyId, ConversationId]]:
    """Write what new messages change, one entry per conversation; return those in which they wrote for the first time,
    or somebody on our own phone to a stranger.

    Raises `Undone` when one of them was merged into another since it was looked up: the same again finds the other.
    """
    if not noted:
        return []
    rows = await connection.fetch(
        Q.note_messages,
        [n.company_id for n in noted],
        [n.id for n in noted],
        [n.last_message_at for n in noted],
        [n.last_received_at for n in noted],
        [n.last_received_id for n in noted],
        [n.unread for n in noted],
    )
    if len(rows) < len(noted):
        raise asyncpg.SerializationError("A conversation was merged into another while its messages were stored.")
    return [(row["company_id"], row["id"]) for row in rows if row["became_known"]]


# --- merging --------------------------------------------------------------------------------------------------


async def merge(
    connection: db.Connection, company_id: CompanyId, survivor: ContactId, merged: Sequence[ContactId]
) -> list[tuple[ConversationId, list[ConversationId]]]:
    """Give a contact the conversations of others, one for each instance; return each with those folded into it.

    Under `contacts.hold`. Their newest messages are moved at once, older ones by `move` in transactions of their own.
    """
    rows = await connection.fetch(Q.lock_of_contacts, company_id, [survivor, *merged])
    by_instance: dict[UUID, list[asyncpg.Record]] = {}
    for row in rows:
        by_instance.setdefault(row["instance_id"], []).append(row)
    changed = []
    for found in by_instance.values():
        # The survivor's own stays, else the oldest.
        kept, *folded = sorted(found, key=lambda row: (row["contact_id"] != survivor, row["created_at"], row["id"]))
        if kept["contact_id"] == survivor and not folded:
            continue
        gone = [ConversationId(row["id"]) for row in folded]
        moving = gone if kept["contact_id"] == survivor else [kept["id"], *gone]
        await connection.execute(Q.fold, company_id, kept["id"], survivor, gone)
        await connection.execute(Q.redirect_moves, company_id, kept["id"], survivor, gone)
        await connection.execute(Q.plan_moves, company_id, kept["id"], survivor, moving)
        await connection.execute(Q.alias, company_id, kept["id"], gone)
        await connection.execute(Q.delete, company_id, gone)
        for conversation_id in moving:
            await connection.fetchrow(
                Q.move_messages, company_id, conversation_id, kept["id"], survivor, None, MOVED_AT_ONCE
            )
        changed.append((ConversationId(kept["id"]), gone))
    return changed


#: Messages moved in one transaction.
MOVED_AT_ONCE = 1_000

#: When a history is gone through again after it was: a second pass for what was being written at the time, and a last
#: one for what processes wrote that had the merged conversation in memory.
_PASSES = (timedelta(seconds=15), timedelta(minutes=10))


async def move(connection: db.Connection) -> bool:
    """Move a batch of messages of a merged conversation, or contact, to the one that is left; False when none is due."""
    due = await connection.fetchrow(Q.next_move)
    if due is None:
        return False
    company_id, place = due["company_id"], due["id"]
    done = await connection.fetchrow(
        Q.move_messages, company_id, place, due["conversation_id"], due["contact_id"], due["before"], MOVED_AT_ONCE
    )
    assert done is not None, "an aggregate has one row"
    if done["looked"] == MOVED_AT_ONCE:
        await connection.execute(Q.go_on, company_id, place, done["lowest"], due["passes"], timedelta(0))
    elif due["passes"] < len(_PASSES):
        await connection.execute(Q.go_on, company_id, place, None, due["passes"] + 1, _PASSES[due["passes"]])
    else:
        await connection.execute(Q.end_move, company_id, place)
    return True


async def survivor(connection: db.Connection, company_id: CompanyId, conversation_id: UUID) -> ConversationId:
    """What a conversation's id leads to: itself, unless it was merged into another."""
    return ConversationId(await connection.fetchval(Q.get_survivor, company_id, conversation_id))


# --- looking --------------------------------------------------------------------------------------------------


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
    """One conversation, by its id or that of one merged into it; with `instance_id`, only if it is that instance's."""
    row = await connection.fetchrow(Q.get_conversation, company_id, conversation_id, instance_id)
    return None if row is None else Conversation(**row)
