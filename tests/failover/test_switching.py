"""Which connection an instance sends through: by policy, by call, and what never happens because of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from recado.app import Recado
from recado.domain.states import ConnectionStatus
from recado.services import connections, failover
from recado.store import connections as stored
from recado.store.connections import Standing
from tests.failover.conftest import SETTINGS, Held, Pair, active, credentials, settle, stands
from tests.support import client
from tests.support.client import Client
from tests.support.graph import Graph, graph_error

revoked = graph_error(401, 190, "Error validating access token")


def asked_for(running: Graph) -> list[str]:
    """Our ids of the messages that a Graph API was asked to send, in order."""
    return [body["biz_opaque_callback_data"] for body in running.asked]


async def lost(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """The provider may have taken the message: its answer is cut off."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


# --- by policy ------------------------------------------------------------------------------------------


async def test_the_next_connection_takes_over_with_what_waits_and_its_order(pair: Pair, one: Graph, two: Graph) -> None:
    first = await pair.send()
    await pair.reaches(first, "sent")
    one.answer = revoked
    sent = [await pair.send() for _ in range(5)]
    await pair.sends_through(pair.second)
    sent += [await pair.send() for _ in range(3)]
    for message_id in sent:
        await pair.reaches(message_id, "sent")
    assert asked_for(two) == sent
    assert await pair.switches() == [(pair.second, "failover")]
    shown = await pair.company.get(pair.path)
    assert (shown["status"], [one["rank"] for one in shown["connections"]]) == ("connected", [1, 2])
    attempts = (await pair.company.get(f"/v1/messages/{sent[0]}"))["attempts"]
    assert [(one["outcome"], one["connection_id"]) for one in attempts] == [
        ("not_connected", pair.first),
        ("accepted", pair.second),
    ]


async def test_accepting_goes_on_while_nothing_can_be_sent(pair: Pair, served: Recado, two: Graph) -> None:
    for connection_id in (pair.first, pair.second):
        await stands(served, connection_id, ConnectionStatus.LOGGED_OUT)
    sent = [await pair.send() for _ in range(3)]
    assert (await pair.company.get(pair.path))["status"] == "logged_out"
    await stands(served, pair.second, ConnectionStatus.CONNECTED)
    await pair.reaches(sent[-1], "sent")
    assert asked_for(two) == sent


async def test_a_better_connection_that_is_back_takes_over_again(
    pair: Pair, served: Recado, one: Graph, two: Graph
) -> None:
    await stands(served, pair.first, ConnectionStatus.DISCONNECTED)
    await pair.sends_through(pair.second)
    await stands(served, pair.first, ConnectionStatus.CONNECTED)
    await pair.sends_through(pair.first)
    await pair.reaches(await pair.send(), "sent")
    assert (len(one.asked), len(two.asked)) == (1, 0)
    assert await pair.switches() == [(pair.second, "failover"), (pair.first, "back")]


@pytest.mark.parametrize("settings_of_pair", [{"failover": {"mode": "manual"}}])
async def test_by_hand_means_by_hand(pair: Pair, served: Recado, two: Graph) -> None:
    await stands(served, pair.first, ConnectionStatus.BANNED)
    message_id = await pair.send()
    assert await failover.work(served.runtime, _far()) == 0
    assert (await pair.company.get(f"/v1/messages/{message_id}"))["status"] == "queued"
    await pair.switch(pair.second)
    await pair.reaches(message_id, "sent")
    assert asked_for(two) == [message_id]
    assert await pair.switches() == [(pair.second, "requested")]


@pytest.mark.parametrize("settings_of_pair", [{"failover": {"after_seconds": 3_600}}])
async def test_it_waits_as_long_as_the_policy_says(pair: Pair, served: Recado) -> None:

    await stands(served, pair.first, ConnectionStatus.DISCONNECTED)
    now = datetime.now(UTC)
    assert await failover.work(served.runtime, now + timedelta(seconds=3_590)) == 0
    assert await failover.work(served.runtime, now + timedelta(seconds=3_610)) == 1
    await stands(served, pair.first, ConnectionStatus.CONNECTED)
    now = datetime.now(UTC)
    assert await failover.work(served.runtime, now + timedelta(seconds=3_590)) == 0
    assert await failover.work(served.runtime, now + timedelta(seconds=3_610)) == 1
    assert active(await pair.company.get(pair.path)) == pair.first


async def test_what_was_disconnected_on_request_was_not_lost(pair: Pair, served: Recado) -> None:
    await stands(served, pair.first, ConnectionStatus.DISCONNECTED, connections.REQUESTED)
    assert await failover.work(served.runtime, _far()) == 0
    assert active(await pair.company.get(pair.path)) == pair.first


async def test_nor_was_it_when_its_provider_says_afterwards_that_it_is_logged_out(pair: Pair, served: Recado) -> None:
    await stands(served, pair.first, ConnectionStatus.DISCONNECTED, connections.REQUESTED)
    await stands(served, pair.first, ConnectionStatus.LOGGED_OUT, "the phone was told")
    assert await failover.work(served.runtime, _far()) == 0
    assert active(await pair.company.get(pair.path)) == pair.first
    state = await pair.company.get(f"{pair.path}/status")
    assert (state["status"], state["reason"]) == ("logged_out", connections.REQUESTED)


@pytest.mark.parametrize("settings_of_pair", [{"failover": {"after_seconds": 3_600}}])
async def test_one_that_tries_to_come_back_is_away_all_the_same(pair: Pair, served: Recado) -> None:
    """Each of its tries is another status, and none of them sends."""
    await stands(served, pair.first, ConnectionStatus.DISCONNECTED)
    gone = await _first_standing(pair, served)
    for status in (ConnectionStatus.CONNECTING, ConnectionStatus.QR, ConnectionStatus.DISCONNECTED):
        await stands(served, pair.first, status)
        shown = await _first_standing(pair, served)
        assert (shown.status, shown.since) == (status, gone.since)
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE servers SET healthy = false, unhealthy_since = now() WHERE name = 'one'")
    assert (await _first_standing(pair, served)).since == gone.since
    await stands(served, pair.first, ConnectionStatus.CONNECTED)
    assert (await _first_standing(pair, served)).since > gone.since


async def _first_standing(pair: Pair, served: Recado) -> Standing:
    async with served.runtime.db.work() as connection:
        [row] = await connection.fetch("SELECT company_id FROM instances")
        return (await stored.standings(connection, row["company_id"], UUID(pair.id)))[0]


@pytest.mark.parametrize("settings_of_pair", [{"failover": {"after_seconds": 3_600}}])
async def test_those_whose_time_has_not_come_keep_nobody_waiting(
    pair: Pair, served: Recado, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look takes so many at a time: more than that may have another hour, in front of one that is due."""
    monkeypatch.setattr(failover, "_BATCH", 1)
    await stands(served, pair.first, ConnectionStatus.BANNED)
    [first, second] = [one["server_id"] for one in (await pair.company.get(pair.path))["connections"]]
    made = await client.make_meta_instance(pair.company, first, account="500", settings=SETTINGS)
    path = f"/v1/instances/{made['id']}"
    further = await pair.company.post(f"{path}/connections", {"server_id": second, "credentials": credentials("600")})
    await stands(served, made["connections"][0]["id"], ConnectionStatus.BANNED)
    await pair.company.until(path, lambda shown: active(shown) == further["id"])
    assert active(await pair.company.get(pair.path)) == pair.first


async def test_one_that_is_broken_keeps_nobody_waiting(pair: Pair, served: Recado) -> None:
    """As after going back to a version that does not know a setting."""
    await stands(served, pair.first, ConnectionStatus.BANNED)
    made = await client.make_sandbox_instance(pair.company, SETTINGS)
    path = f"/v1/instances/{made['id']}"
    further = await pair.company.post(f"{path}/connections", {"kind": "sandbox"})
    await stands(served, further["id"], ConnectionStatus.CONNECTED)
    async with served.runtime.db.work() as connection:
        await connection.execute("""UPDATE instances SET settings = '{"x": 1}' WHERE id = $1""", UUID(pair.id))
    await stands(served, made["connections"][0]["id"], ConnectionStatus.BANNED)
    await pair.company.until(path, lambda shown: active(shown) == further["id"])


async def test_a_server_that_does_not_answer_counts_as_its_connections_away(pair: Pair, served: Recado) -> None:
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE servers SET healthy = false, unhealthy_since = now() WHERE name = 'one'")
    await pair.sends_through(pair.second)
    reply = await pair.company.call("POST", f"{pair.path}/switch", json={"connection_id": pair.first})
    assert (reply.status, reply.body["code"]) == (409, "connection_not_sending")


async def test_of_many_who_look_one_switches(pair: Pair, served: Recado) -> None:
    await stands(served, pair.first, ConnectionStatus.BANNED)
    await asyncio.gather(*(failover.work(served.runtime, _far()) for _ in range(6)))
    assert await pair.switches() == [(pair.second, "failover")]


# --- by call --------------------------------------------------------------------------------------------


async def test_a_call_switches_and_holds_until_its_connection_fails(
    pair: Pair, served: Recado, one: Graph, two: Graph
) -> None:
    shown = await pair.switch(pair.second)
    assert active(shown) == pair.second
    await pair.switch(pair.second)
    assert await failover.work(served.runtime, _far()) == 0, "the first is better, and a person chose the second"
    await pair.reaches(await pair.send(), "sent")
    assert (len(one.asked), len(two.asked)) == (0, 1)
    await stands(served, pair.second, ConnectionStatus.DISCONNECTED)
    await pair.sends_through(pair.first)
    assert await pair.switches() == [(pair.second, "requested"), (pair.first, "failover")]


async def test_no_switch_to_what_does_not_send_or_is_not_there(pair: Pair, served: Recado) -> None:
    await stands(served, pair.second, ConnectionStatus.DISCONNECTED)
    reply = await pair.company.call("POST", f"{pair.path}/switch", json={"connection_id": pair.second})
    assert (reply.status, reply.body["code"]) == (409, "connection_not_sending")
    reply = await pair.company.call("POST", f"{pair.path}/switch", json={"connection_id": pair.id})
    assert (reply.status, reply.body["code"]) == (404, "connection_not_found")


async def test_switching_to_and_fro_under_load_loses_and_doubles_nothing(pair: Pair, one: Graph, two: Graph) -> None:
    order: list[str] = []

    def noting(running: Graph) -> Any:
        async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            order.append(body["biz_opaque_callback_data"])
            return await running.accept(request, body)

        return answer

    one.answer, two.answer = noting(one), noting(two)
    sent = []
    for turn in range(8):
        sent += [await pair.send() for _ in range(4)]
        await pair.switch(pair.first if turn % 2 else pair.second)
    await pair.reaches(sent[-1], "sent")
    assert order == sent
    assert one.asked
    assert two.asked


# --- what may have been sent ----------------------------------------------------------------------------

#: Nothing is settled before `settle` says that the time has passed.
INSISTENT = {"settle_seconds": 3_600, "unknown_outcome": "at_least_once"}


@pytest.mark.parametrize("settings_of_pair", [INSISTENT])
async def test_what_cannot_be_settled_is_never_sent_through_another(
    pair: Pair, served: Recado, one: Graph, two: Graph
) -> None:
    one.answer = lost
    doubtful = await pair.send()
    await pair.reaches(doubtful, "unproven")
    await pair.switch(pair.second)
    after = await pair.send()
    assert asked_for(two) == [], "nothing goes before what may have been sent is settled"
    await settle(served, pair)
    shown = await pair.reaches(after, "sent")
    left = await pair.company.get(f"/v1/messages/{doubtful}")
    assert (left["status"], left["resent"], len(left["attempts"])) == ("unproven", False, 1)
    assert shown["attempts"][0]["started_at"] > left["attempts"][0]["started_at"]
    assert (asked_for(one), asked_for(two)) == ([doubtful], [after])


@pytest.mark.parametrize("settings_of_pair", [INSISTENT])
async def test_the_connection_that_tried_it_may_send_it_again(
    pair: Pair, served: Recado, one: Graph, two: Graph
) -> None:
    async def first_lost(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await (lost if len(one.asked) == 1 else one.accept)(request, body)

    one.answer = first_lost
    doubtful = await pair.send()
    await pair.reaches(doubtful, "unproven")
    await pair.switch(pair.second)
    await pair.switch(pair.first)
    await settle(served, pair)
    shown = await pair.reaches(doubtful, "sent")
    assert shown["resent"] is True
    assert (asked_for(one), asked_for(two)) == ([doubtful, doubtful], [])


@pytest.mark.parametrize("settings_of_pair", [{**INSISTENT, "max_attempts": 20}])
async def test_a_further_try_that_fails_does_not_settle_the_first(
    pair: Pair, served: Recado, one: Graph, two: Graph
) -> None:
    async def first_lost(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(one.asked) == 1:
            return await lost(request, body)
        return await graph_error(500, 131000, "Something went wrong")(request, body)

    one.answer = first_lost
    doubtful = await pair.send()
    await pair.reaches(doubtful, "unproven")
    await settle(served, pair)
    await pair.company.until(f"/v1/messages/{doubtful}", lambda shown: len(shown["attempts"]) == 2)
    await pair.switch(pair.second)
    await settle(served, pair)
    await pair.is_empty()
    assert (await pair.company.get(f"/v1/messages/{doubtful}"))["status"] == "unproven"
    assert asked_for(two) == []


@pytest.mark.parametrize("settings_of_pair", [INSISTENT])
async def test_a_removed_connection_leaves_its_doubt_behind(pair: Pair, served: Recado, one: Graph, two: Graph) -> None:
    one.answer = lost
    doubtful = await pair.send()
    await pair.reaches(doubtful, "unproven")
    assert (await pair.company.call("DELETE", f"{pair.path}/connections/{pair.first}")).status == 204
    assert await pair.switches() == [(pair.second, "removed")]
    after = await pair.send()
    await settle(served, pair)
    await pair.reaches(after, "sent")
    assert (await pair.company.get(f"/v1/messages/{doubtful}"))["status"] == "unproven"
    assert asked_for(two) == [after]


@pytest.mark.parametrize("settings_of_pair", [{**INSISTENT, "settle_seconds": 0}])
async def test_a_removed_connections_name_does_not_stay_on_the_lane(pair: Pair, one: Graph, two: Graph) -> None:
    """What the one that is left tries later is settled with it, as in an instance that always had one."""
    await pair.switch(pair.second)
    held = Held(two)
    through_the_removed = await pair.send()
    await asyncio.wait_for(held.asked.wait(), 20)
    assert (await pair.company.call("DELETE", f"{pair.path}/connections/{pair.second}")).status == 204
    held.comes()
    await pair.reaches(through_the_removed, "sent")

    async def first_lost(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await (lost if len(one.asked) == 1 else one.accept)(request, body)

    one.answer = first_lost
    shown = await pair.reaches(await pair.send(), "sent")
    assert (shown["resent"], len(one.asked)) == (True, 2)


# --- what a provider answers after the switch -----------------------------------------------------------


async def test_what_a_connection_refuses_after_its_removal_goes_through_the_next(
    pair: Pair, one: Graph, two: Graph
) -> None:
    held = Held(one)
    message_id = await pair.send()
    await asyncio.wait_for(held.asked.wait(), 20)
    assert (await pair.company.call("DELETE", f"{pair.path}/connections/{pair.first}")).status == 204
    held.comes(revoked)
    shown = await pair.reaches(message_id, "sent")
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["not_connected", "accepted"]
    assert asked_for(two) == [message_id]


async def test_a_switch_while_a_call_is_under_way_is_not_forgotten(pair: Pair, one: Graph, two: Graph) -> None:
    """The refusal would hold the lane for half a minute, a limit for a day: the new connection does not wait for it."""
    held = Held(one)
    message_id = await pair.send()
    await asyncio.wait_for(held.asked.wait(), 20)
    await pair.switch(pair.second)
    held.comes(revoked)
    await pair.reaches(message_id, "sent")
    assert asked_for(two) == [message_id]


async def _phone(phones: Pair, **how: Any) -> None:
    reply = await phones.company.call("PUT", "/sandbox/phones/5511999990001", json={"latency_ms": 0, **how})
    assert reply.status == 200


async def _received(phones: Pair) -> list[tuple[str, int]]:
    found = (await phones.company.get("/sandbox/phones/5511999990001/messages"))["data"]
    return [(message["id"], message["count"]) for message in found]


async def test_what_its_provider_certainly_does_not_have_moves(phones: Pair, served: Recado) -> None:
    await phones.company.call("PATCH", phones.path, json={"settings": {"settle_seconds": 3_600}})
    await _phone(phones, fail={"code": "gone", "rate": 1, "kind": "lost"})
    message_id = await phones.send()
    await phones.reaches(message_id, "unproven")
    await _phone(phones)
    await phones.switch(phones.second)
    await settle(served, phones)
    await phones.company.until(f"/v1/messages/{message_id}", lambda shown: len(shown["attempts"]) == 2)
    shown = await phones.company.get(f"/v1/messages/{message_id}")
    assert [(one["outcome"], one["connection_id"]) for one in shown["attempts"]] == [
        ("unknown", phones.first),
        ("accepted", phones.second),
    ]
    assert shown["resent"] is False
    assert await _received(phones) == [(message_id, 1)]


async def test_what_its_provider_has_is_sent(phones: Pair) -> None:
    """A receipt tells it, through the connection that stands by."""
    await phones.company.call("PATCH", phones.path, json={"settings": {"settle_seconds": 3_600}})
    await _phone(phones, timeout_rate=1, ack="none")
    message_id = await phones.send()
    await phones.company.until(f"/v1/messages/{message_id}", lambda shown: bool(shown["attempts"]))
    await phones.switch(phones.second)
    await phones.is_empty()
    shown = await phones.company.get(f"/v1/messages/{message_id}")
    assert {one["connection_id"] for one in shown["attempts"]} == {phones.first}
    assert await _received(phones) == [(message_id, 1)]


def _far() -> datetime:
    """Later than any policy waits."""
    return datetime.now(UTC) + timedelta(days=2)
