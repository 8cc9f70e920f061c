"""Serving the Z-API surface: finding the instance and the route, checking who calls, reading what was sent.

It speaks ASGI itself, since every part of a request is Z-API's and not ours: the token stands in the path, bodies come with
GET and DELETE and as empty forms, and errors have a shape of their own.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog

from recado.api.zapi import errors, routes
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Call, Result, Route
from recado.domain.errors import NotFound
from recado.domain.zapi import AccountSettings
from recado.kit import tokens as token_format
from recado.services import validation
from recado.services.accepting import Acceptor
from recado.services.directory import Principal, ZapiView
from recado.services.runtime import Runtime
from recado.services.zapi import accounts, partners

log = structlog.get_logger(__name__)

#: What a subscription's end is told as (NOTES section 3, observed).
OVER = "To continue sending a message, you must subscribe to this instance again"

_encode = msgspec.json.Encoder().encode
_JSON = b"application/json"
_PREFIX = "/instances"
#: Where in the scope it stands whether the route merely reads.
_READS = "recado_zapi_reads"


def serves(path: str) -> bool:
    """Whether a path is Z-API's."""
    return path.startswith("/instances/") or path == _PREFIX


class Surface:
    """An ASGI application for the paths that `serves` names."""

    def __init__(self, runtime: Runtime, acceptor: Acceptor) -> None:
        self._runtime = runtime
        self._acceptor = acceptor

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        method: str = scope["method"]
        try:
            status, headers, body = await self._answer(scope, receive)
        except Exception as exception:
            error = errors.from_exception(exception, reads=scope.get(_READS, True))
            if error is None:
                identifier = structlog.contextvars.get_contextvars().get("request_id", "unknown")
                log.exception("request_failed", method=method, route=scope.get("path_template"))
                status, headers, body = 500, {}, _encode(errors.bug(identifier))
            else:
                status, headers, body = error.status, {}, error.body()
                if error.after is not None:
                    headers = {"retry-after": str(max(1, round(error.after)))}
        await _respond(send, status, headers, body)

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, Mapping[str, str], bytes]:
        path: str = scope["path"]
        given: dict[bytes, bytes] = dict(scope["headers"])
        view, below = await self._instance(path)
        scope["path_template"] = "/instances/{instanceId}/token/{token}" if view else _PREFIX
        if view is not None:
            _check_address(view.account, scope)
            if view.principal.suspended:
                raise ZapiError("The company is suspended.", status=HTTPStatus.FORBIDDEN)
        table = routes.INSTANCE if view is not None else routes.ROOT
        found = table.find(below)
        if found is None:
            raise errors.no_route(view.account.unknown_route if view else HTTPStatus.NOT_FOUND)
        by_method, parts = found
        route = by_method.get(scope["method"])
        if route is None:
            allowed = ", ".join(sorted(by_method))
            wrong = ZapiError(f"{scope['method']} is not allowed here; use {allowed}")
            return HTTPStatus.METHOD_NOT_ALLOWED, {"allow": allowed}, wrong.body()
        scope["path_template"], scope[_READS] = route.full_path(), route.method == "GET" and not route.acts
        principal = await self._principal(route, view, given, scope)
        raw = await _read(receive, self._runtime.settings.max_body_bytes)
        query = scope["query_string"]
        asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {}
        call = Call(
            runtime=self._runtime,
            acceptor=self._acceptor,
            principal=principal,
            instance=view,
            path=parts,
            query=_query(route, asked),
            body=_body(route, raw, given),
            asked=asked,
            raw=raw,
        )
        answer = await route.answer(call)
        if isinstance(answer, Result):
            return answer.status or route.status, answer.headers, _encoded(answer.body)
        return route.status, {}, _encoded(answer)

    # --- who calls --------------------------------------------------------------------------------------

    async def _instance(self, path: str) -> tuple[ZapiView | None, str]:
        """The instance that the path names, and what of the path is below it."""
        parts = path.split("/", 5)
        if len(parts) < 5 or parts[3] != "token":
            return None, path.rstrip("/")
        known = self._runtime.directory
        try:
            view = known.cached_zapi(parts[2]) or await known.zapi(parts[2])
        except NotFound:
            raise errors.instance_not_found() from None
        if not hmac.compare_digest(view.token.encode(), parts[4].encode()):
            raise errors.instance_not_found()
        return view, "/" + (parts[5] if len(parts) == 6 else "").rstrip("/")

    async def _principal(
        self, route: Route, view: ZapiView | None, given: Mapping[bytes, bytes], scope: Any
    ) -> Principal:
        """On whose behalf the route is called. Partner routes are called by a bearer, all others with the Client-Token
        where the account asks for one."""
        if route.caller == "instance":
            assert view is not None, "a route of an instance"
            if view.client_token is not None:
                _check_client_token(view.client_token, given)
            if view.due_at is not None and accounts.is_over(view, datetime.now(UTC)):
                raise ZapiError(OVER)
            return view.principal
        scheme, _, token = given.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise ZapiError("Send the partner token in the header Authorization: Bearer <token>", status=401)
        principal = await partners.authenticate(self._runtime, token.strip())
        if view is not None and principal.company_id != view.company_id:
            raise errors.instance_not_found()
        if view is None:
            account = await accounts.show_account(self._runtime, principal.company)
            _check_address(account.settings, scope)
        return principal


def _check_address(account: AccountSettings, scope: Any) -> None:
    caller = scope["client"][0] if scope.get("client") else ""
    if not accounts.may_call(account, caller):
        raise ZapiError(f"[{caller}] not allowed", status=HTTPStatus.FORBIDDEN)


def _check_client_token(wanted: bytes, given: Mapping[bytes, bytes]) -> None:
    token = given.get(b"client-token")
    if token is None:
        raise ZapiError("your client-token is not configured")
    if not hmac.compare_digest(token_format.digest(token.decode("latin-1").strip()), wanted):
        # Z-API repeats the token here; a secret has no place in an answer.
        raise ZapiError("Client-Token not allowed", status=HTTPStatus.FORBIDDEN)


# --- what was sent ----------------------------------------------------------------------------------------


def _query(route: Route, given: Mapping[str, str]) -> Any:
    if route.query is None:
        return None
    try:
        return route.read_query(given)
    except msgspec.ValidationError as error:
        raise _refused(error) from None


def _body(route: Route, raw: bytes, given: Mapping[bytes, bytes]) -> Any:
    if route.body is None:
        return None
    kind = given.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if not raw.strip():
        # Clients post nothing as whatever their library says, a form most often.
        raw = b"{}"
    elif kind != _JSON and not kind.endswith(b"+json"):
        raise _not_json(kind)
    try:
        return route.read_body(raw)
    except msgspec.ValidationError as error:
        raise _refused(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ZapiError(validation.malformed(error).detail) from None


def _not_json(kind: bytes) -> ZapiError:
    said = kind.decode("latin-1") or "nothing"
    return ZapiError(f"Send Content-Type application/json, not {said}", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def _refused(error: msgspec.ValidationError) -> ZapiError:
    field = validation.field_error(str(error))
    return ZapiError(f"{field.field}: {field.message}")


async def _read(receive: Any, limit: int) -> bytes:
    event = await receive()
    body: bytes = event.get("body", b"")
    while event.get("more_body", False) and len(body) <= limit:
        event = await receive()
        body += event.get("body", b"")
    if len(body) > limit:
        raise ZapiError(f"The body is larger than {limit} bytes; send media by its URL", status=413)
    return body


def _encoded(answer: Any) -> bytes:
    return b"" if answer is None else answer if isinstance(answer, bytes) else _encode(answer)


async def _respond(send: Any, status: int, headers: Mapping[str, str], body: bytes) -> None:
    if status == HTTPStatus.NO_CONTENT:
        body = b""
    named = [(b"content-length", str(len(body)).encode())]
    if body and "content-type" not in headers:
        named.append((b"content-type", _JSON))
    named += [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body})
