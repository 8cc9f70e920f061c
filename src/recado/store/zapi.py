"""The Z-API surface: accounts there, and the instances that are open to Z-API clients."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.ids import CompanyId, InstanceId
from recado.store import db, queries, refusals

Q = queries.load("zapi")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A row. The tokens are SHA-256 digests."""

    company_id: CompanyId
    client_token: bytes | None = None
    client_token_enabled: bool = False
    partner_token: bytes | None = None
    settings: dict[str, Any] = {}
    created_at: datetime | None = None


async def find(connection: db.Connection, public_id: str) -> refusals.Row | None:
    """An instance by its id in Z-API's addresses, with its account and company."""
    row: refusals.Row | None = await connection.fetchrow(Q.find_instance, public_id)
    return row


async def public_id_of(connection: db.Connection, company_id: UUID, instance_id: UUID) -> str | None:
    """The id in Z-API's addresses of an instance; None for one that is not open to Z-API clients."""
    found: str | None = await connection.fetchval(Q.public_id_of, company_id, instance_id)
    return found


async def insert(
    connection: db.Connection,
    company_id: CompanyId,
    instance_id: InstanceId,
    *,
    public_id: str,
    token: bytes,
    settings: Mapping[str, Any],
) -> bool:
    """Open an instance; False when it is open already, or the id is taken. Raises `asyncpg.ForeignKeyViolationError`
    when the instance is not the company's."""
    made = await connection.fetchval(Q.insert_instance, company_id, instance_id, public_id, token, dict(settings))
    return made is not None


async def delete(connection: db.Connection, company_id: CompanyId, instance_id: UUID) -> None:
    """Close an instance."""
    await connection.execute(Q.delete_instance, company_id, instance_id)


async def lock_settings(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId
) -> dict[str, Any] | None:
    """What an instance is set to, held until the transaction ends; None for one that is not open."""
    found: dict[str, Any] | None = await connection.fetchval(Q.lock_settings, company_id, instance_id)
    return found


async def set_settings(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId, settings: Mapping[str, Any]
) -> None:
    """Change what an instance is set to."""
    await connection.execute(Q.set_settings, company_id, instance_id, dict(settings))


async def subscribe(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> None:
    """Take a cancellation back."""
    await connection.execute(Q.subscribe, company_id, instance_id)


async def cancel(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId, due_at: datetime) -> None:
    """Cancel an instance's subscription: it can be used until then."""
    await connection.execute(Q.cancel, company_id, instance_id, due_at)


async def account(connection: db.Connection, company_id: CompanyId) -> Account:
    """A company's account; one without a row has asked for nothing yet."""
    row: asyncpg.Record | None = await connection.fetchrow(Q.get_account, company_id)
    return Account(**row) if row else Account(company_id=company_id)


async def lock_account(connection: db.Connection, company_id: CompanyId) -> Account:
    """A company's account, held until the transaction ends."""
    row = await connection.fetchrow(Q.lock_account, company_id)
    assert row is not None, "it is made where there is none"
    return Account(**row)


async def save_account(connection: db.Connection, account: Account) -> None:
    """Store an account that `lock_account` gave. Raises `asyncpg.UniqueViolationError` for a partner token that is another company's."""
    await connection.execute(
        Q.save_account,
        account.company_id,
        account.client_token,
        account.client_token_enabled,
        account.partner_token,
        account.settings,
    )


async def find_partner(connection: db.Connection, digest: bytes) -> CompanyId | None:
    """The company that an imported partner token belongs to."""
    found: CompanyId | None = await connection.fetchval(Q.find_partner, digest)
    return found


async def page(
    connection: db.Connection, company_id: CompanyId, *, query: str, limit: int, offset: int
) -> list[asyncpg.Record]:
    """A page of a company's open instances, the oldest first."""
    found: list[asyncpg.Record] = await connection.fetch(Q.list_instances, company_id, query, limit, offset)
    return found


async def count(connection: db.Connection, company_id: CompanyId, *, query: str) -> int:
    """How many instances all pages have."""
    found: int = await connection.fetchval(Q.count_instances, company_id, query)
    return found


async def count_waiting(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId, most: int) -> int:
    """How many messages wait for an instance, counted up to `most`."""
    found: int = await connection.fetchval(Q.count_waiting, company_id, instance_id, most)
    return found
