"""Routes about a message that was sent or received: forward, react, delete, pin, read, fetch. Changing a text or a caption
is done by the route that sent it."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from recado.api.zapi import chats, examples, fields
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Route
from recado.api.zapi.sends import AboutBody, Send, about, known, send
from recado.services import messaging
from recado.services.zapi import history

#: What one request for messages brings.
_MOST_FETCHED = 100

_REACTED = {"phone": examples.PHONE, "messageId": examples.MESSAGE}


class ForwardBody(AboutBody, frozen=True, kw_only=True):
    message_phone: fields.Phone


class Forwarded(Answer, frozen=True, kw_only=True):
    zaap_id: str


class ForwardMessage(Send):
    """Forward a message to another chat."""

    path: ClassVar[str] = "/forward-message"
    body: ClassVar[Any] = ForwardBody
    answers: ClassVar[Any] = Forwarded
    needs: ClassVar[tuple[str, ...]] = ("forward",)
    note: ClassVar[str] = "The message is forwarded whether or not a webhook is set."
    example: ClassVar[Example] = Example(
        body={"phone": examples.OTHER_PHONE, "messageId": examples.MESSAGE, "messagePhone": examples.PHONE},
        answer={"zaapId": examples.SENT["zaapId"]},
    )

    async def answer(self, call: Call) -> Any:
        """Accept it; the contract answers with one of its ids."""
        kind, content = await self.content(call, call.body)
        return Forwarded(zaap_id=(await send(call, call.body, kind, content)).zaap_id)

    async def content(self, call: Call, body: ForwardBody) -> tuple[str, Any]:
        """The message to forward."""
        fields.recipient(body.message_phone, field="messagePhone")
        return "forward", {"message_id": await about(call, body.message_id)}


class ReactionBody(AboutBody, frozen=True, kw_only=True):
    reaction: str


class SendReaction(Send):
    """React to a message."""

    path: ClassVar[str] = "/send-reaction"
    body: ClassVar[Any] = ReactionBody
    needs: ClassVar[tuple[str, ...]] = ("reaction",)
    example: ClassVar[Example] = Example(body={**_REACTED, "reaction": "❤️"}, answer=examples.SENT)

    async def content(self, call: Call, body: ReactionBody) -> tuple[str, Any]:
        """A reaction."""
        return "reaction", {"message_id": await about(call, body.message_id), "emoji": body.reaction}


class RemoveReaction(Send):
    """Take the reaction to a message back."""

    path: ClassVar[str] = "/send-remove-reaction"
    body: ClassVar[Any] = AboutBody
    needs: ClassVar[tuple[str, ...]] = ("reaction",)
    example: ClassVar[Example] = Example(body=_REACTED, answer=examples.SENT)

    async def content(self, call: Call, body: AboutBody) -> tuple[str, Any]:
        """No reaction."""
        return "reaction", {"message_id": await about(call, body.message_id), "emoji": ""}


class PinBody(AboutBody, frozen=True, kw_only=True):
    message_action: Literal["pin", "unpin"]
    pin_message_duration: Literal["24_hours", "7_days", "30_days"]


_SECONDS = {"24_hours": 86_400, "7_days": 604_800, "30_days": 2_592_000}


class PinMessage(Send):
    """Pin a message in its chat, or let it go."""

    path: ClassVar[str] = "/pin-message"
    body: ClassVar[Any] = PinBody
    needs: ClassVar[tuple[str, ...]] = ("pin",)
    example: ClassVar[Example] = Example(
        body={**_REACTED, "messageAction": "pin", "pinMessageDuration": "24_hours"}, answer=examples.SENT
    )

    async def content(self, call: Call, body: PinBody) -> tuple[str, Any]:
        """A pin, or its end."""
        return "pin", {
            "message_id": await about(call, body.message_id),
            "pinned": body.message_action == "pin",
            "duration_s": _SECONDS[body.pin_message_duration],
        }


class DeleteQuery(AboutBody, frozen=True, kw_only=True):
    owner: bool


class DeleteMessage(Send):
    """Delete a message for everybody in its chat."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/messages"
    query: ClassVar[Any] = DeleteQuery
    answers: ClassVar[Any] = None
    status: ClassVar[int] = 204
    needs: ClassVar[tuple[str, ...]] = ("delete",)
    note: ClassVar[str] = (
        "It takes its place in the queue, behind the message that it deletes. Whose message it is Recado knows itself; "
        "`owner` is not relied on."
    )
    example: ClassVar[Example] = Example(query={**_REACTED, "owner": "true"})

    async def answer(self, call: Call) -> Any:
        """Accept it; the contract answers without a body."""
        kind, content = await self.content(call, call.query)
        await send(call, call.query, kind, content)

    async def content(self, call: Call, body: DeleteQuery) -> tuple[str, Any]:
        """The message to delete."""
        return "delete", {"message_id": await about(call, body.message_id)}


class ReadBody(Body, frozen=True, kw_only=True):
    phone: fields.Phone
    message_id: str


class ReadMessage(Route):
    """Show the sender of a message that it was read, and what came before it in its chat."""

    path: ClassVar[str] = "/read-message"
    domain: ClassVar[Domain] = "messages"
    body: ClassVar[Any] = ReadBody
    status: ClassVar[int] = 204
    note: ClassVar[str] = "It is done at once, past the queue."
    example: ClassVar[Example] = Example(body={"phone": examples.PHONE, "messageId": examples.RECEIVED})

    async def answer(self, call: Call) -> Any:
        """Ask the provider to do it."""
        body: ReadBody = call.body
        fields.recipient(body.phone)
        found = await known(call, body.message_id)
        await messaging.mark_read(call.runtime, call.principal, found["id"])


class FetchQuery(Body, frozen=True, kw_only=True):
    phone: fields.Phone
    amount: Annotated[int, msgspec.Meta(ge=1)] = 20
    last_message_id: str | None = None


class FetchMessages(Route):
    """List the messages of a chat, the newest first, as they were told by webhook."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/messages"
    domain: ClassVar[Domain] = "messages"
    query: ClassVar[Any] = FetchQuery
    answers: ClassVar[Any] = tuple[dict[str, Any], ...]
    note: ClassVar[str] = (
        "In no source of the contract. It is answered as GET /chat-messages/{phone}, the one documented way to fetch "
        "messages, from Recado's own history: 20 unless `amount` says otherwise, at most 100."
    )
    example: ClassVar[Example] = Example(
        query={"phone": examples.PHONE, "amount": 10}, answer=chats.ListMessages.example.answer
    )

    async def answer(self, call: Call) -> Any:
        """Behind the one that is named."""
        query: FetchQuery = call.query
        before = None
        if query.last_message_id:
            before = (await known(call, query.last_message_id, field="lastMessageId"))["id"]
        chat, limit = fields.recipient(query.phone), min(query.amount, _MOST_FETCHED)
        return await history.page(call.runtime, call.view, chat, before=before, limit=limit)


ROUTES: tuple[Route, ...] = (
    ForwardMessage(),
    SendReaction(),
    RemoveReaction(),
    PinMessage(),
    ReadMessage(),
    FetchMessages(),
    DeleteMessage(),
)
