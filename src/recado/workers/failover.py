"""Makes the switches that the instances' policies ask for: a look a second, at the few that have several connections."""

import asyncio
from datetime import UTC, datetime

from recado.services import failover
from recado.services.runtime import Runtime
from recado.workers import loop

_PAUSE_SECONDS = 1.0


class FailoverWorker:
    """The role `failover`. Any number of processes may run it: a switch is decided on locked rows."""

    name = "failover"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set."""

        async def look() -> None:
            await failover.work(self._runtime, datetime.now(UTC))
            await loop.pause_or_stop(stop, _PAUSE_SECONDS)

        await loop.forever(self.name, look, stop)
