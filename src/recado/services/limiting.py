"""Rate limits of acceptance, per company and per instance: in memory, or in Redis when several processes share them."""

import time
from typing import Any

from limits import RateLimitItem, RateLimitItemPerSecond, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter

from recado.config import Settings
from recado.domain.errors import TooManyRequests
from recado.domain.settings import RateLimit


class Limiter:
    """Counts accepted messages. Without any limit configured it costs nothing."""

    def __init__(self, settings: Settings) -> None:
        storage: Storage
        if settings.redis_url:
            storage = RedisStorage(f"async+{settings.redis_url}", implementation="redispy")
        else:
            storage = MemoryStorage()
        self._window = MovingWindowRateLimiter(storage)
        self._company = _parsed(settings.company_rate_limit)
        self._instance = _parsed(settings.instance_rate_limit)

    def applies(self, company: RateLimit | None, instance: RateLimit | None) -> bool:
        """Whether any limit holds for these settings: when not, `check` need not be called."""
        return bool(company or instance or self._company or self._instance)

    async def check(
        self, company_id: Any, instance_id: Any, company: RateLimit | None, instance: RateLimit | None, cost: int = 1
    ) -> None:
        """Count `cost` messages, or raise `TooManyRequests` with the seconds to wait; then nothing is counted.

        The company's own limit replaces the platform's default, and likewise for the instance.
        """
        limits = (
            ("company", str(company_id), _item(company) or self._company),
            ("instance", str(instance_id), _item(instance) or self._instance),
        )
        for scope, identifier, item in limits:
            if item and not await self._window.test(item, scope, identifier, cost=cost):
                raise await self._exceeded(scope, identifier, item)
        for scope, identifier, item in limits:
            if item and not await self._window.hit(item, scope, identifier, cost=cost):
                raise await self._exceeded(scope, identifier, item)

    async def _exceeded(self, scope: str, identifier: str, item: RateLimitItem) -> TooManyRequests:
        stats = await self._window.get_window_stats(item, scope, identifier)
        wait = max(1.0, stats.reset_time - time.time())
        return TooManyRequests(
            f"The {scope}'s limit of {item.amount} messages per {item.get_expiry()} s is reached; retry in {wait:.0f} s.",
            code=f"{scope}_rate_limited",
            retry_after=wait,
        )


def _parsed(text: str | None) -> RateLimitItem | None:
    return parse(text) if text else None


def _item(limit: RateLimit | None) -> RateLimitItem | None:
    return RateLimitItemPerSecond(limit.messages, limit.seconds) if limit else None
