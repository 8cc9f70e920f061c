"""Asks servers and connections how they are: servers every minute, sessions every half minute, never all at once.

What a provider says of a connection is stored by `services.connections`, so lanes stop and start by it. A provider
that cannot be asked proves nothing about a connection; that is the server's check to find.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from recado.domain import provider
from recado.domain.errors import NotFound
from recado.domain.states import ConnectionStatus
from recado.services import connections as statuses
from recado.services import servers as server_service
from recado.services.runtime import Runtime
from recado.store import connections, servers
from recado.telemetry import metrics
from recado.workers import loop

log = structlog.get_logger(__name__)

SERVER_PERIOD = timedelta(seconds=60)
SESSION_PERIOD = timedelta(seconds=30)
#: Numbers without a session change only when their credentials do.
ACCOUNT_PERIOD = timedelta(minutes=5)
_PAUSE_SECONDS = 3.0
_BATCH = 32

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

        await asyncio.gather(
            loop.forever("health_servers", check_servers, stop),
            loop.forever("health_connections", check_connections, stop),
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
            await asyncio.gather(*(self._check_connection(row) for row in due))
            checked = max(checked, len(due))
        return checked

    async def _check_server(self, server_id: Any) -> None:
        try:
            await server_service.check(self._runtime, server_id)
        except NotFound:
            log.debug("server_gone", server_id=server_id)

    async def _check_connection(self, row: Any) -> None:
        called = self._runtime.directory.connection_of(row, instance_id=row["instance_id"])
        adapter = self._runtime.providers[row["kind"]]
        try:
            state = await asyncio.wait_for(adapter.status(called), self._runtime.settings.send_timeout_seconds)
        except (provider.CallFailed, TimeoutError) as error:
            log.info("connection_not_checked", connection_id=called.id, kind=row["kind"], why=str(error) or "timeout")
            return
        if state.status == row["status"] and state.status is not ConnectionStatus.QR:
            return
        try:
            async with self._runtime.db.tenant(called.company_id) as connection:
                await statuses.change_status(connection, self._runtime, called.company_id, called.id, state)
        except NotFound:
            log.debug("connection_gone", connection_id=called.id)

    async def _count(self) -> None:
        async with self._runtime.db.work() as connection:
            by_health = await servers.count_by_health(connection)
            by_status = await connections.count_by_status(connection)
        for gauge in (metrics.servers_healthy, metrics.servers_unhealthy, metrics.connections_by_status):
            gauge.clear()
        for kind, healthy, count in by_health:
            (metrics.servers_healthy if healthy else metrics.servers_unhealthy).labels(kind).set(count)
        for kind, status, count in by_status:
            metrics.connections_by_status.labels(kind, status).set(count)
