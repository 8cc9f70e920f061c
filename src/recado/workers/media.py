"""The media loop: fetches what arrived from the providers before it expires there. Any number of processes may run it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from recado.services import media
from recado.services.runtime import Runtime
from recado.store import media as rows
from recado.workers import loop

_AT_ONCE = 8
_LOOK_AT_LEAST_EVERY = 2.0


class MediaWorker:
    """Fetches for one process, several files at once. A file whose process died comes back when its lease ends."""

    name = "media"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiter = runtime.signals.waiter("media")
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch until `stop`, then let what is under way end within the grace period."""
        stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        try:
            await loop.forever(self.name, lambda: self._step(stopping), stop)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._runtime.settings.shutdown_grace_seconds)
        finally:
            stopping.cancel()
            for task in self._tasks:
                task.cancel()

    async def _step(self, stopping: asyncio.Future[Any]) -> None:
        room = _AT_ONCE - len(self._tasks)
        claimed = []
        if room:
            async with self._runtime.db.worker.acquire() as connection:
                claimed = await rows.claim(connection, limit=room, lease=media.LEASE)
        for item in claimed:
            task = asyncio.create_task(self._fetch(item))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if len(self._tasks) >= _AT_ONCE:
            await asyncio.wait({*self._tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        elif not claimed:
            await self._wait(stopping)

    async def _fetch(self, claimed: rows.Claimed) -> None:
        """One file. A database that is away is waited for; after a crash the row comes back by its lease."""
        done = asyncio.Event()

        async def once() -> None:
            await media.fetch(self._runtime, claimed)
            done.set()

        await loop.forever("media_fetch", once, done)

    async def _wait(self, stopping: asyncio.Future[Any]) -> None:
        async with self._runtime.db.worker.acquire() as connection:
            due = await rows.next_due(connection)
        seconds = _LOOK_AT_LEAST_EVERY
        if due is not None:
            seconds = min(seconds, max(0.01, (due - datetime.now(UTC)).total_seconds()))
        woken: asyncio.Future[Any] = asyncio.ensure_future(self._waiter.wait(seconds))
        await asyncio.wait({woken, stopping}, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
