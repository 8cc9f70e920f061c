"""Routes that Z-API itself does best, or alone: passed on as they came where it is the instance's provider."""

import abc
from typing import Any, ClassVar

from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Call, Result, Route
from recado.services.zapi import relaying


class Relayed(Route, abc.ABC):
    """A route without an operation of Recado's behind it. `reason` says in a sentence why other providers have none."""

    reason: ClassVar[str]

    async def answer(self, call: Call) -> Any:
        """The upstream's status and body as they are. Raises `ZapiError` with the reason, and as `relay` does."""
        found = await relay(self, call)
        if found is None:
            raise ZapiError(self.reason)
        return found


class RelayedFirst(Route, abc.ABC):
    """A route for which other providers have an operation, that tells or takes less than Z-API itself does.

    On an instance of Z-API the request is passed on; the documentation's disagreements are then the vendor's own to settle.
    """

    async def answer(self, call: Call) -> Any:
        """The upstream's answer as it is, else ours. Raises as `relay` and `otherwise` do."""
        return await relay(self, call) or await self.otherwise(call)

    @abc.abstractmethod
    async def otherwise(self, call: Call) -> Any:
        """What other providers answer, as `Route.answer`."""


async def relay(route: Route, call: Call) -> Result | None:
    """The upstream's answer, where the provider in use is Z-API itself; None elsewhere. Raises as `relaying.relay`."""
    found = await relaying.relay(
        call.runtime,
        call.view,
        call.principal,
        method=route.method,
        path=route.path,
        parts=call.path,
        query=call.asked,
        # An empty body keeps its content type: Z-API answers 415 without one.
        body=call.raw if call.raw or route.method != "GET" else None,
    )
    return None if found is None else Result(status=found.status, body=found.body)
