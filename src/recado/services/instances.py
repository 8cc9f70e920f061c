"""Instances: placed on a server, connected, changed, and taken away with their queue."""

import asyncio
import secrets
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec
import structlog

from recado.domain import ids, phones, provider
from recado.domain.errors import Conflict, Invalid, NotFound, ProviderFailed, invalid
from recado.domain.ids import CompanyId, ConnectionId, InstanceId
from recado.domain.provider import ConnectionState
from recado.domain.settings import NO_PACING, InstanceSettings, Pacing
from recado.domain.states import SENDING, ConnectionStatus, MessageStatus
from recado.services import connections as statuses
from recado.services import directory, tokens, validation
from recado.services import servers as server_service
from recado.services.directory import ConnectionView
from recado.services.runtime import Runtime
from recado.store import connections, db, events, instances, servers

log = structlog.get_logger(__name__)

T = TypeVar("T")

Method = Literal["qr", "phone_code"]
#: How long deleting an instance waits for its provider to end the session.
_GOODBYE_SECONDS = 10.0
_FINAL = frozenset({ConnectionStatus.BANNED, ConnectionStatus.LOGGED_OUT})


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

    A number that is paired by hand starts as `created`; one that its credentials alone connect starts as
    `connected`, which the next check confirms or corrects.
    """
    kind = await _kind(runtime, company_id, kind, server_id)
    adapter = server_service.adapter_of(runtime, kind)
    given = validation.credentials(credentials or {}, adapter.connection_credentials)
    wanted = validation.merge({}, settings or {})
    check_settings(wanted, adapter)
    digits = None if phone is None else _phone(phone)
    status = ConnectionStatus.CREATED if adapter.capabilities.human_pacing else ConnectionStatus.CONNECTED
    instance_id, connection_id = InstanceId(ids.new()), ConnectionId(ids.new())
    async with runtime.db.work() as connection:
        instance = await instances.insert(
            connection, company_id, instance_id=instance_id, name=name, status=status, phone=digits, settings=wanted
        )
        issued = await tokens.issue(
            connection, "instance", company_id=company_id, instance_id=instance_id, name="first"
        )
        # Last, since others wait for it.
        server = await _place(connection, company_id, adapter, server_id)
        placed = await connections.insert(
            connection,
            company_id,
            connection_id=connection_id,
            instance_id=instance_id,
            server_id=server.id,
            kind=kind,
            rank=1,
            status=status,
            credentials=runtime.keyring.seal(given, directory.connection_context(connection_id)),
            account=adapter.account(given),
            hook_key=secrets.token_hex(16),
        )
    log.info("instance_created", company_id=company_id, instance_id=instance_id, kind=kind, server_id=server.id)
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

    New credentials go to the connection of the best rank. Raises `NotFound` or `Invalid`.
    """
    async with runtime.directory.changing(company_id) as connection:
        current = await instances.lock(connection, company_id, instance_id)
        if current is None:
            raise directory.no_instance(instance_id)
        placed = (await connections.of_instances(connection, company_id, [instance_id]))[instance_id]
        merged = validation.merge(current.settings, settings or {})
        if placed:
            check_settings(merged, server_service.adapter_of(runtime, placed[0].kind))
        await instances.update(
            connection, company_id, instance_id, name=current.name if name is None else name, settings=merged
        )
        if credentials is not None:
            await _change_credentials(connection, runtime, placed, credentials)
        return await _described(connection, company_id, instance_id)


async def delete(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> None:
    """Remove an instance: its session ends, its tokens too, what it had queued is cancelled, its place is free.

    Its messages stay as history. Raises `NotFound`.
    """
    await _say_goodbye(runtime, company_id, instance_id)
    async with runtime.directory.changing() as connection:
        current = await instances.lock(connection, company_id, instance_id)
        if current is None:
            raise directory.no_instance(instance_id)
        ended = await instances.cancel_queued(connection, company_id, current.id)
        await servers.free_places(connection, company_id, current.id)
        await instances.delete(connection, company_id, current.id)
        await events.insert(connection, [_ended_event(company_id, current.id, message) for message in ended])
    log.info("instance_deleted", company_id=company_id, instance_id=instance_id, cancelled=len(ended))


def check_settings(settings: Mapping[str, Any], adapter: provider.Provider) -> InstanceSettings:
    """Stored settings, typed, if they make sense together for this provider. Raises `Invalid`."""
    typed = validation.convert(dict(settings), InstanceSettings, "settings")
    default = Pacing() if adapter.capabilities.human_pacing else NO_PACING
    pacing = default if typed.pacing is None else typed.pacing
    if pacing.min_ms > pacing.max_ms:
        raise invalid("settings.pacing.max_ms", f"Must not be less than min_ms, which is {pacing.min_ms}.")
    if typed.ordering == "recipient" and not pacing.off:
        raise invalid(
            "settings.ordering",
            "Ordering by recipient sends to several at once and cannot be paced: "
            "set pacing to min_ms 0, max_ms 0 and per_minute 0, or order by instance.",
        )
    return typed


async def _kind(runtime: Runtime, company_id: CompanyId, kind: str | None, server_id: UUID | None) -> str:
    if server_id is None:
        if kind is None:
            raise invalid("kind", "Name a kind of provider, or a server_id.")
        return kind
    async with runtime.db.work() as connection:
        server = await servers.get(connection, server_id)
    if server is None or server.company_id not in (None, company_id):
        raise _no_server(server_id)
    if kind not in (None, server.kind):
        raise invalid("kind", f"The server is of kind {server.kind}.")
    return server.kind


async def _place(
    connection: db.Connection, company_id: CompanyId, adapter: provider.Provider, server_id: UUID | None
) -> servers.Server:
    if server_id is None:
        # A number without a session needs nothing of its server now; its messages wait until it answers.
        will_do = not adapter.capabilities.human_pacing
        found = await servers.place(connection, adapter.kind, company_id, unhealthy_will_do=will_do)
        if found is None:
            raise Conflict(
                f"No healthy server of kind {adapter.kind} has room for another instance.", code="no_capacity"
            )
        return found
    found = await servers.place_on(connection, server_id, company_id)
    if found is not None:
        return found
    named = await servers.get(connection, server_id)
    if named is None:
        raise _no_server(server_id)
    if named.status == "draining":
        raise Conflict("The server is draining and takes no more instances.", code="server_draining")
    raise Conflict(f"The server has no room for more than {named.max_instances} instances.", code="no_capacity")


async def _change_credentials(
    connection: db.Connection,
    runtime: Runtime,
    placed: list[connections.Connection],
    changes: Mapping[str, str | None],
) -> None:
    if not placed:
        raise invalid("credentials", "The instance has no connection.")
    target = placed[0]
    adapter = server_service.adapter_of(runtime, target.kind)
    context = directory.connection_context(target.id)
    merged = validation.merge(runtime.keyring.open(target.credentials, context), changes)
    given = validation.credentials(merged, adapter.connection_credentials)
    await connections.set_credentials(
        connection,
        target.company_id,
        target.id,
        credentials=runtime.keyring.seal(given, context),
        account=adapter.account(given),
    )


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


def _no_server(server_id: UUID) -> NotFound:
    return NotFound(f"There is no server {server_id}.", code="server_not_found")


# --- connecting -----------------------------------------------------------------------------------------


async def connect(
    runtime: Runtime, company_id: CompanyId, instance_id: UUID, *, method: Method = "qr", phone: str | None = None
) -> ConnectionState:
    """Start the session of the active connection: a QR code or pairing code to show, unless none is needed.

    Raises `NotFound`, `Invalid` or `ProviderFailed`.
    """
    digits = None if phone is None else _phone(phone)
    if method == "phone_code" and digits is None:
        raise invalid("phone", "A pairing code needs the number of the phone.")
    active = await _active(runtime, company_id, instance_id)
    adapter = server_service.adapter_of(runtime, active.kind)
    state = await _call(runtime, active, adapter.connect(active.connection, method=method, phone=digits))
    return await _store(runtime, company_id, active, state)


async def pairing(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> ConnectionState:
    """The code to show now. Raises `NotFound`, or `Conflict` when there is none: connected, or not connecting."""
    active = await _active(runtime, company_id, instance_id)
    shown = await _shown(runtime, company_id, active)
    if shown is None:
        # The code may have expired or not be told yet; only the provider knows the newest.
        state = await status(runtime, company_id, instance_id)
        if state.status in SENDING:
            raise Conflict("The instance is connected; there is no code to show.", code="already_connected")
        shown = await _shown(runtime, company_id, active)
    if shown is None:
        raise Conflict("There is no code to show; connect the instance first.", code="not_pairing")
    return shown


async def status(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> ConnectionState:
    """How the active connection stands, asked of its provider now and stored. Raises `NotFound`, `ProviderFailed`.

    One that was disconnected on request stays so, whatever its provider thinks.
    """
    active = await _active(runtime, company_id, instance_id)
    row = await _row(runtime, company_id, active)
    if row is not None and row.status_reason == statuses.REQUESTED:
        return ConnectionState(status=ConnectionStatus.DISCONNECTED, reason=statuses.REQUESTED)
    adapter = server_service.adapter_of(runtime, active.kind)
    state = await _call(runtime, active, adapter.status(active.connection))
    return await _store(runtime, company_id, active, state)


async def restart(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> ConnectionState:
    """Restart the session without a new pairing. Raises `Invalid` (`unsupported_by_provider`), `ProviderFailed`."""
    active = await _active(runtime, company_id, instance_id)
    adapter = server_service.adapter_of(runtime, active.kind)
    if not isinstance(adapter, provider.Restarts):
        raise Invalid(f"The provider {active.kind} cannot restart a session.", code="unsupported_by_provider")
    state = await _call(runtime, active, adapter.restart(active.connection))
    return await _store(runtime, company_id, active, state)


async def disconnect(
    runtime: Runtime, company_id: CompanyId, instance_id: UUID, *, logout: bool = False
) -> ConnectionState:
    """End the session; messages wait until it is connected again. With `logout` the phone forgets it too, and connecting
    needs a new code. Twice is fine. Raises `ProviderFailed`."""
    active = await _active(runtime, company_id, instance_id)
    adapter = server_service.adapter_of(runtime, active.kind)
    await _call(runtime, active, adapter.disconnect(active.connection, logout=logout))
    state = ConnectionState(status=ConnectionStatus.DISCONNECTED, reason=statuses.REQUESTED)
    return await _store(runtime, company_id, active, state)


async def recover(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> ConnectionState:
    """Ask how the connection stands and, unless it sends or only a person can help, bring its session back."""
    state = await status(runtime, company_id, instance_id)
    if state.status in SENDING or state.status in _FINAL:
        return state
    active = await _active(runtime, company_id, instance_id)
    ended = state.reason == statuses.REQUESTED
    if not ended and isinstance(server_service.adapter_of(runtime, active.kind), provider.Restarts):
        return await restart(runtime, company_id, instance_id)
    return await connect(runtime, company_id, instance_id)


async def _active(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> ConnectionView:
    view = await runtime.directory.instance(company_id, instance_id)
    if view.active is None:
        raise Conflict("The instance has no connection.", code="no_connection")
    return view.active


async def _call(runtime: Runtime, active: ConnectionView, call: Awaitable[T]) -> T:
    """The answer of a provider that the caller waits for. Raises `ProviderFailed`."""
    try:
        return await asyncio.wait_for(call, runtime.settings.send_timeout_seconds)
    except provider.CallFailed as error:
        raise ProviderFailed(f"{active.kind}: {error.why}", code=error.code) from error
    except TimeoutError:
        raise ProviderFailed(f"{active.kind} did not answer in time.", code="provider_timeout") from None


async def _store(
    runtime: Runtime, company_id: CompanyId, active: ConnectionView, state: ConnectionState
) -> ConnectionState:
    async with runtime.directory.changing(company_id) as connection:
        await statuses.change_status(connection, runtime, company_id, active.id, state)
    return state


async def _row(runtime: Runtime, company_id: CompanyId, active: ConnectionView) -> connections.Connection | None:
    instance_id = active.connection.instance_id
    async with runtime.db.tenant(company_id) as connection:
        placed = await connections.of_instances(connection, company_id, [instance_id])
    return next((row for row in placed[instance_id] if row.id == active.id), None)


async def _shown(runtime: Runtime, company_id: CompanyId, active: ConnectionView) -> ConnectionState | None:
    """The stored code, while it is valid."""
    row = await _row(runtime, company_id, active)
    if row is None or row.pairing is None or row.status != ConnectionStatus.QR:
        return None
    expires_at = datetime.fromisoformat(row.pairing["expires_at"]) if row.pairing["expires_at"] else None
    if expires_at is not None and expires_at <= datetime.now(UTC):
        return None
    code = row.pairing["code"]
    by_qr = row.pairing["method"] == "qr"
    return ConnectionState(
        status=ConnectionStatus.QR,
        qr=code if by_qr else None,
        pairing_code=None if by_qr else code,
        expires_at=expires_at,
    )


async def _say_goodbye(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> None:
    """End the sessions of an instance that is about to go. One that cannot be ended does not keep it."""
    view = await runtime.directory.instance(company_id, instance_id)
    for placed in view.connections:
        adapter = runtime.providers.get(placed.kind)
        if adapter is None or placed.status is ConnectionStatus.CREATED:
            continue
        try:
            await asyncio.wait_for(adapter.disconnect(placed.connection, logout=True), _GOODBYE_SECONDS)
        except (provider.CallFailed, TimeoutError) as error:
            log.warning("session_not_ended", instance_id=instance_id, kind=placed.kind, why=str(error) or "timeout")
