"""Messages that providers told us of: written by the inbound worker, read through `messages`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from recado.domain.ids import CompanyId, ContactId, ConversationId, InstanceId, MessageId
from recado.store import db, queries

Q = queries.load("received")


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`direction` is outbound, and `status` sent, for what our own number wrote on another device."""

    company_id: CompanyId
    id: MessageId
    instance_id: InstanceId
    conversation_id: ConversationId
    contact_id: ContactId
    direction: str
    status: str
    type: str
    address: str
    content: Any
    reply_to: str | None
    provider_id: str
    metadata: dict[str, Any] | None
    provider_at: datetime


class Amendable(msgspec.Struct, kw_only=True):
    """What may change of a message after it was stored."""

    company_id: CompanyId
    id: MessageId
    type: str
    content: Any
    metadata: dict[str, Any] | None


async def insert(connection: db.Connection, messages: Sequence[NewMessage]) -> None:
    """Write messages."""
    if not messages:
        return
    await connection.execute(
        Q.insert,
        [m.company_id for m in messages],
        [m.id for m in messages],
        [m.instance_id for m in messages],
        [m.conversation_id for m in messages],
        [m.contact_id for m in messages],
        [m.direction for m in messages],
        [m.status for m in messages],
        [m.type for m in messages],
        [m.address for m in messages],
        [m.content for m in messages],
        [m.reply_to for m in messages],
        [m.provider_id for m in messages],
        [m.metadata for m in messages],
        [m.provider_at for m in messages],
    )


async def hold(
    connection: db.Connection, messages: Collection[tuple[CompanyId, MessageId]]
) -> dict[tuple[CompanyId, MessageId], Amendable]:
    """Those of the messages that exist, held until the transaction ends."""
    if not messages:
        return {}
    columns = [list(column) for column in zip(*messages, strict=True)]
    return {(row["company_id"], row["id"]): Amendable(**row) for row in await connection.fetch(Q.hold, *columns)}


async def amend(connection: db.Connection, amended: Sequence[Amendable]) -> None:
    """Write held messages as they are now, each once."""
    if not amended:
        return
    await connection.execute(
        Q.amend,
        [a.company_id for a in amended],
        [a.id for a in amended],
        [a.content for a in amended],
        [a.metadata for a in amended],
    )
