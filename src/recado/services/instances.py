"""Instances: made with their first connection, connected, changed, and taken away with their queue.

Their connections are placed by `services.placing`; which of them is used is decided by `services.failover`.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import structlog

from recado.domain import ids, phones, provider
from recado.domain.errors import Conflict, Invalid, invalid
from recado.domain.evidence import seen_as
from recado.domain.ids import CompanyId, InstanceId
from recado.domain.provider import ConnectionState
from recado.domain.states import SENDING, ConnectionStatus, MessageStatus
from recado.services import connections as statuses
from recado.services import directory, placing, recovering, sessions, tokens, validation
from recado.services import servers as server_service
from recado.services.directory import ConnectionView
from recado.services.runtime import Runtime
from recado.store import cold, connections, db, events, instances, liveness, servers

log = structlog.get_logger(__name__)

Method = Literal["qr", "phone_code"]


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """An instance with its connections, the best rank first."""

    instance: instances.Instance
    connections: list[connections.Connection]


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """A new instance and the secret of its token."""

    described: Described
    token: str


# --- creating and changing ------------------------------------------------------------------------------


async def create(
    runtime: Runtime,
    company_id: CompanyId,
    *,
    name: str,
    kind: str | None = None,
    server_id: UUID | None = None,
    phone: str | None = None,
    credentials: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Created:
    """Add an instance with one connection and a token: on the server named, or on the healthy one of the kind with
    room and the fewest instances. Raises `Invalid` naming the field, `NotFound` or `Conflict` about the server.

    `credentials` are those of that connection.
    """
    kind = await placing.kind_of(runtime, company_id, kind, server_id)
    adapter = server_service.adapter_of(runtime, kind)
    given = validation.credentials(credentials or {}, adapter.connection_credentials)
    wanted = validation.merge({}, settings or {})
    placing.check_settings(wanted, adapter)
    digits = None if phone is None else _phone(phone)
    status = placing.first_status(adapter)
    instance_id = InstanceId(ids.new())
    async with runtime.db.work() as connection:
        instance = await instances.insert(
            connection, company_id, instance_id=instance_id, name=name, status=status, phone=digits, settings=wanted
        )
        issued = await tokens.issue(
            connection, "instance", company_id=company_id, instance_id=instance_id, name="first"
        )
        # Last, since others wait for it.
        placed = await placing.insert(
            connection,
            runtime,
            company_id,
            instance_id,
            adapter,
            server_id=server_id,
            credentials=given,
            rank=1,
            active=True,
        )
    log.info("instance_created", company_id=company_id, instance_id=instance_id, kind=kind, server_id=placed.server_id)
    return Created(described=Described(instance=instance, connections=[placed]), token=issued.secret)


async def get(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> Described:
    """One instance. Raises `NotFound`, also for another company's."""
    async with runtime.db.tenant(company_id) as connection:
        return await _described(connection, company_id, instance_id)


async def page(
    runtime: Runtime, company_id: CompanyId, *, after: UUID | None, limit: int, status: str | None = None
) -> list[Described]:
    """A company's instances, the oldest first."""
    async with runtime.db.tenant(company_id) as connection:
        found = await instances.page(connection, company_id, after=after, status=status, limit=limit)
        placed = await connections.of_instances(connection, company_id, [instance.id for instance in found])
    return [Described(instance=instance, connections=placed[instance.id]) for instance in found]


async def update(
    runtime: Runtime,
    company_id: CompanyId,
    instance_id: UUID,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    credentials: Mapping[str, str | None] | None = None,
) -> Described:
    """Change what is given. Settings and credentials are merged; null takes a setting back to its default.

    New credentials go to the active connection. Raises `NotFound` or `Invalid`.
    """
    async with runtime.directory.changing(company_id) as connection:
        current = await instances.lock(connection, company_id, instance_id)
        if current is None:
            raise directory.no_instance(instance_id)
        placed = (await connections.of_instances(connection, company_id, [instance_id]))[instance_id]
        merged = validation.merge(current.settings, settings or {})
        for one in placed:
            placing.check_settings(merged, server_service.adapter_of(runtime, one.kind))
        await instances.update(
            connection, company_id, instance_id, name=current.name if name is None else name, settings=merged
        )
        if settings and "pacing" in settings:
            await cold.recount(connection, company_id, InstanceId(instance_id))
        if credentials is not None:
            active = next((one for one in placed if one.active), None)
            if active is None:
                raise invalid("credentials", "The instance has no connection.")
            await placing.change_credentials(connection, runtime, active, credentials)
        return await _described(connection, company_id, instance_id)


async def delete(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> None:
    """Remove an instance: its sessions end, its tokens too, what it had queued is cancelled, its place is free.

    Its messages stay as history. Raises `NotFound`.
    """
    view = await runtime.directory.instance(company_id, instance_id)
    await asyncio.gather(*(sessions.end(runtime, company_id, placed) for placed in view.connections))
    async with runtime.directory.changing() as connection:
        current = await instances.lock(connection, company_id, instance_id)
        if current is None:
            raise directory.no_instance(instance_id)
        ended = await instances.cancel_queued(connection, company_id, current.id)
        await servers.free_places(connection, company_id, current.id)
        await instances.delete(connection, company_id, current.id)
        await events.insert(connection, [_ended_event(company_id, current.id, message) for message in ended])
    log.info("instance_deleted", company_id=company_id, instance_id=instance_id, cancelled=len(ended))


async def _described(connection: db.Connection, company_id: CompanyId, instance_id: UUID) -> Described:
    found = await instances.get(connection, company_id, instance_id)
    if found is None:
        raise directory.no_instance(instance_id)
    placed = await connections.of_instances(connection, company_id, [instance_id])
    return Described(instance=found, connections=placed[instance_id])


def _ended_event(company_id: CompanyId, instance_id: InstanceId, message: instances.Ended) -> events.NewEvent:
    kind = "message.cancelled" if message.status is MessageStatus.CANCELLED else "message.unproven"
    return events.NewEvent(
        company_id=company_id,
        type=kind,
        data={"message_id": message.id, "status": message.status, "reason": "The instance was deleted."},
        instance_id=instance_id,
        conversation_id=message.conversation_id,
        message_id=message.id,
    )


def _phone(text: str) -> str:
    try:
        address = phones.parse(text)
    except ValueError as error:
        raise invalid("phone", str(error)) from None
    if address.kind != "phone":
        raise invalid("phone", "is not a phone number")
    return address.value


# --- connecting -----------------------------------------------------------------------------------------
#
# Each of these is about the connection named, or the active one. Raises `NotFound` for one that is not there.


async def connect(
    runtime: Runtime,
    company_id: CompanyId,
    instance_id: UUID,
    *,
    connection_id: UUID | None = None,
    method: Method = "qr",
    phone: str | None = None,
) -> ConnectionState:
    """Start the session, made first where the provider needs that: a QR code or pairing code to show, unless none is
    needed. Raises `Invalid` or `ProviderFailed`.
    """
    digits = None if phone is None else _phone(phone)
    if method == "phone_code" and digits is None:
        raise invalid("phone", "A pairing code needs the number of the phone.")
    placed = await _placed(runtime, company_id, instance_id, connection_id)
    adapter = server_service.adapter_of(runtime, placed.kind)
    called = await sessions.prepare(runtime, company_id, placed)
    since = datetime.now(UTC)
    state = await sessions.call(runtime, placed.kind, adapter.connect(called, method=method, phone=digits))
    return await _store(runtime, company_id, placed, state, asked=True, since=since)


async def pairing(
    runtime: Runtime, company_id: CompanyId, instance_id: UUID, *, connection_id: UUID | None = None
) -> ConnectionState:
    """The code to show now. Raises `Conflict` when there is none: connected, or not connecting."""
    placed = await _placed(runtime, company_id, instance_id, connection_id)
    shown = await _shown(runtime, company_id, placed)
    if shown is None:
        # The code may have expired or not be told yet; only the provider knows the newest.
        state = await status(runtime, company_id, instance_id, connection_id=placed.id)
        if state.status in SENDING:
            raise Conflict("The instance is connected; there is no code to show.", code="already_connected")
        shown = await _shown(runtime, company_id, placed)
    if shown is None:
        raise Conflict("There is no code to show; connect the instance first.", code="not_pairing")
    return shown


async def status(
    runtime: Runtime, company_id: CompanyId, instance_id: UUID, *, connection_id: UUID | None = None
) -> ConnectionState:
    """How the connection stands, asked of its provider now and stored. Raises `ProviderFailed`.

    One that was disconnected on request stays so, whatever its provider thinks.
    """
    placed = await _placed(runtime, company_id, instance_id, connection_id)
    row = await _row(runtime, company_id, placed)
    if row is not None and row.status_reason == statuses.REQUESTED:
        return ConnectionState(status=ConnectionStatus(row.status), reason=statuses.REQUESTED)
    adapter = server_service.adapter_of(runtime, placed.kind)
    since = datetime.now(UTC)
    state = await sessions.call(runtime, placed.kind, adapter.status(placed.connection))
    return await _store(runtime, company_id, placed, state, looked=True, since=since)


async def restart(
    runtime: Runtime, company_id: CompanyId, instance_id: UUID, *, connection_id: UUID | None = None
) -> ConnectionState:
    """Restart the session without a new pairing. Raises `Invalid` (`unsupported_by_provider`), `ProviderFailed`."""
    placed = await _placed(runtime, company_id, instance_id, connection_id)
    adapter = server_service.adapter_of(runtime, placed.kind)
    if not isinstance(adapter, provider.Restarts):
        raise _unsupported(placed, "restart a session")
    since = datetime.now(UTC)
    state = await sessions.call(runtime, placed.kind, adapter.restart(placed.connection))
    return await _store(runtime, company_id, placed, state, since=since)


async def disconnect(
    runtime: Runtime,
    company_id: CompanyId,
    instance_id: UUID,
    *,
    connection_id: UUID | None = None,
    logout: bool = False,
) -> ConnectionState:
    """End the session; messages wait until it is connected again, and no other connection takes over by itself. With
    `logout` the phone forgets it too, and connecting needs a new code. Twice is fine. Raises `ProviderFailed`."""
    placed = await _placed(runtime, company_id, instance_id, connection_id)
    adapter = server_service.adapter_of(runtime, placed.kind)
    await sessions.call(runtime, placed.kind, adapter.disconnect(placed.connection, logout=logout))
    state = ConnectionState(status=ConnectionStatus.DISCONNECTED, reason=statuses.REQUESTED)
    return await _store(runtime, company_id, placed, state)


async def recover(
    runtime: Runtime, company_id: CompanyId, instance_id: UUID, *, connection_id: UUID | None = None
) -> recovering.Recovered:
    """Bring the connection back now, unless it is well or only a person can help; tell what was done.

    Raises `Conflict` while another process is at it.
    """
    return await recovering.recover(runtime, company_id, await _placed(runtime, company_id, instance_id, connection_id))


async def answer_passkey(
    runtime: Runtime,
    company_id: CompanyId,
    instance_id: UUID,
    *,
    step: str,
    answer: Mapping[str, Any],
    connection_id: UUID | None = None,
) -> ConnectionState:
    """Go on with a pairing that asked for a passkey. Raises `Invalid` (`unsupported_by_provider`), `ProviderFailed`."""
    placed = await _placed(runtime, company_id, instance_id, connection_id)
    adapter = server_service.adapter_of(runtime, placed.kind)
    if not isinstance(adapter, provider.AsksForPasskey):
        raise _unsupported(placed, "pair with a passkey")
    state = await sessions.call(
        runtime, placed.kind, adapter.answer_passkey(placed.connection, step=step, answer=answer)
    )
    return await _store(runtime, company_id, placed, state)


async def account(
    runtime: Runtime, company_id: CompanyId, instance_id: UUID, *, connection_id: UUID | None = None
) -> tuple[ConnectionView, dict[str, Any]]:
    """What the provider says of the number: name, quality, limits. Raises `Invalid` (`unsupported_by_provider`),
    `ProviderFailed`."""
    placed = await _placed(runtime, company_id, instance_id, connection_id)
    adapter = server_service.adapter_of(runtime, placed.kind)
    if not isinstance(adapter, provider.TellsAccount):
        raise _unsupported(placed, "tell of the account")
    return placed, await sessions.call(runtime, placed.kind, adapter.account_info(placed.connection))


async def _placed(
    runtime: Runtime, company_id: CompanyId, instance_id: UUID, connection_id: UUID | None
) -> ConnectionView:
    return (await runtime.directory.instance(company_id, instance_id)).placed(connection_id)


def _unsupported(placed: ConnectionView, what: str) -> Invalid:
    return Invalid(f"The provider {placed.kind} cannot {what}.", code="unsupported_by_provider")


async def _store(
    runtime: Runtime,
    company_id: CompanyId,
    placed: ConnectionView,
    state: ConnectionState,
    *,
    asked: bool = False,
    looked: bool = False,
    since: datetime | None = None,
) -> ConnectionState:
    async with runtime.directory.changing(company_id) as connection:
        standing = await liveness.standing(connection, [(company_id, placed.id)])
        state = seen_as(state, standing.get(placed.id))
        await statuses.change_status(
            connection, runtime, company_id, placed.id, state, asked=asked, looked=looked, since=since
        )
    return state


async def _row(runtime: Runtime, company_id: CompanyId, placed: ConnectionView) -> connections.Connection | None:
    async with runtime.db.tenant(company_id) as connection:
        return await connections.get(connection, company_id, placed.connection.instance_id, placed.id)


async def _shown(runtime: Runtime, company_id: CompanyId, placed: ConnectionView) -> ConnectionState | None:
    """The stored code, while it is valid."""
    row = await _row(runtime, company_id, placed)
    if row is None or row.pairing is None or row.status != ConnectionStatus.QR:
        return None
    expires_at = datetime.fromisoformat(row.pairing["expires_at"]) if row.pairing["expires_at"] else None
    if expires_at is not None and expires_at <= datetime.now(UTC):
        return None
    code, method = row.pairing["code"], row.pairing["method"]
    return ConnectionState(
        status=ConnectionStatus.QR,
        qr=code if method == "qr" else None,
        pairing_code=code if method == "phone_code" else None,
        expires_at=expires_at,
        details=row.pairing.get("details", {}),
    )
