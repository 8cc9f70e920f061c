"""The built-in engine as a child of `recado serve`: a panic of Go ends a process, and must not be the gateway's."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import Any
from uuid import UUID

import structlog

from recado import native as engine
from recado.config import Settings
from recado.domain import ids
from recado.services.native import TOPIC
from recado.services.runtime import Runtime
from recado.store import embedded, native
from recado.workers import loop

log = structlog.get_logger(__name__)

#: Under this name a child learns by which id it holds numbers, so that its parent can release them when it dies.
OWNER_VARIABLE = "RECADO_NATIVE_OWNER"

_START = "from recado.cli import main; main()"

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
#: A child that lived so long starts without a pause when it ends.
_LIVED_WELL = 60.0
_LOOK_EVERY = 2.0


def given_owner() -> UUID | None:
    """The id that a parent gave this process; None for one that was started by hand."""
    given = os.environ.get(OWNER_VARIABLE)
    return UUID(given) if given else None


class NativeSupervisor:
    """Runs `recado worker --roles native` as a child once some number wants it, and again whenever it dies.

    `command` is for tests.
    """

    name = "native"

    def __init__(self, runtime: Runtime, *, command: tuple[str, ...] | None = None) -> None:
        self._runtime = runtime
        self._command = command or (sys.executable, "-c", _START, "worker", "--roles", "native")
        self._waiter = runtime.signals.waiter(TOPIC)
        self._pause = _FIRST_PAUSE
        self._told = False
        self.child: asyncio.subprocess.Process | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a child until `stop` is set; then end it, which lets go of its numbers."""
        await loop.forever("native_child", lambda: self._step(stop), stop)

    async def _step(self, stop: asyncio.Event) -> None:
        if not await self._is_wanted():
            await self._waiter.wait(_LOOK_EVERY)
            return
        trouble = engine.trouble()
        if trouble is not None:
            if not self._told:
                log.error("native_missing", why=trouble)
                self._told = True
            await loop.pause_or_stop(stop, _LONGEST_PAUSE)
            return
        await self._run_child(stop)

    async def _is_wanted(self) -> bool:
        async with self._runtime.db.worker.acquire() as connection:
            found = await native.engines(connection, seen_within=0.0)
        return found.wanted + found.leaving > 0

    async def _run_child(self, stop: asyncio.Event) -> None:
        owner = ids.new()
        began = time.monotonic()
        # Its own group: Ctrl-C reaches the gateway, which then ends it in order.
        self.child = child = await asyncio.create_subprocess_exec(
            *self._command,
            env={**os.environ, **environment(self._runtime.settings), OWNER_VARIABLE: str(owner)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        log.info("native_child_started", pid=child.pid)
        ended, stopped = asyncio.create_task(child.wait()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            # What is left of the grace is for burying it.
            await _end(child, self._runtime.settings.shutdown_grace_seconds * 0.9)
            # It is certainly dead, so its numbers need not wait for their leases to end.
            await native.bury(self._runtime.db.worker, owner)
            self.child = None
        if stop.is_set():
            return
        lived = time.monotonic() - began
        self._pause = _FIRST_PAUSE if lived > _LIVED_WELL else min(self._pause * 2, _LONGEST_PAUSE)
        log.warning("native_child_ended", code=child.returncode, lived=round(lived, 1), pause=self._pause)
        await loop.pause_or_stop(stop, self._pause)


async def _end(child: asyncio.subprocess.Process, grace: float) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), grace)
    except TimeoutError:
        log.warning("native_child_killed", grace=grace)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def environment(settings: Settings) -> dict[str, str]:
    """Our settings as a child's environment, with the database that we run ourselves."""
    given: dict[str, Any] = settings.model_dump(exclude_defaults=True)
    given["data_dir"] = settings.data_dir.resolve()
    given["database_url"] = settings.database_url or embedded.EmbeddedPostgres(settings.postgres_dir.resolve()).url
    return {
        f"RECADO_{name.upper()}": ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in given.items()
        if value is not None
    }
