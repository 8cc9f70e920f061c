"""Bringing connections back: those that are down though nobody asked for it, and those that evidence stands against.

The steps are `reconnect`, `restart_session` and `recreate_webhook`, as far as a provider has them; the trouble decides
which comes first. Each is an event. By itself Recado takes one at a time, further and further apart, and gives up when
the last of `MOST_STEPS` has had its time, too; `recover` takes them now, because somebody asked. What needs a person (a code to scan, a number that was
logged out or banned) is left alone.
"""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import structlog

from recado.domain.errors import Conflict, NotFound, ProviderFailed
from recado.domain.evidence import Evidence, seen_as
from recado.domain.ids import CompanyId, ConnectionId, InstanceId
from recado.domain.provider import CallFailed, ConnectionState, Provider, RegistersWebhook, Restarts
from recado.domain.states import SENDING, ConnectionStatus
from recado.kit import backoff
from recado.services import connections as statuses
from recado.services import directory, sessions
from recado.services.directory import ConnectionView
from recado.services.runtime import Runtime
from recado.store import connections, db, events, liveness
from recado.store.liveness import Ended, Liveness, Recovery
from recado.telemetry import metrics

log = structlog.get_logger(__name__)
_random = random.Random()

StepName = Literal["reconnect", "restart_session", "recreate_webhook"]

MOST_STEPS = 6
#: Before the first step, most lines are back by themselves.
FIRST_WAIT = timedelta(seconds=30)
#: A session that is connecting for so long, and waits for no person, is stuck.
PATIENCE = timedelta(minutes=5)
#: Recoveries that are begun, or ended, in one transaction.
_BATCH = 500
#: Between two steps: this long, and a random time more that may double with every step.
_LEAST_SECONDS = 30.0
_MOST_SECONDS = 1_800.0
#: What was heard so shortly before the evidence came by a webhook that works.
_JUST_HEARD = timedelta(hours=1)
#: How long a process may be at a connection: two calls to its provider, and the database.
_CALLS = 4

#: What only a person can do something about.
_PERSON = {
    ConnectionStatus.CREATED: "It was never connected: connect it.",
    ConnectionStatus.QR: "It waits for its code: scan it, or type the pairing code on the phone.",
    ConnectionStatus.LOGGED_OUT: "The phone ended the session: connect it and scan a new code.",
    ConnectionStatus.BANNED: "WhatsApp has banned the number: no step of ours can change that.",
}


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step that was taken. `status` is how the connection stood after it; `why` is set where it failed."""

    step: StepName
    attempt: int
    done: bool
    status: ConnectionStatus | None = None
    why: str | None = None


class Recovered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `recover` did, and how the connection stands now. `needs_person` says what a person has to do, if any."""

    state: ConnectionState
    steps: list[Step] = []
    needs_person: str | None = None


async def recover(runtime: Runtime, company_id: CompanyId, view: ConnectionView) -> Recovered:
    """Bring a connection back now.

    One that is down is tried until a step connects it. Where it looks dead, the next step is taken: whether it helped
    shows when something is heard, and asking again goes on with the step after it. One that was disconnected on request
    is connected. Raises `NotFound`, or `Conflict` while another process is at it.
    """
    now = datetime.now(UTC)
    row, alive = await _stored(runtime, company_id, view)
    evidence = alive.evidence
    state = ConnectionState(status=ConnectionStatus(row.status), reason=row.status_reason)
    requested = row.status_reason == statuses.REQUESTED
    if not requested:
        state = await _ask(runtime, company_id, view) or state
    if state.status in _PERSON:
        return Recovered(state=state, needs_person=_PERSON[state.status])
    if state.status in SENDING and evidence is None:
        return Recovered(state=state)
    key = (company_id, view.id)
    trouble = evidence.type if evidence is not None and state.status in SENDING else "disconnected"
    adapter = runtime.providers[view.kind]
    plan: list[StepName] = ["reconnect"] if requested else _plan(adapter, trouble, alive)
    async with runtime.db.tenant(company_id) as connection:
        until = now + _lease(runtime) * len(plan)
        taken = await liveness.begin_recovery(
            connection, key, view.connection.instance_id, trouble=trouble, at=now, until=until
        )
    if taken is None:
        raise Conflict("The connection is being recovered right now.", code="recovery_under_way")
    steps: list[Step] = []
    try:
        for _ in plan:
            name = plan[(taken + len(steps)) % len(plan)]
            step, after = await _take(runtime, view, adapter, name, taken + len(steps) + 1)
            steps.append(step)
            state = await _record(runtime, view, trouble, step, after) or state
            if state.status in _PERSON or (step.done and (trouble != "disconnected" or state.status in _UNDER_WAY)):
                break
    finally:
        # Also when whoever asked is gone: nobody else is let near it before.
        async with runtime.db.tenant(company_id) as connection:
            total = taken + len(steps)
            await liveness.finish_recovery(connection, key, steps=total, next_at=_next(total, datetime.now(UTC)))
    return Recovered(state=state, steps=steps, needs_person=_PERSON.get(state.status))


async def work(runtime: Runtime, now: datetime, *, limit: int) -> int:
    """Begin, end, and take the steps that are due at `now`, a batch at most; return how many were due."""
    async with runtime.db.work() as connection:
        ended = await liveness.close_recoveries(connection, except_reason=statuses.REQUESTED, at=now, limit=_BATCH)
        told = [event for event in map(_ended, ended) if event is not None]
        # Last, as it locks the delivery lanes.
        await events.insert(connection, told)
    if told:
        runtime.signals.set("deliveries")
    async with runtime.db.work() as connection:
        await liveness.open_recoveries(
            connection, except_reason=statuses.REQUESTED, wait=FIRST_WAIT, patience=PATIENCE, at=now, limit=_BATCH
        )
    async with runtime.db.work() as connection:
        claimed = await liveness.claim_recoveries(
            connection, kinds=runtime.providers.keys(), at=now, until=now + _lease(runtime), limit=limit
        )
    await asyncio.gather(*(_go_on(runtime, recovery, now) for recovery in claimed))
    return len(claimed)


async def _go_on(runtime: Runtime, recovery: Recovery, now: datetime) -> None:
    """Take the next step of a claimed recovery, or give it up when the last one has had its time."""
    began = time.monotonic()
    try:
        instance = await runtime.directory.instance(recovery.company_id, recovery.instance_id)
        view = instance.placed(recovery.connection_id)
        row, alive = await _stored(runtime, recovery.company_id, view)
        taken = recovery.steps
        if not _in_trouble(row, alive.evidence):
            next_at: datetime | None = now
        elif taken >= MOST_STEPS:
            await _give_up(runtime, view, recovery)
            return
        else:
            adapter = runtime.providers[view.kind]
            plan = _plan(adapter, recovery.trouble, alive)
            step, after = await _take(runtime, view, adapter, plan[taken % len(plan)], taken + 1)
            await _record(runtime, view, recovery.trouble, step, after)
            taken += 1
            next_at = _next(taken, now + timedelta(seconds=time.monotonic() - began))
    except NotFound:
        log.debug("connection_gone", connection_id=recovery.connection_id)
        return
    key = (recovery.company_id, recovery.connection_id)
    async with runtime.db.tenant(recovery.company_id) as connection:
        await liveness.finish_recovery(connection, key, steps=taken, next_at=next_at)


async def _give_up(runtime: Runtime, view: ConnectionView, recovery: Recovery) -> None:
    """Leave it until somebody asks or the trouble ends, and tell so."""
    data = {
        "connection_id": view.id,
        "kind": view.kind,
        "trouble": recovery.trouble,
        "steps": recovery.steps,
        "reason": f"{recovery.steps} steps did not help; asking for its recovery tries them again.",
    }
    key = (recovery.company_id, recovery.connection_id)
    async with runtime.db.tenant(recovery.company_id) as connection:
        await liveness.finish_recovery(connection, key, steps=recovery.steps, next_at=None)
        told = _event(recovery.company_id, recovery.instance_id, "instance.recovery_failed", data)
        await events.insert(connection, [told])
    log.warning("recovery_given_up", connection_id=view.id, kind=view.kind, trouble=recovery.trouble)
    runtime.signals.set("deliveries")


# --- steps ----------------------------------------------------------------------------------------------

#: After a step, a connection in one of these needs no other now.
_UNDER_WAY = SENDING | {ConnectionStatus.CONNECTING}


def _plan(adapter: Provider, trouble: str, alive: Liveness) -> list[StepName]:
    """The steps, the one that fits the trouble first. What is heard has a webhook that works."""
    evidence = alive.evidence
    heard = alive.heard_at is not None and (evidence is None or alive.heard_at > evidence.at - _JUST_HEARD)
    wanted: tuple[StepName, ...]
    if trouble == "disconnected":
        wanted = ("reconnect", "restart_session", "recreate_webhook")
    elif heard and trouble != "silent":
        wanted = ("restart_session", "reconnect", "recreate_webhook")
    else:
        wanted = ("recreate_webhook", "restart_session", "reconnect")
    able = {
        "reconnect": True,
        "restart_session": isinstance(adapter, Restarts),
        "recreate_webhook": isinstance(adapter, RegistersWebhook),
    }
    return [step for step in wanted if able[step]]


async def _take(
    runtime: Runtime, view: ConnectionView, adapter: Provider, name: StepName, attempt: int
) -> tuple[Step, ConnectionState | None]:
    """Take one step, and ask how the connection stands after it."""
    why: str | None = None
    after: ConnectionState | None = None
    try:
        async with asyncio.timeout(runtime.settings.send_timeout_seconds * 2):
            after = await _call(runtime, view, adapter, name)
    except CallFailed as error:
        why = error.why
    except ProviderFailed as error:
        why = error.detail
    except TimeoutError:
        why = "It did not answer in time."
    except db.AWAY:
        raise
    except Exception as error:
        # A mistake of ours, in one adapter. It must not keep other connections from their steps.
        log.exception("recovery_step_broke", connection_id=view.id, kind=adapter.kind, step=name)
        metrics.loop_errors.labels(loop="health_recovery").inc()
        why = f"It could not be taken ({type(error).__name__})."
    result = "failed" if why is not None else "done"
    metrics.recovery_steps.labels(adapter.kind, name, result).inc()
    log.info("recovery_step", connection_id=view.id, kind=adapter.kind, step=name, attempt=attempt, why=why)
    status = after.status if after is not None else None
    return Step(step=name, attempt=attempt, done=why is None, status=status, why=why), after


async def _call(runtime: Runtime, view: ConnectionView, adapter: Provider, name: StepName) -> ConnectionState:
    called = view.connection
    match name:
        case "restart_session" if isinstance(adapter, Restarts):
            return await adapter.restart(called)
        case "recreate_webhook" if isinstance(adapter, RegistersWebhook):
            await adapter.register_webhook(called)
            return await adapter.status(called)
        case _:
            state = await adapter.status(called)
            if state.status is ConnectionStatus.DISCONNECTED:
                called = await sessions.prepare(runtime, called.company_id, view)
                state = await adapter.connect(called, method="qr", phone=None)
            return state


async def _record(
    runtime: Runtime, view: ConnectionView, trouble: str, step: Step, after: ConnectionState | None
) -> ConnectionState | None:
    """Store how the connection stands after a step, and tell of the step; return the state as it is shown."""
    called = view.connection
    company_id, instance_id = called.company_id, called.instance_id
    data: dict[str, Any] = {
        "connection_id": view.id,
        "kind": view.kind,
        "trouble": trouble,
        "step": step.step,
        "attempt": step.attempt,
        "result": "done" if step.done else "failed",
    }
    if step.status is not None:
        data["status"] = step.status
    if step.why is not None:
        data["error"] = step.why
    told = _event(company_id, instance_id, "instance.recovering", data)
    async with runtime.directory.changing(company_id) as connection:
        if after is not None:
            after = await _store(connection, runtime, company_id, view.id, after)
        await events.insert(connection, [told])
    runtime.signals.set("deliveries")
    return after


async def _store(
    connection: db.Connection,
    runtime: Runtime,
    company_id: CompanyId,
    connection_id: ConnectionId,
    state: ConnectionState,
) -> ConnectionState:
    standing = await liveness.standing(connection, [(company_id, connection_id)])
    seen = seen_as(state, standing.get(connection_id))
    await statuses.change_status(connection, runtime, company_id, connection_id, seen)
    return seen


async def _ask(runtime: Runtime, company_id: CompanyId, view: ConnectionView) -> ConnectionState | None:
    """How the provider says the connection stands, stored; None where it cannot be asked, which the steps will show."""
    adapter = runtime.providers[view.kind]
    try:
        async with asyncio.timeout(runtime.settings.send_timeout_seconds):
            state = await adapter.status(view.connection)
    except (CallFailed, TimeoutError) as error:
        log.info("connection_not_checked", connection_id=view.id, kind=view.kind, why=str(error) or "timeout")
        return None
    async with runtime.directory.changing(company_id) as connection:
        return await _store(connection, runtime, company_id, view.id, state)


async def _stored(
    runtime: Runtime, company_id: CompanyId, view: ConnectionView
) -> tuple[connections.Connection, Liveness]:
    """The connection's row, and what is known of its liveness. Raises `NotFound`."""
    async with runtime.db.tenant(company_id) as connection:
        row = await connections.get(connection, company_id, view.connection.instance_id, view.id)
        alive = await liveness.of_connections(connection, company_id, [view.id])
    if row is None:
        raise directory.no_connection(view.id)
    return row, alive[view.id]


def _in_trouble(row: connections.Connection, evidence: Evidence | None) -> bool:
    if row.status in SENDING:
        return evidence is not None
    down = row.status in (ConnectionStatus.CONNECTING, ConnectionStatus.DISCONNECTED)
    return down and row.status_reason != statuses.REQUESTED


# --- around them ----------------------------------------------------------------------------------------


def _lease(runtime: Runtime) -> timedelta:
    """How long a process may be at one step."""
    return timedelta(seconds=runtime.settings.send_timeout_seconds * _CALLS)


def _next(taken: int, now: datetime) -> datetime:
    """When the step after so many is due, or, after the last one, the end."""
    wait = _LEAST_SECONDS + backoff.full_jitter(taken, _LEAST_SECONDS, _MOST_SECONDS, _random)
    return now + timedelta(seconds=wait)


def _ended(ended: Ended) -> events.NewEvent | None:
    """What to tell of a recovery that is over: nothing of one that took no step, or whose end was told before."""
    if ended.steps == 0 or ended.next_at is None:
        return None
    data: dict[str, Any] = {
        "connection_id": ended.connection_id,
        "kind": ended.kind,
        "trouble": ended.trouble,
        "steps": ended.steps,
        "since": ended.began_at.isoformat(),
        "status": ended.status,
    }
    if ended.status in SENDING:
        return _event(ended.company_id, ended.instance_id, "instance.recovered", data)
    if ended.status_reason == statuses.REQUESTED:
        return None
    reason = _PERSON[ConnectionStatus(ended.status)]
    return _event(ended.company_id, ended.instance_id, "instance.recovery_failed", {**data, "reason": reason})


def _event(company_id: CompanyId, instance_id: InstanceId, kind: str, data: dict[str, Any]) -> events.NewEvent:
    return events.NewEvent(company_id=company_id, type=kind, data=data, instance_id=instance_id)
