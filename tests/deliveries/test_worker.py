"""The worker against real endpoints. The clock is the test's, so nothing waits for a retry."""

import asyncio
from typing import Any

import msgspec
import pytest
import standardwebhooks
import svix
from aiohttp import web

from recado.services import delivering, webhooks
from recado.services.runtime import Runtime
from recado.workers.deliveries import DeliveryWorker
from tests.deliveries.conftest import Received, World, conversation


def respond(status: int, **options: Any) -> Any:
    async def answer(_: Received) -> web.Response:
        return web.Response(status=status, **options)

    return answer


async def test_what_an_endpoint_receives(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    chat = conversation()
    await world.happen(chat, data={"text": {"body": "Olá"}})
    await world.settle()
    (got,) = endpoint.received
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["User-Agent"].lower().startswith("recado")
    assert got.body == {
        "id": got.headers["webhook-id"],
        "type": "message.received",
        "at": got.body["at"],
        "company_id": str(world.company),
        "instance_id": str(world.instance),
        "conversation_id": str(chat),
        "sequence": got.body["sequence"],
        "data": {"number": 0, "text": {"body": "Olá"}},
    }
    assert got.body["at"].endswith("Z")
    secret = str(webhook.secret)
    assert standardwebhooks.Webhook(secret).verify(got.raw, dict(got.headers)) == got.body
    svix.Webhook(secret).verify(got.raw, dict(got.headers))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(got.raw + b" ", dict(got.headers))
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(secret).verify(got.raw + b" ", dict(got.headers))
    (listed,) = await world.listed(webhook.id)
    assert (listed.status, [one.status for one in listed.attempts]) == ("delivered", [200])
    assert str(listed.event_id) == got.headers["webhook-id"]


async def test_both_secrets_sign_during_a_rotation(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    changed = await webhooks.rotate_secret(world.runtime, world.principal, webhook.id, overlap_seconds=3_600)
    old, new = str(webhook.secret), str(changed.secret)
    assert old != new
    await world.happen(conversation())
    await world.settle()
    world.move(hours=2)
    await world.happen(conversation())
    await world.settle()
    during, after = endpoint.received
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(during.raw, dict(during.headers))
    assert len(during.headers["webhook-signature"].split()) == 2
    assert len(after.headers["webhook-signature"].split()) == 1
    assert (await world.shown(webhook.id)).secret is msgspec.UNSET


async def test_order_is_kept_and_the_id_is_stable_while_an_endpoint_fails(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    one, other = conversation(), conversation()
    endpoint.answer = 500
    await world.happen(one, one, other, one)
    for _ in range(12):
        await world.settle()
        world.move(minutes=30)
    assert set(endpoint.numbers) == {0, 2}
    endpoint.answer = 200
    failed = len(endpoint.received)
    await world.settle()
    taken = endpoint.received[failed:]
    assert sorted(got.number for got in taken) == [0, 1, 2, 3]
    assert [got.number for got in taken if got.body["conversation_id"] == str(one)] == [0, 1, 3]
    ids_of_first = {got.headers["webhook-id"] for got in endpoint.received if got.number == 0}
    assert len(ids_of_first) == 1
    first = (await world.listed(webhook.id))[0]
    assert [attempt.number for attempt in first.attempts] == list(range(1, len(first.attempts) + 1))
    assert {attempt.status for attempt in first.attempts} == {200, 500}


async def test_a_minute_of_outage_is_over_soon_after_it_ends(world: World) -> None:
    """Every lane failed and waits for minutes; one probe that is taken brings all of them at once."""
    endpoint, webhook = await world.endpoint()
    endpoint.answer = 404
    chats = [conversation() for _ in range(40)]
    await world.happen(*chats)
    for _ in range(60):
        await world.settle()
        world.move(seconds=1)
    assert (await world.shown(webhook.id)).failing_since is not None
    # While it fails it is only probed.
    assert len(endpoint.received) < 60
    endpoint.answer = 200
    tried = len(endpoint.received)
    for _ in range(20):
        await world.settle()
        world.move(seconds=1)
    assert await world.pending() == 0
    assert sorted(endpoint.numbers[tried:]) == list(range(40))
    assert (await world.shown(webhook.id)).failing_since is None


async def test_a_single_conversation_recovers_as_soon(world: World) -> None:
    endpoint, _ = await world.endpoint()
    endpoint.answer = 503
    await world.happen(conversation())
    for _ in range(60):
        await world.settle()
        world.move(seconds=1)
    endpoint.answer = 200
    for _ in range(20):
        await world.settle()
        world.move(seconds=1)
    assert await world.pending() == 0


async def test_a_slow_endpoint_delays_no_other(world: World, runtime: Runtime) -> None:
    slow, _ = await world.endpoint()
    quick, _ = await world.endpoint()
    release = asyncio.Event()

    async def hang(_: Received) -> web.Response:
        await release.wait()
        return web.Response(status=200)

    slow.answer = hang
    stop = asyncio.Event()
    worker = DeliveryWorker(runtime)
    running = asyncio.create_task(worker.run(stop))
    for _ in range(10):
        await world.happen(*(conversation() for _ in range(20)))
        runtime.signals.set("deliveries")
    assert sorted([(await quick.arrival()).number for _ in range(200)]) == list(range(200))
    assert 0 < len(slow.received) <= runtime.settings.delivery_concurrency // 2
    release.set()
    assert sorted([(await slow.arrival()).number for _ in range(200)]) == list(range(200))
    stop.set()
    await running
    assert await world.pending() == 0


async def test_retry_after_is_honoured(world: World) -> None:
    endpoint, _ = await world.endpoint()
    endpoint.answer = respond(429, headers={"Retry-After": "1800"})
    await world.happen(conversation(), conversation())
    await world.settle()
    before = len(endpoint.received)
    endpoint.answer = 200
    world.move(seconds=1_790)
    await world.settle()
    assert len(endpoint.received) == before
    world.move(seconds=10)
    await world.settle()
    assert await world.pending() == 0


async def test_a_redirect_is_a_failure_and_not_followed(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    other = await world.serve()
    endpoint.answer = respond(307, headers={"Location": other.url})
    await world.happen(conversation())
    await world.settle()
    (listed,) = await world.listed(webhook.id)
    assert (listed.status, listed.attempts[0].status) == ("pending", 307)
    assert not other.received


async def test_a_large_answer_is_not_read_and_its_status_counts(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    endpoint.answer = respond(200, body=b"x" * 300_000)
    await world.happen(conversation())
    await world.settle()
    (listed,) = await world.listed(webhook.id)
    assert listed.status == "delivered"


async def test_private_addresses_are_refused_unless_allowed(world: World, runtime: Runtime) -> None:
    endpoint = await world.serve()
    await runtime.http.stop()
    runtime.http = type(runtime.http)(allowed_networks=(), user_agent="Recado")
    await runtime.http.start()
    webhook = await world.register(endpoint.url)
    await world.happen(conversation())
    await world.settle()
    (listed,) = await world.listed(webhook.id)
    assert not endpoint.received
    (attempt,) = listed.attempts
    assert attempt.status is None
    assert "refused" in (attempt.error or "")


async def test_an_endpoint_nobody_listens_at(world: World) -> None:
    webhook = await world.register("http://127.0.0.1:9/in")
    await world.happen(conversation())
    await world.settle()
    (listed,) = await world.listed(webhook.id)
    assert (listed.status, listed.attempts[0].status) == ("pending", None)
    assert listed.attempts[0].error


async def test_a_gone_endpoint_is_paused_and_its_backlog_kept(world: World) -> None:
    gone, webhook = await world.endpoint(filter=["message.received"])
    other, _ = await world.endpoint(filter=["webhook.paused"])
    gone.answer = 410
    chat = conversation()
    await world.happen(chat)
    await world.settle()
    await world.happen(chat, conversation())
    await world.settle()
    assert len(gone.received) == 1
    shown = await world.shown(webhook.id)
    assert (shown.status, shown.paused_reason) == ("paused", "The endpoint answered 410 Gone.")
    (told,) = other.received
    assert told.body["type"] == "webhook.paused"
    assert told.body["data"]["webhook_id"] == str(webhook.id)
    assert told.body["data"]["pending"] == 1
    gone.answer = 200
    await webhooks.update(world.runtime, world.principal, webhook.id, status="active")
    await world.settle()
    assert await world.pending() == 0
    assert [got.number for got in gone.received if got.body["conversation_id"] == str(chat)] == [0, 0, 1]


async def test_a_dead_endpoint_is_paused_after_days_and_resumes_with_everything(world: World) -> None:
    dead, webhook = await world.endpoint()
    dead.answer = 500
    await world.happen(*(conversation() for _ in range(5)))
    for _ in range(24 * 5):
        await world.settle()
        world.move(hours=1)
    shown = await world.shown(webhook.id)
    assert shown.status == "paused"
    assert "took nothing since" in (shown.paused_reason or "")
    assert await world.pending() == 6  # the five, and webhook.paused itself
    # Resumed while still dead, it gets a fresh run of retries instead of being paused at the first failure.
    await webhooks.update(world.runtime, world.principal, webhook.id, status="active")
    await world.settle()
    assert (await world.shown(webhook.id)).status == "active"
    assert await world.pending() == 6
    dead.answer = 200
    world.move(minutes=1)
    await world.settle()
    assert await world.pending() == 0


async def test_one_event_that_is_never_taken_is_given_up_alone(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    poisoned, healthy = conversation(), conversation()

    async def answer(got: Received) -> web.Response:
        return web.Response(status=500 if got.number == 0 else 200)

    endpoint.answer = answer
    await world.happen(poisoned, poisoned)
    for _ in range(24 * 5):
        await world.happen(healthy)
        await world.settle()
        world.move(hours=1)
    await world.settle()
    assert (await world.shown(webhook.id)).status == "active"
    first, second, *_ = await world.listed(webhook.id)
    assert (first.status, second.status) == ("failed", "delivered")
    assert len(first.attempts) < 150


async def test_pausing_by_hand_keeps_what_happens_meanwhile(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    await webhooks.update(world.runtime, world.principal, webhook.id, status="paused")
    await world.happen(conversation(), conversation())
    await world.settle()
    assert not endpoint.received
    await webhooks.update(world.runtime, world.principal, webhook.id, status="active")
    await world.settle()
    assert sorted(endpoint.numbers) == [0, 1]


async def test_a_new_address_is_tried_at_once(world: World) -> None:
    dead, webhook = await world.endpoint()
    dead.answer = 500
    await world.happen(conversation())
    for _ in range(3):
        await world.settle()
        world.move(minutes=10)
    better = await world.serve()
    await webhooks.update(world.runtime, world.principal, webhook.id, url=better.url)
    await world.settle()
    assert better.numbers == [0]


async def test_a_worker_that_dies_loses_nothing(world: World, runtime: Runtime) -> None:
    endpoint, webhook = await world.endpoint()
    reached, release = asyncio.Event(), asyncio.Event()

    async def hang(_: Received) -> web.Response:
        reached.set()
        await release.wait()
        return web.Response(status=200)

    endpoint.answer = hang
    chat = conversation()
    await world.happen(chat, chat)
    dying = DeliveryWorker(runtime, clock=lambda: world.now)
    await dying.start()
    await dying.take()
    await reached.wait()
    await dying.stop()
    release.set()
    endpoint.answer = 200
    await world.settle()
    assert endpoint.numbers == [0]
    world.move(minutes=2)
    await world.settle()
    assert endpoint.numbers == [0, 0, 1]
    assert endpoint.received[0].headers["webhook-id"] == endpoint.received[1].headers["webhook-id"]
    assert [one.status for one in await world.listed(webhook.id)] == ["delivered", "delivered"]


async def test_a_test_goes_to_its_endpoint_alone_and_past_its_backlog(world: World) -> None:
    endpoint, webhook = await world.endpoint(filter=["message.received"])
    other, _ = await world.endpoint()
    endpoint.answer = 500
    await world.happen(conversation())
    await world.settle()
    endpoint.answer = 200
    queued = await webhooks.test(world.runtime, world.principal, webhook.id)
    await world.settle()
    # The test does not wait behind what failed before it, and its success brings that forward.
    assert [got.body["type"] for got in endpoint.received] == ["message.received", "webhook.test", "message.received"]
    assert endpoint.received[1].headers["webhook-id"] == str(queued.event_id)
    assert [got.body["type"] for got in other.received] == ["message.received"]
    shown = await webhooks.get_delivery(world.runtime, world.principal, queued.delivery_id)
    assert shown.status == "delivered"


async def test_a_delivery_is_replayed_with_its_id(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    chat = conversation()
    await world.happen(chat, chat)
    await world.settle()
    first = (await world.listed(webhook.id))[0]
    again = await webhooks.replay_delivery(world.runtime, world.principal, first.id)
    assert again.status == "pending"
    await world.settle()
    assert endpoint.numbers == [0, 1, 0]
    assert endpoint.received[0].headers["webhook-id"] == endpoint.received[2].headers["webhook-id"]
    shown = await webhooks.get_delivery(world.runtime, world.principal, first.id)
    assert [attempt.number for attempt in shown.attempts] == [1, 2]


async def test_events_since_a_time_are_replayed_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    chat, start = conversation(), world.now
    await world.happen(chat, chat, type="message.received")
    await world.happen(chat, type="message.read")
    endpoint, webhook = await world.endpoint(filter=["message.received"])
    await world.happen(chat, conversation())
    replayed = await webhooks.replay(world.runtime, world.principal, webhook.id, since=start)
    # The two newest wait already.
    assert (replayed.deliveries, replayed.next_since) == (2, None)
    await world.settle()
    assert [got.number for got in endpoint.received if got.body["conversation_id"] == str(chat)] == [0, 1, 3]
    monkeypatch.setattr(webhooks, "REPLAY_AT_ONCE", 3)
    part = await webhooks.replay(world.runtime, world.principal, webhook.id, since=start)
    assert part.deliveries == 3
    assert part.next_since is not None
    await world.settle()
    rest = await webhooks.replay(world.runtime, world.principal, webhook.id, since=part.next_since)
    assert rest.deliveries >= 1
    await world.settle()
    assert set(endpoint.numbers[4:]) == {0, 1, 3, 4}


async def test_a_deleted_endpoint_gets_nothing_more(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    endpoint.answer = 500
    await world.happen(conversation())
    await world.settle()
    await webhooks.delete(world.runtime, world.principal, webhook.id)
    world.move(minutes=1)
    await world.happen(conversation())
    await world.settle()
    assert len(endpoint.received) == 1
    assert not await webhooks.page(world.runtime, world.principal, before=None, limit=10)


async def test_an_endpoint_of_an_instance_gets_that_instance_only(world: World) -> None:
    endpoint, _ = await world.endpoint(instance=world.instance)
    await world.happen(conversation())
    async with world.db.work() as connection:
        await connection.execute(
            "INSERT INTO events (company_id, id, type, data) VALUES ($1, $2, 'account.updated', '{\"number\": 9}')",
            world.company, conversation(),
        )  # fmt: skip
    await world.settle()
    assert endpoint.numbers == [0]


async def test_an_attempt_that_breaks_on_our_side_is_listed_and_tried_again(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    async with world.db.work() as connection:
        good = await connection.fetchval("SELECT secret FROM webhooks WHERE id = $1", webhook.id)
        # It opens, and is no secret that can sign.
        bad = world.runtime.keyring.encrypt(b"whsec_%%%", delivering.secret_context(webhook.id))
        await connection.execute("UPDATE webhooks SET secret = $2 WHERE id = $1", webhook.id, bad)
    await world.happen(conversation())
    await world.settle()
    (shown,) = await world.listed(webhook.id)
    assert shown.status == "pending"
    assert "Recado could not post it" in (shown.attempts[0].error or "")
    async with world.db.work() as connection:
        await connection.execute("UPDATE webhooks SET secret = $2 WHERE id = $1", webhook.id, good)
    world.move(minutes=1)
    await world.settle()
    assert endpoint.numbers == [0]
