"""Asks servers and connections how they are: servers every minute, sessions every half minute, never all at once.

What a provider says of a connection is stored by `services.connections`, so lanes stop and start by it. A provider
that cannot be asked proves nothing about a connection; that is the server's check to find. Whether a number that is
said to be connected is alive is judged every minute (`services.liveness`), and what is down or looks dead is brought
back step by step (`services.recovering`).
"""

import asyncio
import collections
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from recado.domain import provider
from recado.domain.errors import NotFound
from recado.domain.evidence import Evidence, seen_as
from recado.domain.states import ConnectionStatus
from recado.services import connections as statuses
from recado.services import liveness as judging
from recado.services import recovering
from recado.services import servers as server_service
from recado.services.runtime import Runtime
from recado.store import connections, liveness, servers
from recado.telemetry import metrics
from recado.workers import loop

log = structlog.get_logger(__name__)

SERVER_PERIOD = timedelta(seconds=60)
SESSION_PERIOD = timedelta(seconds=30)
#: Numbers without a session change only when their credentials do.
ACCOUNT_PERIOD = timedelta(minutes=5)
_PAUSE_SECONDS = 3.0
_BATCH = 32
#: Steps of recoveries under way at once in one process: they are slow, and a server that came back must not get all.
_STEPS = 8

_CHECKED = (
    ConnectionStatus.CONNECTING,
    ConnectionStatus.QR,
    ConnectionStatus.CONNECTED,
    ConnectionStatus.DEGRADED,
    ConnectionStatus.DISCONNECTED,
)


class HealthWorker:
    """The role `health`. Any number of processes may run it: each check is claimed by one."""

    name = "health"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        kinds = runtime.providers.items()
        self._sessions = [kind for kind, adapter in kinds if adapter.capabilities.human_pacing]
        self._accounts = [kind for kind, adapter in kinds if not adapter.capabilities.human_pacing]

    async def run(self, stop: asyncio.Event) -> None:
        """Check until `stop` is set."""

        async def check_servers() -> None:
            if await self.check_servers(datetime.now(UTC)) < _BATCH:
                await loop.pause_or_stop(stop, _PAUSE_SECONDS)

        async def check_connections() -> None:
            if await self.check_connections(datetime.now(UTC)) < _BATCH:
                await loop.pause_or_stop(stop, _PAUSE_SECONDS)

        async def judge() -> None:
            if await self.judge(datetime.now(UTC)) < _BATCH:
                await loop.pause_or_stop(stop, _PAUSE_SECONDS)

        async def recover() -> None:
            if await self.recover(datetime.now(UTC)) < _STEPS:
                await loop.pause_or_stop(stop, _PAUSE_SECONDS)

        await asyncio.gather(
            loop.forever("health_servers", check_servers, stop),
            loop.forever("health_connections", check_connections, stop),
            loop.forever("health_liveness", judge, stop),
            loop.forever("health_recovery", recover, stop),
        )

    async def check_servers(self, now: datetime) -> int:
        """Check the servers that are due at `now`, a batch at most; return how many there were."""
        spread = SERVER_PERIOD / 5
        async with self._runtime.db.work() as connection:
            due = await servers.claim_checks(
                connection, before=now - SERVER_PERIOD, spread=spread, at=now, limit=_BATCH
            )
        await asyncio.gather(*(self._check_server(server_id) for server_id in due))
        if due:
            await self._count()
        return len(due)

    async def check_connections(self, now: datetime) -> int:
        """Check the connections that are due at `now`, a batch at most; return how many there were."""
        checked = 0
        for kinds, period in ((self._sessions, SESSION_PERIOD), (self._accounts, ACCOUNT_PERIOD)):
            async with self._runtime.db.work() as connection:
                due = await connections.claim_checks(
                    connection,
                    kinds=kinds,
                    statuses=_CHECKED,
                    except_reason=statuses.REQUESTED,
                    before=now - period,
                    spread=period / 5,
                    at=now,
                    limit=_BATCH,
                )
                keys = [(row["company_id"], row["connection_id"]) for row in due]
                standing = await liveness.standing(connection, keys)
            calls = await asyncio.gather(
                *(self._check_connection(row, standing.get(row["connection_id"])) for row in due)
            )
            if due:
                await self._count_calls(due, calls)
            checked = max(checked, len(due))
        return checked

    async def judge(self, now: datetime) -> int:
        """Judge the liveness of the connections that are due at `now`, a batch at most; return how many there were."""
        return await judging.judge(self._runtime, now, limit=_BATCH)

    async def recover(self, now: datetime) -> int:
        """Take the steps of recoveries that are due at `now`, a few at most; return how many there were."""
        return await recovering.work(self._runtime, now, limit=_STEPS)

    async def _check_server(self, server_id: Any) -> None:
        try:
            await server_service.check(self._runtime, server_id)
        except NotFound:
            log.debug("server_gone", server_id=server_id)

    async def _check_connection(self, row: Any, evidence: Evidence | None) -> liveness.Call:
        called = self._runtime.directory.connection_of(row, instance_id=row["instance_id"])
        adapter = self._runtime.providers[row["kind"]]
        call = liveness.Call(company_id=called.company_id, connection_id=called.id, latency_ms=None)
        started = time.perf_counter()
        try:
            state = await asyncio.wait_for(adapter.status(called), self._runtime.settings.send_timeout_seconds)
        except (provider.CallFailed, TimeoutError) as error:
            log.info("connection_not_checked", connection_id=called.id, kind=row["kind"], why=str(error) or "timeout")
            return call
        seconds = time.perf_counter() - started
        metrics.health_check_duration.labels(row["kind"], "connection").observe(seconds)
        state = seen_as(state, evidence)
        if state.status != row["status"] or state.status is ConnectionStatus.QR:
            try:
                async with self._runtime.db.tenant(called.company_id) as connection:
                    await statuses.change_status(connection, self._runtime, called.company_id, called.id, state)
            except NotFound:
                log.debug("connection_gone", connection_id=called.id)
        return msgspec.structs.replace(call, latency_ms=seconds * 1_000)

    async def _count_calls(self, rows: Sequence[Any], calls: Sequence[liveness.Call]) -> None:
        """Keep latency and errors, of the connections and of the servers they are on."""
        now = datetime.now(UTC)
        made = collections.Counter(row["server_id"] for row in rows)
        failed = collections.Counter(
            row["server_id"] for row, call in zip(rows, calls, strict=True) if call.latency_ms is None
        )
        async with self._runtime.db.work() as connection:
            await liveness.count_calls(connection, calls, now)
            await servers.count_calls(connection, {one: (count, failed[one]) for one, count in made.items()}, now)

    async def _count(self) -> None:
        async with self._runtime.db.work() as connection:
            measured = await servers.measure(connection)
            by_status = await connections.count_by_status(connection)
            by_evidence = await liveness.count_evidence(connection)
            running, given_up = await liveness.count_recoveries(connection)
        for gauge in _GAUGES:
            gauge.clear()
        now = datetime.now(UTC)
        for one in measured:
            away = (now - one.unhealthy_since).total_seconds() if one.unhealthy_since else 0.0
            metrics.servers_healthy.labels(one.kind).set(one.healthy)
            metrics.servers_unhealthy.labels(one.kind).set(one.unhealthy)
            metrics.provider_latency_seconds.labels(one.kind).set((one.latency_ms or 0.0) / 1_000)
            metrics.provider_error_rate.labels(one.kind).set(one.error_rate or 0.0)
            metrics.provider_unhealthy_seconds.labels(one.kind).set(max(0.0, away))
        for kind, status, count in by_status:
            metrics.connections_by_status.labels(kind, status).set(count)
        for kind, evidence, count in by_evidence:
            metrics.connections_with_evidence.labels(kind, evidence).set(count)
        metrics.recoveries.labels("running").set(running)
        metrics.recoveries.labels("given_up").set(given_up)


_GAUGES = (
    metrics.servers_healthy,
    metrics.servers_unhealthy,
    metrics.provider_latency_seconds,
    metrics.provider_error_rate,
    metrics.provider_unhealthy_seconds,
    metrics.connections_by_status,
    metrics.connections_with_evidence,
)
