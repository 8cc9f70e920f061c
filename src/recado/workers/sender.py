"""The sending role: claims due lanes in batches, sends each head, and writes the outcomes in groups.

It claims only what it can send at once, so a claim is a call within milliseconds. It waits for a signal (a new
message, a released lane) or for the time the next lane is due.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import structlog

from recado.kit.batching import Batcher, Split
from recado.services.runtime import Runtime
from recado.services.sending import Sender
from recado.store import db, lanes, outbox, receipts, refusals
from recado.telemetry import metrics
from recado.workers import loop

log = structlog.get_logger(__name__)

_CLAIM_AT_MOST = 128
_LOOK_AT_LEAST_EVERY = 1.0
_SWEEP_EVERY = 60.0
_RECORD_AGAIN_AFTER = 0.5


class SenderWorker:
    """Sends for one process with at most `send_concurrency` messages in flight."""

    name = "sender"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sender = Sender(runtime)
        self._owner = uuid4()
        self._lease = timedelta(seconds=runtime.settings.lease_seconds)
        self._tasks: set[asyncio.Task[None]] = set()
        self._results = Batcher[outbox.Finish, outbox.Finished | None](self._write, max_items=500)
        self._waiter = runtime.signals.waiter("lanes")

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`, then let what is in flight end; what does not end in time comes back by its lease."""
        await self._results.start()
        sweeper = asyncio.create_task(self._sweep(stop))
        try:
            await loop.forever(self.name, lambda: self._step(stop), stop)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._runtime.settings.shutdown_grace_seconds)
        finally:
            sweeper.cancel()
            for task in self._tasks:
                task.cancel()
            await self._results.stop()

    async def _step(self, stop: asyncio.Event) -> None:
        room = min(self._runtime.settings.send_concurrency - len(self._tasks), _CLAIM_AT_MOST)
        claimed: list[outbox.Claimed] = []
        if room > 0:
            async with self._runtime.db.worker.acquire() as connection:
                claimed = await outbox.claim(
                    connection, owner=self._owner, limit=room, lease=self._lease, now=datetime.now(UTC)
                )
        for item in claimed:
            task = asyncio.create_task(self._send(item))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if not claimed and not stop.is_set():
            await self._wait(stop)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until a signal, the next due time, or a second: what a lost signal can cost at most."""
        async with self._runtime.db.worker.acquire() as connection:
            due = await outbox.next_due(connection)
        seconds = _LOOK_AT_LEAST_EVERY
        if due is not None:
            seconds = min(seconds, max(0.002, (due - datetime.now(UTC)).total_seconds()))
        await self._waiter.wait(seconds)

    async def _send(self, claimed: outbox.Claimed) -> None:
        try:
            lease_ends = asyncio.get_running_loop().time() + self._lease.total_seconds()
            result = await self._sender.send(claimed)
            written = await self._record(result, lease_ends)
        except Exception as error:  # noqa: BLE001  # Whatever it is, the lease is what brings the message back.
            # The database went away, or a bug of ours. The lease ends, and the message is then settled as one that
            # may have been sent: it is not lost and not sent blindly.
            log.error("send_not_recorded", message_id=str(claimed.message_id), why=f"{type(error).__name__}: {error}")
            metrics.loop_errors.labels(loop=self.name).inc()
            return
        if written is None:
            log.warning("send_fenced_off", message_id=str(claimed.message_id), fence=claimed.fence)
            return
        self._observe(result)
        if written.early and written.provider_id is not None:
            async with self._runtime.db.work() as connection:
                await receipts.settle(
                    connection,
                    [(written.company_id, written.instance_id, written.provider_id, written.message_id)],
                )
            self._runtime.signals.set("deliveries")

    async def _record(self, result: outbox.Finish, lease_ends: float) -> outbox.Finished | None:
        """Write an outcome, however long the database is away, while the lane is still ours: it is known, and what is
        not written becomes unproven."""
        while True:
            try:
                return await self._results.submit(result)
            except db.AWAY:
                if asyncio.get_running_loop().time() >= lease_ends:
                    raise
                await asyncio.sleep(_RECORD_AGAIN_AFTER)

    async def _write(self, results: list[outbox.Finish]) -> Sequence[outbox.Finished | None]:
        try:
            async with self._runtime.db.worker.acquire() as connection:
                finished = await db.retrying(lambda: outbox.finish(connection, results, now=datetime.now(UTC)))
        except (*refusals.UNSTORABLE, refusals.BrokenReference) as error:
            # One result cannot be written; the others of the batch are not to blame.
            raise Split from error
        by_message = {row.message_id: row for row in finished}
        self._runtime.signals.set("lanes")
        return [by_message.get(result.claimed.message_id) for result in results]

    def _observe(self, result: outbox.Finish) -> None:
        if result.outcome is None:
            return
        claimed = result.claimed
        kind = claimed.type
        metrics.message_send_attempts.labels(kind=kind, outcome=result.outcome).inc()
        metrics.message_send_duration.labels(kind=kind).observe((result.duration_ms or 0.0) / 1000)
        if result.status == "sent" and result.started_at is not None:
            metrics.message_queue_latency.observe(max(0.0, (result.started_at - claimed.due_at).total_seconds()))
        if result.status == "failed":
            metrics.message_queue_failures.labels(kind=kind).inc()
        if result.unproven:
            metrics.messages_unproven.labels(kind=kind).inc()
        log.info(
            "send_finished",
            instance_id=str(claimed.instance_id),
            message_id=str(claimed.message_id),
            kind=claimed.type,
            outcome=result.outcome,
            code=result.code,
            attempt=claimed.attempts + 1,
            duration_ms=round(result.duration_ms or 0.0, 1),
        )

    async def _sweep(self, stop: asyncio.Event) -> None:
        async def step() -> None:
            if await loop.pause_or_stop(stop, _SWEEP_EVERY):
                return
            async with self._runtime.db.worker.acquire() as connection:
                lost = await lanes.sweep(connection)
            for lane in lost:
                log.error("lane_wake_up_lost", company_id=str(lane["company_id"]), instance_id=str(lane["instance_id"]))
            if lost:
                self._runtime.signals.set("lanes")

        await loop.forever("lane_sweep", step, stop)
