"""Sessions at providers: made before a connection is first connected, and ended with it."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
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
#: How long keeping a session that was opened may take, before somebody else may open it.
_STORING_SECONDS = 5.0
#: How often those look who wait for a session that somebody else opens.
_LOOK_AGAIN_SECONDS = 0.1


async def call(runtime: Runtime, kind: str, answer: Awaitable[T]) -> T:
    """The answer of a provider that the caller waits for. Raises `ProviderFailed`."""
    try:
        return await asyncio.wait_for(answer, runtime.settings.send_timeout_seconds)
    except provider.CallFailed as error:
        raise ProviderFailed(f"{kind}: {error.why}", code=error.code) from error
    except TimeoutError:
        raise ProviderFailed(f"{kind} did not answer in time.", code="provider_timeout") from None


async def prepare(runtime: Runtime, company_id: CompanyId, placed: ConnectionView) -> provider.Connection:
    """The connection as its adapter can connect it: with a session, whose webhook leads here. It is told again at every
    connect, since our own address may have changed.

    A session that we make is kept, sealed, before anything else is done with it. Raises `ProviderFailed`.
    """
    adapter = server_service.adapter_of(runtime, placed.kind)
    if isinstance(adapter, provider.ManagesSessions) and placed.connection.account is None:
        return await _open(runtime, company_id, placed, adapter)
    if isinstance(adapter, provider.RegistersWebhook) and placed.connection.account is not None:
        await call(runtime, placed.kind, adapter.register_webhook(placed.connection))
    return placed.connection


async def _open(
    runtime: Runtime, company_id: CompanyId, placed: ConnectionView, adapter: provider.ManagesSessions
) -> provider.Connection:
    """Of several who connect it at once, in any process, one opens the session, as each opening replaces the webhook's
    secret; the others wait for it. Nothing is held in the database meanwhile."""
    instance_id = placed.connection.instance_id
    lease = timedelta(seconds=runtime.settings.send_timeout_seconds + _STORING_SECONDS)
    while True:
        async with runtime.db.tenant(company_id) as connection:
            row = await connections.get(connection, company_id, instance_id, placed.id)
            if row is None:
                raise directory.no_connection(placed.id)
            until = await connections.begin_session(connection, company_id, placed.id, lease)
        if until is not None:
            await _open_until(runtime, company_id, placed, adapter, until)
        elif row.account is None:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        else:
            # It was made while we waited, perhaps by another process.
            runtime.directory.invalidate()
            view = await runtime.directory.instance(company_id, instance_id)
            return view.placed(placed.id).connection


async def _open_until(
    runtime: Runtime,
    company_id: CompanyId,
    placed: ConnectionView,
    adapter: provider.ManagesSessions,
    until: datetime,
) -> None:
    """Open the session and keep it, unless that takes longer than until then. Raises `ProviderFailed` or `NotFound`."""
    context = directory.connection_context(placed.id)
    try:
        session = await call(runtime, placed.kind, adapter.open_session(placed.connection))
    except ProviderFailed:
        async with runtime.db.tenant(company_id) as connection:
            await connections.leave_session(connection, company_id, placed.id, until)
        raise
    async with runtime.directory.changing(company_id) as connection:
        held = await connections.lock(connection, company_id, placed.id)
        row = await connections.get(connection, company_id, placed.connection.instance_id, placed.id)
        if held is not None and row is not None:
            merged = {**runtime.keyring.open(row.credentials, context), **session.credentials}
            if await connections.set_session(
                connection,
                company_id,
                placed.id,
                credentials=runtime.keyring.seal(merged, context),
                account=session.account,
                until=until,
            ):
                log.info("session_opened", connection_id=placed.id, kind=placed.kind)
            return
    # The connection was removed meanwhile, by somebody who could not know of the session.
    await _try(placed, adapter.close_session(_with(placed.connection, session)))
    raise directory.no_connection(placed.id)


async def end(runtime: Runtime, company_id: CompanyId, placed: ConnectionView) -> None:
    """Log a connection out and remove the session that we made for it. What fails is logged and keeps nothing."""
    adapter = runtime.providers.get(placed.kind)
    if adapter is None:
        return
    row = await _row(runtime, company_id, placed)
    if placed.status is not ConnectionStatus.CREATED:
        await _try(placed, adapter.disconnect(placed.connection, logout=True))
    if not isinstance(adapter, provider.ManagesSessions) or row is None:
        return
    if row.opened:
        await _try(placed, adapter.close_session(placed.connection))
    elif row.opening_until is not None:
        await _try(placed, _close_unanswered(adapter, placed.connection))


async def _close_unanswered(adapter: provider.ManagesSessions, connection: provider.Connection) -> None:
    """Remove a session that may have been made, though nobody heard of it: opening takes over what is there. Raises
    `CallFailed`."""
    session = await adapter.open_session(connection)
    await adapter.close_session(_with(connection, session))


def _with(connection: provider.Connection, session: provider.Session) -> provider.Connection:
    """A connection as it is called once the session is kept."""
    merged = {**connection.credentials, **session.credentials}
    return msgspec.structs.replace(connection, account=session.account, credentials=merged)


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
