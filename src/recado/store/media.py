"""Media: what is known of each file. The bytes are in media storage, under `path`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.ids import CompanyId, ConnectionId, ConversationId, InstanceId, MediaId, MessageId
from recado.store import db, queries

Q = queries.load("media")


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `sha256` is the hex digest of the bytes we keep; `path` is None until they are there.

    `instance_id` is that of the message it belongs to; None for what a company handed in.
    """

    company_id: CompanyId
    id: MediaId
    status: str
    message_id: MessageId | None
    instance_id: InstanceId | None
    mime_type: str | None
    filename: str | None
    size: int | None
    sha256: str | None
    path: str | None
    error: str | None
    created_at: datetime


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """Media to fetch. What is declared of it is the provider's word."""

    company_id: CompanyId
    id: MediaId
    message_id: MessageId
    connection_id: ConnectionId
    ref: dict[str, Any]
    mime_type: str | None
    filename: str | None
    size: int | None


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Media that this process may fetch until its lease ends. `attempts` counts this one."""

    company_id: CompanyId
    id: MediaId
    message_id: MessageId | None
    connection_id: ConnectionId | None
    ref: dict[str, Any] | None
    mime_type: str | None
    filename: str | None
    size: int | None
    attempts: int


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Where media belongs."""

    company_id: CompanyId
    message_id: MessageId
    instance_id: InstanceId
    conversation_id: ConversationId


async def insert_pending(connection: db.Connection, pending: Sequence[Pending]) -> None:
    """Queue media for fetching."""
    if not pending:
        return
    await connection.execute(
        Q.insert_pending,
        [p.company_id for p in pending],
        [p.id for p in pending],
        [p.message_id for p in pending],
        [p.connection_id for p in pending],
        [p.ref for p in pending],
        [p.mime_type for p in pending],
        [p.filename for p in pending],
        [p.size for p in pending],
    )


async def insert_stored(
    connection: db.Connection,
    company_id: CompanyId,
    media_id: MediaId,
    *,
    mime_type: str,
    filename: str,
    size: int,
    sha256: str,
    path: str,
    message_id: MessageId | None = None,
) -> Media:
    """Write the row of a file that is stored already; `message_id` where it belongs to a message."""
    row = await connection.fetchrow(
        Q.insert_stored, company_id, media_id, mime_type, filename, size, sha256, path, message_id
    )
    assert row is not None, "INSERT … RETURNING gives a row"
    return Media(**row)


async def get(connection: db.Connection, company_id: CompanyId, media_id: UUID) -> Media | None:
    """One file's row."""
    row = await connection.fetchrow(Q.get_media, company_id, media_id)
    return None if row is None else Media(**row)


async def claim(connection: db.Connection, *, limit: int, lease: timedelta) -> list[Claimed]:
    """Take media that is due."""
    return [Claimed(**row) for row in await connection.fetch(Q.claim, limit, lease)]


async def owner(connection: db.Connection, claimed: Claimed) -> Owner | None:
    """Where a claimed file belongs; None when its message is gone."""
    row = await connection.fetchrow(Q.find_owners, [claimed.company_id], [claimed.message_id])
    return None if row is None else Owner(**row)


async def make_ready(
    connection: db.Connection, claimed: Claimed, *, mime_type: str, filename: str, size: int, sha256: str, path: str
) -> bool:
    """The file is stored. False when it was finished before, by another process whose lease had ended."""
    return (
        await connection.fetchval(Q.make_ready, claimed.company_id, claimed.id, mime_type, filename, size, sha256, path)
        is not None
    )


async def postpone(connection: db.Connection, claimed: Claimed, *, error: str, next_at: datetime) -> None:
    """Fetching failed and is due again at `next_at`."""
    await connection.execute(Q.postpone, claimed.company_id, claimed.id, error, next_at)


async def fail(connection: db.Connection, claimed: Claimed, *, error: str) -> bool:
    """Fetching failed for good. False when it was finished before."""
    return await connection.fetchval(Q.fail, claimed.company_id, claimed.id, error) is not None


async def next_due(connection: db.Connection) -> datetime | None:
    """When the next fetch is due; None when nothing is pending."""
    due: datetime | None = await connection.fetchval(Q.next_due)
    return due
