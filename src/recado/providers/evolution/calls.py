"""Requests to the server: one instance's routes, with its key."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from recado.domain.provider import CallFailed, Connection, Server
from recado.kit.http import Http, HttpError
from recado.providers import wire
from recado.providers.evolution import answers

CLOUD = "cloud"
BAILEYS = "baileys"


class NoInstance(Exception):
    """A connection without what a call needs: no request was made."""


class Calls:
    """What the adapter and its areas share."""

    def __init__(self, client: Http, *, timeout: float = 30.0) -> None:
        self._http = client
        self._timeout = timeout

    async def _call(
        self,
        connection: Connection,
        method: str,
        route: str,
        *,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        named: bool = True,
    ) -> wire.Answer:
        """One request to a route, of the instance unless `named` is False. Raises `NoInstance` and `HttpError`."""
        url = f"{root(connection.server)}/{route}"
        if named:
            if not connection.account:
                raise NoInstance("the connection has no instance on the server yet")
            try:
                url += f"/{wire.part(connection.account)}"
            except CallFailed as error:
                raise NoInstance(error.why) from None
        if query:
            url += f"?{urlencode(query)}"
        headers = {"apikey": _key(connection, own=named)}
        return await wire.call(self._http, method, url, headers=headers, json=json, timeout=self._timeout)

    async def _ask(
        self,
        connection: Connection,
        method: str,
        route: str,
        *,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        named: bool = True,
    ) -> Any:
        """The JSON of a successful answer. Raises `CallFailed`."""
        answer = await self._answer(connection, method, route, json=json, query=query, named=named)
        if not answer.ok or answers.reported(answer):
            raise answers.failure(answer, secrets=secrets(connection))
        return answer.data

    async def _answer(
        self,
        connection: Connection,
        method: str,
        route: str,
        *,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        named: bool = True,
    ) -> wire.Answer:
        """The answer, whatever its status. Raises `CallFailed` where there is none."""
        try:
            return await self._call(connection, method, route, json=json, query=query, named=named)
        except NoInstance as error:
            raise CallFailed(str(error), code="no_session", retryable=False) from error
        except HttpError as error:
            raise wire.unreachable(error) from error


def root(server: Server) -> str:
    """The server's address without a slash at its end."""
    return server.base_url.rstrip("/")


def is_cloud(connection: Connection) -> bool:
    """Whether Meta's Cloud API is behind the instance, and not a phone."""
    return connection.credentials.get("channel", "").strip().lower() in (CLOUD, "whatsapp-business")


def secrets(connection: Connection) -> tuple[str, ...]:
    """What must not be repeated in an error."""
    own = (connection.credentials.get(name, "") for name in ("token", "access_token", "webhook_secret"))
    return tuple(found for found in (*own, connection.server.credentials.get("api_key", "")) if found)


def keys(connection: Connection) -> list[str]:
    """The instance's key, if it has one, and the server's, which opens every route."""
    found = (connection.credentials.get("token", "").strip(), connection.server.credentials.get("api_key", "").strip())
    return [key for key in found if key]


def _key(connection: Connection, *, own: bool) -> str:
    """The instance's key for its own routes where it has one, else the server's."""
    key = next(iter(keys(connection)), "") if own else connection.server.credentials.get("api_key", "").strip()
    if not key:
        raise NoInstance("neither the connection has a token nor the server an api_key")
    if not key.isascii() or not key.isprintable():
        raise NoInstance("the key has characters that no key has")
    return key
