"""What the janitor removes, and above all what it leaves."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from recado.config import Settings
from recado.domain import ids
from recado.services import webhooks
from recado.store import db, deliveries, retention
from recado.telemetry import metrics
from recado.workers import janitor
from tests.deliveries.conftest import Received, World, conversation

NEVER = asyncio.Event()


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


async def count(world: World, table: str) -> int:
    async with world.db.work() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


async def test_old_events_and_deliveries_go_and_young_ones_stay(
    world: World, settings: Settings, now: datetime
) -> None:
    await world.endpoint()
    await world.happen(conversation(), conversation())
    await world.settle()
    old = now - timedelta(days=settings.event_days, minutes=1)
    async with world.db.work() as connection:
        await connection.execute(
            "INSERT INTO events (company_id, id, type, data, at) SELECT $1, $2, 'unknown', '{}', $3",
            world.company, ids.lowest(old), old,
        )  # fmt: skip
        await connection.execute("UPDATE deliveries SET created_at = $1 WHERE lane_key = ''", old)
    await janitor.clean(world.db, settings, now, NEVER)
    assert (await count(world, "events"), await count(world, "deliveries")) == (2, 2)
    await janitor.clean(world.db, settings, now + timedelta(days=settings.event_days, minutes=1), NEVER)
    assert (await count(world, "events"), await count(world, "deliveries")) == (0, 0)
    assert await count(world, "delivery_attempts") == 0


async def test_a_month_that_is_over_is_dropped_as_a_whole(world: World, settings: Settings, now: datetime) -> None:
    owner = await db.connect(settings.database_url or "")
    long_ago = now - timedelta(days=800)
    month = f"{long_ago:%Y%m}"
    for table in ("events", "messages"):
        await owner.execute(
            f"CREATE TABLE {table}_{month} PARTITION OF {table} FOR VALUES FROM ('{ids.lowest(long_ago)}')"
            f" TO ('{ids.lowest(long_ago + timedelta(days=1))}')"
        )
    await owner.close()
    await janitor.clean(world.db, settings, now, NEVER)
    async with world.db.work() as connection:
        left = {row["relname"] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r'")}
        # The owner's rights end with the transaction that dropped.
        assert await connection.fetchval("SELECT current_user") == "recado_worker"
    assert f"events_{month}" not in left
    assert f"messages_{month}" not in left
    assert {f"events_{now:%Y%m}", "events_other", f"raw_webhooks_{now:%Y%m}"} <= left


async def test_old_keys_ids_and_receipts_go(world: World, settings: Settings, now: datetime) -> None:
    ages = {"idempotency": settings.idempotency_days, "provider_ids": settings.message_days,
            "receipts": settings.message_days, "dead_letters": settings.message_days}  # fmt: skip
    async with world.db.work() as connection:
        for age in (timedelta(days=1), timedelta(days=-1)):
            made = {table: now - timedelta(days=days) + age for table, days in ages.items()}
            name = str(age)
            await connection.execute(
                "INSERT INTO idempotency (company_id, key, fingerprint, message_id, created_at)"
                " VALUES ($1, $2, '', $3, $4)", world.company, name, ids.new(), made["idempotency"],
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO provider_ids (company_id, instance_id, kind, provider_id, created_at)"
                " VALUES ($1, $2, 'message', $3, $4)", world.company, world.instance, name, made["provider_ids"],
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO receipts (company_id, instance_id, provider_id, state, at, created_at)"
                " VALUES ($1, $2, $3, 'read', $4, $4)", world.company, world.instance, name, made["receipts"],
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO dead_letters (company_id, message_id, instance_id, attempts, code, why, died_at)"
                " VALUES ($1, $2, $3, 1, 'x', '', $4)",
                world.company, ids.new(), world.instance, made["dead_letters"],
            )  # fmt: skip
    await janitor.clean(world.db, settings, now, NEVER)
    assert {table: await count(world, table) for table in ages} == dict.fromkeys(ages, 1)


async def test_idle_lanes_go_and_lanes_with_work_stay(world: World, settings: Settings, now: datetime) -> None:
    endpoint, _ = await world.endpoint()
    idle, failing = conversation(), conversation()
    await world.happen(idle)
    await world.settle()
    endpoint.answer = 500
    await world.happen(failing)
    await world.settle()
    async with world.db.work() as connection:
        for key, next_at, claimed_at in [
            ("", None, None),
            ("idle", None, now - timedelta(hours=2)),
            ("recent", None, now),
            ("due", now, now - timedelta(hours=2)),
            ("holds", None, now - timedelta(hours=2)),
        ]:
            await connection.execute(
                "INSERT INTO lanes (company_id, instance_id, key, next_at, claimed_at) VALUES ($1, $2, $3, $4, $5)",
                world.company, world.instance, key, next_at, claimed_at,
            )  # fmt: skip
        await connection.execute(
            "INSERT INTO outbox (company_id, message_id, instance_id, lane_key, priority, due_at)"
            " VALUES ($1, $2, $3, 'holds', 1, now())", world.company, ids.new(), world.instance,
        )  # fmt: skip
    await janitor.clean(world.db, settings, now, NEVER)
    async with world.db.work() as connection:
        assert {row["key"] for row in await connection.fetch("SELECT key FROM lanes")} == {"", "recent", "due", "holds"}
        (left,) = await connection.fetch("SELECT key FROM delivery_lanes")
    assert left["key"] == str(failing)
    # A lane that was removed is made again by the next event.
    endpoint.answer = 200
    await world.happen(idle)
    world.move(minutes=1)
    await world.settle()
    assert await world.pending() == 0


async def test_lanes_that_get_work_meanwhile_are_kept(world: World) -> None:
    """An event that is being written holds its lane, and one that came before the lock is seen."""
    await world.endpoint()
    chat = conversation()
    await world.happen(chat)
    await world.settle()
    async with world.db.worker.acquire() as writer:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(
            "INSERT INTO events (company_id, id, type, instance_id, conversation_id, data)"
            " VALUES ($1, $2, 'message.received', $3, $4, '{\"number\": 1}')",
            world.company, ids.new(), world.instance, chat,
        )  # fmt: skip
        async with world.db.work() as connection:
            assert await retention.delete_idle_delivery_lanes(connection, limit=10) == 0
        await transaction.commit()
    async with world.db.work() as connection:
        assert await retention.delete_idle_delivery_lanes(connection, limit=10) == 0
    await world.settle()
    assert await world.pending() == 0


async def test_deleted_endpoints_are_removed_after_a_while(world: World, settings: Settings, now: datetime) -> None:
    endpoint, webhook = await world.endpoint()

    async def answer(_: Received) -> web.Response:
        await webhooks.delete(world.runtime, world.principal, webhook.id)
        return web.Response(status=200)

    # Deleted while a delivery is in flight, whose end must not undo it.
    endpoint.answer = answer
    await world.happen(conversation())
    await world.settle()
    await janitor.clean(world.db, settings, now, NEVER)
    assert await count(world, "webhooks") == 1
    await janitor.clean(world.db, settings, now + timedelta(minutes=11), NEVER)
    assert (await count(world, "webhooks"), await count(world, "deliveries")) == (0, 0)


async def test_only_one_cleans(world: World, settings: Settings, now: datetime) -> None:
    await world.endpoint()
    await world.happen(conversation())
    async with world.db.worker.acquire() as other:
        assert await retention.try_lock(other)
        await janitor.clean(world.db, settings, now + timedelta(days=1_000), NEVER)
        assert await count(world, "events") == 1
        await retention.unlock(other)
    await janitor.clean(world.db, settings, now + timedelta(days=1_000), NEVER)
    assert await count(world, "events") == 0


async def test_gauges_tell_what_waits(world: World) -> None:
    endpoint, _ = await world.endpoint()
    endpoint.answer = 500
    await world.happen(conversation(), conversation())
    await world.settle()
    await janitor.measure(world.db)
    assert metrics.REGISTRY.get_sample_value("recado_webhook_delivery_backlog") == 2
    assert (metrics.REGISTRY.get_sample_value("webhook_delivery_lag_seconds") or 0) > 0
    assert metrics.REGISTRY.get_sample_value("recado_dead_letters") == 0


async def test_the_sweep_finds_what_was_forgotten(world: World) -> None:
    endpoint, webhook = await world.endpoint()
    await world.happen(conversation())
    async with world.db.work() as connection:
        await deliveries.park(connection, world.company, webhook.id)
    await world.settle()
    assert not endpoint.received
    await janitor.sweep(world.db)
    await world.settle()
    assert endpoint.numbers == [0]


async def test_the_janitor_stops(world: World) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(janitor.Janitor(world.runtime).run(stop))
    async with world.db.worker.acquire() as connection:
        while not await connection.fetchval("SELECT count(*) FROM pg_class WHERE relname = 'events_other'"):
            assert not running.done()
    stop.set()
    await running
