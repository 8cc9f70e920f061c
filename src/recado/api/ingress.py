"""Provider webhooks: `POST /hooks/{kind}/{key}`. Check the signature, keep the body, answer 200; nothing in between.

A hot path, so it is an ASGI handler without the framework's request handling. Concurrent webhooks share one
transaction, and 200 is said only after its commit. Reading what a body says is the inbound worker's work.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import structlog
from litestar import asgi
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler
from litestar.openapi.spec import OpenAPIResponse, Operation, Parameter, PathItem, Reference, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.types import Receive, Scope, Send

from recado.domain import ids
from recado.domain.errors import Forbidden, NotFound, TooLarge, Unauthorized, Unavailable
from recado.domain.ids import RawWebhookId
from recado.domain.provider import AnswersChallenge, Provider, RedactsWebhooks
from recado.kit.batching import Batcher, FlushFailed, Split, Stopped
from recado.services.directory import HookTarget
from recado.services.runtime import Runtime
from recado.store import inbox
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

#: Providers put many events into one body, so it may be larger than a request of the API.
_BODY_FACTOR = 4
_MOST_PER_COMMIT = 500
#: Only these headers are kept, and those that sign: never authorization, cookies or keys.
_KEPT = frozenset({"content-type", "user-agent", "x-request-id"})
_KEPT_PARTS = ("signature", "hmac", "timestamp")

_ROUTE = "/hooks/{kind}/{key}"


class Ingress:
    """Owns the group-commit writer of a process; `start` and `stop` it with the process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._most_bytes = runtime.settings.max_body_bytes * _BODY_FACTOR
        self._writer = Batcher[inbox.NewWebhook, None](self._write, max_items=_MOST_PER_COMMIT)

    async def start(self) -> None:
        """Take webhooks from now on."""
        await self._writer.start()

    async def stop(self) -> None:
        """Store what was taken, then answer 503. Stopping twice is fine."""
        await self._writer.stop()

    def handler(self) -> ASGIRouteHandler:
        """The route. Mounted, because the framework has no path parameters for ASGI handlers."""

        @asgi("/hooks", is_mount=True, copy_scope=False, opt={"public": True})
        async def provider_webhook(scope: Scope, receive: Receive, send: Send) -> None:
            await self.answer(scope, receive, send)

        return provider_webhook

    async def answer(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request. Errors are raised as `RecadoError`, or what the database raised."""
        scope["path_template"] = _ROUTE
        kind, _, key = scope["path"].strip("/").partition("/")
        provider = self._runtime.providers.get(kind)
        if provider is None or not key:
            metrics.provider_webhooks.labels(kind="other", result="unknown_target").inc()
            raise NotFound("Nothing listens at this webhook address.", code="hook_not_found")
        if scope["method"] == "GET":
            await self._answer_challenge(scope, send, kind, key)
            return
        if scope["method"] != "POST":
            raise MethodNotAllowedException
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await self._read(kind, headers, receive)
        if body is None:
            return
        target = await self._target(kind, key)
        if not provider.verify(target.caller, headers, body):
            metrics.provider_webhooks.labels(kind=kind, result="unverified").inc()
            log.warning("webhook_unverified", kind=kind, source=str(target.source_id))
            raise Unauthorized("The webhook is not signed with this connection's secret.", code="bad_signature")
        try:
            await self._writer.submit(_webhook(kind, target, headers, _redacted(provider, body)))
        except (Stopped, FlushFailed) as error:
            raise Unavailable("Recado is stopping; send it again.", retry_after=2) from error
        metrics.provider_webhooks.labels(kind=kind, result="stored").inc()
        await _respond(send, [(b"content-length", b"0")], b"")

    async def _target(self, kind: str, key: str) -> HookTarget:
        try:
            return await self._runtime.directory.by_hook(kind, key)
        except NotFound:
            metrics.provider_webhooks.labels(kind=kind, result="unknown_target").inc()
            raise

    async def _read(self, kind: str, headers: dict[str, str], receive: Receive) -> bytes | None:
        """The body, or None when the sender went away. Raises `TooLarge` before more than the limit is in memory."""
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most_bytes:
            raise self._too_large(kind)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunk = message["body"]
            size += len(chunk)
            if size > self._most_bytes:
                raise self._too_large(kind)
            chunks.append(chunk)
            if not message["more_body"]:
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self, kind: str) -> TooLarge:
        metrics.provider_webhooks.labels(kind=kind, result="too_large").inc()
        return TooLarge(f"A webhook may have at most {self._most_bytes} bytes.")

    async def _answer_challenge(self, scope: Any, send: Send, kind: str, key: str) -> None:
        provider = self._runtime.providers[kind]
        if not isinstance(provider, AnswersChallenge):
            raise MethodNotAllowedException
        target = await self._target(kind, key)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        answer = provider.challenge(target.caller, query)
        if answer is None:
            raise Forbidden("The challenge does not carry this connection's verify token.", code="bad_challenge")
        body = answer.encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-length", str(len(body)).encode()),
        ]
        await _respond(send, headers, body)

    async def _write(self, webhooks: list[inbox.NewWebhook]) -> Sequence[None]:
        try:
            async with self._runtime.db.worker.acquire() as connection:
                await inbox.store(connection, webhooks)
        except asyncpg.DataError as error:
            raise Split from error
        self._runtime.signals.set("inbox")
        return [None] * len(webhooks)


async def _respond(send: Send, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _redacted(provider: Provider, body: bytes) -> bytes:
    return provider.redact(body) if isinstance(provider, RedactsWebhooks) else body


def _webhook(kind: str, target: HookTarget, headers: dict[str, str], body: bytes) -> inbox.NewWebhook:
    return inbox.NewWebhook(
        company_id=target.company_id,
        id=RawWebhookId(ids.new()),
        kind=kind,
        server_id=target.server_id,
        connection_id=target.connection.id if target.connection else None,
        source=target.source_id,
        headers={name: value for name, value in headers.items() if _is_kept(name)},
        body=body,
        received_at=datetime.now(UTC),
    )


def _is_kept(name: str) -> bool:
    return name in _KEPT or any(part in name for part in _KEPT_PARTS)


def _responses(*statuses: int) -> dict[str, OpenAPIResponse | Reference]:
    return {str(status): OpenAPIResponse(description=HTTPStatus(status).phrase) for status in statuses}


def _parameter(name: str, description: str) -> Parameter:
    return Parameter(
        name=name, param_in="path", required=True, description=description, schema=Schema(type=OpenAPIType.STRING)
    )


#: What the OpenAPI document says of the route: the framework leaves ASGI handlers out of it.
PATHS: dict[str, PathItem] = {
    _ROUTE: PathItem(
        parameters=[_parameter("kind", "The provider's kind."), _parameter("key", "The connection's or server's key.")],
        post=Operation(
            operation_id="ProviderWebhook",
            summary="A provider's webhook",
            description="Checked against the provider's own signature, stored as it came, answered, then processed.",
            tags=["provider webhooks"],
            security=[{}],
            responses=_responses(200, 401, 404, 413, 503),
        ),
        get=Operation(
            operation_id="ProviderWebhookChallenge",
            summary="A provider's check of the address",
            description="Answers Meta's verification request.",
            tags=["provider webhooks"],
            security=[{}],
            responses=_responses(200, 403, 404, 405),
        ),
    )
}
