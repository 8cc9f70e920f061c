"""Whether this process could do its work now: what it depends on, each part asked with a time limit."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

from recado.services.runtime import Runtime
from recado.store import health

log = structlog.get_logger(__name__)

SECONDS_PER_PART = 2.0
_PROBE = "health/ready"


async def failing(runtime: Runtime) -> dict[str, str]:
    """Each part that fails, and why. Empty means ready."""
    parts: dict[str, Callable[[Runtime], Awaitable[str | None]]] = {"database": _database, "media": _media}
    if runtime.settings.redis_url:
        parts["redis"] = _redis
    answers = await asyncio.gather(*(_ask(name, part(runtime)) for name, part in parts.items()))
    return {name: why for name, why in zip(parts, answers, strict=True) if why is not None}


async def _ask(name: str, answer: Awaitable[str | None]) -> str | None:
    try:
        async with asyncio.timeout(SECONDS_PER_PART):
            return await answer
    except TimeoutError:
        why = f"It did not answer within {SECONDS_PER_PART:g} s."
    except Exception as error:  # noqa: BLE001  # Whatever a part raises is its answer.
        # The text may hold an address, so it goes to the log only.
        log.warning("not_ready", part=name, why=str(error))
        why = f"It failed with {type(error).__name__}; see the log."
    return why


async def _database(runtime: Runtime) -> str | None:
    async with runtime.db.worker.acquire() as connection:
        missing = await health.missing_migrations(connection)
    return f"Migrations are missing: {', '.join(missing)}; run recado migrate." if missing else None


async def _media(runtime: Runtime) -> str | None:
    async def probe() -> AsyncIterator[bytes]:
        yield b"ready"

    await runtime.media.put(_PROBE, probe())
    return None


async def _redis(runtime: Runtime) -> str | None:
    redis: Any = importlib.import_module("redis.asyncio")
    client = redis.from_url(runtime.settings.redis_url)
    try:
        await client.ping()
    finally:
        await client.aclose()
    return None
