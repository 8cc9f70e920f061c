"""A route of Z-API's contract as one class: its address, what it takes and answers, an example, and what it does.

The class serves everything that is known of the route: the surface that answers it, the OpenAPI document, the table in the
docs and the test of all routes. Adding a route is adding a class to the `ROUTES` of its module.
"""

import abc
import contextlib
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Concatenate, Literal, ParamSpec, TypeVar

import msgspec

from recado.api.zapi.errors import ZapiError
from recado.domain.operations import Area
from recado.domain.provider import Connection
from recado.services import operating
from recado.services.accepting import Acceptor
from recado.services.directory import Principal, ZapiView
from recado.services.runtime import Runtime

Method = Literal["GET", "POST", "PUT", "DELETE"]
#: Where in the contract a route stands: `domain` of its table.
Domain = Literal[
    "instances", "messages", "status", "chats", "contacts", "groups", "communities", "newsletters", "catalog", "business",
    "calls", "privacy", "queue", "webhooks", "partners",
]  # fmt: skip
#: Who calls: the instance by its id and token, or a partner by a bearer token; `both` has the instance in the path and the
#: partner in the header.
Caller = Literal["instance", "partner", "both"]

A = TypeVar("A", bound=Area)
T = TypeVar("T")
P = ParamSpec("P")


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The base of bodies and queries, whose fields are `camelCase` on the wire. Unknown fields are let pass, as Z-API does: clients send more than is documented."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The base of answers, `camelCase` on the wire. Every documented field is there, null where nothing is known of it."""


class Value(Answer, frozen=True, kw_only=True):
    """What most settings answer: whether it was done."""

    value: bool = True


class Success(Answer, frozen=True, kw_only=True):
    success: bool = True


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A documented call: the parts of the path, the query, the body; and what it is answered."""

    path: Mapping[str, str] = {}
    query: Mapping[str, Any] = {}
    body: Any = None
    answer: Any = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not the plain one: another status, or headers beside it."""

    body: Any
    status: int | None = None
    headers: Mapping[str, str] = {}


class Call(msgspec.Struct, kw_only=True):
    """One request, authenticated and read. `body` and `query` are of the types that the route says, None where it says
    none; `path` holds the parts of the path by name, percent-decoded. `asked` and `raw` are query and body as they came."""

    runtime: Runtime
    acceptor: Acceptor
    principal: Principal
    instance: ZapiView | None
    path: Mapping[str, str]
    query: Any
    body: Any
    asked: Mapping[str, str] = {}
    raw: bytes = b""

    @property
    def view(self) -> ZapiView:
        """The instance that is called."""
        assert self.instance is not None, "a route of an instance"
        return self.instance

    async def ask(
        self, operation: Callable[Concatenate[A, Connection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The provider's answer to an operation of `domain.operations`. Raises as `operating.call` does."""
        return await operating.call(self.runtime, self.principal, self.view.id, operation, *args, **kwargs)


class Route(abc.ABC):
    """One route. Its docstring says in a sentence what it does.

    domain   its place in the contract
    path     as in the contract, `{name}` for a part that is a parameter
    body     the type that a JSON body is read as; None where the route has none
    query    the type that the query is read as
    answers  the type of the answer; None where the body of it is empty
    status   of success
    acts     whether it does something although it is a GET
    example  the documented one
    needs    the kinds of content and the operations that the provider must have for it, by name
    note     a sentence for the docs: where we differ, and why
    """

    method: ClassVar[Method] = "POST"
    path: ClassVar[str]
    domain: ClassVar[Domain]
    caller: ClassVar[Caller] = "instance"
    body: ClassVar[Any] = None
    query: ClassVar[Any] = None
    answers: ClassVar[Any] = None
    status: ClassVar[int] = 200
    acts: ClassVar[bool] = False
    example: ClassVar[Example]
    needs: ClassVar[tuple[str, ...]] = ()
    note: ClassVar[str] = ""

    @abc.abstractmethod
    async def answer(self, call: Call) -> Any:
        """What it answers: an instance of `answers`, a `Result`, or None for an empty body. Raises `ZapiError`, or a
        `RecadoError`."""

    @classmethod
    def summary(cls) -> str:
        """The first sentence of its docstring."""
        return (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")

    @classmethod
    def full_path(cls) -> str:
        """The whole address below the host."""
        return cls.path if cls.caller == "partner" else f"/instances/{{instanceId}}/token/{{token}}{cls.path}"

    def read_body(self, raw: bytes) -> Any:
        """The body as the route's type. Raises `msgspec.ValidationError` and `msgspec.DecodeError`.

        A null, or an empty text, that a field cannot be counts as left out: serialisers and form builders write so what
        is not set.
        """
        try:
            return _decoder(self.body).decode(raw)
        except msgspec.ValidationError as error:
            if b"null" not in raw and b'""' not in raw:
                raise
            return _set_fields(msgspec.json.decode(raw), self.body, error)

    def read_query(self, given: Mapping[str, str]) -> Any:
        """The query as the route's type, as `read_body`. Raises `msgspec.ValidationError`."""
        try:
            return msgspec.convert(dict(given), self.query, strict=False)
        except msgspec.ValidationError as error:
            return _set_fields(dict(given), self.query, error)


class Refused(Route, abc.ABC):
    """A route that nobody but Z-API itself can serve. `reason` says why, and what to do instead."""

    reason: ClassVar[str]

    async def answer(self, call: Call) -> Any:
        """Refuse it."""
        raise ZapiError(self.reason)


@functools.cache
def _decoder(type_: Any) -> "msgspec.json.Decoder[Any]":
    # Clients send numbers as text ("delayMessage": "5"), and Z-API takes them.
    return msgspec.json.Decoder(type_, strict=False)


def _set_fields(value: Any, type_: Any, error: msgspec.ValidationError) -> Any:
    """What is set of a value as a type: without nulls, or without empty texts too. Raises the error that led here."""
    for blanks in ((None,), (None, "")):
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(_without(value, blanks), type_, strict=False)
    raise error


def _without(value: Any, blanks: tuple[str | None, ...]) -> Any:
    if isinstance(value, dict):
        return {name: _without(inner, blanks) for name, inner in value.items() if inner not in blanks}
    return [_without(inner, blanks) for inner in value] if isinstance(value, list) else value


class Table:
    """Every route, found by method and path below the instance."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._plain: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        patterns: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_method = (patterns if "{" in route.path else self._plain).setdefault(route.path, {})
            if route.method in by_method:
                raise ValueError(f"{route.method} {route.path} is there twice")
            by_method[route.method] = route
        # The more of a path is fixed, the earlier it is tried: /contacts/{phone} must not take /contacts/add.
        for path in sorted(patterns, key=lambda path: (path.count("{"), path)):
            self._patterns.append(
                (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))), patterns[path])
            )
        # A path that is fixed for one method may be a parameter's for another: both are there. Known beforehand, since trying
        # the patterns costs more than all else that finding a route does.
        self._fixed: dict[str, tuple[Mapping[str, Route], Mapping[str, str]]] = {}
        for path, by_method in self._plain.items():
            other, parts = self._match(path) or ({}, {})
            self._fixed[path] = ({**other, **by_method}, parts)

    def find(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]] | None:
        """The routes at a path by method, and the parts of it that are parameters; None where there are none."""
        return self._fixed.get(path) or self._match(path)

    def _match(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]] | None:
        for pattern, by_method in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                return by_method, match.groupdict()
        return None
