"""The log of provider webhooks as they came: searched, and replayed once what was wrong is fixed."""

from datetime import datetime
from uuid import UUID

from recado.domain import ids
from recado.domain.errors import NotFound, invalid
from recado.domain.ids import CompanyId, InstanceId, RawWebhookId
from recado.services.directory import Principal
from recado.services.runtime import Runtime
from recado.store import raw_webhooks


def company_of(principal: Principal, company_id: UUID | None) -> CompanyId:
    """Whose log a caller means: its own, or for an admin any company's, or that of servers that companies share."""
    if principal.company_id is None:
        return CompanyId(company_id) if company_id else ids.PLATFORM
    if company_id not in (None, principal.company_id):
        raise NotFound(f"There is no company {company_id}.", code="company_not_found")
    return principal.company_id


async def page(
    runtime: Runtime,
    company_id: CompanyId,
    *,
    before: UUID | None,
    error: bool | None,
    kind: str | None,
    since: datetime | None,
    instance_id: InstanceId | None,
    limit: int,
) -> list[raw_webhooks.Listed]:
    """Raw webhooks, the newest first; one more than `limit`, to tell of another page."""
    if since is not None and since.tzinfo is None:
        raise invalid("since", "needs a time zone: 2026-12-01T09:00:00Z or …-03:00")
    async with runtime.db.tenant(company_id) as connection:
        return await raw_webhooks.page(
            connection,
            company_id,
            before=before,
            error=error,
            kind=kind,
            since=ids.lowest(since) if since else None,
            instance_id=instance_id,
            limit=limit + 1,
        )


async def get(
    runtime: Runtime, company_id: CompanyId, raw_webhook_id: UUID, instance_id: InstanceId | None
) -> raw_webhooks.RawWebhook:
    """One, with its body. Raises `NotFound`."""
    async with runtime.db.tenant(company_id) as connection:
        found = await raw_webhooks.get(connection, company_id, RawWebhookId(raw_webhook_id), instance_id=instance_id)
    if found is None:
        raise _none(raw_webhook_id)
    return found


async def replay(runtime: Runtime, company_id: CompanyId, raw_webhook_id: UUID, instance_id: InstanceId | None) -> None:
    """Have it processed again; what it led to before is recognised and not repeated. Raises `NotFound`."""
    identifier = RawWebhookId(raw_webhook_id)
    async with runtime.db.tenant(company_id) as connection:
        found = await raw_webhooks.get(connection, company_id, identifier, instance_id=instance_id)
        if found is None or not await raw_webhooks.replay(connection, company_id, identifier):
            raise _none(raw_webhook_id)
    runtime.signals.set("inbox")


def _none(raw_webhook_id: UUID) -> NotFound:
    return NotFound(f"There is no raw webhook {raw_webhook_id}.", code="raw_webhook_not_found")
