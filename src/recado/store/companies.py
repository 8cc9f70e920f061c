"""Companies: the tenants."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.ids import CompanyId
from recado.store import db, queries

Q = queries.load("companies")


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `status` is `active` or `suspended`."""

    id: CompanyId
    name: str
    status: str
    settings: dict[str, Any]
    created_at: datetime


def _company(row: asyncpg.Record | None) -> Company | None:
    return Company(**row) if row else None


async def insert(connection: db.Connection, *, company_id: CompanyId, name: str, settings: dict[str, Any]) -> Company:
    """Add a company."""
    row = await connection.fetchrow(Q.insert_company, company_id, name, settings)
    assert row is not None, "INSERT … RETURNING gives a row"
    return Company(**row)


async def get(connection: db.Connection, company_id: UUID) -> Company | None:
    """One company."""
    return _company(await connection.fetchrow(Q.get_company, company_id))


async def lock(connection: db.Connection, company_id: UUID) -> Company | None:
    """One company, held against other changes until the transaction ends."""
    return _company(await connection.fetchrow(Q.lock_company, company_id))


async def page(connection: db.Connection, *, after: UUID | None, limit: int) -> list[Company]:
    """Companies after an id, the oldest first."""
    return [Company(**row) for row in await connection.fetch(Q.list_companies, after, limit)]


async def update(
    connection: db.Connection, company_id: UUID, *, name: str, status: str, settings: dict[str, Any]
) -> Company | None:
    """Replace what a person may change."""
    return _company(await connection.fetchrow(Q.update_company, company_id, name, status, settings))


async def delete(connection: db.Connection, company_id: UUID) -> None:
    """Remove the company and all that foreign keys remove with it."""
    await connection.execute(Q.delete_company, company_id)


async def history_tables(connection: db.Connection) -> list[str]:
    """The tables whose rows of a company are not removed with it by foreign keys."""
    return [row["name"] for row in await connection.fetch(Q.history_tables)]


async def delete_history(connection: db.Connection, table: str, company_id: UUID, *, limit: int) -> int:
    """Remove up to `limit` rows of a company from a table of `history_tables`; returns how many there were."""
    status = await connection.execute(Q.delete_history.replace("{table}", table), company_id, limit)
    return int(status.rsplit(" ", 1)[-1])


async def media_paths(
    connection: db.Connection, company_id: UUID, *, after: UUID | None, limit: int
) -> list[tuple[UUID, str]]:
    """Media ids and storage paths of a company, after an id."""
    rows = await connection.fetch(Q.media_paths, company_id, after, limit)
    return [(row["id"], row["path"]) for row in rows]
