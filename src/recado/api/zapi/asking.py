"""What the routes share that ask: answers that are remembered and say how old they are, pages, and who can do what."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import msgspec

from recado.api.zapi.route import Body, Call, Result
from recado.domain.errors import Invalid, ProviderFailed
from recado.domain.operations import Area
from recado.domain.provider import Connection
from recado.services import operating
from recado.services.remembering import Remembered

A = TypeVar("A", bound=Area)
T = TypeVar("T")
P = ParamSpec("P")

_MEMORY = (
    "answered from memory for up to a minute, and with an answer of up to an hour ago while the provider fails; the headers"
    " `Age` (seconds) and `X-Recado-As-Of` (RFC 3339) say how old it is."
)
#: For the docs of every route that answers with `dated`.
NOTE = f"A{_MEMORY[1:]}"
#: The same where Z-API itself is passed the request first.
ELSEWHERE = f"Z-API itself as the provider is asked each time; with others, {_MEMORY}"
_LARGEST_PAGE = 10_000


class Pages(Body, frozen=True, kw_only=True):
    """The query of a list. Pages are counted from 1; 0 is the first as well."""

    page: Annotated[int, msgspec.Meta(ge=0)]
    page_size: Annotated[int, msgspec.Meta(ge=1)]

    @property
    def limit(self) -> int:
        """How many, at most."""
        return min(self.page_size, _LARGEST_PAGE)

    @property
    def offset(self) -> int:
        """How many come before."""
        return max(self.page - 1, 0) * self.limit


async def recall(
    call: Call, operation: Callable[Concatenate[A, Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> Remembered[T]:
    """As `Call.ask`, from memory where that is fresh. Raises as `operating.remembered`."""
    return await operating.remembered(call.runtime, call.principal, call.view.id, operation, *args, **kwargs)


async def known(
    call: Call, operation: Callable[Concatenate[A, Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> Remembered[T | None]:
    """As `recall`, for what only rounds an answer off: nothing where the provider does not tell it, or fails to."""
    try:
        found = await recall(call, operation, *args, **kwargs)
        return Remembered(value=found.value, age=found.age)
    except (Invalid, ProviderFailed):
        return Remembered(value=None)


async def able(call: Call, operation: Callable[..., Any]) -> bool:
    """Whether the provider in use has an operation; an instance without a connection can do nothing."""
    return operation.__name__ in await operating.supported(call.runtime, call.principal, call.view.id)


def dated(body: Any, *answers: Remembered[Any]) -> Result:
    """An answer with the age of the oldest of what it is made of."""
    oldest = max(answers, key=lambda answer: answer.age)
    as_of = oldest.as_of.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Result(body=body, headers={"age": str(int(oldest.age)), "x-recado-as-of": as_of})
