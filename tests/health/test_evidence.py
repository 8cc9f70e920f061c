"""Evidence: what makes a number look dead, what does not, and what proves that it lives."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from recado.domain import ids
from recado.domain.evidence import Evidence
from recado.domain.provider import ConnectionState
from recado.domain.states import ConnectionStatus
from recado.services.directory import ConnectionView
from recado.store import liveness
from recado.workers.health import HealthWorker
from tests.health.conftest import CONNECTED, DISCONNECTED, World

QR = ConnectionState(status=ConnectionStatus.QR, qr="code")


async def _others(world: World, count: int = 3) -> list[ConnectionView]:
    return [await world.number() for _ in range(count)]


async def _all_hear(world: World, others: list[ConnectionView], minutes: int) -> None:
    """Time passes, in which these numbers have traffic."""
    for _ in range(0, minutes, 5):
        await world.watch(5, every=5)
        for other in others:
            await world.hear(other)
    await world.watch(1)


async def _evidence(world: World, number: ConnectionView) -> Evidence | None:
    return (await world.alive(number)).evidence


# --- silence --------------------------------------------------------------------------------------------


async def test_a_number_that_always_talks_and_falls_silent_is_degraded(world: World) -> None:
    number = await world.number()
    await world.usually_talks(number)
    heard_at = world.now
    await world.watch(35)
    assert await _evidence(world, number) is None
    await world.watch(10)
    evidence = await _evidence(world, number)
    assert evidence is not None
    assert (evidence.type, evidence.data["heard_at"]) == ("silent", heard_at.isoformat())
    status, reason = await world.status(number)
    assert status == "degraded"
    assert reason is not None
    assert reason.startswith("Nothing was heard of it since")
    told = (await world.events("instance.degraded"))[0]
    assert told["reason"] == reason
    assert told["details"]["evidence"]["type"] == "silent"
    view = await world.runtime.directory.instance(world.company, number.connection.instance_id)
    assert view.status == "degraded"


async def test_a_number_that_rarely_talks_may_be_silent(world: World) -> None:
    number = await world.number()
    await world.usually_talks(number, share=0.02)
    await world.watch(24 * 60, every=4)
    assert await _evidence(world, number) is None


async def test_silence_while_others_talk_is_noticed_sooner(world: World) -> None:
    number, others = await world.number(), await _others(world)
    await world.usually_talks(number, share=0.8)
    await _all_hear(world, others, 35)
    evidence = await _evidence(world, number)
    assert evidence is not None
    assert evidence.data["others"] == {"sending": 3, "talking": 3}
    assert "others on its server are heard" in evidence.reason
    assert [await _evidence(world, other) for other in others] == [None] * 3


async def test_silence_of_all_is_no_sooner_noticed(world: World) -> None:
    number = await world.number()
    await _others(world)
    await world.usually_talks(number, share=0.8)
    await world.watch(36)
    assert await _evidence(world, number) is None


async def test_a_number_that_was_never_heard_while_others_talk(world: World) -> None:
    number, others = await world.number(), await _others(world)
    await _all_hear(world, others, 115)
    assert await _evidence(world, number) is None
    await _all_hear(world, others, 10)
    evidence = await _evidence(world, number)
    assert evidence is not None
    assert evidence.data["heard_at"] is None


async def test_silence_proves_nothing_while_nobody_watched(world: World) -> None:
    number = await world.number()
    await world.usually_talks(number)
    await world.watch(5)
    world.move(hours=9)
    await world.worker.judge(world.now)
    await world.watch(20)
    assert await _evidence(world, number) is None


async def test_silence_proves_nothing_before_it_was_connected(world: World) -> None:
    number = await world.number()
    await world.usually_talks(number)
    await world.watch(5)
    async with world.runtime.db.work() as connection:
        back_at = world.now + timedelta(minutes=40)
        await connection.execute("UPDATE connections SET status_at = $1", back_at)
    await world.watch(60)
    assert await _evidence(world, number) is None


async def test_traffic_lifts_it(world: World) -> None:
    number = await world.number()
    await world.usually_talks(number)
    await world.watch(45)
    assert (await world.status(number))[0] == "degraded"
    await world.watch(5)
    assert (await world.status(number))[0] == "degraded"
    await world.hear(number)
    await world.watch(1)
    assert await world.status(number) == ("connected", None)
    assert await _evidence(world, number) is None
    assert [event["event"] for event in await world.events()][-1] == "instance.connected"


@pytest.mark.parametrize("said_by", ["check", "webhook"])
async def test_what_the_provider_says_does_not_flap(world: World, said_by: str) -> None:
    number = await world.number()
    await world.usually_talks(number)
    await world.watch(45)
    before = await world.events()
    for _ in range(3):
        if said_by == "check":
            world.move(seconds=40)
            assert await world.worker.check_connections(world.now) == 1
        else:
            await world.say(number.id, CONNECTED)
    assert (await world.status(number))[0] == "degraded"
    assert await world.events() == before


async def test_it_stands_while_the_line_is_cut_and_falls_with_a_new_pairing(world: World) -> None:
    number = await world.number()
    await world.usually_talks(number)
    await world.watch(45)
    await world.say(number.id, DISCONNECTED)
    await world.watch(2)
    assert await _evidence(world, number) is not None
    assert (await world.status(number))[0] == "disconnected"
    world.phone.states = [CONNECTED]
    world.move(minutes=1)
    await world.worker.check_connections(world.now)
    assert (await world.status(number))[0] == "degraded"
    await world.say(number.id, QR)
    await world.watch(2)
    assert await _evidence(world, number) is None
    await world.say(number.id, CONNECTED)
    assert (await world.status(number))[0] == "connected"


async def test_the_rhythm_is_learnt_from_hours_that_were_watched(world: World) -> None:
    number = await world.number()
    world.now = world.now.replace(minute=30, second=0, microsecond=0)
    await world.watch(31)
    for _ in range(12):
        await world.hear(number)
        await world.watch(5)
    async with world.runtime.db.work() as connection:
        learnt = await connection.fetchval("SELECT rhythm FROM liveness")
    assert sorted(learnt)[-2:] == [0.0, 0.25]
    await world.watch(60, every=4)
    async with world.runtime.db.work() as connection:
        learnt = await connection.fetchval("SELECT rhythm FROM liveness")
    assert sorted(learnt)[-2:] == [0.0, 0.25]


async def test_hearing_is_written_once_in_a_while(world: World) -> None:
    number = await world.number()
    await world.hear(number)
    first = world.now
    world.move(seconds=10)
    await world.hear(number)
    assert (await world.alive(number)).heard_at == first
    world.move(seconds=10)
    await world.hear(number)
    assert (await world.alive(number)).heard_at == world.now


# --- sends without acknowledgement ----------------------------------------------------------------------


async def _unanswered(world: World, number: ConnectionView, count: int = 5, *, people: int = 1) -> list[Any]:
    """Messages, two minutes apart, that nothing comes of."""
    await world.watch(1)
    sent = []
    for place in range(count):
        sent.append(await world.send(number, to=f"551199999000{place % people}"))
        await world.watch(2)
    return sent


async def test_messages_that_nothing_acknowledges(world: World) -> None:
    number = await world.number()
    sent = await _unanswered(world, number)
    assert await _evidence(world, number) is None
    await world.watch(3)
    evidence = await _evidence(world, number)
    assert evidence is not None
    assert evidence.type == "unacknowledged"
    assert (evidence.data["messages"], evidence.data["last_message_id"]) == (5, str(sent[-1]))
    assert (await world.status(number))[0] == "degraded"
    await world.hear(number)
    await world.watch(3)
    assert (await world.status(number))[0] == "degraded", "what comes in does not prove that anything goes out"
    await world.acknowledge(number, sent[-1])
    await world.watch(1)
    assert (await world.status(number))[0] == "connected"


@pytest.mark.parametrize("seconds", [60, 5, 1])
async def test_a_number_in_full_swing_that_nothing_acknowledges(world: World, seconds: int) -> None:
    number = await world.number()
    await world.watch(1)
    for _ in range(12):
        for _ in range(60 // seconds):
            await world.send(number)
            world.now += timedelta(seconds=seconds)
        await world.worker.judge(world.now)
    evidence = await _evidence(world, number)
    assert evidence is not None
    assert evidence.type == "unacknowledged"


async def test_a_number_in_full_swing_whose_receipts_come(world: World) -> None:
    number = await world.number()
    await world.watch(1)
    for _ in range(8):
        for place in range(60):
            await world.send(number, acknowledged=place < 50)
            world.now += timedelta(seconds=1)
        await world.worker.judge(world.now)
        assert await _evidence(world, number) is None


async def _four_only(world: World, number: ConnectionView) -> None:
    await _unanswered(world, number, count=4)


async def _one_acknowledged(world: World, number: ConnectionView) -> None:
    sent = await _unanswered(world, number, count=4)
    await world.acknowledge(number, sent[3])
    await _unanswered(world, number, count=4)


async def _all_just_now(world: World, number: ConnectionView) -> None:
    await world.watch(1)
    for _ in range(20):
        await world.send(number)
    await world.watch(2)


async def _while_nobody_watched(world: World, number: ConnectionView) -> None:
    for _ in range(5):
        await world.send(number)
        world.move(minutes=10)
    await world.watch(3)


@pytest.mark.parametrize("past", [_four_only, _one_acknowledged, _all_just_now, _while_nobody_watched])
async def test_what_is_no_evidence(world: World, past: Callable[[World, ConnectionView], Awaitable[None]]) -> None:
    number = await world.number()
    await past(world, number)
    assert await _evidence(world, number) is None


async def test_a_provider_without_receipts_is_not_asked_for_any(world: World) -> None:
    number = await world.number("deaf")
    await _unanswered(world, number, people=5)
    await world.watch(5)
    assert await _evidence(world, number) is None


@pytest.mark.parametrize(("people", "expected"), [(2, None), (3, "unacknowledged")])
async def test_where_only_deliveries_are_reported_one_phone_may_be_off(
    world: World, people: int, expected: str | None
) -> None:
    number = await world.number("plain")
    await _unanswered(world, number, count=6, people=people)
    await world.watch(5)
    evidence = await _evidence(world, number)
    assert (evidence.type if evidence else None) == expected


async def test_a_long_queue_does_not_hide_what_was_sent_before_it(world: World) -> None:
    number = await world.number()
    await _unanswered(world, number)
    async with world.runtime.db.work() as connection:
        await connection.execute(
            "INSERT INTO lanes (company_id, instance_id) VALUES ($1, $2)", world.company, number.connection.instance_id
        )
        for _ in range(60):
            message_id = await world.send(number)
            await connection.execute(
                "INSERT INTO outbox (company_id, message_id, instance_id, priority, due_at) VALUES ($1, $2, $3, 2, $4)",
                world.company,
                message_id,
                number.connection.instance_id,
                world.now,
            )
    async with world.runtime.db.work() as connection:
        queued = "SELECT message_id FROM outbox"
        await connection.execute(f"DELETE FROM attempts WHERE message_id IN ({queued})")
        await connection.execute(f"UPDATE messages SET status = 'queued' WHERE id IN ({queued})")
    await world.watch(5)
    evidence = await _evidence(world, number)
    assert evidence is not None
    assert evidence.data["messages"] == 5


async def test_evidence_can_be_switched_off(world: World) -> None:
    number = await world.number(evidence=False)
    await world.usually_talks(number)
    await _unanswered(world, number)
    await world.watch(60, every=4)
    assert await _evidence(world, number) is None


async def test_a_kind_that_is_not_installed_here_keeps_no_other_from_being_judged(world: World) -> None:
    number, foreign = await world.number(), await world.number("plain")
    async with world.runtime.db.work() as connection:
        await connection.execute("UPDATE connections SET kind = 'elsewhere' WHERE id = $1", foreign.id)
    await world.usually_talks(number)
    await world.watch(45)
    assert await _evidence(world, number) is not None


async def test_one_that_cannot_be_judged_keeps_no_other_from_it(world: World) -> None:
    number, broken = await world.number(), await world.number()
    async with world.runtime.db.work() as connection:
        await connection.execute("UPDATE connections SET credentials = 'x' WHERE id = $1", broken.id)
    await world.usually_talks(number)
    await world.watch(45)
    assert await _evidence(world, number) is not None


async def test_processes_judge_each_connection_once(world: World) -> None:
    await _others(world, 5)
    workers = [HealthWorker(world.runtime) for _ in range(2)]
    world.move(minutes=2)
    assert sum([await worker.judge(world.now) for worker in workers]) == 5


# --- the hot queries ------------------------------------------------------------------------------------


async def test_recent_sends_reads_no_table_whole(world: World) -> None:
    number = await world.number()
    for _ in range(300):
        await world.send(number, acknowledged=True)
        world.move(seconds=1)
    async with world.runtime.db.work() as connection:
        plan = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {liveness.Q.recent_sends}",
            [world.company],
            [number.connection.instance_id],
            [number.id],
            ids.lowest(world.now - timedelta(days=1)),
            ids.lowest(world.now - timedelta(minutes=3)),
            ids.lowest(world.now + timedelta(minutes=1)),
            world.now,
        )
    assert "Seq Scan" not in str(plan)


async def test_hearing_costs_one_look_where_nothing_is_to_be_written(world: World) -> None:
    numbers = await _others(world, 20)
    for number in numbers:
        await world.hear(number)
    when = {(world.company, number.id): world.now for number in numbers}
    async with world.runtime.db.work() as connection:
        plan = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {liveness.Q.heard}",
            [key[0] for key in when],
            [key[1] for key in when],
            list(when.values()),
        )
    assert "Seq Scan" not in str(plan)
