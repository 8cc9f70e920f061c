"""Asks servers and connections how they are: servers every minute, sessions every half minute, never all at once.

What a provider says of a connection is stored by `services.connections`, so lanes stop and start by it. A provider
that cannot be asked proves nothing about a connection; that is the server's check to find. Whether a number that is
said to be connected is alive is judged every minute (`services.liveness`), and what is down or looks dead is brought
back step by step (`services.recovering`).
"""

import asyncio
import collections
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from recado.domain import provider
from recado.domain.errors import NotFound
from recado.domain.evidence import Evidence, seen_as
from recado.domain.ids import CompanyId, ConnectionId, ServerId
from recado.domain.states import ConnectionStatus
from recado.kit import crypto
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
_MEASURE_SECONDS = 15.0
_BATCH = 32
#: Batches of connections under way at once in one process, at most one of them at any server; and how long a session
#: that is well may take to say so.
_CHECKERS = 4
_ANSWER_SECONDS = 10.0
#: Steps of recoveries under way at once in one process: they are slow, and a server that came back must not get all.
_STEPS = 8


class HealthWorker:
    """The role `health`. Any number of processes may run it: each check is claimed by one."""

    name = "health"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        kinds = runtime.providers.items()
        self._sessions = [kind for kind, adapter in kinds if adapter.capabilities.human_pacing]
        self._accounts = [kind for kind, adapter in kinds if not adapter.capabilities.human_pacing]
        self._claiming = asyncio.Lock()
        self._busy: set[ServerId] = set()

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

        async def measure() -> None:
            await self.measure()
            await loop.pause_or_stop(stop, _MEASURE_SECONDS)

        await asyncio.gather(
            loop.forever("health_servers", check_servers, stop),
            *(loop.forever("health_connections", check_connections, stop) for _ in range(_CHECKERS)),
            loop.forever("health_liveness", judge, stop),
            loop.forever("health_recovery", recover, stop),
            loop.forever("health_metrics", measure, stop),
        )

    async def check_servers(self, now: datetime) -> int:
        """Check the servers that are due at `now`, a batch at most; return how many there were."""
        spread = SERVER_PERIOD / 5
        async with self._runtime.db.work() as connection:
            due = await servers.claim_checks(
                connection, before=now - SERVER_PERIOD, spread=spread, at=now, limit=_BATCH
            )
        await asyncio.gather(*(self._check_server(server_id) for server_id in due))
        return len(due)

    async def check_connections(self, now: datetime) -> int:
        """Check the connections that are due at `now`, a batch at most; return how many there were.

        Those of servers that another call is at are left to it, so that one that hangs holds up no others.
        """
        async with self._claiming:
            due, standing = await self._claim_connections(now)
            of_server: dict[ServerId, list[Any]] = {}
            for row in due:
                of_server.setdefault(row["server_id"], []).append(row)
            self._busy |= of_server.keys()
        checked = await asyncio.gather(
            *(self._check_connections_of(server_id, rows, standing, now) for server_id, rows in of_server.items())
        )
        if due:
            calls = [call for group in checked for call in group]
            await self._count_calls([row for rows in of_server.values() for row in rows], calls)
        return len(due)

    async def _claim_connections(self, now: datetime) -> tuple[list[Any], Mapping[ConnectionId, Evidence]]:
        due: list[Any] = []
        async with self._runtime.db.work() as connection:
            # The accounts first: they are due so seldom that they never fill a batch for long.
            for kinds, period in ((self._accounts, ACCOUNT_PERIOD), (self._sessions, SESSION_PERIOD)):
                due += await connections.claim_checks(
                    connection,
                    kinds=kinds,
                    except_reason=statuses.REQUESTED,
                    except_servers=self._busy,
                    before=now - period,
                    spread=period / 5,
                    at=now,
                    limit=_BATCH - len(due),
                )
            standing = await liveness.standing(connection, [(row["company_id"], row["connection_id"]) for row in due])
        return due, standing

    async def _check_connections_of(
        self, server_id: ServerId, rows: Sequence[Any], standing: Mapping[ConnectionId, Evidence], now: datetime
    ) -> list[liveness.Call]:
        """Check connections of one server, which is free for another batch afterwards."""
        try:
            return await asyncio.gather(
                *(self._check_connection(row, standing.get(row["connection_id"]), now) for row in rows)
            )
        finally:
            self._busy.discard(server_id)

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

    async def _check_connection(self, row: Any, evidence: Evidence | None, now: datetime) -> liveness.Call:
        company_id, connection_id, kind = row["company_id"], row["connection_id"], row["kind"]
        call = liveness.Call(company_id=company_id, connection_id=connection_id, latency_ms=None)
        limit = min(self._runtime.settings.send_timeout_seconds, _ANSWER_SECONDS)
        started = time.perf_counter()
        try:
            called = self._runtime.directory.connection_of(row, instance_id=row["instance_id"])
            state = await asyncio.wait_for(self._runtime.providers[kind].status(called), limit)
        except (provider.CallFailed, crypto.CryptoError, TimeoutError) as error:
            log.info("connection_not_checked", connection_id=connection_id, kind=kind, why=str(error) or "timeout")
            return call
        except Exception:
            # A mistake of ours, in one adapter. It must not keep other connections from being checked.
            log.exception("connection_check_broke", connection_id=connection_id, kind=kind)
            metrics.loop_errors.labels(loop="health_connections").inc()
            return call
        seconds = time.perf_counter() - started
        metrics.health_check_duration.labels(kind, "connection").observe(seconds)
        state = seen_as(state, evidence)
        if state.status != row["status"] or state.status is ConnectionStatus.QR:
            await self._store(company_id, connection_id, state, now)
        return msgspec.structs.replace(call, latency_ms=seconds * 1_000)

    async def _store(
        self, company_id: CompanyId, connection_id: ConnectionId, state: provider.ConnectionState, asked_at: datetime
    ) -> None:
        """Store an answer, unless something newer was heard while it was on its way."""
        async with self._runtime.db.tenant(company_id) as connection:
            held = await connections.lock(connection, company_id, connection_id)
            if held is not None and held.checked_at == asked_at:
                await statuses.change_status(connection, self._runtime, company_id, connection_id, state, looked=True)
            else:
                log.debug("connection_answer_overtaken", connection_id=connection_id)

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

    async def measure(self) -> None:
        """Set the gauges that describe the database: in every process, whichever of them makes the checks."""
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
