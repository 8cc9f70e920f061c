"""An instance's chats, as those see them who know chats by what WhatsApp calls them: conversations with their contacts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from recado.domain import phones
from recado.domain.ids import CompanyId, ContactId, ConversationId, InstanceId
from recado.store import db, queries, refusals

Q = queries.load("chats")

Kind = Literal["person", "group"]


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation. `identities` are what providers call the contact, by kind: of several phones the canonical one."""

    id: ConversationId
    contact_id: ContactId
    kind: str
    name: str | None
    unread: int
    last_message_at: datetime | None
    identities: dict[str, str]

    @property
    def address(self) -> str | None:
        """Where it is written to; None for somebody of whom only a name is known."""
        best = phones.best_address(self.identities)
        return None if best is None else best.value


async def page(
    connection: db.Connection,
    company_id: CompanyId,
    instance_id: InstanceId,
    *,
    kind: Kind | None,
    limit: int,
    offset: int,
) -> list[Chat]:
    """A page of an instance's chats, the most recent message first."""
    rows = await connection.fetch(Q.list_chats, company_id, instance_id, kind, limit, offset)
    return [_chat(row) for row in rows]


async def find(
    connection: db.Connection, company_id: UUID, instance_id: UUID, addresses: Sequence[str]
) -> dict[str, Chat]:
    """The chats of an instance with these phones, LIDs, groups or channels, by address; those that there are."""
    named = [(_kind(address), address) for address in addresses]
    rows = await connection.fetch(
        Q.find_chats, company_id, instance_id, [kind for kind, _ in named], [value for _, value in named]
    )
    return {row["asked"]: _chat(row) for row in rows}


def _kind(address: str) -> str:
    return (phones.identity(address) or ("group", address))[0]


def _chat(row: refusals.Row) -> Chat:
    return Chat(
        id=row["id"],
        contact_id=row["contact_id"],
        kind=row["kind"],
        name=row["name"],
        unread=row["unread"],
        last_message_at=row["last_message_at"],
        identities=row["identities"] or {},
    )
