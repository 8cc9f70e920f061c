"""Addresses of Z-API clients that misbehave: one callback is never taken, the endpoint was paused, settings changed
elsewhere. The worker's clock is the test's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

from recado.domain import ids
from recado.services.directory import ZapiView
from recado.services.runtime import Runtime
from recado.services.zapi import accounts, callbacks
from recado.store import deliveries, zapi
from recado.workers import janitor
from tests.deliveries.conftest import Endpoint, Received, World, conversation
from tests.support import secrets


@pytest.fixture
async def world(runtime: Runtime) -> AsyncIterator[World]:
    """A company with one instance, whose Z-API client may use http."""
    open_to_http = runtime.settings.model_copy(update={"zapi_http_webhooks": True})
    made = World(msgspec.structs.replace(runtime, settings=open_to_http))
    await made.start()
    yield made
    await made.stop()


async def opened(world: World) -> ZapiView:
    made = await accounts.open_instance(world.runtime, world.company, world.instance)
    secrets.register(made.token)
    return await world.runtime.directory.zapi(made.id)


async def write(world: World, *bodies: str) -> None:
    """Messages of one person, in order."""
    chat = conversation()
    for body in bodies:
        message = {
            "id": str(ids.new()),
            "contact": {"phone": "5511999990001"},
            "direction": "inbound",
            "type": "text",
            "content": {"body": body},
            "provider_id": f"3EB0{body}",
        }
        await world.happen(chat, data={"message": message})


def taken(endpoint: Endpoint, but: str | None = None) -> list[str]:
    """What it was posted, in order."""
    found = [got.body["text"]["message"] for got in endpoint.received]
    return [body for body in found if body != but]


async def test_a_callback_that_is_never_taken_steps_aside(world: World) -> None:
    """Z-API clients have one queue per address: what breaks the client's handler must not stop it for days."""
    endpoint, view = await world.serve(), await opened(world)

    async def answer(got: Received) -> web.Response:
        return web.Response(status=500 if got.body["text"]["message"] == "veneno" else 200)

    endpoint.answer = answer
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url})
    await write(world, "veneno", "um", "dois")
    for _ in range(6):
        await world.settle()
        world.move(seconds=7)
    assert taken(endpoint, but="veneno") == ["um", "dois"]
    # It is still tried by itself, and taken once the client can: nothing is lost.
    endpoint.answer = 200
    world.move(hours=2)
    await write(world, "três")
    await world.settle()
    assert sorted(taken(endpoint)[-2:]) == ["três", "veneno"]
    assert await world.pending() == 0


@pytest.mark.parametrize("status", [408, 410, 429, 502, 503, 504])
async def test_an_endpoint_that_is_away_keeps_the_order(world: World, status: int) -> None:
    endpoint, view = await world.serve(), await opened(world)
    endpoint.answer = status
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url})
    await write(world, "um", "dois", "três")
    for _ in range(6):
        await world.settle()
        world.move(minutes=1)
    endpoint.answer = 200
    endpoint.received.clear()
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url})
    world.move(minutes=5)
    await world.settle()
    assert taken(endpoint) == ["um", "dois", "três"]


async def test_setting_an_address_again_resumes_it(world: World) -> None:
    """A Z-API client knows no pauses: setting its webhook is all that it can do about one."""
    endpoint, view = await world.serve(), await opened(world)
    endpoint.answer = 410
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url})
    await write(world, "um")
    await world.settle()
    [row] = await rows(world)
    assert row["status"] == "paused"
    endpoint.answer = 200
    endpoint.received.clear()
    await callbacks.set_webhooks(world.runtime, view, {"delivery": endpoint.url + "/other"})
    assert [one["status"] for one in await rows(world)] == ["paused", "active"]
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url})
    await world.settle()
    assert taken(endpoint) == ["um"]


async def test_settings_that_another_process_changed_count_at_once(world: World) -> None:
    """What this process keeps of an instance may be old for a moment: no callback is dropped because of it."""
    endpoint, view = await world.serve(), await opened(world)
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url})
    kept = await world.runtime.directory.zapi(view.public_id)
    settings: dict[str, Any] = msgspec.to_builtins(kept.settings)
    async with world.db.work() as connection:
        await zapi.set_settings(connection, world.company, world.instance, {**settings, "webhooks": {}})
    world.runtime.directory.invalidate()
    await world.runtime.directory.zapi(view.public_id)
    async with world.db.work() as connection:
        await zapi.set_settings(connection, world.company, world.instance, settings)
    await write(world, "um")
    await world.settle()
    assert taken(endpoint) == ["um"]


async def test_callbacks_of_one_event_keep_their_order(world: World) -> None:
    """A message of ours is delivered before it is told, also after the first of them was refused."""
    endpoint, view = await world.serve(), await opened(world)
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url, "delivery": endpoint.url})
    await world.happen(conversation(), type="message.sent", data={"message": {"id": str(UUID(int=7)), "to": "55"}})
    async with world.db.work() as connection:
        # As an update of the row does that finds no room on its page.
        await connection.execute(
            "WITH gone AS (DELETE FROM deliveries WHERE callback = 'delivery' RETURNING *) "
            "INSERT INTO deliveries SELECT * FROM gone"
        )
        claimed = await deliveries.claim(
            connection,
            owner=ids.new(),
            limit=10,
            each=10,
            lease=world.worker._lease,
            now=datetime.now(UTC),
        )
    assert [one.callback for one in claimed] == ["delivery"]


async def test_what_is_written_for_an_address_while_it_goes_follows_its_callback(world: World) -> None:
    """An event that looked for its endpoints before the change and was written after it."""
    first, view, second = await world.serve(), await opened(world), await world.serve()
    await callbacks.set_webhooks(world.runtime, view, {"delivery": first.url, "received": second.url})
    await write(world, "um")
    async with world.db.work() as connection:
        held = await connection.fetch("DELETE FROM deliveries RETURNING *")
    await callbacks.set_webhooks(world.runtime, view, {"delivery": first.url, "received": first.url})
    async with world.db.work() as connection:
        for row in held:
            await connection.execute("INSERT INTO deliveries SELECT ($1::deliveries).*", row)
    await janitor.sweep(world.db)
    await world.settle()
    assert (taken(first), taken(second)) == (["um"], [])


async def test_what_waits_for_a_callback_that_is_taken_away_stays_untold(world: World) -> None:
    endpoint, view = await world.serve(), await opened(world)
    endpoint.answer = 500
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url})
    await write(world, "um")
    await world.settle()
    await callbacks.set_webhooks(world.runtime, view, {"received": None})
    endpoint.answer = 200
    endpoint.received.clear()
    await callbacks.set_webhooks(world.runtime, view, {"received": endpoint.url})
    await janitor.sweep(world.db)
    await world.settle()
    assert (taken(endpoint), await world.pending()) == ([], 0)


async def rows(world: World) -> list[Any]:
    async with world.db.work() as connection:
        return list(await connection.fetch("SELECT * FROM webhooks WHERE events <> '{}' ORDER BY id"))
