"""Recovery: which steps, in which order, how far apart, told as what; and what only a person can help."""

import asyncio
import itertools
from datetime import timedelta

import pytest

from recado.domain import provider
from recado.domain.errors import Conflict
from recado.domain.provider import CallFailed, ConnectionState, Health
from recado.domain.states import ConnectionStatus
from recado.services import connections, recovering, servers
from recado.services.directory import ConnectionView
from recado.services.recovering import MOST_STEPS
from recado.store import liveness
from recado.workers.health import HealthWorker
from tests.health.conftest import CONNECTED, DISCONNECTED, World

TOLD = ("instance.recovering", "instance.recovered", "instance.recovery_failed")
CONNECTING = ConnectionState(status=ConnectionStatus.CONNECTING)
QR = ConnectionState(status=ConnectionStatus.QR, qr="code")
LOGGED_OUT = ConnectionState(status=ConnectionStatus.LOGGED_OUT)
BANNED = ConnectionState(status=ConnectionStatus.BANNED)


async def _down(world: World, kind: str = "phone") -> ConnectionView:
    """A number that lost its line."""
    number = await world.number(kind)
    await world.say(number.id, DISCONNECTED)
    world.phone.states = [DISCONNECTED]
    return number


async def _silent(world: World) -> ConnectionView:
    """A number that looks dead to us and well to its provider."""
    number = await world.number()
    await world.usually_talks(number)
    await world.watch(45)
    assert (await world.alive(number)).evidence is not None
    return number


async def _run(world: World, *, minutes: float, every: float = 10) -> None:
    """The worker looks for work so often, for so long."""
    until = world.now + timedelta(minutes=minutes)
    while world.now < until:
        world.move(seconds=every)
        await world.worker.recover(world.now)


async def _steps(world: World) -> list[tuple[str, str]]:
    return [(told["step"], told["result"]) for told in await world.events("instance.recovering")]


# --- by itself ------------------------------------------------------------------------------------------


async def test_a_line_that_comes_back_by_itself_needs_no_step(world: World) -> None:
    number = await _down(world)
    await world.worker.recover(world.now)
    await world.say(number.id, CONNECTED)
    await _run(world, minutes=5)
    assert await world.events(*TOLD) == []
    assert world.phone.calls == []


async def test_a_lost_line_is_connected_again_and_both_are_told(world: World) -> None:
    number = await _down(world)
    world.phone.states = [DISCONNECTED, CONNECTED]
    await _run(world, minutes=2)
    assert world.phone.calls == ["status", "connect qr None"]
    assert (await world.status(number))[0] == "connected"
    first, second = await world.events(*TOLD)
    assert first == {
        "event": "instance.recovering",
        "connection_id": str(number.id),
        "kind": "phone",
        "trouble": "disconnected",
        "step": "reconnect",
        "attempt": 1,
        "result": "done",
        "status": "connected",
    }
    assert (second["event"], second["steps"], second["trouble"]) == ("instance.recovered", 1, "disconnected")
    await _run(world, minutes=60, every=60)
    assert len(await world.events(*TOLD)) == 2


async def test_steps_follow_further_and_further_apart_and_end(world: World) -> None:
    number = await _down(world)
    taken = []
    for _ in range(1_000):
        world.move(seconds=10)
        if await world.worker.recover(world.now):
            taken.append(world.now)
    assert (
        await _steps(world)
        == [
            ("reconnect", "done"),
            ("restart_session", "done"),
            ("recreate_webhook", "done"),
        ]
        * 2
    )
    assert len(taken) == MOST_STEPS + 1, "the last step has its time, too"
    assert all(later - earlier >= timedelta(seconds=30) for earlier, later in itertools.pairwise(taken))
    failed = (await world.events("instance.recovery_failed"))[0]
    assert (failed["steps"], failed["trouble"]) == (MOST_STEPS, "disconnected")
    assert "recover" in failed["reason"]
    await world.say(number.id, CONNECTED)
    await _run(world, minutes=1)
    assert len(await world.events(*TOLD)) == MOST_STEPS + 1
    async with world.runtime.db.work() as connection:
        assert await liveness.count_recoveries(connection) == (0, 0)


async def test_the_last_step_gets_its_time_and_may_help(world: World) -> None:
    number = await _down(world)
    while len(await _steps(world)) < MOST_STEPS:
        world.move(seconds=30)
        await world.worker.recover(world.now)
    await world.say(number.id, CONNECTED)
    await world.worker.recover(world.move(seconds=10))
    assert [told["event"] for told in await world.events(*TOLD)][-1] == "instance.recovered"


async def test_giving_up_a_number_that_only_looks_dead_is_told(world: World) -> None:
    await _silent(world)
    await _run(world, minutes=240, every=60)
    assert len(await _steps(world)) == MOST_STEPS
    (failed,) = await world.events("instance.recovery_failed")
    assert (failed["trouble"], failed["steps"]) == ("silent", MOST_STEPS)
    async with world.runtime.db.work() as connection:
        assert await liveness.count_recoveries(connection) == (0, 1)


async def test_a_session_that_never_finishes_connecting_is_trouble(world: World) -> None:
    number = await world.number()
    world.phone.states = [CONNECTING]
    await world.say(number.id, CONNECTING)
    await world.set_status_at(number, world.now)
    await _run(world, minutes=4)
    assert await _steps(world) == []
    await _run(world, minutes=5)
    assert await _steps(world) != []


async def test_a_session_that_waits_for_a_passkey_is_left_to_its_person(world: World) -> None:
    number = await world.number()
    state = ConnectionState(status=ConnectionStatus.CONNECTING, details={"passkey": {"step": "confirm"}})
    await world.say(number.id, state)
    await world.set_status_at(number, world.now)
    await _run(world, minutes=30)
    assert await _steps(world) == []


async def test_a_step_that_breaks_keeps_no_other_from_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await _down(world, "plain")
    await _down(world)

    async def status(connection: provider.Connection) -> ConnectionState:
        raise ZeroDivisionError

    monkeypatch.setattr(world.runtime.providers["plain"], "status", status)
    await _run(world, minutes=60, every=30)
    told = await world.events("instance.recovering")
    assert [one["result"] for one in told if one["kind"] == "phone"] == ["done"] * MOST_STEPS
    assert {one["result"] for one in told if one["kind"] == "plain"} == {"failed"}


async def test_a_step_that_breaks_gives_its_recovery_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = await _down(world)

    async def restart(connection: provider.Connection) -> ConnectionState:
        raise asyncio.CancelledError

    monkeypatch.setattr(world.phone, "restart", restart)
    with pytest.raises(asyncio.CancelledError):
        await recovering.recover(world.runtime, world.company, number)
    monkeypatch.undo()
    world.phone.states = [DISCONNECTED, CONNECTED]
    done = await recovering.recover(world.runtime, world.company, number)
    assert done.state.status is ConnectionStatus.CONNECTED


async def test_processes_begin_with_each_once_and_some_at_a_time(world: World) -> None:
    for _ in range(30):
        await _down(world)
    workers = [HealthWorker(world.runtime) for _ in range(3)]
    await asyncio.gather(*(worker.recover(world.now) for worker in workers))
    async with world.runtime.db.work() as connection:
        assert await liveness.count_recoveries(connection) == (30, 0)


async def test_a_step_that_fails_says_why(world: World) -> None:
    await _down(world)
    world.phone.states = [CallFailed("It answers 500.")]
    await _run(world, minutes=1)
    told = (await world.events("instance.recovering"))[0]
    assert (told["result"], told["error"]) == ("failed", "It answers 500.")
    assert "status" not in told


async def test_only_steps_that_the_provider_has(world: World) -> None:
    await _down(world, "plain")
    for adapter in world.runtime.providers.values():
        adapter.states = [DISCONNECTED]  # type: ignore[attr-defined]  # They are the scripted ones.
    await _run(world, minutes=30)
    assert set(await _steps(world)) == {("reconnect", "done")}


async def test_no_webhooks_while_all_is_said_to_be_well_begins_with_the_webhook(world: World) -> None:
    number = await _silent(world)
    world.phone.calls.clear()
    await _run(world, minutes=1)
    assert world.phone.calls == ["register_webhook", "status"]
    assert (await world.status(number))[0] == "degraded", "only what is heard proves that it helped"
    await world.hear(number)
    await world.watch(2)
    await world.worker.recover(world.now)
    assert [told["event"] for told in await world.events(*TOLD)] == ["instance.recovering", "instance.recovered"]
    assert (await world.events("instance.recovering"))[0]["trouble"] == "silent"


async def test_messages_that_do_not_go_while_others_come_begin_with_the_session(world: World) -> None:
    number = await world.number()
    await world.watch(1)
    for _ in range(6):
        await world.send(number)
        await world.watch(3)
    await world.hear(number)
    evidence = (await world.alive(number)).evidence
    assert evidence is not None
    assert evidence.type == "unacknowledged"
    world.phone.calls.clear()
    await _run(world, minutes=1)
    assert world.phone.calls == ["restart"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [(QR, "scan it"), (LOGGED_OUT, "scan a new code"), (BANNED, "banned")],
)
async def test_what_needs_a_person_ends_it(world: World, state: ConnectionState, reason: str) -> None:
    number = await _down(world)
    world.phone.states = [DISCONNECTED, state]
    await _run(world, minutes=30)
    assert (await world.status(number))[0] == state.status
    assert [told["event"] for told in await world.events(*TOLD)] == ["instance.recovering", "instance.recovery_failed"]
    assert reason in (await world.events("instance.recovery_failed"))[0]["reason"]


@pytest.mark.parametrize("state", [QR, LOGGED_OUT, BANNED, ConnectionState(status=ConnectionStatus.CREATED)])
async def test_what_needs_a_person_is_left_alone(world: World, state: ConnectionState) -> None:
    number = await world.number()
    await world.say(number.id, state)
    await _run(world, minutes=30)
    assert world.phone.calls == []
    assert await world.events(*TOLD) == []


async def test_what_was_disconnected_on_request_is_left_alone(world: World) -> None:
    number = await world.number()
    reason = connections.REQUESTED
    await world.say(number.id, ConnectionState(status=ConnectionStatus.DISCONNECTED, reason=reason))
    await _run(world, minutes=30)
    assert world.phone.calls == []


async def test_a_server_that_is_away_is_waited_for(world: World) -> None:
    number = await _down(world)
    world.phone.healthy = Health(healthy=False, why="It is down.")
    await servers.check(world.runtime, number.server_id)
    world.phone.calls.clear()
    await _run(world, minutes=30, every=30)
    assert world.phone.calls == []
    world.phone.healthy = Health(healthy=True)
    await servers.check(world.runtime, number.server_id)
    world.phone.states = [CONNECTED]
    await _run(world, minutes=2)
    assert (await world.status(number))[0] == "connected"


async def test_recovery_can_be_switched_off(world: World) -> None:
    number = await world.number(recover=False)
    await world.say(number.id, DISCONNECTED)
    await _run(world, minutes=30)
    assert world.phone.calls == []


async def test_one_process_takes_a_step(world: World) -> None:
    await _down(world)
    workers = [HealthWorker(world.runtime) for _ in range(3)]
    await world.worker.recover(world.now)
    world.move(seconds=31)
    assert sum(await asyncio.gather(*(worker.recover(world.now) for worker in workers))) == 1
    assert len(await _steps(world)) == 1


async def test_a_process_that_died_gives_its_recovery_back(world: World) -> None:
    await _down(world)
    await world.worker.recover(world.now)
    world.move(seconds=31)
    async with world.runtime.db.work() as connection:
        until = world.now + timedelta(seconds=120)
        assert (
            len(await liveness.claim_recoveries(connection, kinds=["phone"], at=world.now, until=until, limit=8)) == 1
        )
    world.move(seconds=60)
    assert await world.worker.recover(world.now) == 0
    world.move(seconds=61)
    assert await world.worker.recover(world.now) == 1


# --- on demand ------------------------------------------------------------------------------------------


async def test_on_demand_steps_are_taken_until_one_connects(world: World) -> None:
    number = await _down(world)
    world.phone.states = [DISCONNECTED, DISCONNECTED, CallFailed("no answer"), CONNECTED]
    done = await recovering.recover(world.runtime, world.company, number)
    assert [(step.step, step.attempt, step.done) for step in done.steps] == [
        ("reconnect", 1, False),
        ("restart_session", 2, True),
    ]
    assert done.steps[0].why == "no answer"
    assert (done.state.status, done.needs_person) == (ConnectionStatus.CONNECTED, None)
    assert (await world.status(number))[0] == "connected"
    await world.worker.recover(world.move(minutes=1))
    assert [told["event"] for told in await world.events(*TOLD)] == [
        "instance.recovering",
        "instance.recovering",
        "instance.recovered",
    ]


async def test_on_demand_a_number_that_looks_dead_gets_the_next_step_each_time(world: World) -> None:
    number = await _silent(world)
    asked = [await recovering.recover(world.runtime, world.company, number) for _ in range(4)]
    assert [[step.step for step in done.steps] for done in asked] == [
        ["recreate_webhook"],
        ["restart_session"],
        ["reconnect"],
        ["recreate_webhook"],
    ]
    assert {done.state.status for done in asked} == {ConnectionStatus.DEGRADED}
    assert "evidence" in asked[0].state.details


async def test_on_demand_a_number_that_is_well_is_left_alone(world: World) -> None:
    number = await world.number()
    done = await recovering.recover(world.runtime, world.company, number)
    assert (done.state.status, done.steps, done.needs_person) == (ConnectionStatus.CONNECTED, [], None)
    assert world.phone.calls == ["status"]


@pytest.mark.parametrize("state", [QR, LOGGED_OUT, BANNED, ConnectionState(status=ConnectionStatus.CREATED)])
async def test_on_demand_it_says_that_a_person_is_needed(world: World, state: ConnectionState) -> None:
    number = await world.number()
    world.phone.states = [state]
    done = await recovering.recover(world.runtime, world.company, number)
    assert (done.state.status, done.steps) == (state.status, [])
    assert done.needs_person
    assert world.phone.calls == ["status"]
    assert await world.events(*TOLD) == []


async def test_on_demand_what_was_disconnected_on_request_is_connected(world: World) -> None:
    number = await world.number()
    reason = connections.REQUESTED
    await world.say(number.id, ConnectionState(status=ConnectionStatus.DISCONNECTED, reason=reason))
    world.phone.states = [DISCONNECTED, CONNECTED]
    done = await recovering.recover(world.runtime, world.company, number)
    assert [step.step for step in done.steps] == ["reconnect"]
    assert done.state.status is ConnectionStatus.CONNECTED
    assert world.phone.calls == ["status", "connect qr None"]


async def test_on_demand_a_session_that_is_starting_is_waited_for(world: World) -> None:
    number = await _down(world)
    world.phone.states = [DISCONNECTED, DISCONNECTED, CONNECTING]
    done = await recovering.recover(world.runtime, world.company, number)
    assert [step.step for step in done.steps] == ["reconnect"]
    assert (await world.status(number))[0] == "connecting"
    world.phone.states = [CONNECTED]
    await _run(world, minutes=3)
    assert (await world.status(number))[0] == "connected"


async def test_on_demand_only_one_at_a_time(world: World) -> None:
    number = await _down(world)
    async with world.runtime.db.work() as connection:
        taken = await liveness.begin_recovery(
            connection,
            (world.company, number.id),
            number.connection.instance_id,
            trouble="disconnected",
            at=world.now,
            until=world.now + timedelta(minutes=5),
        )
    assert taken == 0
    with pytest.raises(Conflict) as refused:
        await recovering.recover(world.runtime, world.company, number)
    assert refused.value.code == "recovery_under_way"
    await _run(world, minutes=4)
    assert await _steps(world) == []


async def test_on_demand_what_was_given_up_begins_anew(world: World) -> None:
    number = await _down(world)
    await _run(world, minutes=200, every=60)
    assert len(await _steps(world)) == MOST_STEPS
    done = await recovering.recover(world.runtime, world.company, number)
    assert [(step.step, step.attempt) for step in done.steps] == [
        ("reconnect", 1),
        ("restart_session", 2),
        ("recreate_webhook", 3),
    ]
