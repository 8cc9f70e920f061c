"""The inbound loop: raw webhooks become rows and events, in order per source. Any number of processes may run it."""

import asyncio
from datetime import UTC, datetime, timedelta

from recado.services import receiving
from recado.services.runtime import Runtime
from recado.services.zapi.reacting import Reactor
from recado.store import inbox
from recado.workers import loop

#: How often to look without being woken: NOTIFY may be missed while its listener reconnects.
_IDLE_SECONDS = 1.0
#: Another process has the sources that have work; it will go on until they have none.
_BLOCKED_SECONDS = 0.25
_SWEEP_SECONDS = 1.0
#: A finishing sender's transaction is over by then.
_SOON_SECONDS = 0.02
#: How old an unmatched receipt a sweep looks at. Two transactions miss each other only while both are under way.
_SWEEP_BACK = timedelta(minutes=10)
_EVER = datetime(2000, 1, 1, tzinfo=UTC)


class InboundWorker:
    """Processes raw webhooks, applies the receipts that came before their message's provider id, and lets instances react to
    what came."""

    name = "inbound"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reactor = Reactor(runtime)
        self._waiter = runtime.signals.waiter("inbox")
        self._after = inbox.START
        self._sweep_soon = asyncio.Event()
        # The first sweep looks at everything: what a process that died left behind.
        self._sweep_since = _EVER

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; a batch under way is finished."""
        await self._reactor.start()
        try:
            sweeper = asyncio.create_task(loop.forever("receipts", lambda: self._sweep(stop), stop))
            await loop.forever(self.name, lambda: self._step(stop), stop)
            self._sweep_soon.set()
            await sweeper
        finally:
            await self._reactor.stop()

    async def _step(self, stop: asyncio.Event) -> None:
        done = await receiving.work(self._runtime, after=self._after)
        self._after = done.after
        self._reactor.take(done.reacting)
        if done.deferred:
            self._sweep_soon.set()
        if done.found:
            try:
                await receiving.settle(self._runtime, done)
            except Exception:
                self._sweep_since = _EVER
                raise
        if not done.webhooks:
            await self._wait(stop, _BLOCKED_SECONDS if done.blocked else _IDLE_SECONDS)

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        woken = asyncio.ensure_future(self._waiter.wait(seconds))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((woken, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            stopping.cancel()

    async def _sweep(self, stop: asyncio.Event) -> None:
        started = datetime.now(UTC)
        since, self._sweep_since = self._sweep_since, started - _SWEEP_BACK
        while await receiving.sweep(self._runtime, since=since) and not stop.is_set():
            # A page that stays full although it was applied is left to the next round.
            if datetime.now(UTC) - started > timedelta(seconds=_IDLE_SECONDS):
                self._sweep_since = since
                return
        try:
            await asyncio.wait_for(self._sweep_soon.wait(), _SWEEP_SECONDS)
        except TimeoutError:
            return
        self._sweep_soon.clear()
        await loop.pause_or_stop(stop, _SOON_SECONDS)
