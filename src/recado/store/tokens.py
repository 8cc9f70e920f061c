"""Tokens: who may call. Only their SHA-256 digests are stored."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from recado.domain.ids import CompanyId, InstanceId, TokenId
from recado.store import db, queries

Q = queries.load("tokens")

Level = Literal["admin", "company", "instance"]


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it can be shown: `hint` is the little of it that may be."""

    id: TokenId
    level: Level
    company_id: CompanyId | None
    instance_id: InstanceId | None
    name: str
    hint: str
    created_at: datetime
    revoked_at: datetime | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid token stands for."""

    id: TokenId
    level: Level
    company_id: CompanyId | None
    instance_id: InstanceId | None
    company_status: str | None
    company_settings: dict[str, Any] | None


async def insert(
    connection: db.Connection,
    *,
    token_id: TokenId,
    level: Level,
    company_id: CompanyId | None,
    instance_id: InstanceId | None,
    name: str,
    digest: bytes,
    hint: str,
) -> Token:
    """Add a token."""
    row = await connection.fetchrow(Q.insert_token, token_id, level, company_id, instance_id, name, digest, hint)
    assert row is not None, "INSERT … RETURNING gives a row"
    return Token(**row)


async def find(connection: db.Connection, digest: bytes) -> Found | None:
    """The valid token with this digest."""
    row = await connection.fetchrow(Q.find_principal, digest)
    return Found(**row) if row else None


async def get(connection: db.Connection, token_id: UUID, company_id: CompanyId | None = None) -> Token | None:
    """One token, revoked or not; with `company_id`, only that company's."""
    row = await connection.fetchrow(Q.get_token, token_id, company_id)
    return Token(**row) if row else None


async def page(
    connection: db.Connection, *, company_id: CompanyId | None, after: UUID | None, limit: int
) -> list[Token]:
    """Tokens after an id, the oldest first."""
    return [Token(**row) for row in await connection.fetch(Q.list_tokens, company_id, after, limit)]


async def revoke(connection: db.Connection, token_id: UUID, at: datetime) -> Token | None:
    """End a token. Ending it twice keeps the first time."""
    row = await connection.fetchrow(Q.revoke_token, token_id, at)
    return Token(**row) if row else None


async def revoke_of_instance(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId, at: datetime
) -> None:
    """End every token of an instance."""
    await connection.execute(Q.revoke_instance_tokens, company_id, instance_id, at)


async def admin_exists(connection: db.Connection) -> bool:
    """Whether any admin token is valid."""
    return bool(await connection.fetchval(Q.admin_exists))


async def lock_admins(connection: db.Connection) -> None:
    """Hold, until the transaction ends, the right to decide about the first admin token."""
    await connection.execute(Q.lock_admins)


async def notify_caches(connection: db.Connection) -> None:
    """Tell every process, at commit, that cached tokens, instances and hooks are old."""
    await connection.execute(Q.notify_caches)
