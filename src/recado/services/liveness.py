"""Whether a number is alive, judged from what it does and not from what its provider says of it.

silent          nothing was heard of it for so long that, by its own rhythm, it is next to impossible; or, while the
                others of its server talk, very unlikely; or it never said a word since it is connected and they do
unacknowledged  the last messages that its provider accepted have no receipt, though the provider reports them
canary          the canary message that its company asked for was accepted and not acknowledged in time

Evidence stands until something proves life: traffic, a receipt. While it stands, a provider's `connected` is shown as
`degraded`, which still sends. `services.recovering` sees to it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from recado.domain import content, ids, rhythm
from recado.domain.errors import NotFound, RecadoError
from recado.domain.evidence import Evidence, seen_as
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.provider import Capabilities, ConnectionState, capabilities_of
from recado.domain.settings import InstanceSettings, Liveness
from recado.domain.states import SENDING, ConnectionStatus, MessageStatus, Priority
from recado.kit.crypto import CryptoError
from recado.services import connections as statuses
from recado.services.accepting import Acceptor, MessageRequest
from recado.services.directory import Principal
from recado.services.runtime import Runtime
from recado.store import connections, liveness
from recado.store.liveness import Canary, Sent

log = structlog.get_logger(__name__)

#: How often a connection is judged, and after which gap silence proves nothing because nobody watched.
PERIOD = timedelta(seconds=60)
_UNBROKEN = timedelta(minutes=5)

#: See `rhythm.surprise`.
_IMPOSSIBLE = 4.0
_UNLIKELY = 2.0
_SHORTEST_SILENCE = timedelta(minutes=30)
_NEVER_HEARD = timedelta(hours=2)
_PEERS = 2
_PEERS_TALK = timedelta(minutes=15)

#: So many messages in a row without a receipt, of which the oldest waits so long, or many at once; one that was just sent
#: does not count.
_UNACKNOWLEDGED = 5
_OLDEST = timedelta(minutes=10)
_MANY = 30
_GRACE = timedelta(minutes=3)
#: Where the server's own acknowledgement is not reported, the phones of so many different people cannot all be off.
_PEOPLE = 3
_LOOK_BACK = timedelta(days=1)

#: A new pairing is a new session: what was said against the old one is void.
_NEW_SESSION = frozenset(
    {ConnectionStatus.CREATED, ConnectionStatus.QR, ConnectionStatus.LOGGED_OUT, ConnectionStatus.BANNED}
)


class _Judged(msgspec.Struct, kw_only=True):
    """A connection with what is known of it."""

    row: Any
    settings: Liveness
    capabilities: Capabilities
    watched_from: datetime
    sent: Sequence[Sent]

    @property
    def key(self) -> liveness.Key:
        return (CompanyId(self.row["company_id"]), ConnectionId(self.row["connection_id"]))

    @property
    def quiet_since(self) -> datetime:
        """Since when silence counts: it was heard, connected, or is watched at all."""
        times = (self.row["heard_at"], self.row["status_at"], self.watched_from)
        return max(time for time in times if time is not None)


async def judge(runtime: Runtime, now: datetime, *, limit: int) -> int:
    """Judge the connections that are due at `now`, a batch at most; return how many there were."""
    async with runtime.db.work() as connection:
        rows = await liveness.claim(
            connection,
            kinds=runtime.providers.keys(),
            before=now - PERIOD,
            spread=PERIOD / 5,
            unbroken=now - _UNBROKEN,
            at=now,
            limit=limit,
        )
        keys = [(row["company_id"], row["instance_id"], row["connection_id"]) for row in rows]
        sent = await liveness.recent_sends(
            connection,
            keys,
            since=ids.lowest(now - _LOOK_BACK),
            settled=ids.lowest(now - _GRACE),
            until=ids.lowest(now + PERIOD),
            at=now,
        )
    judged = [one for one in (_with(runtime, row, sent[row["connection_id"]], now) for row in rows) if one is not None]
    peers = await _peers(runtime, judged, now)
    for one in judged:
        try:
            await _judge(runtime, one, peers, now)
        except NotFound:
            log.debug("connection_gone", connection_id=one.key[1])
    return len(rows)


def _with(runtime: Runtime, row: Any, sent: Sequence[Sent], now: datetime) -> _Judged | None:
    """A claimed row with what is known of it; None where its credentials cannot be opened: then it cannot send either."""
    unbroken = row["judged_at"] is not None and row["judged_at"] >= now - _UNBROKEN
    adapter = runtime.providers[row["kind"]]
    try:
        called = runtime.directory.connection_of(row, instance_id=row["instance_id"])
    except CryptoError as error:
        log.warning("connection_not_judged", connection_id=row["connection_id"], why=str(error))
        return None
    return _Judged(
        row=row,
        settings=msgspec.convert(row["settings"], InstanceSettings).liveness,
        capabilities=capabilities_of(adapter, called),
        watched_from=(row["watched_from"] or now) if unbroken else now,
        sent=sent,
    )


async def _peers(runtime: Runtime, judged: Sequence[_Judged], now: datetime) -> dict[ServerId, tuple[int, int]]:
    """How others of the servers of those do that may be silent: asked only where it matters."""
    suspects = {one.row["server_id"] for one in judged if _may_be_silent(one, now)}
    if not suspects:
        return {}
    async with runtime.db.worker.acquire() as connection:
        return await liveness.peers(connection, suspects, now - _PEERS_TALK)


async def _judge(runtime: Runtime, one: _Judged, peers: Mapping[ServerId, tuple[int, int]], now: datetime) -> None:
    status, accused = one.row["status"], one.row["evidence"] is not None
    if accused and (status in _NEW_SESSION or not one.settings.evidence or _proves_life(one)):
        await _acquit(runtime, one)
    if status not in SENDING:
        return
    canary = await _look_at_canary(runtime, one, now)
    if not accused:
        await _learn(runtime, one, now)
        evidence = _unacknowledged(one, now) or canary or _silent(one, peers.get(one.row["server_id"], (0, 0)), now)
        if evidence is not None and one.settings.evidence:
            await _accuse(runtime, one, evidence)
    if one.settings.canary is not None:
        # Also while evidence stands: it may be what proves life.
        await _send_canary(runtime, one, now)


# --- the evidence ---------------------------------------------------------------------------------------


def _silent(one: _Judged, peers: tuple[int, int], now: datetime) -> Evidence | None:
    if not _may_be_silent(one, now):
        return None
    sending, talking = peers
    others_talk = sending - 1 >= _PEERS and talking * 2 >= sending - 1
    since, never = one.quiet_since, one.row["heard_at"] is None
    unlikely = rhythm.surprise(one.row["rhythm"], since, now)
    if unlikely < _IMPOSSIBLE and not (others_talk and (never or unlikely >= _UNLIKELY)):
        return None
    why = "others on its server are heard" if others_talk else "it usually has traffic at these hours"
    data = {
        "heard_at": one.row["heard_at"].isoformat() if one.row["heard_at"] else None,
        "quiet_since": since.isoformat(),
        "others": {"sending": max(sending - 1, 0), "talking": talking},
    }
    reason = f"Nothing was heard of it since {since:%Y-%m-%d %H:%M} UTC although {why}."
    return Evidence(type="silent", at=now, reason=reason, data=data)


def _may_be_silent(one: _Judged, now: datetime) -> bool:
    """Whether its own rhythm lets silence mean something, or, before it was ever heard, its time."""
    if one.row["evidence"] is not None or one.row["status"] not in SENDING or not one.settings.evidence:
        return False
    quiet = now - one.quiet_since
    if one.row["heard_at"] is None and quiet >= _NEVER_HEARD:
        return True
    return quiet >= _SHORTEST_SILENCE and rhythm.surprise(one.row["rhythm"], one.quiet_since, now) >= _UNLIKELY


def _unacknowledged(one: _Judged, now: datetime) -> Evidence | None:
    if not one.capabilities.receipts:
        return None
    row: list[Sent] = []
    for sent in one.sent:
        if sent.acknowledged_at is not None or sent.started_at < one.watched_from:
            break
        if sent.started_at <= now - _GRACE:
            row.append(sent)
    if len(row) < _UNACKNOWLEDGED or (len(row) < _MANY and row[-1].started_at > now - _OLDEST):
        return None
    if "server_ack" not in one.capabilities.receipts and len({sent.address for sent in row}) < _PEOPLE:
        return None
    since = row[-1].started_at
    return Evidence(
        type="unacknowledged",
        at=now,
        reason=f"The last {len(row)} messages, since {since:%Y-%m-%d %H:%M} UTC, were accepted and not acknowledged.",
        data={"messages": len(row), "sent_since": since.isoformat(), "last_message_id": str(row[0].id)},
    )


def _proves_life(one: _Judged) -> bool:
    """Whether something happened since the evidence that a dead number could not do."""
    at = one.row["evidence_at"]
    if one.row["evidence"] == "silent":
        heard_at = one.row["heard_at"]
        return heard_at is not None and heard_at > at
    return any(sent.acknowledged_at is not None and sent.acknowledged_at > at for sent in one.sent)


async def _accuse(runtime: Runtime, one: _Judged, evidence: Evidence) -> None:
    company_id, connection_id = one.key
    state = seen_as(ConnectionState(status=ConnectionStatus.CONNECTED), evidence)
    async with runtime.db.tenant(company_id) as connection:
        held = await connections.lock(connection, company_id, connection_id)
        if held is None or held.status not in SENDING:
            return
        await liveness.set_evidence(connection, one.key, evidence)
        await statuses.change_status(connection, runtime, company_id, connection_id, state)
    log.warning("connection_looks_dead", connection_id=connection_id, evidence=evidence.type, why=evidence.reason)


async def _acquit(runtime: Runtime, one: _Judged) -> None:
    company_id, connection_id = one.key
    async with runtime.db.tenant(company_id) as connection:
        held = await connections.lock(connection, company_id, connection_id)
        await liveness.set_evidence(connection, one.key, None)
        if held is not None and held.status == ConnectionStatus.DEGRADED:
            await statuses.change_status(connection, runtime, company_id, connection_id, ConnectionStatus.CONNECTED)
    log.info("connection_lives", connection_id=connection_id, evidence=one.row["evidence"])


async def _learn(runtime: Runtime, one: _Judged, now: datetime) -> None:
    """Learn from the hours that are over and were watched from their beginning to their end."""
    counted, hour = one.row["hour_at"], rhythm.hour_of(now)
    if counted == hour:
        return
    learnt: Sequence[float] = one.row["rhythm"]
    windows = one.row["windows"]
    while counted is not None and counted < hour:
        if counted >= one.watched_from and counted >= one.row["status_at"]:
            learnt = rhythm.learn(learnt, counted, windows)
        windows = 0
        counted += rhythm.HOUR
    async with runtime.db.work() as connection:
        await liveness.learn(connection, one.key, counted=one.row["hour_at"], rhythm=learnt, hour=hour)


# --- the canary -----------------------------------------------------------------------------------------


async def _look_at_canary(runtime: Runtime, one: _Judged, now: datetime) -> Evidence | None:
    """What became of the canary on its way. One that another connection carried, or that failed, proves nothing."""
    canary_id, wanted = one.row["canary_id"], one.settings.canary
    if canary_id is None:
        return None
    company_id, connection_id = one.key
    async with runtime.db.work() as connection:
        found = await liveness.get_canary(connection, company_id, MessageId(canary_id))
        if found is not None and wanted is not None and _is_on_its_way(found, connection_id):
            if found.started_at is None or found.started_at > now - timedelta(minutes=wanted.within_minutes):
                return None
        else:
            found = None
        await liveness.set_canary(connection, one.key, None)
    if found is None or found.started_at is None or not one.capabilities.receipts:
        return None
    return Evidence(
        type="canary",
        at=now,
        reason=f"The canary message sent at {found.started_at:%Y-%m-%d %H:%M} UTC was not acknowledged.",
        data={"message_id": str(canary_id), "sent_at": found.started_at.isoformat()},
    )


def _is_on_its_way(canary: Canary, connection_id: ConnectionId) -> bool:
    if canary.acknowledged_at is not None or canary.connection_id not in (None, connection_id):
        return False
    return canary.status in (MessageStatus.QUEUED, MessageStatus.SENT)


async def _send_canary(runtime: Runtime, one: _Judged, now: datetime) -> None:
    """Queue the next canary when it is due: a message as any other, behind all others, carried by the connection in use."""
    canary = one.settings.canary
    assert canary is not None
    every = timedelta(minutes=canary.every_minutes)
    made_at = one.row["canary_at"]
    if one.row["canary_id"] is not None or (made_at is not None and made_at > now - every):
        return
    company_id, connection_id = one.key
    view = await runtime.directory.instance(company_id, InstanceId(one.row["instance_id"]))
    if view.active is None or view.active.id != connection_id or view.paused:
        return
    request = MessageRequest(
        to=canary.to,
        type="text",
        text=content.TextContent(body=canary.body),
        instance_id=view.id,
        priority=Priority.LOW,
        metadata={"canary": True},
    )
    # A process that dies before it remembers the message finds it again by its key.
    key = f"canary:{connection_id}:{int(now.timestamp() // every.total_seconds())}"
    writer = Acceptor(runtime)
    await writer.start()
    made: MessageId | None = None
    try:
        principal = Principal(level="company", company_id=company_id, instance_id=None, token_id=None)
        accepted = await writer.accept(principal, request, idempotency_key=key)
        made = MessageId(accepted.id)
    except RecadoError as error:
        # Its company sees why: the same message sent by hand is refused alike. The next one is due as usual.
        log.warning("canary_refused", connection_id=connection_id, why=str(error))
    finally:
        await writer.stop()
    async with runtime.db.work() as connection:
        await liveness.set_canary(connection, one.key, made, now)
