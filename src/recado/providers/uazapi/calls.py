"""One request to UAZAPI: which token it carries, and what it means when it fails."""

from collections.abc import Mapping
from typing import Any

import msgspec

from recado.domain.provider import CallFailed, Connection, Server
from recado.kit.http import Http, HttpError
from recado.providers import whatsapp, wire
from recado.providers.uazapi import errors

Json = dict[str, Any]

#: What must not be told of an instance: keys, and the code that pairs it.
_HIDDEN = frozenset({"token", "openai_apikey", "qrcode", "paircode"})


class NoToken(CallFailed):
    """A connection without what a call needs."""

    def __init__(self, why: str) -> None:
        super().__init__(why, code="logged_out", retryable=False)


class Caller:
    """What every part of the adapter calls with."""

    def __init__(self, client: Http, *, timeout: float = 30.0) -> None:
        self._http = client
        self._timeout = timeout

    async def _ask(self, connection: Connection, method: str, path: str, json: Any = None) -> Any:
        """The JSON of a successful answer to a call with the instance's token. Raises `CallFailed`."""
        try:
            answer = await self._call(connection, method, path, json)
        except HttpError as error:
            raise wire.unreachable(error) from error
        return accepted(answer, secrets(connection))

    async def _object(self, connection: Connection, method: str, path: str, json: Any = None) -> Json:
        """`_ask` for a route that answers an object."""
        found = await self._ask(connection, method, path, json)
        if not isinstance(found, dict):
            raise CallFailed("the answer is no object", code="bad_answer")
        return found

    async def _call(self, connection: Connection, method: str, path: str, json: Any = None) -> wire.Answer:
        """One request with the instance's token. Raises `NoToken` and `HttpError`."""
        headers = {"token": usable(connection.credentials.get("token", ""), "the connection has no token yet")}
        return await self._request(connection.server, method, path, headers, json)

    async def _administer(self, server: Server, method: str, path: str, json: Any = None) -> Any:
        """The JSON of a successful answer to a call with the server's admin token. Raises `CallFailed`."""
        token = usable(
            server.credentials.get("admin_token", ""), "the server has no admin_token to make instances with"
        )
        try:
            answer = await self._request(server, method, path, {"admintoken": token}, json)
        except HttpError as error:
            raise wire.unreachable(error) from error
        return accepted(answer, (token,))

    async def _request(
        self, server: Server, method: str, path: str, headers: Mapping[str, str], json: Any
    ) -> wire.Answer:
        url = f"{server.base_url.rstrip('/')}{path}"
        return await wire.call(self._http, method, url, headers=headers, json=json, timeout=self._timeout)


def accepted(answer: wire.Answer, hidden: tuple[str, ...]) -> Any:
    """The JSON of a successful answer. Raises `CallFailed` for every other."""
    if not answer.ok:
        raise wire.failed(answer, errors.reason(answer, hidden))
    if answer.data is None:
        raise CallFailed("the answer is no JSON", code="bad_answer")
    return answer.data


def usable(token: str, otherwise: str) -> str:
    """The token as a header may carry it. Raises `NoToken`."""
    token = token.strip()
    if not token:
        raise NoToken(otherwise)
    if not token.isascii() or not token.isprintable():
        raise NoToken("the token has characters that no token has")
    return token


def secrets(connection: Connection) -> tuple[str, ...]:
    """What must not be repeated from an answer."""
    found = (connection.credentials.get("token", ""), connection.server.credentials.get("admin_token", ""))
    return tuple(secret for secret in found if secret)


def shown(instance: Json) -> Json:
    """An instance's facts without its keys and without what is empty."""
    return {name: value for name, value in instance.items() if name not in _HIDDEN and value not in ("", None)}


# --- reading loosely ---------------------------------------------------------------------------------------


def objects(value: object) -> list[Json]:
    """The objects of a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def maybe(value: object) -> Json:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Mapping[str, Any], *names: str) -> str | None:
    """The first of the fields that is a text with something in it."""
    for name in names:
        found = value.get(name)
        if isinstance(found, str) and found.strip():
            return found
    return None


def flag(value: object) -> bool | None:
    """A truth, which UAZAPI also writes as text; None when it is none."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def whole(value: object) -> int | None:
    """A whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def given(**fields: Any) -> Json:
    """The fields that are neither None nor empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def bare(identifier: object) -> str | None:
    """The WhatsApp id of a message, out of it or of `<owner>:<id>`."""
    if not isinstance(identifier, str):
        return None
    return identifier.strip().rpartition(":")[2] or None


def jid_text(value: object) -> str | None:
    """A WhatsApp id, which the document types as text or as whatsmeow's object of `User` and `Server`."""
    if isinstance(value, dict):
        user, server = text(value, "User", "user"), text(value, "Server", "server")
        value = f"{user}@{server}" if user and server else None
    return whatsapp.address(value)


def same(instance: object, name: str) -> bool:
    """Whether a listed instance is the one of this name, with a token to use it by."""
    return isinstance(instance, dict) and instance.get("name") == name and bool(text(instance, "token"))


def rest(value: Json, *names: str) -> Json:
    """What an object holds beside the names, without what is empty: the `extra` of a shape."""
    return {name: found for name, found in value.items() if name not in names and found not in (None, "", [], {})}


def encoded(value: object) -> bytes:
    """Plain data in one form, for hashing."""
    return msgspec.json.encode(value, order="sorted")
