"""What a switch means for messages: which connection tried them, kinds that the other cannot send, references."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from recado.app import Recado
from recado.domain import ids
from recado.services.sending import Sender
from recado.store import lanes, outbox
from tests.failover.conftest import SETTINGS, Pair, credentials, graph_server
from tests.support import client
from tests.support.client import Client
from tests.support.graph import Graph

LEASE = timedelta(seconds=60)


# --- processes that die ---------------------------------------------------------------------------------


@pytest.mark.parametrize("settings_of_pair", [{"settle_seconds": 0, "unknown_outcome": "at_least_once"}])
async def test_a_claim_that_ended_without_a_word_stays_with_the_connection_that_was_tried(
    pair: Pair, served: Recado, one: Graph, two: Graph
) -> None:
    """The process wrote down what it sends through, called, and died; then came a switch."""
    runtime = served.runtime
    claimed = await _claimed_by_the_dead(pair, served)
    async with runtime.db.worker.acquire() as connection:
        assert await lanes.record_connection(
            connection, claimed.company_id, claimed.instance_id, claimed.key, fence=claimed.fence,
            connection_id=UUID(pair.first),
        )  # fmt: skip
    await pair.switch(pair.second)
    await _end_the_lease(served, pair)
    await pair.is_empty()
    shown = await pair.company.get(f"/v1/messages/{claimed.message_id}")
    assert shown["status"] == "unproven"
    assert [(attempt["outcome"], attempt["connection_id"]) for attempt in shown["attempts"]] == [
        ("unknown", pair.first)
    ]
    assert (one.asked, two.asked) == ([], [])


@pytest.mark.parametrize("settings_of_pair", [{"settle_seconds": 0, "unknown_outcome": "at_least_once"}])
async def test_without_a_switch_it_is_sent_again_as_ever(pair: Pair, served: Recado, one: Graph, two: Graph) -> None:
    claimed = await _claimed_by_the_dead(pair, served)
    await _end_the_lease(served, pair)
    shown = await pair.reaches(str(claimed.message_id), "sent")
    assert shown["resent"] is True
    assert (len(one.asked), len(two.asked)) == (1, 0)


async def test_a_sender_that_lost_its_lane_sends_nothing(pair: Pair, served: Recado, one: Graph, two: Graph) -> None:
    """Its lease ended while it was away: another process has the lane, and what it would send is not its own."""
    claimed = await _claimed_by_the_dead(pair, served)
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE lanes SET fence = fence + 1 WHERE instance_id = $1", UUID(pair.id))
    finish = await Sender(served.runtime).send(claimed)
    assert (finish.done, finish.outcome) == (False, None)
    assert (one.asked, two.asked) == ([], [])


async def _claimed_by_the_dead(pair: Pair, served: Recado) -> outbox.Claimed:
    """A message claimed by a process that is about to die. It is due in the future, where only that process looks."""
    later = datetime.now(UTC) + timedelta(hours=1)
    message_id = await pair.send(send_at=later.isoformat())
    async with served.runtime.db.worker.acquire() as connection:
        [claimed] = await outbox.claim(
            connection, owner=ids.new(), limit=10, lease=LEASE, now=later + timedelta(seconds=1)
        )
    assert str(claimed.message_id) == message_id
    return claimed


async def _end_the_lease(served: Recado, pair: Pair) -> None:
    """As if the time of the dead process's lease had passed."""
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE lanes SET next_at = now() WHERE instance_id = $1", UUID(pair.id))
    served.runtime.signals.set("lanes")


# --- what the other provider cannot send, or does not know ----------------------------------------------


@pytest.fixture
async def mixed(admin: Client, company: Client, one: Graph) -> Pair:
    """An instance on the sandbox, with a Graph API standing by."""
    server = await graph_server(admin, one, "graph")
    made = await client.make_sandbox_instance(company, SETTINGS)
    further = await company.post(
        f"/v1/instances/{made['id']}/connections", {"server_id": server, "credentials": credentials("100")}
    )
    return Pair(company=company, id=made["id"], first=made["connections"][0]["id"], second=further["id"])


POLL: dict[str, Any] = {"type": "poll", "text": None, "poll": {"name": "Pizza?", "options": ["Sim", "Não"]}}


async def _wait_for_graph(mixed: Pair, **changes: Any) -> str:
    """A message that the sandbox could send, and that the Graph API is to send."""
    await mixed.company.post(f"{mixed.path}/queue/pause", status=204)
    body = {"instance_id": mixed.id, "to": "5511999990001", **{k: v for k, v in changes.items() if v is not None}}
    message_id = str((await mixed.company.post("/v1/messages", body))["id"])
    await mixed.switch(mixed.second)
    await mixed.company.post(f"{mixed.path}/queue/resume", status=204)
    return message_id


async def test_what_the_new_provider_cannot_render_goes_as_text_where_that_may_be(mixed: Pair, one: Graph) -> None:
    message_id = await _wait_for_graph(mixed, **POLL, fallback="text")
    await mixed.reaches(message_id, "sent")
    [asked] = one.asked
    assert asked["type"] == "text"
    assert "Pizza?" in asked["text"]["body"]


async def test_else_it_fails_and_says_why_and_the_lane_goes_on(mixed: Pair, one: Graph) -> None:
    message_id = await _wait_for_graph(mixed, **POLL)
    shown = await mixed.reaches(message_id, "failed")
    assert shown["error"]["code"] == "unsupported_by_provider"
    assert "meta" in shown["error"]["why"]
    after = await mixed.send()
    await mixed.reaches(after, "sent")
    await mixed.switch(mixed.first)
    await mixed.company.post(f"/v1/messages/{message_id}/retry", status=200)
    await mixed.reaches(message_id, "read")


async def test_what_was_to_be_opened_once_is_not_shown_to_stay(mixed: Pair, one: Graph) -> None:
    image = {"link": "https://example.com/a.png", "view_once": True}
    message_id = await _wait_for_graph(mixed, type="image", image=image)
    failed = (await mixed.reaches(message_id, "failed"))["error"]
    assert "view_once" in failed["why"]
    assert one.asked == []


@pytest.mark.parametrize("lame", [{"replies": False}, {"unquotable": frozenset({"text"})}], ids=["none", "not this"])
async def test_a_quote_that_the_new_provider_cannot_carry_is_refused(
    mixed: Pair, served: Recado, one: Graph, lame: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As to Z-API from a provider that quotes with everything."""
    meta = served.runtime.providers["meta"]
    monkeypatch.setattr(type(meta), "capabilities", msgspec.structs.replace(meta.capabilities, **lame))
    await mixed.switch(mixed.second)
    told = await mixed.send()
    await mixed.reaches(told, "sent")
    await mixed.switch(mixed.first)
    reply = await _wait_for_graph(mixed, type="text", text={"body": "x"}, reply_to=told)
    failed = (await mixed.reaches(reply, "failed"))["error"]
    assert (failed["code"], len(one.asked)) == ("unsupported_by_provider", 1)
    assert "quote" in failed["why"]


async def test_a_reference_to_a_message_of_another_world_is_refused(mixed: Pair, one: Graph) -> None:
    told = await mixed.send()
    await mixed.reaches(told, "read")
    await mixed.switch(mixed.second)
    reply = await mixed.send(reply_to=told)
    assert (await mixed.reaches(reply, "failed"))["error"]["code"] == "target_on_other_connection"
    own = await mixed.send()
    await mixed.reaches(own, "sent")
    await mixed.reaches(await mixed.send(reply_to=own), "sent")
    assert [asked.get("context") is not None for asked in one.asked] == [False, True]


async def test_a_reference_within_one_world_holds_across_connections(pair: Pair, one: Graph, two: Graph) -> None:
    told = await pair.send()
    await pair.reaches(told, "sent")
    await pair.switch(pair.second)
    await pair.reaches(await pair.send(reply_to=told), "sent")
    assert two.asked[0]["context"] == {"message_id": "wamid.1.100"}


async def test_lanes_stay_the_same_across_a_switch(mixed: Pair, served: Recado, one: Graph) -> None:
    """A phone's messages go one by one, Meta's per recipient: an instance that has both goes one by one on both."""
    await mixed.company.call("PATCH", mixed.path, json={"settings": {"ordering": None}})
    for connection_id in (mixed.second, mixed.first):
        await mixed.switch(connection_id)
        await asyncio.gather(*(mixed.send(to=f"551199999000{n}") for n in range(3)))
    await mixed.is_empty()
    async with served.runtime.db.work() as connection:
        keys = await connection.fetch("SELECT key FROM lanes")
    assert [row["key"] for row in keys] == [""]
