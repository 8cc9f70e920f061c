"""The connections of an instance: placed on servers, ranked, given credentials, removed."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from recado.domain import ids, provider
from recado.domain.errors import Conflict, NotFound, invalid
from recado.domain.ids import CompanyId, ConnectionId, InstanceId
from recado.domain.settings import NO_PACING, InstanceSettings, Pacing
from recado.domain.states import ConnectionStatus
from recado.services import directory, failover, sessions, validation
from recado.services import servers as server_service
from recado.services.runtime import Runtime
from recado.store import connections, db, instances, lanes, servers

log = structlog.get_logger(__name__)

#: More ways to one number than anybody has, and few enough to look at all of them at every step.
MOST = 10


async def add(
    runtime: Runtime,
    company_id: CompanyId,
    instance_id: UUID,
    *,
    kind: str | None = None,
    server_id: UUID | None = None,
    credentials: Mapping[str, str] | None = None,
    rank: int | None = None,
) -> connections.Connection:
    """Give an instance a further connection, which stands by: behind the others, or at a rank, whose holder and those
    behind it move back by one. Placed as a new instance is. Raises `Invalid`, `NotFound` or `Conflict`.
    """
    kind = await kind_of(runtime, company_id, kind, server_id)
    adapter = server_service.adapter_of(runtime, kind)
    given = validation.credentials(credentials or {}, adapter.connection_credentials)
    async with runtime.directory.changing() as connection:
        instance = await instances.lock(connection, company_id, instance_id)
        if instance is None:
            raise directory.no_instance(instance_id)
        check_settings(instance.settings, adapter)
        present = (await connections.of_instances(connection, company_id, [instance.id]))[instance.id]
        if len(present) >= MOST:
            raise Conflict(f"An instance has at most {MOST} connections.", code="too_many_connections")
        last = max((one.rank for one in present), default=0)
        made = await insert(
            connection,
            runtime,
            company_id,
            instance.id,
            adapter,
            server_id=server_id,
            credentials=given,
            rank=last + 1,
            active=not present,
        )
        if rank is not None:
            await _rank(connection, company_id, instance.id, [one.id for one in present], made.id, rank)
        return await _found(connection, company_id, instance.id, made.id)


async def insert(
    connection: db.Connection,
    runtime: Runtime,
    company_id: CompanyId,
    instance_id: InstanceId,
    adapter: provider.Provider,
    *,
    server_id: UUID | None,
    credentials: Mapping[str, str],
    rank: int,
    active: bool,
) -> connections.Connection:
    """Take a place on a server, the one named or the best, and the connection on it. Call it late in a transaction:
    other placements of the kind wait for it. Raises `Conflict` or `NotFound` about the server."""
    connection_id = ConnectionId(ids.new())
    server = await _place(connection, company_id, adapter, server_id)
    _check_own(server, adapter, credentials)
    made = await connections.insert(
        connection,
        company_id,
        connection_id=connection_id,
        instance_id=instance_id,
        server_id=server.id,
        kind=adapter.kind,
        rank=rank,
        status=first_status(adapter),
        credentials=runtime.keyring.seal(credentials, directory.connection_context(connection_id)),
        account=adapter.account(credentials),
        hook_key=secrets.token_hex(16),
        active=active,
    )
    log.info("connection_placed", instance_id=instance_id, connection_id=made.id, kind=made.kind, server_id=server.id)
    return made


def first_status(adapter: provider.Provider) -> ConnectionStatus:
    """A number that is paired by hand starts as `created`; one that its credentials alone connect starts as
    `connected`, which the next check confirms or corrects."""
    return ConnectionStatus.CREATED if adapter.capabilities.human_pacing else ConnectionStatus.CONNECTED


async def page(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> list[connections.Connection]:
    """An instance's connections, the best rank first. Raises `NotFound`."""
    async with runtime.db.tenant(company_id) as connection:
        if await instances.get(connection, company_id, instance_id) is None:
            raise directory.no_instance(instance_id)
        return (await connections.of_instances(connection, company_id, [instance_id]))[instance_id]


async def change(
    runtime: Runtime,
    company_id: CompanyId,
    instance_id: UUID,
    connection_id: UUID,
    *,
    rank: int | None = None,
    credentials: Mapping[str, str | None] | None = None,
) -> connections.Connection:
    """Rank a connection, or merge credentials into its own; null takes one away. Raises `NotFound` or `Invalid`."""
    async with runtime.directory.changing(company_id) as connection:
        instance = await instances.lock(connection, company_id, instance_id)
        if instance is None:
            raise directory.no_instance(instance_id)
        current = await _found(connection, company_id, instance.id, connection_id)
        if credentials is not None:
            await change_credentials(connection, runtime, current, credentials)
        if rank is not None:
            present = (await connections.of_instances(connection, company_id, [instance.id]))[instance.id]
            others = [one.id for one in present if one.id != current.id]
            await _rank(connection, company_id, instance.id, others, current.id, rank)
        return await _found(connection, company_id, instance.id, connection_id)


async def change_credentials(
    connection: db.Connection,
    runtime: Runtime,
    target: connections.Connection,
    changes: Mapping[str, str | None],
) -> None:
    """Merge credentials into a connection's own. What its session's opening added stays. Raises `Invalid`."""
    adapter = server_service.adapter_of(runtime, target.kind)
    context = directory.connection_context(target.id)
    known = {field.name for field in adapter.connection_credentials}
    current = runtime.keyring.open(target.credentials, context)
    merged = validation.merge({name: value for name, value in current.items() if name in known}, changes)
    given = validation.credentials(merged, adapter.connection_credentials)
    # A company sees no server of the platform.
    _check_own(await servers.get(connection, target.server_id), adapter, given)
    kept = {name: value for name, value in current.items() if name not in known}
    await connections.set_credentials(
        connection,
        target.company_id,
        target.id,
        credentials=runtime.keyring.seal({**given, **kept}, context),
        account=target.account if target.opened else adapter.account(given),
    )


async def remove(runtime: Runtime, company_id: CompanyId, instance_id: UUID, connection_id: UUID) -> None:
    """End a connection's session and remove it; if it was the active one, the best of the others takes over.

    Raises `NotFound`, or `Conflict` for the only one.
    """
    view = await runtime.directory.instance(company_id, instance_id)
    placed = view.placed(connection_id)
    _check_not_last(len(view.connections))
    await sessions.end(runtime, company_id, placed)
    async with runtime.directory.changing() as connection:
        instance = await instances.lock(connection, company_id, instance_id)
        if instance is None:
            raise directory.no_instance(instance_id)
        standings = await connections.standings(connection, company_id, instance.id)
        removed = next((one for one in standings if one.id == connection_id), None)
        if removed is None:
            raise directory.no_connection(connection_id)
        _check_not_last(len(standings))
        oldest = min(one.id for one in standings) == removed.id
        await lanes.forget_connection(connection, company_id, instance.id, removed.id, oldest=oldest)
        told = failover.replacement(standings, removed) if removed.active else None
        if told is not None:
            # Before the row goes: its deletion must not leave the instance without an active connection.
            await failover.make_active(connection, instance, standings, told, "removed")
        await connections.delete(connection, company_id, removed.id)
    runtime.signals.set("lanes")
    log.info("connection_removed", instance_id=instance_id, connection_id=connection_id, kind=removed.kind)


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


async def kind_of(runtime: Runtime, company_id: CompanyId, kind: str | None, server_id: UUID | None) -> str:
    """The kind of provider that a request means by a kind, a server or both. Raises `Invalid` or `NotFound`."""
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


async def _rank(
    connection: db.Connection,
    company_id: CompanyId,
    instance_id: InstanceId,
    others: Sequence[ConnectionId],
    moved: ConnectionId,
    rank: int,
) -> None:
    order = [*others[: rank - 1], moved, *others[rank - 1 :]]
    await connections.rank(connection, company_id, instance_id, order)


async def _found(
    connection: db.Connection, company_id: CompanyId, instance_id: UUID, connection_id: UUID
) -> connections.Connection:
    found = await connections.get(connection, company_id, instance_id, connection_id)
    if found is None:
        raise directory.no_connection(connection_id)
    return found


def _check_not_last(count: int) -> None:
    if count == 1:
        raise Conflict("It is the instance's only connection; delete the instance instead.", code="last_connection")


def _check_own(server: servers.Server | None, adapter: provider.Provider, credentials: Mapping[str, str]) -> None:
    """Nobody names what may be another company's. Raises `Invalid`."""
    if server is not None and server.company_id is not None:
        return
    for field in adapter.connection_credentials:
        if field.own_server and credentials.get(field.name):
            raise invalid(
                f"credentials.{field.name}",
                "Only on a server of the company's own; this one is shared by several. Leave it out, and one is made.",
                code="shared_server",
            )


def _no_server(server_id: UUID) -> NotFound:
    return NotFound(f"There is no server {server_id}.", code="server_not_found")
