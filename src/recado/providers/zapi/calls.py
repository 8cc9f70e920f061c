"""One request to Z-API, and what its answer means outside of a send.

The instance's token is part of the address. Nothing here puts an address into an error: the HTTP client's own errors
hold no more of it than the host, and Z-API's texts are told with the secrets cut out.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec

from recado.domain.provider import CallFailed, Connection, Relayed, Server
from recado.kit.http import Http, HttpError
from recado.providers import wire
from recado.providers.zapi import errors

Json = dict[str, Any]

#: Meanings of a refusal that are about the connection's credentials.
_OURS = frozenset({"no_session", "credentials"})

#: No time of WhatsApp's is outside of these years.
_EARLIEST, _LATEST = 2009, 2100


class NoInstance(Exception):
    """A connection without what a call needs."""


def instance_id(connection: Connection) -> str:
    """Z-API's id of the instance; empty where the connection has none."""
    return connection.credentials.get("instance_id") or connection.account or ""


def secrets(server: Server, credentials: Mapping[str, str]) -> tuple[str, ...]:
    """What must not be repeated to anybody."""
    named = (credentials.get("token"), credentials.get("client_token"), *server.credentials.values())
    return tuple(found for found in named if found)


class Calls:
    """The requests that every part of the adapter makes."""

    default_base_url: ClassVar[str | None] = "https://api.z-api.io"

    def __init__(self, client: Http, *, timeout: float = 30.0) -> None:
        self._http = client
        self._timeout = timeout

    def root(self, server: Server) -> str:
        """The server's address without a slash behind it."""
        return (server.base_url or self.default_base_url or "").rstrip("/")

    async def call(
        self,
        connection: Connection,
        method: str,
        route: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> wire.Answer:
        """One request below the instance; `data` is JSON that is written already. Raises `NoInstance` and `HttpError`."""
        account, token = instance_id(connection), connection.credentials.get("token", "").strip()
        if not account or not token:
            raise NoInstance("the connection has no instance_id or no token")
        client_token = connection.credentials.get("client_token") or connection.server.credentials.get("client_token")
        sent = {"client-token": client_token.strip()} if client_token and client_token.strip() else {}
        try:
            below = f"instances/{wire.part(account)}/token/{wire.part(token)}"
        except CallFailed as error:
            raise NoInstance(error.why) from None
        url = f"{self.root(connection.server)}/{below}/{route}"
        if query:
            url = f"{url}?{urlencode(query)}"
        return await wire.call(
            self._http,
            method,
            url,
            headers={**sent, **(headers or {})},
            json=json,
            data=data,
            content_type=None if data is None else "application/json",
            timeout=self._timeout,
        )

    async def relay(
        self, connection: Connection, *, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> Relayed:
        """Pass a request of Z-API's contract on. Raises `CallFailed`."""
        try:
            answer = await self.call(connection, method, path.removeprefix("/"), data=body, query=query)
        except NoInstance as error:
            raise CallFailed(str(error), code="logged_out", retryable=False) from None
        except HttpError as error:
            raise wire.unreachable(error) from None
        hidden = secrets(connection.server, connection.credentials)
        # Refusals of our own credentials are about the operator's connection, not about the caller's instance; and where
        # Z-API redirects to is no answer.
        if not (answer.ok or 400 <= answer.status < 500) or errors.meaning(errors.said(answer, hidden)) in _OURS:
            raise errors.failed(answer, hidden)
        if answer.data is None and answer.body.strip() not in (b"", b"null"):
            raise unreadable()
        return Relayed(status=answer.status, body=_without(answer, hidden))

    async def ask(self, connection: Connection, method: str, route: str, **sent: Any) -> wire.Answer:
        """A successful answer. Raises `CallFailed`."""
        try:
            answer = await self.call(connection, method, route, **sent)
        except NoInstance as error:
            raise CallFailed(str(error), code="logged_out", retryable=False) from None
        except HttpError as error:
            raise wire.unreachable(error) from None
        hidden = secrets(connection.server, connection.credentials)
        if not answer.ok or errors.said(answer, hidden) is not None:
            raise errors.failed(answer, hidden)
        return answer

    async def ask_object(self, connection: Connection, method: str, route: str, **sent: Any) -> Json:
        """The JSON object of a successful answer. Raises `CallFailed`."""
        answer = await self.ask(connection, method, route, **sent)
        if not isinstance(answer.data, dict):
            raise unreadable()
        return answer.data

    async def ask_list(self, connection: Connection, method: str, route: str, **sent: Any) -> list[Json]:
        """The objects of a JSON list. Raises `CallFailed`."""
        answer = await self.ask(connection, method, route, **sent)
        if not isinstance(answer.data, list):
            raise unreadable()
        return [item for item in answer.data if isinstance(item, dict)]

    async def page(self, connection: Connection, route: str, *, limit: int, offset: int) -> list[Json]:
        """`limit` objects behind the first `offset` of a list that Z-API gives in numbered pages."""
        if limit <= 0:
            return []
        first, skipped = divmod(offset, limit)
        found = await self.ask_list(connection, "GET", route, query={"page": first + 1, "pageSize": limit})
        if skipped and len(found) == limit:
            found += await self.ask_list(connection, "GET", route, query={"page": first + 2, "pageSize": limit})
        return found[skipped : skipped + limit]

    async def do(self, connection: Connection, method: str, route: str, **sent: Any) -> Json:
        """Have something done, which Z-API confirms by an empty answer, `value`, or `success` without `errors`. Raises
        `CallFailed`."""
        answer = await self.ask(connection, method, route, **sent)
        if not answer.body.strip():
            return {}
        if not isinstance(answer.data, dict):
            raise unreadable()
        if answer.data.get("value") is False or answer.data.get("success") is False or answer.data.get("errors"):
            raise CallFailed(_told(answer.data) or "Z-API says that it did not do it", code="refused")
        return answer.data


def unreadable() -> CallFailed:
    """What to raise for a success that says nothing usable."""
    return CallFailed("Z-API's answer cannot be read", code="bad_answer")


def unable(what: str) -> CallFailed:
    """What to raise for a part of an operation that Z-API does not have."""
    return CallFailed(what, code="unsupported_by_provider", retryable=False)


def part(value: str) -> str:
    """A value as one part of a route. Raises `CallFailed` as `wire.part`."""
    return wire.part(value, safe="@")


def text(value: Mapping[str, Any], *names: str) -> str | None:
    """The first of these fields that holds a text or a number, as text; None when none does."""
    for name in names:
        found = value.get(name)
        if isinstance(found, str) and found.strip():
            return found
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
    return None


def number(value: object) -> int | None:
    """A number, or a text that is one: Z-API writes many of its numbers as texts."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def time(value: object) -> datetime | None:
    """`momment` and its like: milliseconds, or seconds in some; None for what is no time that WhatsApp has seen."""
    found = number(value)
    if found is None:
        return None
    try:
        at = datetime.fromtimestamp(found / 1000 if found > 100_000_000_000 else found, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at if _EARLIEST <= at.year <= _LATEST else None


def truth(value: object) -> bool | None:
    """A truth, which Z-API writes as `true`, `"true"` or `"1"`; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


def rest(value: Mapping[str, Any], *names: str) -> Json:
    """What is left of an object without these fields and without empty ones."""
    return {name: found for name, found in value.items() if name not in names and found not in (None, "", [], {})}


def objects(value: object) -> list[Json]:
    """The objects of a list; none when it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _without(answer: wire.Answer, hidden: Sequence[str]) -> bytes:
    """The JSON of an answer as it came, or written anew where a secret is in one of its texts, however that is spelt.
    Raises `CallFailed` for one that is nested too deeply."""
    try:
        shown = _hiding(answer.data, [secret for secret in hidden if len(secret) >= wire.SHORTEST_SECRET])
    except RecursionError:
        raise unreadable() from None
    return answer.body if shown == answer.data else msgspec.json.encode(shown)


def _hiding(data: Any, hidden: Sequence[str]) -> Any:
    if isinstance(data, str):
        for secret in hidden:
            data = data.replace(secret, "[hidden]")
        return data
    if isinstance(data, dict):
        return {_hiding(name, hidden): _hiding(value, hidden) for name, value in data.items()}
    return [_hiding(value, hidden) for value in data] if isinstance(data, list) else data


def _told(data: Json) -> str | None:
    errors_of = data.get("errors")
    listed: Sequence[Any] = errors_of if isinstance(errors_of, list) else ()
    return wire.told("; ".join(str(one) for one in listed)) or wire.told(data.get("message") or data.get("reason"))
