"""Companies: created with their first token, suspended, and deleted with everything they ever had."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec
import structlog

from recado.domain import ids
from recado.domain.errors import NotFound, Unavailable
from recado.domain.ids import CompanyId
from recado.domain.settings import CompanySettings
from recado.services import tokens, validation
from recado.services.runtime import Runtime
from recado.store import companies, instances, media_storage, servers

log = structlog.get_logger(__name__)

Status = Literal["active", "suspended"]
_BATCH = 5_000
_DELETIONS_AT_ONCE = 16


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """A new company and the secret of its first token."""

    company: companies.Company
    token: str


async def create(runtime: Runtime, *, name: str, settings: Mapping[str, Any]) -> Created:
    """Add a company with a token."""
    validation.convert(dict(settings), CompanySettings, "settings")
    company_id = CompanyId(ids.new())
    async with runtime.db.work() as connection:
        company = await companies.insert(
            connection, company_id=company_id, name=name, settings=validation.merge({}, settings)
        )
        issued = await tokens.issue(connection, "company", company_id=company_id, name="first")
    log.info("company_created", company_id=company_id)
    return Created(company=company, token=issued.secret)


async def get(runtime: Runtime, company_id: UUID) -> companies.Company:
    """One company. Raises `NotFound`."""
    async with runtime.db.work() as connection:
        return _found(await companies.get(connection, company_id), company_id)


async def page(runtime: Runtime, *, after: UUID | None, limit: int) -> list[companies.Company]:
    """Companies, the oldest first."""
    async with runtime.db.work() as connection:
        return await companies.page(connection, after=after, limit=limit)


async def update(
    runtime: Runtime,
    company_id: UUID,
    *,
    name: str | None = None,
    status: Status | None = None,
    settings: Mapping[str, Any] | None = None,
) -> companies.Company:
    """Change what is given; settings are merged, null takes one back to its default. Raises `NotFound`.

    A suspended company's tokens answer 403 from the next request on; what it had queued still goes out.
    """
    async with runtime.directory.changing() as connection:
        current = _found(await companies.lock(connection, company_id), company_id)
        merged = validation.merge(current.settings, settings or {})
        validation.convert(merged, CompanySettings, "settings")
        updated = await companies.update(
            connection,
            company_id,
            name=current.name if name is None else name,
            status=current.status if status is None else status,
            settings=merged,
        )
    return _found(updated, company_id)


async def delete(runtime: Runtime, company_id: UUID) -> None:
    """Remove a company and everything of it: work first, then history and files, the company itself last.

    History goes in steps of its own transactions, since it may be large; a deletion that was cut off leaves a
    suspended company and is finished by asking again. Raises `NotFound`.
    """
    async with runtime.directory.changing() as connection:
        company = _found(await companies.lock(connection, company_id), company_id)
        await companies.update(connection, company_id, name=company.name, status="suspended", settings=company.settings)
        await servers.free_places(connection, company.id)
        await instances.delete_all(connection, company.id)
    await _delete_files(runtime, company.id)
    async with runtime.db.work() as connection:
        tables = await companies.history_tables(connection)
    for table in tables:
        while True:
            async with runtime.db.work() as connection:
                if await companies.delete_history(connection, table, company_id, limit=_BATCH) < _BATCH:
                    break
    async with runtime.directory.changing() as connection:
        await companies.delete(connection, company_id)
    log.info("company_deleted", company_id=company_id)


async def _delete_files(runtime: Runtime, company_id: CompanyId) -> None:
    after: UUID | None = None
    while True:
        async with runtime.db.work() as connection:
            found = await companies.media_paths(connection, company_id, after=after, limit=_DELETIONS_AT_ONCE)
        if not found:
            return
        try:
            await asyncio.gather(*(runtime.media.delete(path) for _, path in found))
        except media_storage.StorageFailed as error:
            why = "The media storage is away; the company is suspended and half deleted. Delete it again to finish."
            raise Unavailable(why, code="media_unavailable", retry_after=30) from error
        after = found[-1][0]


def _found(company: companies.Company | None, company_id: UUID) -> companies.Company:
    if company is None:
        raise NotFound(f"There is no company {company_id}.", code="company_not_found")
    return company
