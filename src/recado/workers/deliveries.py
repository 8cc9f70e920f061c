"""The delivering role: claims due deliveries, posts them, and writes the outcomes in groups.

It claims only what it can post at once. A lane's next delivery becomes due with the finish of the one before it, so
a busy lane is looked at again at once.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import structlog

from recado.kit.batching import Batcher, Split
from recado.services import delivering
from recado.services.endpoints import Endpoints
from recado.services.runtime import Runtime
from recado.store import db, deliveries
from recado.telemetry import metrics
from recado.workers import loop

log = structlog.get_logger(__name__)

_CLAIM_AT_MOST = 128
_LOOK_AT_LEAST_EVERY = 1.0
_FINISH_AGAIN_AFTER = 0.5


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DeliveryWorker:
    """Delivers for one process, with at most `delivery_concurrency` quick posts in flight."""

    name = "deliveries"

    def __init__(self, runtime: Runtime, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._runtime = runtime
        self._clock = clock
        self._rng = random.Random()
        self._endpoints = Endpoints(runtime.settings.delivery_concurrency, self._rng)
        self._owner = uuid4()
        # A lease must outlast the post and the wait for its finish to be written.
        self._lease = timedelta(seconds=2 * runtime.settings.delivery_timeout_seconds + 30)
        self._after: tuple[UUID, UUID] = deliveries.START
        self._tasks: set[asyncio.Task[None]] = set()
        self._results = Batcher[deliveries.Finish, deliveries.Finished | None](self._write, max_items=500)
        self._waiter = runtime.signals.waiter("deliveries")

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`, then let what is in flight end; what does not end in time comes back by its lease."""
        await self.start()
        try:
            await loop.forever(self.name, lambda: self._step(stop), stop)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._runtime.settings.shutdown_grace_seconds)
        finally:
            await self.stop()

    async def start(self) -> None:
        """Be ready for `take`. `run` does this itself."""
        await self._results.start()

    async def stop(self) -> None:
        """Give up what is still in flight. Stopping twice is fine."""
        for task in self._tasks:
            task.cancel()
        await self._results.stop()

    async def take(self) -> list[asyncio.Task[None]]:
        """Claim what is due and there is room for, and start delivering it."""
        now = self._clock()
        room = min(self._endpoints.free(now), _CLAIM_AT_MOST)
        taken = []
        for item in await self._claim(room, now) if room else []:
            task = asyncio.create_task(self._deliver(item))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            taken.append(task)
        return taken

    async def _step(self, stop: asyncio.Event) -> None:
        from_start = self._after == deliveries.START
        taken = await self.take()
        # Nothing else is due when a walk from the start came to the end: what ends or happens now gives a signal.
        looked_at_all = from_start and self._after == deliveries.START
        if (looked_at_all or (not taken and not self._endpoints.free(self._clock()))) and not stop.is_set():
            await self._wait(self._clock())

    async def _claim(self, limit: int, now: datetime) -> list[deliveries.Claimed]:
        async with self._runtime.db.worker.acquire() as connection:
            claimed = await deliveries.claim(
                connection,
                owner=self._owner,
                limit=limit,
                each=self._endpoints.each,
                lease=self._lease,
                now=now,
                rooms=self._endpoints.rooms(now),
                after=self._after,
            )
        last = max(((item.company_id, item.webhook_id) for item in claimed), default=deliveries.START)
        self._after = last if len(claimed) == limit else deliveries.START
        for item in claimed:
            self._endpoints.started(item.webhook_id, item.delivery_id, now)
        return claimed

    async def _wait(self, now: datetime) -> None:
        """Until a signal, the next probe, or a second: what a lost signal can cost at most."""
        probe_at = self._endpoints.next_probe(now)
        seconds = _LOOK_AT_LEAST_EVERY
        if probe_at is not None:
            seconds = min(seconds, max(0.01, (probe_at - now).total_seconds()))
        await self._waiter.wait(seconds)

    async def _deliver(self, claimed: deliveries.Claimed) -> None:
        """One attempt, to the end. Should it break, the lane's lease brings the delivery back."""
        try:
            started_at, started = self._clock(), time.perf_counter()
            answer = await self._post(claimed, started_at)
            seconds, now = time.perf_counter() - started, self._clock()
            delivering.observe(claimed, answer, seconds, now)
            verdict = delivering.decide(claimed, answer, now, self._rng)
            finished = await self._finish(
                deliveries.Finish(
                    company_id=claimed.company_id,
                    webhook_id=claimed.webhook_id,
                    key=claimed.key,
                    fence=claimed.fence,
                    delivery_id=claimed.delivery_id,
                    number=claimed.number,
                    at=started_at,
                    duration_ms=seconds * 1_000,
                    status=verdict.status,
                    answer=answer.status,
                    error=answer.error or answer.skipped,
                    retry_at=verdict.retry_at,
                    aside=verdict.aside,
                ),
                started_at + self._lease,
            )
            await self._follow(claimed, answer, verdict, finished, now)
        except Exception:
            log.exception("delivery_broke", delivery_id=str(claimed.delivery_id))
            metrics.loop_errors.labels(loop=self.name).inc()
        finally:
            self._endpoints.ended(claimed.webhook_id, claimed.delivery_id, self._clock())
            # There is room again, and perhaps the lane's next delivery.
            self._runtime.signals.set("deliveries")

    async def _post(self, claimed: deliveries.Claimed, now: datetime) -> delivering.Answer:
        """The attempt's answer. An error of ours is one too: it is listed and counted as an attempt, or the delivery
        would come back with every lease for ever and nobody would see why."""
        try:
            return await delivering.post(self._runtime, claimed, now)
        except Exception as error:
            log.exception("delivery_post_broke", delivery_id=str(claimed.delivery_id))
            metrics.loop_errors.labels(loop=self.name).inc()
            return delivering.Answer(result="failed", error=f"Recado could not post it: {type(error).__name__}.")

    async def _finish(self, item: deliveries.Finish, lease_ends: datetime) -> deliveries.Finished | None:
        """Write an outcome, however long the database is away, while the lane is still ours."""
        while True:
            try:
                return await self._results.submit(item)
            except (*db.AWAY, asyncpg.DeadlockDetectedError):
                if self._clock() >= lease_ends:
                    raise
                await asyncio.sleep(_FINISH_AGAIN_AFTER)

    async def _write(self, items: list[deliveries.Finish]) -> Sequence[deliveries.Finished | None]:
        try:
            async with self._runtime.db.worker.acquire() as connection:
                return await deliveries.finish(connection, items, owner=self._owner, now=self._clock())
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            raise Split from error

    async def _follow(
        self,
        claimed: deliveries.Claimed,
        answer: delivering.Answer,
        verdict: delivering.Verdict,
        finished: deliveries.Finished | None,
        now: datetime,
    ) -> None:
        """What an outcome means for the endpoint as a whole."""
        if finished is None:
            log.warning("delivery_finished_late", delivery_id=str(claimed.delivery_id))
            return
        if answer.skipped is not None:
            return
        endpoint = (claimed.company_id, claimed.webhook_id)
        if answer.error is None:
            owed = self._endpoints.succeeded(claimed.webhook_id, now)
            if finished.failing_since is not None:
                await delivering.recover(self._runtime, *endpoint, now)
            elif owed:
                await delivering.hasten(self._runtime, *endpoint, now)
            return
        failing = self._endpoints.failed(
            claimed.webhook_id, now, failing_since=finished.failing_since, retry_after=answer.retry_after
        )
        if failing is not None and finished.failing_since is None:
            await delivering.mark_failing(self._runtime, *endpoint, failing)
        if verdict.pause is not None:
            await delivering.pause(self._runtime, *endpoint, verdict.pause)
