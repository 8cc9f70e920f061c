"""The sandbox: phones, what they received and wrote, sessions, and the webhooks still to be sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.states import ConnectionStatus
from recado.store import db, queries

Q = queries.load("sandbox")


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """How a phone behaves. The defaults here are those of a number that nobody described."""

    auto_reply: str | None = None
    ack: Literal["read", "delivered", "none"] = "read"
    latency_ms: int = 300
    fail_kind: str | None = None
    fail_code: str | None = None
    fail_rate: float = 0.0
    fail_after: float = 1.0
    timeout_rate: float = 0.0
    connected: bool = True
    per_minute: int | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A connection on the sandbox. `status` is as last written: a `qr` may have expired since."""

    company_id: CompanyId
    connection_id: ConnectionId
    instance_id: InstanceId
    status: ConnectionStatus = ConnectionStatus.CREATED
    paired: bool = False
    reason: str | None = None
    phone: str | None = None
    method: str | None = None
    code: str | None = None
    expires_at: datetime | None = None


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A message for a phone. `fail_roll` and `lost_roll`, in [0, 1), decide against the phone's rates.

    `reply_id` becomes the id of the phone's automatic answer, if it gives one.
    """

    company_id: CompanyId
    connection_id: ConnectionId
    instance_id: InstanceId
    message_id: MessageId
    number: str
    type: str
    content: Any
    reply_to: str | None
    media: dict[str, Any] | None
    at: datetime
    fail_roll: float
    lost_roll: float
    reply_id: UUID


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a parcel. `verdict`: received, not_connected, full, or the phone's own way to fail."""

    verdict: str
    status: ConnectionStatus | None
    reason: str | None
    code: str | None
    after: float | None
    answer_lost: bool


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone received. `count` tells how often it was handed over."""

    sequence: int
    message_id: MessageId
    instance_id: InstanceId
    type: str
    content: Any
    media: dict[str, Any] | None
    reply_to: str | None
    count: int
    received_at: datetime


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook to send. `event`: receipt, message, connection, or expiry (a code's end)."""

    company_id: CompanyId
    connection_id: ConnectionId
    server_id: ServerId
    id: int
    event: str
    payload: dict[str, Any]
    due_at: datetime


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook to schedule. Without `due_at` it is held back until phone and session are connected."""

    company_id: CompanyId
    connection_id: ConnectionId
    event: str
    payload: dict[str, Any]
    due_at: datetime | None
    number: str = ""


async def receive(connection: db.Connection | db.Pool, parcel: Parcel) -> Arrival:
    """Hand a message to a phone and schedule its receipts and answer. A message handed over before is counted."""
    row = await connection.fetchrow(
        Q.receive,
        parcel.company_id,
        parcel.connection_id,
        parcel.instance_id,
        parcel.message_id,
        parcel.number,
        parcel.type,
        parcel.content,
        parcel.reply_to,
        parcel.media,
        parcel.at,
        parcel.fail_roll,
        parcel.lost_roll,
        parcel.reply_id,
    )
    assert row is not None, "the statement ends in one row whatever happens"
    return msgspec.convert(dict(row), Arrival)


async def has_message(connection: db.Connection | db.Pool, company_id: CompanyId, message_id: MessageId) -> bool:
    """Whether a message was handed to a phone."""
    return bool(await connection.fetchval(Q.find_message, company_id, message_id))


async def messages(
    connection: db.Connection,
    company_id: CompanyId,
    number: str,
    *,
    after: int,
    instance_id: InstanceId | None,
    limit: int,
) -> list[Message]:
    """What a phone received after a sequence, in order."""
    rows = await connection.fetch(Q.list_messages, company_id, number, after, instance_id, limit)
    return [msgspec.convert(dict(row), Message) for row in rows]


async def count(
    connection: db.Connection, company_id: CompanyId, number: str, *, instance_id: InstanceId | None
) -> tuple[int, int]:
    """How often messages were handed to a phone, and how many different ones."""
    row = await connection.fetchrow(Q.count_messages, company_id, number, instance_id)
    assert row is not None, "aggregates have one row"
    return row["total"], row["distinct"]


async def phone(connection: db.Connection, company_id: CompanyId, number: str) -> Phone:
    """How a phone behaves."""
    row = await connection.fetchrow(Q.get_phone, company_id, number)
    return Phone() if row is None else msgspec.convert(dict(row), Phone)


async def put_phone(connection: db.Connection, company_id: CompanyId, number: str, phone: Phone) -> None:
    """Tell a phone how to behave from now on."""
    await connection.execute(
        Q.put_phone,
        company_id,
        number,
        phone.auto_reply,
        phone.ack,
        phone.latency_ms,
        phone.fail_kind,
        phone.fail_code,
        phone.fail_rate,
        phone.fail_after,
        phone.timeout_rate,
        phone.connected,
        phone.per_minute,
    )


async def keep_connected(connection: db.Connection, company_id: CompanyId, number: str) -> bool:
    """Whether a phone is on; it stays so until the transaction ends."""
    connected = await connection.fetchval(Q.share_phone, company_id, number)
    return connected is None or bool(connected)


async def arrive_waiting(connection: db.Connection, company_id: CompanyId, number: str, at: datetime) -> None:
    """What waited for a phone that was off has arrived."""
    await connection.execute(Q.arrive_waiting, company_id, number, at)


async def write(
    connection: db.Connection,
    company_id: CompanyId,
    connection_id: ConnectionId,
    *,
    id: UUID,
    number: str,
    type: str,
    content: Any,
    media: bytes | None,
    name: str | None,
    at: datetime,
) -> None:
    """Keep a message that a phone writes, whose owner calls themselves `name`."""
    await connection.execute(Q.write, company_id, id, connection_id, number, type, content, media, at, name)


async def media(connection: db.Connection | db.Pool, company_id: CompanyId, id: UUID) -> bytes | None:
    """The bytes of the media of a message that a phone wrote."""
    found: bytes | None = await connection.fetchval(Q.get_media, company_id, id)
    return found


async def mark_read(
    connection: db.Connection | db.Pool,
    company_id: CompanyId,
    connection_id: ConnectionId,
    *,
    number: str,
    up_to: UUID,
    at: datetime,
) -> None:
    """An instance read a chat up to a message."""
    await connection.execute(Q.mark_read, company_id, connection_id, number, up_to, at)


async def session(
    connection: db.Connection | db.Pool, company_id: CompanyId, connection_id: ConnectionId
) -> Session | None:
    """A connection's session, if it was ever begun."""
    row = await connection.fetchrow(Q.get_session, company_id, connection_id)
    return None if row is None else _session(row)


async def session_of_code(connection: db.Connection, company_id: CompanyId, codes: Sequence[str]) -> Session | None:
    """The session that shows one of the codes, locked."""
    row = await connection.fetchrow(Q.find_session, company_id, codes)
    return None if row is None else _session(row)


async def sessions_of_instance(
    connection: db.Connection, company_id: CompanyId, instance_id: InstanceId
) -> list[Session]:
    """An instance's sessions by rank; one that was never begun is `created`. They stay as they are meanwhile."""
    return [_session(row) for row in await connection.fetch(Q.list_sessions, company_id, instance_id)]


async def has_instance(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> bool:
    """Whether the company has the instance."""
    return bool(await connection.fetchval(Q.find_instance, company_id, instance_id))


async def save_session(connection: db.Connection, session: Session) -> None:
    """Write a session's state."""
    await connection.execute(
        Q.save_session,
        session.company_id,
        session.connection_id,
        session.instance_id,
        session.status,
        session.paired,
        session.reason,
        session.phone,
        session.method,
        session.code,
        session.expires_at,
    )


async def show_typing(
    connection: db.Connection | db.Pool,
    company_id: CompanyId,
    connection_id: ConnectionId,
    *,
    number: str,
    at: datetime,
) -> bool:
    """An instance shows "typing…" to a phone. False when it is not connected."""
    return bool(await connection.fetchval(Q.show_typing, company_id, connection_id, number, at))


async def typing(connection: db.Connection, company_id: CompanyId, number: str, since: datetime) -> list[InstanceId]:
    """The instances that showed "typing…" to a phone since a time."""
    return [row["instance_id"] for row in await connection.fetch(Q.list_typing, company_id, number, since)]


async def chats(
    connection: db.Connection | db.Pool, company_id: CompanyId, connection_id: ConnectionId
) -> tuple[int, int]:
    """How many messages phones got from a connection, and how many they wrote to it."""
    row = await connection.fetchrow(Q.count_chats, company_id, connection_id)
    assert row is not None, "a SELECT of scalars has one row"
    return row["sent"], row["received"]


async def lock(connection: db.Connection, company_id: CompanyId) -> None:
    """Exclude other changes of the company's phones and sessions until the transaction ends. Take it first."""
    await connection.execute(Q.lock_company, company_id)


async def schedule(connection: db.Connection, job: NewJob) -> None:
    """Schedule a webhook."""
    await connection.execute(
        Q.schedule, job.company_id, job.connection_id, job.number, job.event, job.payload, job.due_at, 0
    )


async def forget_changes(connection: db.Connection, company_id: CompanyId, connection_id: ConnectionId) -> None:
    """What was still to be told of a session's state is overtaken: a code's end, a change before this one."""
    await connection.execute(Q.forget_changes, company_id, connection_id)


async def hold(connection: db.Connection, company_id: CompanyId, connection_id: ConnectionId, at: datetime) -> None:
    """What a session would still hear waits until it is connected again."""
    await connection.execute(Q.hold_jobs, company_id, connection_id, at)


async def release(
    connection: db.Connection,
    company_id: CompanyId,
    *,
    at: datetime,
    connection_id: ConnectionId | None = None,
    number: str | None = None,
) -> None:
    """Schedule what waited for this connection, or this phone, where the other one is connected too."""
    await connection.execute(Q.release_jobs, company_id, connection_id, number, at)


async def claim(connection: db.Connection, *, at: datetime, limit: int) -> list[Job]:
    """Take what is due, in each session's order. Gone when the transaction commits, due again when it does not."""
    rows = await connection.fetch(Q.claim_jobs, at, limit)
    return sorted((msgspec.convert(dict(row), Job) for row in rows), key=lambda job: (job.due_at, job.id))


async def next_due(connection: db.Connection) -> datetime | None:
    """When the next webhook is due."""
    due: datetime | None = await connection.fetchval(Q.next_due)
    return due


async def prune(connection: db.Connection, before: datetime) -> None:
    """Forget messages older than `before`."""
    await connection.execute(Q.prune_messages, before)
    await connection.execute(Q.prune_written, before)


async def ping(connection: db.Connection | db.Pool) -> None:
    """Raise what the database raises when it does not answer."""
    await connection.execute(Q.ping)


def _session(row: asyncpg.Record) -> Session:
    values = {name: value for name, value in row.items() if value is not None}
    return msgspec.convert(values, Session)
