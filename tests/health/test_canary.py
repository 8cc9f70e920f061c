"""The canary: a message that goes the way of all others, and what it means when nothing acknowledges it."""

from typing import Any
from uuid import UUID

import pytest

from recado.services.directory import ConnectionView
from tests.health.conftest import World

CANARY = {"to": "5511999990009", "every_minutes": 60, "within_minutes": 5}


async def _messages(world: World) -> list[Any]:
    async with world.runtime.db.work() as connection:
        return list(await connection.fetch("SELECT * FROM messages ORDER BY id"))


async def _sent(world: World, number: ConnectionView, message_id: UUID) -> None:
    """What a sender writes when the provider accepted it."""
    async with world.runtime.db.work() as connection:
        await connection.execute("DELETE FROM outbox WHERE message_id = $1", message_id)
        await connection.execute("UPDATE messages SET status = 'sent' WHERE id = $1", message_id)
        await connection.execute(
            "INSERT INTO attempts (company_id, id, message_id, connection_id, number, started_at, outcome)"
            " VALUES ($1, new_id(), $2, $3, 1, $4, 'accepted')",
            world.company,
            message_id,
            number.id,
            world.now,
        )


async def test_it_is_queued_as_any_other_message_behind_all_others(world: World) -> None:
    number = await world.number(canary=CANARY)
    await world.watch(3)
    (message,) = await _messages(world)
    assert (message["type"], message["address"], message["priority"]) == ("text", CANARY["to"], 2)
    assert (message["metadata"], message["instance_id"]) == ({"canary": True}, number.connection.instance_id)
    assert message["content"] == {"body": "Recado: still here."}


async def test_it_is_sent_once_in_its_time(world: World) -> None:
    number = await world.number(canary=CANARY)
    await world.watch(2)
    first = (await _messages(world))[0]["id"]
    await _sent(world, number, first)
    await world.acknowledge(number, first)
    await world.watch(58)
    assert len(await _messages(world)) == 1
    await world.watch(3)
    assert len(await _messages(world)) == 2
    assert (await world.status(number))[0] == "connected"


async def test_one_that_nothing_acknowledges_is_evidence_until_one_comes_through(world: World) -> None:
    number = await world.number(canary=CANARY)
    await world.watch(2)
    first = (await _messages(world))[0]["id"]
    await _sent(world, number, first)
    await world.watch(4)
    assert (await world.status(number))[0] == "connected"
    await world.watch(3)
    assert (await world.status(number))[0] == "degraded"
    evidence = (await world.alive(number)).evidence
    assert evidence is not None
    assert (evidence.type, evidence.data["message_id"]) == ("canary", str(first))
    await world.watch(60)
    second = (await _messages(world))[1]["id"]
    await _sent(world, number, second)
    await world.watch(1)
    await world.acknowledge(number, second)
    await world.watch(1)
    assert await world.status(number) == ("connected", None)


async def test_one_that_waits_in_the_queue_proves_nothing(world: World) -> None:
    number = await world.number(canary=CANARY)
    await world.watch(180, every=4)
    assert len(await _messages(world)) == 1
    assert (await world.alive(number)).evidence is None


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_one_that_was_not_sent_proves_nothing(world: World, status: str) -> None:
    number = await world.number(canary=CANARY)
    await world.watch(2)
    async with world.runtime.db.work() as connection:
        await connection.execute("UPDATE messages SET status = $1", status)
    await world.watch(20)
    assert (await world.alive(number)).evidence is None


async def test_a_process_that_died_before_remembering_it_finds_it_again(world: World) -> None:
    number = await world.number(canary={**CANARY, "every_minutes": 10_080})
    await world.watch(2)
    await world.set(number, canary_id=None, canary_at=None)
    await world.watch(2)
    assert len(await _messages(world)) == 1
    async with world.runtime.db.work() as connection:
        assert await connection.fetchval("SELECT canary_id FROM liveness") == (await _messages(world))[0]["id"]


async def test_one_that_is_refused_stops_nothing(world: World) -> None:
    number = await world.number(canary={**CANARY, "to": "00000000"})
    await world.usually_talks(number)
    await world.watch(60)
    assert await _messages(world) == []
    assert (await world.status(number))[0] == "degraded"
