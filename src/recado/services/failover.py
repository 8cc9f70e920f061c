"""Which of its connections an instance sends through: chosen by call, by the instance's policy, or because one is removed.

A switch is a decision that is recorded: one transaction names the new active connection, lets the instance and its
lanes follow it, and tells the company. It moves no messages, because a message belongs to no connection until it is
tried: what waits goes through the new one from then on, and what may have been sent stays with the one that tried it
(`services.sending`). Accepting never waits for a switch.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
import structlog

from recado.domain.errors import Conflict
from recado.domain.ids import CompanyId, InstanceId
from recado.domain.settings import Failover, InstanceSettings
from recado.domain.states import ConnectionStatus
from recado.services import connections as statuses
from recado.services import directory
from recado.services.runtime import Runtime
from recado.store import connections, db, events, instances
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

Reason = Literal["requested", "failover", "back", "removed"]
_BATCH = 200
_BEFORE_ALL = (UUID(int=0), UUID(int=0))


async def switch(runtime: Runtime, company_id: CompanyId, instance_id: UUID, connection_id: UUID) -> bool:
    """Send through another connection from now on, until it fails or another call; return whether that is news.

    Raises `NotFound`, or `Conflict` for a connection that does not send now.
    """
    # A worker's eyes: a company does not see the health of the platform's servers.
    async with runtime.directory.changing() as connection:
        instance = await instances.lock(connection, company_id, instance_id)
        if instance is None:
            raise directory.no_instance(instance_id)
        standings = await connections.standings(connection, company_id, instance.id)
        target = next((one for one in standings if one.id == connection_id), None)
        if target is None:
            raise directory.no_connection(connection_id)
        if target.active:
            return False
        if not target.sends:
            why = target.status if target.healthy else "on a server that does not answer"
            raise Conflict(f"The connection {target.id} is {why}; connect it first.", code="connection_not_sending")
        await make_active(connection, instance, standings, target, "requested")
    runtime.signals.set("lanes")
    return True


async def work(runtime: Runtime, now: datetime) -> int:
    """Make every switch that policies ask for at `now`; return how many. Any number of processes may do so."""
    switched, after = 0, _BEFORE_ALL
    while True:
        async with runtime.db.work() as connection:
            found = await connections.candidates(
                connection, except_reason=statuses.REQUESTED, after=after, limit=_BATCH
            )
        for company_id, instance_id in found:
            switched += await _look_at(runtime, company_id, instance_id, now)
        if switched:
            runtime.signals.set("lanes")
        if len(found) < _BATCH:
            return switched
        # However many wait for their time, whose time has come is behind them.
        after = found[-1]


async def _look_at(runtime: Runtime, company_id: CompanyId, instance_id: InstanceId, now: datetime) -> bool:
    """Follow one instance's policy. What is wrong with it must not keep the others from their switch."""
    try:
        return await _follow_policy(runtime, company_id, instance_id, now)
    except db.AWAY:
        raise
    except Exception:
        log.exception("policy_not_followed", company_id=company_id, instance_id=instance_id)
        metrics.loop_errors.labels(loop="failover").inc()
        return False


async def _follow_policy(runtime: Runtime, company_id: CompanyId, instance_id: InstanceId, now: datetime) -> bool:
    async with runtime.db.work() as connection:
        instance = await instances.lock(connection, company_id, instance_id)
        if instance is None:
            return False
        standings = await connections.standings(connection, company_id, instance_id)
        policy = msgspec.convert(instance.settings, InstanceSettings).failover
        chosen = choose(policy, standings, now)
        if chosen is None:
            return False
        target, reason = chosen
        await make_active(connection, instance, standings, target, reason)
        await runtime.directory.changed(connection)
    runtime.directory.invalidate()
    return True


def choose(
    policy: Failover, standings: Sequence[connections.Standing], now: datetime
) -> tuple[connections.Standing, Reason] | None:
    """The connection that a policy makes the active one at `now`, or None when the present one stays.

    One that was disconnected on request was not lost, so nothing takes over from it. Going back asks for more than
    taking over: the better one must be wholly well (`connected`), and the present one have had its time, so that two
    ailing ones do not take turns.
    """
    active = next((one for one in standings if one.active), None)
    if active is None or policy.mode == "manual":
        return None
    long_ago = now - timedelta(seconds=policy.after_seconds)
    if not active.sends:
        if active.status_reason == statuses.REQUESTED or active.since > long_ago:
            return None
        target = next((one for one in standings if one.sends), None)
        return None if target is None else (target, "failover")
    if policy.back == "manual" or active.activated_by == "requested" or active.activated_at > long_ago:
        return None
    for one in standings:
        well = one.sends and one.status is ConnectionStatus.CONNECTED
        if one.rank < active.rank and well and one.status_at <= long_ago:
            return one, "back"
    return None


def replacement(standings: Sequence[connections.Standing], removed: connections.Standing) -> connections.Standing:
    """Which of the others takes over from an active connection that is removed: the best that sends, else the best."""
    others = [one for one in standings if one.id != removed.id]
    return next((one for one in others if one.sends), others[0])


async def make_active(
    connection: db.Connection,
    instance: instances.Instance,
    standings: Sequence[connections.Standing],
    target: connections.Standing,
    reason: Reason,
) -> None:
    """Switch a held instance and tell of it, in the caller's transaction."""
    before = next((one for one in standings if one.active), None)
    company_id = instance.company_id
    await connections.activate(connection, company_id, instance.id, target.id, by=reason)
    await statuses.follow(
        connection, company_id, instance.id, before=instance.status, paused=instance.paused, at_once=True
    )
    log.warning(
        "instance_switched",
        company_id=company_id,
        instance_id=instance.id,
        before=before and before.id,
        after=target.id,
        kind=target.kind,
        why=reason,
    )
    data = {
        "from": before and {"connection_id": before.id, "kind": before.kind, "status": before.status},
        "to": {"connection_id": target.id, "kind": target.kind, "status": target.status},
        "reason": reason,
    }
    # Last, as it locks the delivery lanes.
    await events.insert(
        connection,
        [events.NewEvent(company_id=company_id, type="instance.switched", data=data, instance_id=instance.id)],
    )
