"""Whether connections are alive: how they answer, when they were heard, the evidence against them, and recoveries."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from recado.domain.evidence import Evidence
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.store import db, queries

Q = queries.load("liveness")

Key = tuple[CompanyId, ConnectionId]


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is shown of a connection. `error_rate` (0 to 1) is of the status checks of about five minutes."""

    latency_ms: float | None = None
    error_rate: float | None = None
    heard_at: datetime | None = None
    evidence: Evidence | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The connections of a server: how many send, how many of those were heard lately, how many look dead."""

    sending: int
    heard: int
    heard_at: datetime | None
    dead: int


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A status check of a connection. `latency_ms` is None where no answer came."""

    company_id: CompanyId
    connection_id: ConnectionId
    latency_ms: float | None


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a connection's provider accepted, and when the first receipt of it came."""

    id: MessageId
    address: str
    started_at: datetime
    acknowledged_at: datetime | None


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """A canary message. `started_at` and `connection_id` are of the call that the provider accepted."""

    status: str
    started_at: datetime | None
    connection_id: ConnectionId | None
    acknowledged_at: datetime | None


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """A connection being brought back, claimed by this process. `steps` were taken so far."""

    company_id: CompanyId
    connection_id: ConnectionId
    instance_id: InstanceId
    trouble: str
    steps: int


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A recovery whose trouble is over, or out of our hands. `next_at` is None where it had been given up."""

    company_id: CompanyId
    connection_id: ConnectionId
    instance_id: InstanceId
    trouble: str
    began_at: datetime
    steps: int
    next_at: datetime | None
    kind: str
    status: str
    status_reason: str | None


# --- what is noted on the way ---------------------------------------------------------------------------


async def heard(connection: db.Connection, when: Mapping[Key, datetime]) -> None:
    """Note when providers last posted something of connections. Cheap: nothing is written twice within seconds."""
    if when:
        await connection.execute(Q.heard, [key[0] for key in when], [key[1] for key in when], list(when.values()))


async def count_calls(connection: db.Connection, calls: Sequence[Call], at: datetime) -> None:
    """Add status checks to what is counted of their connections."""
    if calls:
        await connection.execute(
            Q.count_calls,
            [call.company_id for call in calls],
            [call.connection_id for call in calls],
            [call.latency_ms for call in calls],
            [call.latency_ms is None for call in calls],
            at,
        )


# --- evidence -------------------------------------------------------------------------------------------


async def of_connections(
    connection: db.Connection, company_id: CompanyId, connection_ids: Collection[ConnectionId]
) -> dict[ConnectionId, Liveness]:
    """What a person is shown of connections of a company."""
    return {
        row["connection_id"]: Liveness(
            latency_ms=row["latency_ms"],
            error_rate=row["error_rate"],
            heard_at=row["heard_at"],
            evidence=None
            if row["evidence"] is None
            else Evidence(
                type=row["evidence"], at=row["evidence_at"], reason=row["evidence_reason"], data=row["evidence_data"]
            ),
        )
        for row in await connection.fetch(Q.get, company_id, list(connection_ids))
    }


async def standing(connection: db.Connection, keys: Collection[Key]) -> dict[ConnectionId, Evidence]:
    """The evidence that stands against connections."""
    rows = await connection.fetch(Q.standing, [key[0] for key in keys], [key[1] for key in keys])
    return {
        row["connection_id"]: Evidence(type=row["type"], at=row["at"], reason=row["reason"], data=row["data"])
        for row in rows
    }


async def claim(
    connection: db.Connection,
    *,
    kinds: Collection[str],
    before: datetime,
    spread: timedelta,
    unbroken: datetime,
    at: datetime,
    limit: int,
) -> list[asyncpg.Record]:
    """Take connections of some kinds for judging that were last judged before a time, or up to `spread` later.

    Those not judged since `unbroken` are watched from `at` on, and come with the old `judged_at`.
    """
    rows = await connection.fetch(Q.due, list(kinds), before, spread, limit)
    if rows:
        keys = [row["company_id"] for row in rows], [row["connection_id"] for row in rows]
        await connection.execute(Q.claim, *keys, at, unbroken)
    return rows


async def learn(
    connection: db.Connection,
    key: Key,
    *,
    counted: datetime | None,
    rhythm: Sequence[float],
    hour: datetime,
) -> None:
    """Keep a rhythm and begin to count `hour`; `counted` is the hour that was counted before."""
    await connection.execute(Q.learn, *key, counted, list(rhythm), hour)


async def recent_sends(
    connection: db.Connection,
    keys: Sequence[tuple[CompanyId, InstanceId, ConnectionId]],
    *,
    since: UUID,
    settled: UUID,
    until: UUID,
    at: datetime,
) -> dict[ConnectionId, list[Sent]]:
    """What each connection sent last, of the messages accepted from one id to before another, the newest first.

    As far back as nothing is acknowledged, and the newest that is. `settled` lies between the two: the messages before
    it had their time, and are looked at however many there are after it.
    """
    found: dict[ConnectionId, list[Sent]] = {key[2]: [] for key in keys}
    columns = [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys]
    for row in await connection.fetch(Q.recent_sends, *columns, since, settled, until, at):
        found[row["connection_id"]].append(
            Sent(
                id=row["id"],
                address=row["address"],
                started_at=row["started_at"],
                acknowledged_at=row["acknowledged_at"],
            )
        )
    return found


async def peers(
    connection: db.Connection, server_ids: Collection[ServerId], since: datetime
) -> dict[ServerId, tuple[int, int]]:
    """Of each server: how many connections send, and how many of them were heard since a time."""
    rows = await connection.fetch(Q.peers, list(server_ids), since)
    return {row["server_id"]: (row["sending"], row["talking"]) for row in rows}


async def set_evidence(connection: db.Connection, key: Key, evidence: Evidence | None) -> bool:
    """Let evidence stand against a connection, or no longer; return whether that is new."""
    given = (evidence.type, evidence.at, evidence.reason, evidence.data) if evidence else (None, None, None, None)
    return await connection.fetchval(Q.set_evidence, *key, *given) is not None


async def set_canary(
    connection: db.Connection, key: Key, canary_id: MessageId | None, made_at: datetime | None = None
) -> None:
    """Remember a canary that waits for its acknowledgement, or that none does."""
    await connection.execute(Q.set_canary, *key, canary_id, made_at)


async def get_canary(connection: db.Connection, company_id: CompanyId, canary_id: MessageId) -> Canary | None:
    """What became of a canary."""
    row = await connection.fetchrow(Q.get_canary, company_id, canary_id)
    return Canary(**row) if row else None


async def summarise_server(connection: db.Connection, server_id: ServerId, since: datetime) -> Summary:
    """The connections of a server together; `heard` counts from a time on."""
    row = await connection.fetchrow(Q.summarise_server, server_id, since)
    assert row is not None, "an aggregate gives a row"
    return Summary(**row)


async def any_of_server(connection: db.Connection, server_id: ServerId) -> asyncpg.Record | None:
    """A connection of a server, with the server, that its provider can be asked about."""
    return await connection.fetchrow(Q.any_of_server, server_id)


async def count_evidence(connection: db.Connection) -> list[tuple[str, str, int]]:
    """(kind, evidence, how many connections)."""
    return [(row["kind"], row["evidence"], row["connections"]) for row in await connection.fetch(Q.count_evidence)]


# --- recoveries -----------------------------------------------------------------------------------------


async def open_recoveries(
    connection: db.Connection, *, except_reason: str, wait: timedelta, patience: timedelta, at: datetime, limit: int
) -> None:
    """Begin with connections in trouble, but those that are down for a reason; the first step within `wait`.

    One that is connecting is in trouble after `patience`.
    """
    await connection.execute(Q.open_recoveries, at, except_reason, wait, patience, limit)


async def close_recoveries(connection: db.Connection, *, except_reason: str, at: datetime, limit: int) -> list[Ended]:
    """End with connections whose trouble is over, or that only a person can help."""
    return [Ended(**row) for row in await connection.fetch(Q.close_recoveries, at, except_reason, limit)]


async def claim_recoveries(
    connection: db.Connection, *, kinds: Collection[str], at: datetime, until: datetime, limit: int
) -> list[Recovery]:
    """Take recoveries of connections of some kinds whose next step is due; no other process gets them before `until`."""
    return [Recovery(**row) for row in await connection.fetch(Q.claim_recoveries, at, until, limit, list(kinds))]


async def begin_recovery(
    connection: db.Connection,
    key: Key,
    instance_id: InstanceId,
    *,
    trouble: str,
    at: datetime,
    until: datetime,
) -> int | None:
    """Take one connection now; return the steps taken so far, or None while another process is at it."""
    steps: int | None = await connection.fetchval(Q.begin_recovery, *key, instance_id, trouble, at, until)
    return steps


async def finish_recovery(connection: db.Connection, key: Key, *, steps: int, next_at: datetime | None) -> None:
    """Give a claimed recovery back; without `next_at` it is given up."""
    await connection.execute(Q.finish_recovery, *key, steps, next_at)


async def count_recoveries(connection: db.Connection) -> tuple[int, int]:
    """How many are running, and how many were given up."""
    row = await connection.fetchrow(Q.count_recoveries)
    return (row["running"], row["given_up"]) if row else (0, 0)
