"""What keeps a loop alive: an error is logged, counted and waited out, and never ends it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from recado.store import db
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0


class Worker(Protocol):
    """A role of a process. `run` returns once `stop` is set and what it had taken is finished or given back."""

    name: str

    async def run(self, stop: asyncio.Event) -> None: ...


async def forever(name: str, step: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Call `step` until `stop` is set. A step that raises is called again after a pause that grows to ten seconds.

    While the database is away one line says so, not one per try.
    """
    pause = _FIRST_PAUSE
    away = False
    while not stop.is_set():
        try:
            await step()
        except db.AWAY as error:
            if not away:
                log.warning("database_away", loop=name, why=f"{type(error).__name__}: {error}")
            away = True
        except Exception:
            log.exception("loop_step_failed", loop=name)
            metrics.loop_errors.labels(loop=name).inc()
        else:
            if away:
                log.info("database_back", loop=name)
            pause, away = _FIRST_PAUSE, False
            continue
        await pause_or_stop(stop, pause * random.uniform(0.8, 1.2))
        pause = min(pause * 2, _LONGEST_PAUSE)


async def pause_or_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until `stop` is set; return whether it is."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
