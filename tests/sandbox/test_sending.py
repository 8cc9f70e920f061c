"""What a phone does with what it is sent, and what the sender hears of it."""

import asyncio
from typing import Any

import msgspec
import pytest

from recado.domain import content
from recado.domain.events import Receipt, Received
from recado.domain.provider import Accepted, Limited, NotConnected, Outcome, Refused, Retry, Unknown
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.providers.sandbox.adapter import roll
from recado.services import sandbox, sandbox_phones
from recado.services.sandbox_phones import Behaviour, Failure, PerMinute
from recado.workers import sandbox as worker
from tests.sandbox.conftest import PHONE, World, text


@pytest.fixture
async def instance(world: World) -> Any:
    connection = await world.instance()
    await sandbox.connect(world.db, world.company, connection.instance_id, at=world.clock.now)
    await world.posted()
    return connection


async def behave(world: World, **fields: Any) -> None:
    await sandbox_phones.put_phone(world.db, world.company, PHONE, Behaviour(**fields), at=world.clock.now)


async def received(world: World) -> sandbox_phones.ReceivedPage:
    return await sandbox_phones.received(world.db, world.company, PHONE)


def states(events: list[Any]) -> list[str]:
    return [event.state.value if isinstance(event, Receipt) else event.type for event in events]


async def test_a_message_arrives_and_its_receipts_follow_one_by_one(world: World, instance: Any) -> None:
    message = text("Bom dia")
    outcome = await world.send(instance, message)
    assert isinstance(outcome, Accepted)
    assert outcome.recipient == PHONE
    [got] = (await received(world)).data
    assert (got.id, got.provider_id, got.content, got.count) == (
        message.message_id,
        outcome.provider_id,
        {"body": "Bom dia"},
        1,
    )
    assert await world.posted() == []
    heard: list[Any] = []
    for _ in range(4):
        world.clock.move(milliseconds=300)
        heard.append(states(await world.posted()))
    assert heard == [["server_ack"], ["delivered"], ["read"], []]


async def test_receipts_carry_both_ids_and_their_time(world: World, instance: Any) -> None:
    message = text()
    sent = world.clock.now
    outcome = await world.send(instance, message)
    assert isinstance(outcome, Accepted)
    world.clock.move(seconds=10)
    first, *_ = await world.posted()
    assert isinstance(first, Receipt)
    assert first.provider_id == outcome.provider_id
    assert first.message_id == str(message.message_id)
    assert (first.at - sent).total_seconds() == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("behaviour", "kind", "expected"),
    [
        ({"ack": "delivered"}, "text", ["server_ack", "delivered"]),
        ({"ack": "none"}, "text", ["server_ack"]),
        ({}, "voice", ["server_ack", "delivered", "read", "played"]),
        ({"auto_reply": "Oi"}, "text", ["server_ack", "delivered", "read", "message.received"]),
        ({"auto_reply": "Oi"}, "reaction", ["server_ack", "delivered", "read"]),
    ],
)
async def test_the_phone_acknowledges_as_told(
    world: World, instance: Any, behaviour: dict[str, Any], kind: str, expected: list[str]
) -> None:
    await behave(world, latency_ms=10, **behaviour)
    contents = {
        "text": content.TextContent(body="a"),
        "voice": content.MediaContent(media_id="m"),
        "reaction": content.ReactionContent(message_id="SBX", emoji="👍"),
    }
    await world.send(instance, kind=kind, content=contents[kind])
    world.clock.move(seconds=1)
    assert states(await world.posted()) == expected


async def test_the_phone_answers(world: World, instance: Any) -> None:
    await behave(world, latency_ms=0, auto_reply="Já vi")
    await world.send(instance)
    *_, answer = await world.posted()
    assert isinstance(answer, Received)
    assert (answer.chat.phone, answer.kind, answer.content) == (PHONE, "text", {"body": "Já vi"})
    await world.adapter.mark_read(instance, chat=PHONE, provider_id=answer.provider_id)
    assert await world.db.worker.fetchval("SELECT read_at FROM sandbox_written") == world.clock.now


async def test_a_repeat_is_recognised_and_counted(world: World, instance: Any) -> None:
    message = text()
    first = await world.send(instance, message)
    again = await world.send(instance, msgspec.structs.replace(message, attempt=2))
    assert first == again
    await world.send(instance)
    page = await received(world)
    assert [got.count for got in page.data] == [2, 1]
    assert (page.total, page.distinct) == (3, 2)
    world.clock.move(seconds=10)
    assert len(await world.posted()) == 6


async def test_repeats_at_the_same_instant_are_one_message(world: World, instance: Any) -> None:
    message = text()
    outcomes = await asyncio.gather(*(world.send(instance, message) for _ in range(20)))
    assert len({msgspec.json.encode(outcome) for outcome in outcomes}) == 1
    page = await received(world)
    assert (page.total, page.distinct) == (20, 1)
    world.clock.move(seconds=10)
    assert len(await world.posted()) == 3


@pytest.mark.parametrize(
    ("fail", "expected"),
    [
        (Failure(code="131026"), Refused(code="131026", why="")),
        (Failure(code="500", kind="retry", after=2.5), Retry(code="500", why="", after=2.5)),
        (Failure(code="429", kind="limited", after=7), Limited(code="429", why="", after=7)),
        (Failure(code="463", kind="limited", after=7), Limited(code="463", why="", after=7, scope="cold")),
        (Failure(code="x", kind="lost"), Unknown(why="")),
    ],
)
async def test_the_phone_fails_as_told(world: World, instance: Any, fail: Failure, expected: Outcome) -> None:
    await behave(world, fail=fail)
    message = text()
    outcome = await world.send(instance, message)
    assert msgspec.structs.replace(outcome, why="") == expected
    assert (await received(world)).data == []
    assert await world.adapter.find(instance, message, since=world.clock.now) is None
    world.clock.move(seconds=10)
    assert await world.posted() == []
    await behave(world)
    assert isinstance(await world.send(instance, message), Accepted)


async def test_a_rate_is_decided_by_message_and_attempt(world: World, instance: Any) -> None:
    await behave(world, fail=Failure(code="x", rate=0.5))
    sent = [text() for _ in range(40)]
    sent += [msgspec.structs.replace(message, attempt=2) for message in sent]
    for message in sent:
        expected = Refused if roll(message, "fail") < 0.5 else Accepted
        outcome = await world.send(instance, message)
        known = message.attempt == 2 and roll(sent[sent.index(message) - 40], "fail") >= 0.5
        assert isinstance(outcome, Accepted if known else expected)
    assert len({roll(message, "fail") < 0.5 for message in sent}) == 2


async def test_a_lost_answer_leaves_the_message_on_the_phone(world: World, instance: Any) -> None:
    await behave(world, timeout_rate=1)
    message = text()
    assert isinstance(await world.send(instance, message), Unknown)
    assert [got.id for got in (await received(world)).data] == [message.message_id]
    found = await world.adapter.find(instance, message, since=world.clock.now)
    assert found is not None
    world.clock.move(seconds=10)
    [receipt, *_] = await world.posted()
    assert isinstance(receipt, Receipt)
    assert receipt.provider_id == found.provider_id


async def test_a_phone_that_is_off_gets_everything_when_it_is_on(world: World, instance: Any) -> None:
    await behave(world, connected=False, latency_ms=100, auto_reply="Voltei")
    first, second = text("1"), text("2")
    await world.send(instance, first)
    await world.send(instance, second)
    world.clock.move(hours=1)
    assert states(await world.posted()) == ["server_ack", "server_ack"]
    assert (await received(world)).data == []
    await behave(world, latency_ms=100)
    page = await received(world)
    assert [got.id for got in page.data] == [first.message_id, second.message_id]
    assert page.data[0].received_at == world.clock.now
    world.clock.move(hours=1)
    events = await world.posted()
    assert states(events) == ["delivered"] * 2 + ["read"] * 2 + ["message.received"] * 2
    assert [e.message_id for e in events if isinstance(e, Receipt)] == [
        str(first.message_id),
        str(second.message_id),
    ] * 2


async def test_a_full_phone_says_when_it_has_room(world: World, instance: Any) -> None:
    await behave(world, rate_limit=PerMinute(per_minute=2))
    await world.send(instance)
    world.clock.move(seconds=20)
    await world.send(instance)
    outcome = await world.send(instance)
    assert isinstance(outcome, Limited)
    assert outcome.after == pytest.approx(40)
    assert outcome.scope == "recipient"
    world.clock.move(seconds=40)
    assert isinstance(await world.send(instance), Accepted)
    assert isinstance(await world.send(instance, to="5511999990002"), Accepted)


async def test_an_instance_that_is_not_connected_sends_nothing(world: World, instance: Any) -> None:
    never = await world.instance()
    assert await world.send(never) == NotConnected(why="The session is created.", status=ConnectionStatus.CREATED)
    await sandbox.disconnect(world.db, world.company, instance.instance_id, at=world.clock.now)
    outcome = await world.send(instance)
    assert isinstance(outcome, NotConnected)
    assert outcome.status == ConnectionStatus.DISCONNECTED
    assert (await received(world)).total == 0


async def test_what_a_cut_instance_would_hear_waits(world: World, instance: Any) -> None:
    await world.send(instance)
    world.clock.move(milliseconds=300)
    await sandbox.disconnect(world.db, world.company, instance.instance_id, at=world.clock.now)
    world.clock.move(minutes=5)
    assert states(await world.posted()) == ["instance.disconnected"]
    await sandbox.connect(world.db, world.company, instance.instance_id, at=world.clock.now)
    world.clock.move(minutes=5)
    assert states(await world.posted()) == ["server_ack", "instance.connected", "delivered", "read"]


async def test_a_list_is_read_page_by_page_and_per_instance(world: World, instance: Any) -> None:
    other = await world.instance()
    await sandbox.connect(world.db, world.company, other.instance_id)
    sent = [text(str(number)) for number in range(5)]
    for message in sent:
        await world.send(instance, message)
    await world.send(other)
    seen: list[Any] = []
    cursor = None
    while True:
        page = await sandbox_phones.received(world.db, world.company, "+55 11 99999-0001", limit=2, cursor=cursor)
        assert (page.total, page.distinct) == (6, 6)
        seen += [got.id for got in page.data]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen[:5] == [message.message_id for message in sent]
    assert len(seen) == 6
    only = await sandbox_phones.received(world.db, world.company, PHONE, instance_id=other.instance_id)
    assert (len(only.data), only.total) == (1, 1)


async def test_two_workers_keep_each_sessions_order(world: World, instance: Any) -> None:
    others = [await world.instance() for _ in range(4)]
    for other in others:
        await sandbox.connect(world.db, world.company, other.instance_id, at=world.clock.now)
    await world.posted()
    await behave(world, latency_ms=1)
    for _ in range(20):
        await asyncio.gather(*(world.send(connection) for connection in (instance, *others)))
    world.clock.move(seconds=1)
    done = await asyncio.gather(*(worker.post_due(world.db, world.clock.now) for _ in range(4)))
    events = await world.posted()
    assert len(events) == 5 * 20 * 3
    assert sum(done) <= len(events)
    order: dict[str, list[MessageStatus]] = {}
    for event in events:
        assert isinstance(event, Receipt)
        order.setdefault(event.provider_id, []).append(event.state)
    expected = [MessageStatus.SERVER_ACK, MessageStatus.DELIVERED, MessageStatus.READ]
    assert all(states == expected for states in order.values())


async def test_typing_is_seen_for_a_while(world: World, instance: Any) -> None:
    await world.adapter.show_typing(instance, chat=PHONE, last_received=None)
    seen = await sandbox_phones.phone_view(world.db, world.company, PHONE, at=world.clock.now)
    assert seen.typing == [instance.instance_id]
    world.clock.move(minutes=1)
    seen = await sandbox_phones.phone_view(world.db, world.company, PHONE, at=world.clock.now)
    assert seen.typing == []
    info = await world.adapter.account_info(instance)
    assert info["status"] == "connected"
