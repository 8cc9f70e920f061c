"""Liveness, readiness, metrics, and the worker that checks servers and connections."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

from recado.domain.provider import CallFailed, ConnectionState, Health
from recado.domain.states import ConnectionStatus
from recado.services.runtime import Runtime
from recado.workers.health import HealthWorker
from tests.api.scripted import Paired
from tests.support.client import Client

CONNECTED = ConnectionState(status=ConnectionStatus.CONNECTED)
LATER = timedelta(minutes=10)


async def test_live_and_ready_need_no_token(admin: Client) -> None:
    nobody = admin.as_(None)
    assert await nobody.get("/live") == {"status": "live"}
    assert await nobody.get("/ready") == {"status": "ready"}


async def test_not_ready_names_the_part_that_fails(admin: Client, runtime: Runtime) -> None:
    async with runtime.db.work() as connection:
        await connection.execute("DELETE FROM schema_migrations WHERE number = 1")
        found = await connection.fetchval("SELECT count(*) FROM schema_migrations WHERE number = 1")
    assert found == 0
    reply = await admin.as_(None).call("GET", "/ready")
    assert (reply.status, reply.body["code"]) == (503, "not_ready")
    assert [error["field"] for error in reply.body["errors"]] == ["database"]
    assert "001_pre_heart" in reply.body["detail"]
    assert reply.headers["Retry-After"]


async def test_not_ready_without_database_or_media(admin: Client, runtime: Runtime) -> None:
    await runtime.db.stop()
    folder = runtime.settings.data_dir / "media"
    shutil.rmtree(folder)
    folder.write_text("in the way")
    reply = await admin.as_(None).call("GET", "/ready")
    assert reply.status == 503
    assert [error["field"] for error in reply.body["errors"]] == ["database", "media"]
    assert (await admin.as_(None).call("GET", "/live")).status == 200


async def test_metrics_are_prometheus_text(admin: Client) -> None:
    await admin.get("/v1/companies")
    reply = await admin.as_(None).call("GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'recado_http_requests_total{method="GET",route="/v1/companies",status="200"}' in reply.body


async def test_servers_are_checked_when_due_and_by_one_process_only(
    admin: Client, runtime: Runtime, paired: Paired, paired_server: str
) -> None:
    paired.healthy = Health(healthy=False, why="It is down.")
    workers = [HealthWorker(runtime), HealthWorker(runtime)]
    now = datetime.now(UTC)
    checked = await asyncio.gather(*(worker.check_servers(now) for worker in workers))
    assert sum(checked) == 1
    assert len(paired.calls) == 1
    shown = await admin.get(f"/v1/servers/{paired_server}")
    assert (shown["healthy"], shown["health_error"]) == (False, "It is down.")
    assert await workers[0].check_servers(datetime.now(UTC)) == 0
    assert await workers[0].check_servers(datetime.now(UTC) + LATER) == 1


async def test_a_connection_is_checked_and_its_instance_follows(
    company: Client, runtime: Runtime, paired: Paired, paired_server: str
) -> None:
    worker = HealthWorker(runtime)
    instance = await company.post("/v1/instances", {"name": "Vendas", "kind": "paired"})
    path = f"/v1/instances/{instance['id']}"
    assert await worker.check_connections(datetime.now(UTC) + LATER) == 0
    paired.states = [CONNECTED]
    await company.post(f"{path}/connect", status=200)

    async def after(state: ConnectionState | CallFailed) -> Any:
        paired.states = [state]
        assert await worker.check_connections(datetime.now(UTC) + LATER) == 1
        await runtime_forgets(runtime)
        return (await company.get(path))["status"]

    assert await after(CONNECTED) == "connected"
    assert await after(CallFailed("no answer")) == "connected"
    assert await after(ConnectionState(status=ConnectionStatus.DISCONNECTED)) == "disconnected"
    assert await after(CONNECTED) == "connected"
    assert await worker.check_connections(datetime.now(UTC)) == 0


async def runtime_forgets(runtime: Runtime) -> None:
    """The checks were claimed for a time ahead; bring that back to now."""
    async with runtime.db.work() as connection:
        await connection.execute("UPDATE connections SET checked_at = now()")


async def test_connections_of_an_unhealthy_server_are_left_alone(
    company: Client, runtime: Runtime, paired: Paired, paired_server: str
) -> None:
    worker = HealthWorker(runtime)
    instance = await company.post("/v1/instances", {"name": "Vendas", "kind": "paired"})
    paired.states = [CONNECTED]
    await company.post(f"/v1/instances/{instance['id']}/connect", status=200)
    paired.healthy = Health(healthy=False)
    await worker.check_servers(datetime.now(UTC))
    assert await worker.check_connections(datetime.now(UTC) + LATER) == 0


async def test_the_worker_stops_when_told(runtime: Runtime, paired_server: str) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(HealthWorker(runtime).run(stop))
    stop.set()
    await asyncio.wait_for(running, 10)
