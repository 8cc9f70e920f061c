"""The built-in engine's sessions, with their leases, and its commands, with their answers."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.ids import CompanyId, ConnectionId, MessageId, ServerId
from recado.domain.states import ConnectionStatus
from recado.store import db, queries

Q = queries.load("native")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection stands. `owned` tells whether an engine holds it now."""

    status: ConnectionStatus
    reason: str | None
    phone: str | None
    device: str | None
    qr: str | None
    pairing_code: str | None
    expires_at: datetime | None
    details: dict[str, Any]
    wanted: bool
    logout: bool
    fence: int
    owned: bool


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that an engine has just taken.

    `device` is the paired device's WhatsApp id. `lost_at` is set when its former owner did not let go of it: until when
    that one had the lease. `failures` counts the tries that ended without a connection.
    """

    company_id: CompanyId
    connection_id: ConnectionId
    server_id: ServerId
    fence: int
    device: str | None
    method: str
    pair_phone: str | None
    wanted: bool
    logout: bool
    status: ConnectionStatus
    failures: int
    lost_at: datetime | None


class Renewed(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that is still held, and what people want of it."""

    connection_id: ConnectionId
    fence: int
    wanted: bool
    logout: bool
    method: str
    pair_phone: str | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection stands from now on. `stays` False: nobody is to connect it again by itself."""

    status: ConnectionStatus
    reason: str | None = None
    qr: str | None = None
    pairing_code: str | None = None
    expires_at: datetime | None = None
    details: dict[str, Any] = {}
    phone: str | None = None
    device: str | None = None
    unpaired: bool = False
    stays: bool = True


class NewCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command. It must be begun within `deadline` seconds. One that sends a message names it and has a secret."""

    company_id: CompanyId
    id: UUID
    connection_id: ConnectionId
    operation: str
    request: dict[str, Any]
    deadline: float
    message_id: MessageId | None = None
    payload: bytes | None = None
    secret: bytes | None = None


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the command to wait for; it is an earlier one where the message was handed over before."""

    owned: bool
    status: ConnectionStatus
    reason: str | None
    id: UUID | None


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command to carry out. `attempts` counts this one. `doubted` is the device on which an earlier one was begun whose
    end nobody knows."""

    company_id: CompanyId
    id: UUID
    connection_id: ConnectionId
    message_id: MessageId | None
    operation: str
    request: dict[str, Any]
    payload: bytes | None
    secret: bytes | None
    attempts: int
    fence: int
    doubted: str | None


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message's command. One that was begun and has no reply is under way, or its engine is dead."""

    id: UUID
    begun: bool
    reply: dict[str, Any] | None


class Engines(msgspec.Struct, frozen=True, kw_only=True):
    """How many engines are there and what they can hold together; how many connections they are to hold, do hold, and are
    to log out."""

    engines: int
    version: str | None
    capacity: int
    wanted: int
    held: int
    leaving: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that no engine has room for."""

    company_id: CompanyId
    connection_id: ConnectionId
    server_id: ServerId


#: A statement outside a transaction, or inside one.
Runs = db.Connection | db.Pool


async def want(
    connection: Runs, company_id: CompanyId, connection_id: ConnectionId, *, method: str, pair_phone: str | None
) -> None:
    """Ask for a connection to be held."""
    await connection.execute(Q.want, company_id, connection_id, method, pair_phone)


async def unwant(connection: Runs, company_id: CompanyId, connection_id: ConnectionId, *, logout: bool) -> None:
    """Ask for a connection to be let go of, its pairing ended with `logout`."""
    await connection.execute(Q.unwant, company_id, connection_id, logout)


async def session(connection: Runs, company_id: CompanyId, connection_id: ConnectionId) -> Session | None:
    """How a connection stands; None when it was never asked for."""
    row = await connection.fetchrow(Q.get_session, company_id, connection_id)
    return None if row is None else msgspec.convert(dict(row), Session)


async def wake(connection: Runs, topic: str) -> None:
    """Tell every process to look."""
    await connection.execute(Q.wake, topic)


async def enroll(connection: Runs, owner: UUID, *, capacity: int, version: str) -> None:
    """An engine process is there."""
    await connection.execute(Q.enroll, owner, capacity, version)


async def leave(connection: Runs, owner: UUID) -> None:
    """An engine process takes no more connections; the others share what it lets go of."""
    await connection.execute(Q.strike, owner)


async def bury(connection: Runs, owner: UUID) -> None:
    """An engine process is certainly dead: whatever it held is free."""
    await connection.execute(Q.strike, owner)
    await connection.execute(Q.release_all, owner)
    await wake(connection, "native")


async def engines(connection: Runs, *, seen_within: float) -> Engines:
    """The engines that were seen in the last seconds."""
    row = await connection.fetchrow(Q.count_engines, seen_within)
    return msgspec.convert(dict(_one(row)), Engines)


async def room(connection: Runs) -> int:
    """How many more connections the database takes from anybody."""
    return int(await connection.fetchval(Q.count_room))


async def turn_away(connection: Runs, reason: str) -> list[Waiting]:
    """Note why nobody takes the connections that wait; those of which it is known already are not in the answer."""
    return [msgspec.convert(dict(row), Waiting) for row in await connection.fetch(Q.turn_away, reason)]


async def end_backends(connection: db.Connection, name: str) -> int:
    """End the database connections of this name, as the owner they belong to. Needs a transaction of its own."""
    await connection.execute("SET LOCAL ROLE NONE")
    return int(await connection.fetchval(Q.end_backends, name))


async def claim(
    connection: Runs,
    owner: UUID,
    *,
    limit: int,
    lease: float,
    logouts: bool = False,
    without: Collection[ConnectionId] = (),
) -> list[Held]:
    """Take connections that nobody holds, but none of `without`; with `logouts` only those whose pairing is to be ended."""
    rows = await connection.fetch(Q.claim_sessions, owner, limit, lease, not logouts, list(without))
    return [msgspec.convert(dict(row), Held) for row in rows]


async def renew(connection: Runs, owner: UUID, connections: Collection[ConnectionId], *, lease: float) -> list[Renewed]:
    """Hold these for longer. What is missing in the answer belongs to somebody else, or to nobody."""
    rows = await connection.fetch(Q.renew_sessions, owner, lease, list(connections))
    return [msgspec.convert(dict(row), Renewed) for row in rows]


async def release(connection: Runs, owner: UUID, held: Held, *, pause: float = 0.0, failures: int = 0) -> None:
    """Let go of a connection, which nobody takes for `pause` seconds."""
    await connection.execute(Q.release_session, held.company_id, held.connection_id, owner, held.fence, pause, failures)


async def report(connection: Runs, held: Held, change: Change) -> bool:
    """Write how a connection stands; False when the writer holds it no longer. Of texts of others no NUL is kept, which
    PostgreSQL does not take."""
    details = {name: told.replace("\0", "") if isinstance(told, str) else told for name, told in change.details.items()}
    done = await connection.fetchval(
        Q.report,
        held.company_id,
        held.connection_id,
        held.fence,
        change.status,
        change.reason.replace("\0", "") if change.reason else None,
        change.qr,
        change.pairing_code,
        change.expires_at,
        details,
        change.phone,
        change.device,
        change.unpaired,
        not change.stays,
    )
    return bool(done)


async def offer(connection: Runs, command: NewCommand) -> Offered | None:
    """Hand over a command; None when the connection was never asked for."""
    row = await connection.fetchrow(
        Q.offer,
        command.company_id,
        command.id,
        command.connection_id,
        command.message_id,
        command.operation,
        command.request,
        command.payload,
        command.secret,
        command.deadline,
    )
    return (
        None if row is None else Offered(owned=row["owned"], status=row["status"], reason=row["reason"], id=row["id"])
    )


async def replies(
    connection: Runs, commands: Sequence[tuple[CompanyId, UUID]]
) -> dict[UUID, tuple[dict[str, Any], bytes | None]]:
    """The answers that came."""
    rows = await connection.fetch(Q.list_replies, [company for company, _ in commands], [id for _, id in commands])
    return {row["id"]: (row["reply"], row["reply_payload"]) for row in rows}


async def withdraw(connection: Runs, company_id: CompanyId, id: UUID) -> bool:
    """Take back a command; False when it was begun."""
    return bool(await connection.fetchval(Q.withdraw, company_id, id))


async def forget(connection: Runs, commands: Sequence[tuple[CompanyId, UUID]]) -> None:
    """Remove answered commands; those that sent a message stay."""
    await connection.execute(Q.forget, [company for company, _ in commands], [id for _, id in commands])


async def sent(
    connection: Runs, company_id: CompanyId, connection_id: ConnectionId, message_id: MessageId
) -> Sent | None:
    """What became of a message's command; None when there is none."""
    row = await connection.fetchrow(Q.find_message, company_id, connection_id, message_id)
    return None if row is None else msgspec.convert(dict(row), Sent)


async def begin(connection: Runs, owner: UUID, *, limit: int) -> list[Command]:
    """Begin what waits for the connections of an engine."""
    rows = await connection.fetch(Q.claim_commands, owner, limit)
    commands = [msgspec.convert(dict(row), Command) for row in rows]
    return sorted(commands, key=lambda command: command.id)


async def reply(
    connection: Runs,
    owner: UUID,
    command: Command,
    reply: dict[str, Any],
    *,
    payload: bytes | None = None,
    provider_id: str | None = None,
) -> None:
    """Answer a command. Without effect when somebody else began it meanwhile."""
    await connection.execute(Q.reply, command.company_id, command.id, owner, command.fence, reply, payload, provider_id)


async def message_ids(
    connection: Runs, company_id: CompanyId, connection_id: ConnectionId, provider_ids: Collection[str]
) -> dict[str, MessageId]:
    """Our ids of messages that the engine sent."""
    rows = await connection.fetch(Q.list_message_ids, company_id, connection_id, list(provider_ids))
    return {row["provider_id"]: MessageId(row["message_id"]) for row in rows}


async def has_device(connection: Runs, device: str) -> bool:
    """Whether whatsmeow has the keys of a device. False also where it has never run."""
    try:
        return bool(await connection.fetchval(Q.find_device, device))
    except asyncpg.UndefinedTableError:
        return False


async def poll_options(
    connection: Runs, company_id: CompanyId, connection_id: ConnectionId, provider_id: str
) -> list[str]:
    """The options of a poll that the engine sent; none when it is another's."""
    return list(await connection.fetchval(Q.find_poll, company_id, connection_id, provider_id) or ())


async def about_to_send(connection: Runs, device: str, secret: bytes) -> str | None:
    """The id that whatsmeow gave the message with this secret, written just before it left; None when it came not so
    far. Raises `asyncpg.UndefinedTableError` where whatsmeow has never run."""
    found: str | None = await connection.fetchval(Q.find_secret, device, secret)
    return found


async def doubt(
    connection: Runs, company_id: CompanyId, connection_id: ConnectionId, message_id: UUID
) -> tuple[bytes, str] | None:
    """The secret that a message carries, and the device it was begun on; None when its end is known."""
    row = await connection.fetchrow(Q.get_secret, company_id, connection_id, message_id)
    return (row["secret"], row["device"]) if row is not None and row["device"] is not None else None


async def settle(
    connection: Runs,
    company_id: CompanyId,
    connection_id: ConnectionId,
    message_id: UUID,
    reply: dict[str, Any],
    *,
    provider_id: str | None,
) -> None:
    """Answer the command of a message whose answer is lost. With its id, its receipts are known as those of the message."""
    await connection.execute(Q.settle, company_id, connection_id, message_id, provider_id, reply)


async def prune(connection: Runs, before: datetime) -> None:
    """Forget old commands."""
    await connection.execute(Q.prune, before)


def _one(row: asyncpg.Record | None) -> asyncpg.Record:
    assert row is not None, "a SELECT of scalars has one row"
    return row
