"""What all routes that send share: the body's common fields, accepting into the queue, and the answer.

The answer comes from the queue: `zaapId` is our id of the message, `messageId` what later requests and webhooks name it by.
"""

import abc
from typing import Any, ClassVar

import msgspec
from msgspec import structs

from recado.api.zapi import fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Answer, Body, Call, Domain, Route
from recado.domain import content as contents
from recado.domain.errors import Conflict
from recado.domain.provider import Capabilities, capabilities_of
from recado.domain.states import SENDING
from recado.services.accepting import MessageRequest
from recado.services.directory import InstanceView
from recado.services.zapi import accounts, queueing, references

#: What `MessageRequest.client_id` and ids of providers have at most.
_LONGEST_ID = 256


class Addressed(Body, frozen=True, kw_only=True):
    """The fields of every body that becomes a message."""

    phone: fields.Phone
    delay_message: fields.Delay | None = None
    delay_typing: fields.Delay | None = None


class SendBody(Addressed, frozen=True, kw_only=True):
    """The fields of every send. `messageId` is the message to quote; one that names none is the caller's own id."""

    message_id: str | None = None


class AboutBody(Addressed, frozen=True, kw_only=True):
    """The fields of what is done with an earlier message: `messageId` names it."""

    message_id: str


class Sent(Answer, frozen=True, kw_only=True):
    """`id` is `messageId` again, which Zapier reads."""

    zaap_id: str
    message_id: str
    id: str


class Send(Route, abc.ABC):
    """A route that sends one message of one kind."""

    domain: ClassVar[Domain] = "messages"
    answers: ClassVar[Any] = Sent

    async def answer(self, call: Call) -> Any:
        """Accept it, and answer with its ids."""
        kind, content = await self.content(call, call.body)
        return await send(call, call.body, kind, content)

    @abc.abstractmethod
    async def content(self, call: Call, body: Any) -> tuple[str, Any]:
        """The kind and the content, as plain data in the shape of `domain.content` or as its Struct. Raises `ZapiError`."""


async def send(call: Call, body: Addressed, kind: str, content: Any, *, to: str | None = None) -> Sent:
    """Accept a message for the recipient of a body, or for another one; answer with its ids. Raises as `accept`."""
    request = MessageRequest(
        to=to or fields.recipient(body.phone),
        type=kind,
        pause_ms=fields.milliseconds(body.delay_message),
        typing_ms=fields.milliseconds(body.delay_typing) or 0,
        **{kind: _typed(kind, content)},
    )
    if isinstance(body, SendBody) and body.message_id:
        return await _accept_named(call, request, body.message_id)
    return await accept(call, request)


async def _accept_named(call: Call, request: MessageRequest, message_id: str) -> Sent:
    """Accept a message that names another one to quote, or itself by an id of its client.

    The id of a message that its client named comes again for two reasons: the same request is a repeat of it and is
    answered as before, any other one quotes it.
    """
    found = await find(call, message_id)
    if found is None:
        own = not references.looks_like_whatsapps(message_id)
        return await accept(call, structs.replace(request, client_id=message_id) if own else request)
    if _is_clients(found, message_id):
        try:
            return await _accepted(call, structs.replace(request, client_id=message_id))
        except Conflict as error:
            if error.code != "idempotency_conflict":
                raise
    # What changes a message, or speaks of it, quotes none besides.
    quotes = request.type not in contents.ABOUT_A_MESSAGE
    return await accept(call, structs.replace(request, reply_to=str(found["id"])) if quotes else request)


async def accept(call: Call, request: MessageRequest) -> Sent:
    """Accept a message into the instance's queue. Raises `ZapiError` where a disconnected phone's queue is full or
    closed, and as `Acceptor.accept`."""
    if (await _instance(call)).status not in SENDING:
        await queueing.check_room(call.runtime, call.view)
    return await _accepted(call, request)


async def _accepted(call: Call, request: MessageRequest) -> Sent:
    """As `accept`, without asking for room: a repeat takes none."""
    message = await call.acceptor.accept(call.principal, request)
    shown = references.shown(message.id, message.client_id)
    return Sent(zaap_id=accounts.public_id(message.id), message_id=shown, id=shown)


async def able(call: Call) -> Capabilities:
    """What the provider of the connection in use can do. Raises `Conflict` for an instance without one."""
    active = (await _instance(call)).placed()
    return capabilities_of(call.runtime.providers[active.kind], active.connection)


async def find(call: Call, message_id: str, *, field: str = "messageId") -> Any | None:
    """The message of the instance that a client means, as `store.messages.find` gives it; None when there is none such.
    Raises `ZapiError` for what is no id."""
    if not 0 < len(message_id) <= _LONGEST_ID:
        raise ZapiError(f"{field}: an id has 1 to {_LONGEST_ID} characters")
    return await references.find(call.runtime, call.view.company_id, call.view.id, message_id)


async def known(call: Call, message_id: str, *, field: str = "messageId") -> Any:
    """As `find`. Raises `ZapiError` for a message that is not there."""
    found = await find(call, message_id, field=field)
    if found is None:
        raise ZapiError(f"{field}: there is no message {message_id[:64]} on this instance")
    return found


async def about(call: Call, message_id: str, *, field: str = "messageId") -> str:
    """Our id of a message that a request is about. Raises `ZapiError` for one that is not there."""
    return str((await known(call, message_id, field=field))["id"])


def _is_clients(found: Any, message_id: str) -> bool:
    """Whether a message was found by the id that its client gave it, and not by ours or its provider's."""
    return message_id not in (found["provider_id"], str(found["id"]), found["id"].hex.upper(), found["id"].hex)


async def _instance(call: Call) -> InstanceView:
    directory, view = call.runtime.directory, call.view
    return directory.cached_instance(view.company_id, view.id) or await directory.instance(view.company_id, view.id)


def _typed(kind: str, content: Any) -> Any:
    """The content as its Struct. Raises `ZapiError` naming the field for what no provider could send."""
    if isinstance(content, msgspec.Struct):
        return content
    try:
        return msgspec.convert(content, contents.KINDS[kind])
    except msgspec.ValidationError as error:
        raise ZapiError(f"{kind}: {error}") from None
