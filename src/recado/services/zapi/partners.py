"""Making instances that are open to Z-API clients, listing and closing them: what partners do."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from recado.domain.errors import RecadoError, Unauthorized
from recado.domain.ids import CompanyId
from recado.domain.zapi import Callback, ZapiSettings
from recado.kit import tokens as token_format
from recado.services import directory, instances
from recado.services.directory import Principal, ZapiView
from recado.services.runtime import Runtime
from recado.services.zapi import accounts, callbacks
from recado.store import zapi

log = structlog.get_logger(__name__)


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An instance in a partner's list. `due_at` is the end of its month."""

    company_id: CompanyId
    public_id: str
    token: str
    name: str
    status: str
    settings: ZapiSettings
    created_at: datetime
    due_at: datetime
    cancelled: bool


async def authenticate(runtime: Runtime, token: str) -> Principal:
    """The company behind a partner token: a token of the company here, or the one it brought from Z-API.

    Raises `Unauthorized`, or `Forbidden` for a suspended company.
    """
    try:
        principal = runtime.directory.cached_principal(token) or await runtime.directory.authenticate(token)
    except Unauthorized as error:
        return await _imported(runtime, token, error)
    if principal.level != "company":
        raise Unauthorized("This needs a partner token: the token of a company.", code="invalid_token")
    return principal


async def create(
    runtime: Runtime,
    company_id: CompanyId,
    *,
    name: str,
    settings: Mapping[str, Any],
    webhooks: Mapping[Callback, str | None],
) -> ZapiView:
    """Make an instance at the provider that the account is set to, open it, and set its webhooks.

    Raises `Invalid` or `Conflict`; then nothing was made.
    """
    account = await accounts.show_account(runtime, company_id)
    made = await instances.create(runtime, company_id, name=name, kind=account.settings.kind, settings=accounts.SENDING)
    instance_id = made.described.instance.id
    try:
        opened = await accounts.open_instance(
            runtime, company_id, instance_id, settings=msgspec.convert(dict(settings), ZapiSettings)
        )
        view = await runtime.directory.zapi(opened.id)
        await callbacks.set_webhooks(runtime, view, webhooks)
    except RecadoError:
        await instances.delete(runtime, company_id, instance_id)
        raise
    return await runtime.directory.zapi(opened.id)


async def close_instance(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> None:
    """Refuse Z-API clients of an instance from now on, and tell its webhooks nothing more. Raises `NotFound` for one that
    is not open."""
    view = await runtime.directory.zapi_of(company_id, instance_id)
    if view is None:
        raise accounts.not_open(instance_id)
    async with runtime.directory.changing(company_id) as connection:
        # Whoever sets a webhook at the same time holds it too.
        if await zapi.lock_settings(connection, company_id, view.id) is None:
            raise accounts.not_open(instance_id)
        await callbacks.close(connection, view)
        await zapi.delete(connection, company_id, instance_id)
    log.info("zapi_closed", company_id=company_id, instance_id=instance_id)


async def listed(
    runtime: Runtime, company_id: CompanyId, *, query: str, limit: int, offset: int
) -> tuple[list[Listed], int]:
    """A page of the company's instances that are open to Z-API clients, by a part of their name or by their id; and how
    many there are in all."""
    async with runtime.db.tenant(company_id) as connection:
        total = await zapi.count(connection, company_id, query=query)
        rows = await zapi.page(connection, company_id, query=query, limit=limit, offset=offset)
    now = datetime.now(UTC)
    found = [
        Listed(
            company_id=company_id,
            public_id=row["public_id"],
            token=runtime.keyring.decrypt(row["token"], directory.zapi_context(row["instance_id"])).decode(),
            name=row["name"],
            status=row["status"],
            settings=msgspec.convert(row["settings"], ZapiSettings),
            created_at=row["created_at"],
            due_at=row["due_at"] or accounts.next_due(row["subscribed_at"], now),
            cancelled=row["cancelled_at"] is not None,
        )
        for row in rows
    ]
    return found, total


async def _imported(runtime: Runtime, token: str, error: RecadoError) -> Principal:
    async with runtime.db.worker.acquire() as connection:
        company_id = await zapi.find_partner(connection, token_format.digest(token))
    if company_id is None:
        raise error
    return await runtime.directory.company(company_id)
