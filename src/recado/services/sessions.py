"""Sessions at providers: made before a connection is first connected, and ended with it."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from recado.domain import provider
from recado.domain.errors import ProviderFailed
from recado.domain.ids import CompanyId
from recado.domain.states import ConnectionStatus
from recado.services import directory
from recado.services import servers as server_service
from recado.services.directory import ConnectionView
from recado.services.runtime import Runtime
from recado.store import connections

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: How long deleting a connection waits for each step of its provider.
_GOODBYE_SECONDS = 10.0


async def call(runtime: Runtime, kind: str, answer: Awaitable[T]) -> T:
    """The answer of a provider that the caller waits for. Raises `ProviderFailed`."""
    try:
        return await asyncio.wait_for(answer, runtime.settings.send_timeout_seconds)
    except provider.CallFailed as error:
        raise ProviderFailed(f"{kind}: {error.why}", code=error.code) from error
    except TimeoutError:
        raise ProviderFailed(f"{kind} did not answer in time.", code="provider_timeout") from None


async def prepare(runtime: Runtime, company_id: CompanyId, placed: ConnectionView) -> provider.Connection:
    """The connection as its adapter can connect it: with a session, and the webhook of one that was there before.

    A session that we make is kept, sealed, before anything else is done with it. Raises `ProviderFailed`.
    """
    adapter = server_service.adapter_of(runtime, placed.kind)
    if isinstance(adapter, provider.ManagesSessions) and placed.connection.account is None:
        return await _open(runtime, company_id, placed, adapter)
    row = await _row(runtime, company_id, placed)
    if isinstance(adapter, provider.RegistersWebhook) and row is not None and row.account and not row.opened:
        await call(runtime, placed.kind, adapter.register_webhook(placed.connection))
    return placed.connection


async def _open(
    runtime: Runtime, company_id: CompanyId, placed: ConnectionView, adapter: provider.ManagesSessions
) -> provider.Connection:
    """Of several who connect it at once, one opens the session: each opening replaces the webhook's secret."""
    context = directory.connection_context(placed.id)
    async with runtime.directory.changing(company_id) as connection:
        await connections.lock_session(connection, placed.id)
        row = await connections.get(connection, company_id, placed.connection.instance_id, placed.id)
        if row is None:
            raise directory.no_connection(placed.id)
        if row.account is None:
            session = await call(runtime, placed.kind, adapter.open_session(placed.connection))
            merged = {**runtime.keyring.open(row.credentials, context), **session.credentials}
            await connections.set_session(
                connection,
                company_id,
                placed.id,
                credentials=runtime.keyring.seal(merged, context),
                account=session.account,
            )
    log.info("session_opened", connection_id=placed.id, kind=placed.kind)
    view = await runtime.directory.instance(company_id, placed.connection.instance_id)
    return view.placed(placed.id).connection


async def end(runtime: Runtime, company_id: CompanyId, placed: ConnectionView) -> None:
    """Log a connection out and remove the session that we made for it. What fails is logged and keeps nothing."""
    adapter = runtime.providers.get(placed.kind)
    if adapter is None:
        return
    row = await _row(runtime, company_id, placed)
    if placed.status is not ConnectionStatus.CREATED:
        await _try(placed, adapter.disconnect(placed.connection, logout=True))
    if isinstance(adapter, provider.ManagesSessions) and row is not None and row.opened:
        await _try(placed, adapter.close_session(placed.connection))


async def _try(placed: ConnectionView, goodbye: Awaitable[None]) -> None:
    try:
        await asyncio.wait_for(goodbye, _GOODBYE_SECONDS)
    except (provider.CallFailed, TimeoutError) as error:
        log.warning(
            "session_not_ended",
            instance_id=placed.connection.instance_id,
            connection_id=placed.id,
            kind=placed.kind,
            why=str(error) or "timeout",
        )


async def _row(runtime: Runtime, company_id: CompanyId, placed: ConnectionView) -> connections.Connection | None:
    async with runtime.db.tenant(company_id) as connection:
        return await connections.get(connection, company_id, placed.connection.instance_id, placed.id)
