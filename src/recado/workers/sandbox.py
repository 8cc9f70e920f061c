"""The sandbox's own webhooks: what is due is stored as if it had been posted, and takes the real path from there."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

import structlog

from recado.domain import ids
from recado.domain.ids import RawWebhookId
from recado.providers.sandbox import webhooks
from recado.services.runtime import Runtime
from recado.services.sandbox import TOPIC
from recado.store import db, inbox, sandbox
from recado.workers import loop

log = structlog.get_logger(__name__)

_CLAIM_AT_MOST = 500
_EVENTS_PER_WEBHOOK = 100
#: What another process schedules is not signalled here.
_LOOK_AT_LEAST_EVERY = 0.5
#: Under load every send signals; this many looks a second are enough.
_LOOK_AT_MOST_EVERY = 0.01
_PRUNE_EVERY = timedelta(hours=1)
#: How long the sandbox remembers what its phones got and wrote.
_KEEP = timedelta(days=7)


class SandboxWorker:
    """Posts the sandbox's webhooks. Any number may run: each session is served by one at a time."""

    name = "sandbox"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiter = runtime.signals.waiter(TOPIC)
        self._pruned_at = datetime.min.replace(tzinfo=UTC)

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop` is set."""
        await loop.forever(self.name, lambda: self._step(stop), stop)

    async def _step(self, stop: asyncio.Event) -> None:
        at = datetime.now(UTC)
        if at - self._pruned_at > _PRUNE_EVERY:
            async with self._runtime.db.work() as connection:
                await sandbox.prune(connection, at - _KEEP)
            self._pruned_at = at
        if await post_due(self._runtime.db, at):
            self._runtime.signals.set("inbox")
            return
        async with self._runtime.db.worker.acquire() as connection:
            due = await sandbox.next_due(connection)
        wait = _LOOK_AT_LEAST_EVERY if due is None else (due - datetime.now(UTC)).total_seconds()
        if wait > _LOOK_AT_MOST_EVERY:
            await self._waiter.wait(min(wait, _LOOK_AT_LEAST_EVERY))
        await loop.pause_or_stop(stop, _LOOK_AT_MOST_EVERY)


async def post_due(database: db.Database, at: datetime) -> int:
    """Store the webhooks that are due at a time, and return how many events they told.

    One transaction takes them from the schedule and puts them into the inbox: none is lost, none comes twice.
    """
    async with database.work() as connection:
        jobs = await sandbox.claim(connection, at=at, limit=_CLAIM_AT_MOST)
        if jobs:
            await inbox.store(connection, [_webhook(group, at) for group in _per_webhook(jobs)])
    return len(jobs)


def _per_webhook(jobs: Iterable[sandbox.Job]) -> Iterator[list[sandbox.Job]]:
    """The jobs of each connection, in order, in portions."""
    # The sort is stable: within a connection the order stays that of the time they are due.
    for _, group in groupby(sorted(jobs, key=lambda job: job.connection_id), key=lambda job: job.connection_id):
        of_connection = list(group)
        for start in range(0, len(of_connection), _EVENTS_PER_WEBHOOK):
            yield of_connection[start : start + _EVENTS_PER_WEBHOOK]


def _webhook(jobs: list[sandbox.Job], at: datetime) -> inbox.NewWebhook:
    events = [
        webhooks.Event(id=f"{job.connection_id}:{job.id}", event=job.event, at=job.due_at, payload=job.payload)
        for job in jobs
    ]
    return inbox.NewWebhook(
        company_id=jobs[0].company_id,
        id=RawWebhookId(ids.new()),
        kind="sandbox",
        server_id=jobs[0].server_id,
        connection_id=jobs[0].connection_id,
        source=jobs[0].connection_id,
        headers={"content-type": "application/json"},
        body=webhooks.compose(events),
        received_at=at,
    )
