"""Routes that set where the instance's events are told, and which are not."""

import abc
from typing import Any, ClassVar

from recado.api.zapi import examples
from recado.api.zapi.route import Body, Call, Domain, Example, Method, Route, Value
from recado.domain.zapi import CALLBACKS, Callback
from recado.services.zapi import callbacks

_URL = "https://example.com/zapi"


class UrlBody(Body, frozen=True, kw_only=True):
    """An https address; an empty one takes the webhook away."""

    value: str


class UpdateWebhook(Route, abc.ABC):
    """A route that sets the address of one callback."""

    method: ClassVar[Method] = "PUT"
    domain: ClassVar[Domain] = "webhooks"
    body: ClassVar[Any] = UrlBody
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(body={"value": _URL}, answer=examples.DONE)
    callback: ClassVar[Callback]

    async def answer(self, call: Call) -> Any:
        """Set it."""
        await callbacks.set_webhooks(call.runtime, call.view, {self.callback: call.body.value})
        return Value()


class UpdateDeliveryWebhook(UpdateWebhook):
    """Set where sent messages are told, and those that failed."""

    path: ClassVar[str] = "/update-webhook-delivery"
    callback: ClassVar[Callback] = "delivery"


class UpdateReceivedWebhook(UpdateWebhook):
    """Set where received messages are told, and whatever else happens in chats."""

    path: ClassVar[str] = "/update-webhook-received"
    callback: ClassVar[Callback] = "received"


class UpdateMessageStatusWebhook(UpdateWebhook):
    """Set where it is told that messages were delivered and read."""

    path: ClassVar[str] = "/update-webhook-message-status"
    callback: ClassVar[Callback] = "message_status"


class UpdateChatPresenceWebhook(UpdateWebhook):
    """Set where it is told who is online or typing."""

    path: ClassVar[str] = "/update-webhook-chat-presence"
    callback: ClassVar[Callback] = "chat_presence"


class UpdateConnectedWebhook(UpdateWebhook):
    """Set where it is told that the instance is connected."""

    path: ClassVar[str] = "/update-webhook-connected"
    callback: ClassVar[Callback] = "connected"


class UpdateDisconnectedWebhook(UpdateWebhook):
    """Set where it is told that the instance is no longer connected."""

    path: ClassVar[str] = "/update-webhook-disconnected"
    callback: ClassVar[Callback] = "disconnected"


class UpdateReceivedDeliveryWebhook(UpdateWebhook):
    """Set where received messages are told, together with those of the own number."""

    path: ClassVar[str] = "/update-webhook-received-delivery"
    callback: ClassVar[Callback] = "received"
    note: ClassVar[str] = "As `update-webhook-received` with `notifySentByMe`, for clients of the older documentation."

    async def answer(self, call: Call) -> Any:
        """Set the address, and tell own messages there; without an address, no longer."""
        await super().answer(call)
        await callbacks.set_notify_sent_by_me(call.runtime, call.view, bool(call.body.value))
        return Value()


class EveryBody(UrlBody, frozen=True, kw_only=True):
    notify_sent_by_me: bool | None = None


class UpdateEveryWebhook(Route):
    """Set one address for all callbacks."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/update-every-webhooks"
    domain: ClassVar[Domain] = "webhooks"
    body: ClassVar[Any] = EveryBody
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(body={"value": _URL, "notifySentByMe": True}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Set it; whether own messages are told stays as it is unless it is said."""
        await callbacks.set_webhooks(call.runtime, call.view, dict.fromkeys(CALLBACKS, call.body.value))
        if call.body.notify_sent_by_me is not None:
            await callbacks.set_notify_sent_by_me(call.runtime, call.view, call.body.notify_sent_by_me)
        return Value()


class NotifyBody(Body, frozen=True, kw_only=True):
    notify_sent_by_me: bool


class UpdateNotifySentByMe(Route):
    """Tell messages of the own number as received ones, or no longer."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/update-notify-sent-by-me"
    domain: ClassVar[Domain] = "webhooks"
    body: ClassVar[Any] = NotifyBody
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(body={"notifySentByMe": True}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Set it."""
        await callbacks.set_notify_sent_by_me(call.runtime, call.view, call.body.notify_sent_by_me)
        return Value()


class FiltersBody(Body, frozen=True, kw_only=True):
    """What is not told. A list that is left out stays as it is."""

    message_filters: tuple[str, ...] | None = None
    callback_type_filters: tuple[str, ...] | None = None


class UpdateFilters(Route):
    """Set which messages and callbacks are not told."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/update-filters"
    domain: ClassVar[Domain] = "webhooks"
    body: ClassVar[Any] = FiltersBody
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(
        body={
            "messageFilters": ["FILTER_FROM_GROUP", "FILTER_AUDIO_MESSAGE"],
            "callbackTypeFilters": ["FILTER_PRESENCE_CHAT_CALLBACK"],
        },
        answer=examples.DONE,
    )

    async def answer(self, call: Call) -> Any:
        """Set those that are given."""
        body: FiltersBody = call.body
        await callbacks.set_filters(
            call.runtime, call.view, messages=body.message_filters, callbacks=body.callback_type_filters
        )
        return Value()


ROUTES: tuple[Route, ...] = (
    UpdateDeliveryWebhook(),
    UpdateReceivedWebhook(),
    UpdateReceivedDeliveryWebhook(),
    UpdateMessageStatusWebhook(),
    UpdateChatPresenceWebhook(),
    UpdateConnectedWebhook(),
    UpdateDisconnectedWebhook(),
    UpdateEveryWebhook(),
    UpdateNotifySentByMe(),
    UpdateFilters(),
)
