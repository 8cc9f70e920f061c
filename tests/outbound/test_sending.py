"""From accepted to the provider and back: order, pacing, retries, unproven messages, waiting, the queue's routes."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from recado.app import Recado
from recado.services import messaging
from tests.outbound.test_accepting import text
from tests.support import client
from tests.support.client import Client
from tests.support.graph import Answer, Graph, graph_error


async def send(company: Client, instance: dict[str, Any], **changes: Any) -> str:
    """Accept a message and return its id."""
    return str((await company.post("/v1/messages", text(instance, **changes)))["id"])


async def reaches(company: Client, message_id: str, status: str) -> dict[str, Any]:
    """The message once it has a status."""
    shown: dict[str, Any] = await company.until(f"/v1/messages/{message_id}", lambda m: m["status"] == status)
    return shown


async def test_one_instance_sends_in_the_order_of_acceptance(company: Client, server_id: str, meta: Graph) -> None:
    settings = {"ordering": "instance", **client.NO_PACING}
    instance = await client.make_meta_instance(company, server_id, account="1", settings=settings)
    sent = [await send(company, instance, to=f"55119999900{n % 7:02}") for n in range(40)]
    await meta.wait_asked(40)
    assert [body["biz_opaque_callback_data"] for body in meta.asked] == sent


async def test_per_recipient_order_is_strict_while_recipients_go_side_by_side(
    company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    both = asyncio.Barrier(2)

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if len(meta.sent) < 2:
            await asyncio.wait_for(both.wait(), 10)
        return await meta.accept(request, body)

    meta.answer = answer
    one = [await send(company, instance, to="5511999990001") for _ in range(5)]
    two = [await send(company, instance, to="5511999990002") for _ in range(5)]
    for message_id in (one[-1], two[-1]):
        await reaches(company, message_id, "sent")
    asked = [body["biz_opaque_callback_data"] for body in meta.asked]
    assert [message_id for message_id in asked if message_id in one] == one
    assert [message_id for message_id in asked if message_id in two] == two


async def test_a_refusal_is_a_dead_letter_that_one_call_retries(
    company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    meta.answer = graph_error(400, 131026, "Message undeliverable")
    message_id = await send(company, instance)
    shown = await reaches(company, message_id, "failed")
    assert shown["error"]["code"] == "131026"
    (dead,) = (await company.get("/v1/dead-letters"))["data"]
    assert (dead["id"], dead["code"], dead["attempts"]) == (message_id, "131026", 1)
    meta.answer = meta.accept
    assert (await company.post("/v1/dead-letters/retry", {}, status=200))["ids"] == [message_id]
    await reaches(company, message_id, "sent")
    assert (await company.get("/v1/dead-letters"))["data"] == []


async def test_what_was_surely_not_sent_is_tried_again_up_to_the_limit(
    company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    meta.answer = graph_error(500, 131000, "Something went wrong")
    message_id = await send(company, instance)
    shown = await reaches(company, message_id, "failed")
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["retry", "retry", "retry"]
    assert [attempt["number"] for attempt in shown["attempts"]] == [1, 2, 3]
    assert len(meta.asked) == 3


async def lost(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """The provider took the message, and its answer is cut off."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_a_lost_answer_is_unproven_and_never_sent_twice_by_itself(
    company: Client, server_id: str, meta: Graph
) -> None:
    instance = await client.make_meta_instance(company, server_id, account="1", settings={"settle_seconds": 0})
    meta.answer = lost
    message_id = await send(company, instance)
    await meta.wait_asked(1)
    await reaches(company, message_id, "unproven")
    await company.until(f"/v1/instances/{instance['id']}/queue", lambda queue: queue["counts"]["waiting"] == 0)
    assert len(meta.asked) == 1
    meta.answer = meta.accept
    await company.post(f"/v1/messages/{message_id}/retry", status=200)
    shown = await reaches(company, message_id, "sent")
    assert shown["resent"] is True, "a person asked for it, and the message says it may have gone twice"


async def test_a_lost_answer_is_sent_again_and_marked_where_the_company_chose_that(
    company: Client, server_id: str, meta: Graph
) -> None:
    settings = {"settle_seconds": 0, "unknown_outcome": "at_least_once"}
    instance = await client.make_meta_instance(company, server_id, account="1", settings=settings)

    async def first_lost(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await (lost if len(meta.asked) == 1 else meta.accept)(request, body)

    meta.answer = first_lost
    shown = await reaches(company, await send(company, instance), "sent")
    assert shown["resent"] is True
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["unknown", "accepted"]


@pytest.mark.parametrize("second", [graph_error(500, 131000), graph_error(400, 131026)], ids=["retry", "refused"])
async def test_a_further_try_that_fails_for_good_leaves_it_unproven(
    company: Client, server_id: str, meta: Graph, second: Answer
) -> None:
    """The first may have arrived: `failed` would say that it did not, and a dead letter invite to send it again."""
    settings = {"settle_seconds": 0, "unknown_outcome": "at_least_once", "max_attempts": 2}
    instance = await client.make_meta_instance(company, server_id, account="1", settings=settings)

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await (lost if len(meta.asked) == 1 else second)(request, body)

    meta.answer = answer
    message_id = await send(company, instance)
    await company.until(f"/v1/instances/{instance['id']}/queue", lambda queue: queue["counts"]["waiting"] == 0)
    shown = await company.get(f"/v1/messages/{message_id}")
    assert (shown["status"], len(shown["attempts"])) == ("unproven", 2)
    assert (await company.get("/v1/dead-letters"))["data"] == []
    meta.answer = meta.accept
    await reaches(company, await send(company, instance), "sent")


async def test_what_cannot_even_be_prepared_is_not_said_to_be_perhaps_sent(
    served: Recado, company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    """Here a content that this version does not read: nothing was called, so nothing is in doubt, and the lane goes on."""
    path = f"/v1/instances/{instance['id']}"
    await company.post(f"{path}/queue/pause", status=204)
    broken = await send(company, instance)
    after = await send(company, instance)
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE messages SET content = '{}' WHERE id = $1", UUID(broken))
    await company.post(f"{path}/queue/resume", status=204)
    shown = await reaches(company, broken, "failed")
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["retry"] * 3
    assert shown["error"]["code"] == "not_prepared"
    await reaches(company, after, "sent")
    assert [body["biz_opaque_callback_data"] for body in meta.asked] == [after]


async def html(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    return web.Response(text="<html>502 Bad Gateway</html>", status=502, content_type="text/html")


async def test_answers_that_make_no_sense_stop_no_loop(company: Client, server_id: str, meta: Graph) -> None:
    settings = {"settle_seconds": 3600}
    for number, answer in enumerate((html, lost)):
        instance = await client.make_meta_instance(company, server_id, account=str(number), settings=settings)
        meta.answer = answer
        await reaches(company, await send(company, instance), "unproven")
    meta.answer = meta.accept
    good = await client.make_meta_instance(company, server_id, account="good")
    await reaches(company, await send(company, good), "sent")


async def test_a_token_that_was_revoked_holds_the_messages_until_a_new_one(
    company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    meta.answer = graph_error(401, 190, "Error validating access token")
    message_id = await send(company, instance)
    await company.until(f"/v1/instances/{instance['id']}", lambda shown: shown["status"] == "logged_out")
    shown = await company.get(f"/v1/messages/{message_id}")
    assert shown["status"] == "queued"
    assert shown["attempts"][0]["outcome"] == "not_connected"
    queue = await company.get(f"/v1/instances/{instance['id']}/queue")
    assert (queue["counts"]["waiting"], queue["next_send_at"]) == (1, None)


async def test_pause_holds_resume_releases_and_clear_takes_back(
    company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    queue = f"/v1/instances/{instance['id']}/queue"
    await company.post(f"{queue}/pause", status=204)
    sent = [await send(company, instance) for _ in range(3)]
    shown = await company.get(queue)
    assert shown["paused"] is True
    assert shown["counts"]["waiting"] == 3
    assert [item["id"] for item in shown["items"]] == sent
    assert shown["oldest_age_s"] >= 0
    assert (await company.call("DELETE", f"{queue}/{sent[1]}")).status == 204
    await company.post(f"/v1/messages/{sent[2]}/cancel", status=200)
    assert meta.asked == []
    await company.post(f"{queue}/resume", status=204)
    await reaches(company, sent[0], "sent")
    assert [body["biz_opaque_callback_data"] for body in meta.asked] == [sent[0]]
    assert (await company.get(f"/v1/messages/{sent[1]}"))["status"] == "cancelled"
    assert (await company.call("POST", f"/v1/messages/{sent[0]}/cancel")).status == 409
    assert (await company.call("DELETE", f"{queue}/{sent[0]}")).status == 409
    await company.post(f"{queue}/pause", status=204)
    await send(company, instance)
    reply = await company.call("DELETE", queue)
    assert (reply.status, reply.body) == (200, {"cancelled": 1})


async def test_resume_releases_what_was_connected_meanwhile(
    served: Recado, company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    """What another process changed may not be known here yet: the row decides, not what this process remembers."""
    path = f"/v1/instances/{instance['id']}"
    async with served.runtime.directory.changing() as connection:
        await connection.execute("UPDATE instances SET status = 'disconnected'")
    message_id = await send(company, instance)
    await company.post(f"{path}/queue/pause", status=204)
    assert (await company.get(f"{path}/queue"))["status"] == "disconnected"
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE instances SET status = 'connected'")
    await company.post(f"{path}/queue/resume", status=204)
    await reaches(company, message_id, "sent")


async def test_a_scheduled_message_waits_and_shows_when(company: Client, instance: dict[str, Any], meta: Graph) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    message_id = await send(company, instance, send_at=at)
    shown = await company.get(f"/v1/instances/{instance['id']}/queue")
    assert shown["counts"]["scheduled"] == 1
    await meta.wait_asked(1)
    sent = await reaches(company, message_id, "sent")
    assert sent["timeline"][2]["at"] >= at[:19]


async def test_pacing_keeps_a_persons_distance(company: Client, server_id: str, meta: Graph) -> None:
    settings = {"ordering": "instance", "pacing": {"min_ms": 300, "max_ms": 400, "per_minute": 0}}
    instance = await client.make_meta_instance(company, server_id, account="1", settings=settings)
    arrivals: list[float] = []

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        arrivals.append(asyncio.get_running_loop().time())
        return await meta.accept(request, body)

    meta.answer = answer
    for _ in range(4):
        await send(company, instance)
    await meta.wait_asked(4)
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    assert all(gap >= 0.29 for gap in gaps), gaps


async def test_a_recipients_limit_holds_that_recipient_only(
    company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        limited = body["to"] == "5511999990001"
        return await (graph_error(400, 131056) if limited else meta.accept)(request, body)

    meta.answer = answer
    held = await send(company, instance, to="5511999990001")
    await meta.wait_asked(1)
    await reaches(company, await send(company, instance, to="5511999990002"), "sent")
    shown = await company.get(f"/v1/messages/{held}")
    assert shown["status"] == "queued"
    assert shown["attempts"][0]["outcome"] == "limited"


async def test_what_was_being_sent_at_a_crash_is_settled_not_sent_blindly(
    served: Recado, company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    """The process dies between the call and its record: the lease ends, and the message comes back as unproven."""
    called, held = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        called.set()
        await held.wait()
        return await meta.accept(request, body)

    meta.answer = answer
    message_id = await send(company, instance)
    await asyncio.wait_for(called.wait(), 10)
    async with served.runtime.db.work() as connection:
        # What a dead sender leaves behind: a claim whose lease is over, and whose fence is no longer the newest.
        await connection.execute("UPDATE lanes SET next_at = now() - interval '1 second'")
    shown = await reaches(company, message_id, "unproven")
    assert shown["attempts"][-1]["outcome"] == "unknown"
    held.set()


@pytest.mark.parametrize("route", ["cancel", "retry", "read"])
async def test_what_cannot_be_done_to_a_message_is_a_conflict(
    company: Client, instance: dict[str, Any], route: str
) -> None:
    message_id = await send(company, instance)
    await reaches(company, message_id, "sent")
    assert (await company.call("POST", f"/v1/messages/{message_id}/{route}")).status == 409


def test_of_receipts_of_one_second_the_lesser_comes_first() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    receipts = [
        {"state": state, "at": at, "raw_webhook_id": None, "recipient": None, "error": None}
        for state in ("read", "server_ack", "delivered")
    ]
    row = {"id": 1, "direction": "outbound", "created_at": at}
    shown = messaging.timeline(row, [], receipts)
    assert [moment.state for moment in shown] == ["accepted", "queued", "server_ack", "delivered", "read"]


def answer_with(body: dict[str, Any], status: int = 200) -> Answer:
    async def answer(request: web.Request, given: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return answer


@pytest.mark.parametrize(
    ("reply", "status", "becomes"),
    [
        ({"error": {"message": "a\u0000b", "code": 131026}}, 400, "failed"),
        ({"messages": [{"id": "wamid.\u0000"}]}, 200, "unproven"),
        ({"messages": [{"id": "w" * 20_000}]}, 200, "unproven"),
    ],
)
async def test_what_one_provider_answers_never_loses_anothers_outcome(
    company: Client, server_id: str, meta: Graph, reply: dict[str, Any], status: int, becomes: str
) -> None:
    """Outcomes share a statement: an id or a reason that cannot be stored must not undo those beside it."""
    evil = await client.make_meta_instance(company, server_id, account="evil")
    good = await client.make_meta_instance(company, server_id, account="good")

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        bad = request.match_info["account"] == "evil"
        return await (answer_with(reply, status) if bad else meta.accept)(request, body)

    meta.answer = answer
    sent = [await send(company, instance, to=f"55119999900{n:02}") for n in range(10) for instance in (evil, good)]
    for number, message_id in enumerate(sent):
        await reaches(company, message_id, "sent" if number % 2 else becomes)


async def test_a_phone_without_pacing_still_sends_one_by_one(company: Client) -> None:
    instance = await client.make_sandbox_instance(company, client.NO_PACING)
    sent = [await send(company, instance, to=f"551199999000{n % 3}") for n in range(30)]
    await reaches(company, sent[-1], "read")
    received = []
    for phone in range(3):
        page = await company.get(f"/sandbox/phones/551199999000{phone}/messages?limit=50")
        received += [(message["received_at"], message["id"]) for message in page["data"]]
    assert [message_id for _, message_id in sorted(received)] == sent
