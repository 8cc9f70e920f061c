"""What checks leave behind: latency and error rates of servers and connections, and the metrics of alerts."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from recado.domain import provider
from recado.domain.provider import CallFailed, ConnectionState, Health
from recado.services import servers
from recado.store import connections, db, liveness
from recado.store.servers import Server
from recado.telemetry import metrics
from recado.workers.health import HealthWorker
from tests.health.conftest import CONNECTED, DISCONNECTED, Plain, World


async def _server(world: World) -> Server:
    found = await servers.page(world.runtime, after=None, limit=10, kind="phone")
    return found[0]


async def _forget(world: World) -> None:
    """The last checks were a while ago."""
    async with world.runtime.db.work() as connection:
        await connection.execute("UPDATE servers SET counted_at = counted_at - interval '1 minute'")
        await connection.execute("UPDATE liveness SET counted_at = counted_at - interval '1 minute'")


async def test_the_error_rate_of_a_server_rises_with_failures_and_fades(world: World) -> None:
    server = await _server(world)
    rates = []
    for healthy in (True, True, False, False, True, True, True, True, True, True, True, True, True):
        world.phone.healthy = Health(healthy=healthy, why=None if healthy else "It answers 500.")
        rates.append((await servers.check(world.runtime, server.id)).error_rate)
        await _forget(world)
    assert rates[:2] == [0, 0]
    assert rates[2] == pytest.approx(0.4, abs=0.1)
    assert rates[3] == pytest.approx(0.6, abs=0.1)
    fading = [rate for rate in rates[3:] if rate is not None]
    assert fading == sorted(fading, reverse=True)
    assert fading[-1] < 0.1


async def test_checks_of_connections_count_for_both(world: World) -> None:
    numbers = [await world.number() for _ in range(4)]
    world.phone.states = [CONNECTED, CallFailed("no answer"), CONNECTED, CONNECTED]
    assert await world.worker.check_connections(world.now + timedelta(minutes=1)) == 4
    alive = [await world.alive(number) for number in numbers]
    assert sorted(one.error_rate or 0 for one in alive) == [0, 0, 0, 1]
    assert sum(one.latency_ms is not None for one in alive) == 3
    assert (await _server(world)).error_rate == 0.25


async def test_due_connections_are_checked_once_and_not_all_at_once(world: World) -> None:
    for _ in range(40):
        await world.number()
    workers = [HealthWorker(world.runtime) for _ in range(3)]
    at = world.now + timedelta(minutes=1)
    assert sorted(await asyncio.gather(*(worker.check_connections(at) for worker in workers))) in (
        [0, 8, 32],
        [0, 0, 32],
        [8, 32, 0],
    )
    await asyncio.gather(*(worker.check_connections(at) for worker in workers))
    assert world.phone.calls.count("status") == 40


async def test_an_answer_that_news_overtook_is_dropped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = await world.number()

    async def slow(connection: provider.Connection) -> ConnectionState:
        await world.say(number.id, DISCONNECTED)
        await world.say(number.id, CONNECTED)
        return DISCONNECTED

    monkeypatch.setattr(world.phone, "status", slow)
    await world.worker.check_connections(world.move(minutes=1))
    assert (await world.status(number))[0] == "connected"


async def test_one_that_cannot_be_asked_at_all_keeps_nobody_else_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = await world.number(), await world.number("plain")

    async def status(connection: provider.Connection) -> ConnectionState:
        raise ZeroDivisionError

    monkeypatch.setattr(world.phone, "status", status)
    assert await world.worker.check_connections(world.move(minutes=1)) == 2
    assert [(await world.alive(one)).error_rate for one in (broken, sound)] == [1, 0]


async def test_a_server_that_hangs_holds_up_nobody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(40):
        await world.number()
        await world.number("plain")
    asked, answers = asyncio.Event(), asyncio.Event()

    async def status(connection: provider.Connection) -> ConnectionState:
        asked.set()
        await answers.wait()
        return CONNECTED

    monkeypatch.setattr(world.phone, "status", status)
    plain = world.runtime.providers["plain"]
    assert isinstance(plain, Plain)
    at = world.move(minutes=1)
    stuck = asyncio.create_task(world.worker.check_connections(at))
    await asked.wait()
    async with asyncio.timeout(10):
        while plain.calls.count("status") < 40:
            await world.worker.check_connections(at)
    assert not stuck.done()
    answers.set()
    await stuck


async def test_what_is_due_is_found_without_looking_at_all(world: World, shared_url: str) -> None:
    await world.number()
    await _many(world, 2_000)
    owner = await db.connect(shared_url)
    await owner.execute("ANALYZE connections, liveness")
    await owner.close()
    async with world.runtime.db.work() as connection:
        at = world.now
        asked = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {connections.Q.due_for_check}",
            ["phone"],
            "disconnected on request",
            at,
            timedelta(seconds=6),
            32,
            [],
        )
        judged = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {liveness.Q.due}", ["phone"], at, timedelta(seconds=12), 32
        )
    for plan in (asked, judged):
        assert "Seq Scan" not in plan
        assert _most_rows(msgspec.json.decode(plan)[0]["Plan"]) <= 64, plan


async def _many(world: World, count: int) -> None:
    """Copies of the one connection, most of them checked and judged just now."""
    async with world.runtime.db.work() as connection:
        await connection.execute(
            "INSERT INTO connections (company_id, id, instance_id, server_id, kind, rank, status, credentials, hook_key,"
            " active, checked_at) SELECT company_id, gen_random_uuid(), instance_id, server_id, kind, n + 1, status,"
            " credentials, n::text, false, $1::timestamptz + (n - 40) * interval '1 minute'"
            " FROM connections, generate_series(1, $2) n",
            world.now,
            count,
        )
        await connection.execute(
            "UPDATE liveness l SET judged_at = c.checked_at FROM connections c WHERE c.id = l.connection_id"
        )


def _most_rows(step: dict[str, Any]) -> float:
    """Of the steps of a plan, the rows that the widest one read."""
    own: float = step["Actual Rows"] * step["Actual Loops"] + step.get("Rows Removed by Filter", 0)
    if step["Node Type"] == "Bitmap Index Scan":
        own = 0  # These are no rows: a bit each.
    return max([own, *map(_most_rows, step.get("Plans", []))])


async def test_the_metrics_that_alerts_go_by(world: World) -> None:
    world.phone.healthy = Health(healthy=False, why="It is down.")
    await world.worker.check_servers(datetime.now(UTC))
    async with world.runtime.db.work() as connection:
        await connection.execute("UPDATE servers SET unhealthy_since = now() - interval '6 minutes' WHERE NOT healthy")
    await world.worker.measure()

    def value(name: str, **labels: str) -> float:
        found = metrics.REGISTRY.get_sample_value(name, labels)
        assert found is not None
        return found

    assert 360 <= value("recado_provider_unhealthy_seconds", kind="phone") < 400
    assert value("recado_provider_error_rate", kind="phone") == 1
    assert value("recado_servers_unhealthy", kind="phone") == 1
    assert value("recado_provider_unhealthy_seconds", kind="plain") == 0
    assert value("recado_health_check_duration_seconds_count", kind="plain", checked="server") >= 1
    assert value("recado_recoveries", state="running") == 0


async def test_every_connection_is_watched_from_its_first_day(world: World) -> None:
    number = await world.number()
    assert await world.alive(number) is not None
    async with world.runtime.db.work() as connection:
        await connection.execute("DELETE FROM instances WHERE id = $1", number.connection.instance_id)
        assert await connection.fetchval("SELECT count(*) FROM liveness") == 0
