"""What Z-API clients receive: an event and its place become the documented payload, or nothing.

`payload` is pure. `None` is for what Z-API has no shape for, or what another event tells of; `dropped` says why an
instance's settings keep a payload back.
"""

from collections.abc import Callable, Mapping

from recado.domain.zapi import ZapiSettings
from recado.services.zapi.payloads import messages, notifications, statuses
from recado.services.zapi.payloads.facts import Event, File, Json, Person, Place, Stored, Told

__all__ = ["Event", "File", "Json", "Person", "Place", "Stored", "Told", "dropped", "payload", "test"]

_Renderer = Callable[[Event, Place], Json | None]

_RECEIVED: Mapping[str, _Renderer] = {
    "message.received": messages.written,
    "message.sent": messages.written,
    "message.edited": messages.edited,
    "message.deleted": messages.deleted,
    "message.waiting": messages.waiting,
    "reaction.received": messages.reacted,
    "poll.voted": messages.voted,
    "event.answered": messages.answered,
    "media.ready": messages.media_settled,
    "media.failed": messages.media_settled,
    "call.received": notifications.call,
    "group.updated": notifications.group,
    "chat.updated": notifications.chat,
    "contact.updated": notifications.contact,
    "unknown": notifications.passed_on,
}
_OTHERS: Mapping[Told, _Renderer] = {
    "delivery": statuses.delivery,
    "message_status": statuses.message_status,
    "chat_presence": statuses.presence,
    "connected": statuses.connected,
    "disconnected": statuses.disconnected,
    "proxy": statuses.proxy,
}

#: The names of filters by the key of a payload that they are about.
_BY_CONTENT: Mapping[str, str] = {
    "text": "FILTER_TEXT_MESSAGE",
    "image": "FILTER_IMAGE_MESSAGE",
    "video": "FILTER_VIDEO_MESSAGE",
    "audio": "FILTER_AUDIO_MESSAGE",
    "document": "FILTER_DOCUMENT_MESSAGE",
}
_BY_TYPE: Mapping[str, str] = {
    "ReceivedCallback": "FILTER_RECEIVED_CALLBACK",
    "DeliveryCallback": "FILTER_DELIVERY_CALLBACK",
    "ConnectedCallback": "FILTER_CONNECTED_CALLBACK",
    "DisconnectedCallback": "FILTER_DISCONNECTED_CALLBACK",
    "PresenceChatCallback": "FILTER_PRESENCE_CHAT_CALLBACK",
    "MessageStatusCallback": "FILTER_MESSAGE_STATUS_CALLBACK",
}
MESSAGE_FILTERS = frozenset({"FILTER_FROM_GROUP", "FILTER_FROM_PRIVATE_CHAT", *_BY_CONTENT.values()})
CALLBACK_FILTERS = frozenset(_BY_TYPE.values())


def payload(callback: Told, event: Event, place: Place) -> Json | None:
    """What a callback tells of an event; None for nothing."""
    renderer = _RECEIVED.get(event.type) if callback == "received" else _OTHERS[callback]
    return None if renderer is None else renderer(event, place)


def test(event: Event, place: Place) -> Json:
    """A test that somebody asked for. Z-API has none, so the shape is ours."""
    message = str(event.data.get("message") or "")
    return {"type": "TestCallback", "instanceId": place.public_id, "message": message}


def dropped(told: Json, settings: ZapiSettings) -> str | None:
    """Why a payload is kept back; None when it is not.

    Message filters are about messages only, not about notifications; own messages are those that `notifySentByMe` is about.
    """
    if _BY_TYPE.get(str(told.get("type"))) in settings.filters.callbacks:
        return f"{_BY_TYPE[told['type']]} is set."
    is_message = told.get("type") == "ReceivedCallback" and told.get("notification") in (None, "REVOKE")
    if not is_message:
        return None
    if told.get("fromMe") is True and not told.get("waitingMessage") and not settings.notify_sent_by_me:
        return "Own messages are told only with notifySentByMe."
    names = {filter for key, filter in _BY_CONTENT.items() if key in told}
    names.add("FILTER_FROM_GROUP" if told.get("isGroup") is True else "FILTER_FROM_PRIVATE_CHAT")
    matching = sorted(names.intersection(settings.filters.messages))
    return f"{matching[0]} is set." if matching else None
