"""One request to WAHA about a session, and what every part of the adapter shares."""

import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from recado.domain.operations import Picture
from recado.domain.provider import CallFailed, Connection, Server
from recado.kit.http import Http, HttpError
from recado.providers import wire
from recado.providers.waha import errors
from recado.providers.waha.capabilities import DEFAULT_ENGINE, ENGINES


class Calls:
    """The base of the adapter's parts."""

    _http: Http
    _timeout: float

    async def _ask(
        self,
        connection: Connection,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, Any] | None = None,
    ) -> wire.Answer:
        """The successful answer to a call other than a send. Raises `CallFailed`."""
        answer = await self._answer(connection, method, path, json=json, query=query)
        if not answer.ok:
            raise errors.failed(answer, secrets(connection))
        return answer

    async def _answer(
        self,
        connection: Connection,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, Any] | None = None,
    ) -> wire.Answer:
        """The answer, whatever its status. Raises `CallFailed` when there is none."""
        try:
            return await self._call(connection, method, path, json=json, query=query)
        except HttpError as error:
            raise wire.unreachable(error) from error

    async def _call(
        self,
        connection: Connection,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, Any] | None = None,
    ) -> wire.Answer:
        """One request. Raises `HttpError`, and `CallFailed` before it for a path without its session."""
        url = base(connection.server) + path
        if query:
            url += "?" + urlencode(query)
        return await wire.call(
            self._http, method, url, headers=headers(connection.server), json=json, timeout=self._timeout
        )

    async def _changed(self, connection: Connection, method: str, path: str, *, json: Any = None) -> None:
        """A change that WAHA may answer with `false` for want of permission. Raises `CallFailed`."""
        answer = await self._ask(connection, method, path, json=json)
        if answer.data is False or answer.object.get("success") is False:
            raise CallFailed(
                "WAHA did not change it; the number may lack the right to.", code="refused", retryable=False
            )

    async def _set_picture(self, connection: Connection, path: str, picture: Picture | None) -> None:
        """Put a picture there, or with None take it away. Raises `CallFailed`."""
        if picture is None:
            await self._changed(connection, "DELETE", path)
        else:
            await self._changed(connection, "PUT", path, json={"file": file_of(picture)})


def base(server: Server) -> str:
    """The server's address without a slash at its end."""
    return server.base_url.rstrip("/")


def engine_of(server: Server) -> str:
    """The engine that a server runs; one that is not known is treated as the default."""
    engine = (server.credentials.get("engine") or "").strip().upper()
    return engine if engine in ENGINES else DEFAULT_ENGINE


def headers(server: Server) -> dict[str, str]:
    """What every request carries. A key that no header can hold goes unsent, and WAHA answers 401."""
    key = server.credentials.get("api_key", "").strip()
    found = {"accept": "application/json"}
    if key and key.isascii() and key.isprintable():
        found["x-api-key"] = key
    return found


def session(connection: Connection) -> str:
    """The name of the connection's session. Raises `CallFailed` when it has none yet."""
    name = connection.account or connection.credentials.get("session")
    if not name:
        raise CallFailed("The connection has no session yet.", code="no_session", retryable=False)
    return name


def at(connection: Connection, *parts: str) -> str:
    """`/api/<session>/…`, each part escaped. Raises `CallFailed` for one that cannot be."""
    return "/".join(("/api", *(wire.part(part) for part in (session(connection), *parts))))


def secrets(connection: Connection) -> tuple[str, ...]:
    """What no error may repeat."""
    found = (connection.server.credentials.get("api_key", ""), connection.credentials.get("webhook_secret", ""))
    return tuple(secret for secret in found if secret)


def file_of(picture: Picture) -> dict[str, Any]:
    """A picture as WAHA takes a file."""
    encoded = binascii.b2a_base64(picture.data, newline=False).decode()
    ending = picture.mime_type.rpartition("/")[2] or "jpeg"
    return {"mimetype": picture.mime_type, "filename": f"picture.{ending}", "data": encoded}


def not_readable(answer: wire.Answer) -> CallFailed:
    """What to raise for a successful answer that lacks what was asked for."""
    return CallFailed(f"HTTP {answer.status} with an answer that cannot be read", code="bad_answer")
