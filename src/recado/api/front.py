"""What is answered before the framework: `POST /v1/messages`, the hottest route, and the Z-API surface.

Routing, dependency injection and response building cost 110 µs of CPU a request, more than accepting the message
does (DESIGN section 1). The route's documentation, and its behaviour for whoever asks the framework, stand in
`api/v1/messages.py`; both call the same service. The Z-API surface has rules of its own for all that a framework does.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from recado.api import errors
from recado.api.zapi import surface
from recado.domain.errors import BadRequest, RecadoError, TooLarge, Unauthorized
from recado.services import validation
from recado.services.accepting import AcceptedMessage, Acceptor, MessageRequest
from recado.services.runtime import Runtime

log = structlog.get_logger(__name__)

App = Callable[[Any, Any, Any], Awaitable[None]]

_decode = validation.decoder(MessageRequest)
_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")
_MOST_KEY = 256


class Front:
    """An ASGI application that answers these and hands everything else to `app`."""

    def __init__(self, app: App, runtime: Runtime, acceptor: Acceptor) -> None:
        self._app = app
        self._runtime = runtime
        self._acceptor = acceptor
        self._zapi = surface.Surface(runtime, acceptor)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"] != "/v1/messages" or scope["method"] != "POST":
            serves = scope["type"] == "http" and surface.serves(scope["path"])
            await (self._zapi if serves else self._app)(scope, receive, send)
            return
        scope["path_template"] = "/v1/messages"
        try:
            message = await self._create(scope, receive)
            headers = [_JSON, (b"idempotent-replayed", b"true")] if message.replayed else [_JSON]
            await _respond(send, 201, headers, _encode(_shown(message)))
        except Exception as exception:
            error = errors.from_exception(exception)
            if error is None:
                log.exception("request_failed", method="POST", route="/v1/messages")
                error = RecadoError("Something went wrong on our side; the operator finds it by the request id.")
            status, named, body = errors.encode(error)
            headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
            await _respond(send, status, headers, body)

    async def _create(self, scope: Any, receive: Any) -> AcceptedMessage:
        given: dict[bytes, bytes] = dict(scope["headers"])
        scheme, _, token = given.get(b"authorization", b"").decode("latin-1").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("Send the token in the header Authorization: Bearer <token>.")
        directory = self._runtime.directory
        principal = directory.cached_principal(token) or await directory.authenticate(token)
        # An admin token has no company: this says so before the body is looked at.
        _ = principal.company
        errors.check_json(given.get(b"content-type", b"application/json").decode("latin-1"))
        body = await _read(receive, self._runtime.settings.max_body_bytes)
        return await self._acceptor.accept(principal, _decode(body), idempotency_key=idempotency_key(given))


def idempotency_key(headers: dict[bytes, bytes]) -> str | None:
    """The Idempotency-Key header. Raises `BadRequest` for one that is empty or too long."""
    raw = headers.get(b"idempotency-key")
    if raw is None:
        return None
    key = raw.decode("latin-1").strip()
    if not 0 < len(key) <= _MOST_KEY:
        raise BadRequest(f"The Idempotency-Key header must have 1 to {_MOST_KEY} characters.", code="idempotency_key")
    return key


def _shown(message: AcceptedMessage) -> AcceptedMessage:
    return msgspec.structs.replace(message, replayed=False) if message.replayed else message


async def _read(receive: Any, limit: int) -> bytes:
    event = await receive()
    body: bytes = event.get("body", b"")
    while event.get("more_body", False) and len(body) <= limit:
        event = await receive()
        body += event.get("body", b"")
    if len(body) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes; send media by link, or upload it to /v1/media first.")
    return body


async def _respond(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
