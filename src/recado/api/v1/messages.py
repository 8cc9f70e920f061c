"""Messages: send, look at, take back, try again."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from recado.api import dependencies, errors, front, paging
from recado.api.dependencies import Principal, Runtime
from recado.domain.errors import RecadoError
from recado.domain.states import MessageStatus
from recado.services import messaging, validation
from recado.services.accepting import AcceptedMessage, Acceptor, MessageRequest
from recado.services.messaging import DeadLetter, MessageView

T = TypeVar("T")

_BATCH = 1_000


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to 1,000 messages; each is checked by itself."""

    messages: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=_BATCH)]


class BatchResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of a batch: `id` and `status`, or `error`."""

    id: UUID | None = None
    status: str | None = None
    replayed: bool = False
    error: errors.Problem | None = None


class BatchResults(msgspec.Struct, frozen=True, kw_only=True):
    results: list[BatchResult]


class RetryFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instance_id: UUID | None = None
    code: str | None = None
    since: datetime | None = None


class RetryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters: `ids` of messages, or a `filter`; an empty filter is all of them."""

    ids: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=1_000)] | None = None
    filter: RetryFilter | None = None


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    retried: int
    ids: list[UUID]


Since = Annotated[datetime | None, QueryParameter(description="Made at or after this time (RFC 3339).")]


def router(acceptor: Acceptor) -> Router:
    """The routes of messages, over the acceptor of this process."""

    @post("/messages", guards=[dependencies.company_or_instance])
    async def send_message(
        data: JSONBody[MessageRequest], request: Request[Any, Any, Any], principal: Principal
    ) -> Response[AcceptedMessage]:
        """Send a message. 201 once it is stored; a repeat with the same client_id or Idempotency-Key answers with
        the first result and the header Idempotent-Replayed."""
        given = {name.lower(): value for name, value in request.scope["headers"]}
        message = await acceptor.accept(principal, data, idempotency_key=front.idempotency_key(given))
        headers = {"Idempotent-Replayed": "true"} if message.replayed else {}
        return Response(msgspec.structs.replace(message, replayed=False), headers=headers)

    @post("/messages/batch", guards=[dependencies.company_or_instance], status_code=200)
    async def send_batch(data: JSONBody[Batch], principal: Principal) -> BatchResults:
        """Send up to 1,000 messages. Results come in the order of the messages, each with its own outcome."""
        requests = [_decoded(position, raw) for position, raw in enumerate(data.messages)]
        results = await acceptor.accept_many(principal, requests)
        return BatchResults(results=[_result(result) for result in results])

    return Router(
        "/v1",
        route_handlers=[
            send_message,
            send_batch,
            list_messages,
            get_message,
            cancel_message,
            retry_message,
            read_message,
            list_dead_letters,
            retry_dead_letters,
        ],
        tags=["Messages"],
    )


@get("/messages", guards=[dependencies.company_or_instance])
async def list_messages(
    runtime: Runtime,
    principal: Principal,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
    instance_id: FromQuery[UUID | None] = None,
    conversation_id: FromQuery[UUID | None] = None,
    contact_id: FromQuery[UUID | None] = None,
    direction: FromQuery[Literal["inbound", "outbound"] | None] = None,
    status: FromQuery[MessageStatus | None] = None,
    since: Since = None,
    q: FromQuery[str | None] = None,
) -> paging.Page[MessageView]:
    """Messages, newest first."""
    rows = await messaging.list_messages(
        runtime,
        principal,
        before=paging.after(cursor),
        limit=limit + 1,
        instance_id=instance_id,
        conversation_id=conversation_id,
        contact_id=contact_id,
        direction=direction,
        status=status.value if status else None,
        since=since,
        text=q,
    )
    return paging.page(rows, limit, _same, _id)


@get("/messages/{message_id:uuid}", guards=[dependencies.company_or_instance])
async def get_message(runtime: Runtime, principal: Principal, message_id: FromPath[UUID]) -> MessageView:
    """One message with its timeline and its attempts."""
    return await messaging.get(runtime, principal, message_id)


@post("/messages/{message_id:uuid}/cancel", guards=[dependencies.company_or_instance], status_code=200)
async def cancel_message(runtime: Runtime, principal: Principal, message_id: FromPath[UUID]) -> MessageView:
    """Take a waiting message back. 409 when it is being sent, was sent, or may have been."""
    return await messaging.cancel(runtime, principal, message_id)


@post("/messages/{message_id:uuid}/retry", guards=[dependencies.company_or_instance], status_code=200)
async def retry_message(runtime: Runtime, principal: Principal, message_id: FromPath[UUID]) -> MessageView:
    """Queue a failed message again, or an unproven one: whoever asks for that accepts that it may arrive twice."""
    return await messaging.retry(runtime, principal, message_id)


@post("/messages/{message_id:uuid}/read", guards=[dependencies.company_or_instance], status_code=204)
async def read_message(runtime: Runtime, principal: Principal, message_id: FromPath[UUID]) -> None:
    """Show the sender of a received message that it was read."""
    await messaging.mark_read(runtime, principal, message_id)


@get("/dead-letters", guards=[dependencies.company_or_instance])
async def list_dead_letters(
    runtime: Runtime,
    principal: Principal,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
    instance_id: FromQuery[UUID | None] = None,
    code: FromQuery[str | None] = None,
) -> paging.Page[DeadLetter]:
    """Messages that were given up, newest first, with the reason."""
    rows = await messaging.list_dead(
        runtime, principal, before=paging.after(cursor), limit=limit + 1, instance_id=instance_id, code=code
    )
    return paging.page(rows, limit, _same, _id)


@post("/dead-letters/retry", guards=[dependencies.company_or_instance], status_code=200)
async def retry_dead_letters(runtime: Runtime, principal: Principal, data: JSONBody[RetryRequest]) -> Retried:
    """Queue dead letters again, oldest first, up to 1,000 at a time: call again while `retried` is 1,000."""
    chosen = data.filter or RetryFilter()
    found = await messaging.retry_dead(
        runtime,
        principal,
        message_ids=data.ids,
        instance_id=chosen.instance_id,
        code=chosen.code,
        since=chosen.since,
    )
    return Retried(retried=len(found), ids=found)


_decode_one = msgspec.json.Decoder(MessageRequest)


def _decoded(position: int, raw: msgspec.Raw) -> MessageRequest | RecadoError:
    prefix = f"messages[{position}]"
    try:
        decoded: MessageRequest = _decode_one.decode(raw)
        validation.check_texts(bytes(raw), decoded, prefix)
        return decoded
    except RecadoError as error:
        return error
    except msgspec.ValidationError as error:
        try:
            return validation.explain(msgspec.json.decode(raw), MessageRequest, error, prefix)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as worse:
            return validation.malformed(worse)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return validation.malformed(error)


def _result(result: AcceptedMessage | RecadoError) -> BatchResult:
    if isinstance(result, RecadoError):
        return BatchResult(error=errors.problem(result))
    return BatchResult(id=result.id, status=result.status, replayed=result.replayed)


def _same(item: T) -> T:
    return item


def _id(item: MessageView | DeadLetter) -> UUID:
    return item.id
