"""The callbacks that are no messages: delivery, status, presence, the connection, the proxy."""

from collections.abc import Mapping

from recado.services.zapi import faults
from recado.services.zapi.payloads.facts import (
    Event,
    Json,
    Place,
    chat_id,
    inner,
    instant,
    milliseconds,
    person,
    person_at,
    queue_id,
    text,
)

_STATES: Mapping[str, str] = {
    "message.sent": "SENT",
    "message.server_ack": "SENT",
    "message.delivered": "RECEIVED",
    "message.read": "READ",
    "message.played": "PLAYED",
}
_LOST: Mapping[str, str] = {
    "logged_out": "It was not possible to restore a session with the current token, please login again",
    "banned": "The number was disconnected by a possible whatsapp number blocking",
}


def delivery(event: Event, place: Place) -> Json | None:
    """A message that was handed to us left for WhatsApp, or will not. What was written on the phone has none."""
    message = event.part("message")
    if not message.get("id") or "source" in event.data or (place.message and not place.message.through_us):
        return None
    error = _error(event)
    if event.type == "message.unproven" and event.data.get("final") is not True:
        # A receipt, or the provider, may still tell what became of it.
        return None
    queued = queue_id(message["id"])
    told: Json = {"phone": chat_id(str(message.get("to", ""))), "messageId": message.get("client_id") or queued}
    if event.type != "message.sent":
        code = str(error.get("code") or "unknown")
        unproven = event.type == "message.unproven"
        told["error"] = faults.TIMEOUT if unproven else faults.text(code, str(error.get("why") or ""))
        if (named := faults.error_code(code)) is not None:
            told["errorCode"] = named
    return {
        **told,
        "instanceId": place.public_id,
        "zaapId": queued,
        "momment": milliseconds(event.at),
        "type": "DeliveryCallback",
    }


def _error(event: Event) -> Json:
    """Why it failed: the sender tells it with the message, a receipt beside it."""
    return event.part("error") or inner(event.data.get("message"), "error")


def message_status(event: Event, place: Place) -> Json | None:
    """What became of a message of ours, or that our phone read somebody's."""
    if event.type == "chat.updated":
        ids = event.data.get("messages")
        if event.data.get("change") != "read" or not isinstance(ids, list) or not ids:
            return None
        chat = person(event.data.get("party")).filled(person_at(event.data.get("chat")))
        address = chat.group or chat.phone or chat.lid or ""
        return _status(event, place, "READ_BY_ME", [str(one) for one in ids], address)
    message = event.part("message")
    if "source" in event.data:
        return None
    shown = place.message.shown_id if place.message else message.get("client_id") or queue_id(message["id"])
    return _status(event, place, _STATES[event.type], [shown], str(message.get("to", "")))


def _status(event: Event, place: Place, status: str, ids: list[str], address: str) -> Json:
    return {
        "instanceId": place.public_id,
        "status": status,
        "ids": ids,
        "momment": milliseconds(event.at),
        "phoneDevice": 0,
        "phone": chat_id(address),
        "type": "MessageStatusCallback",
        "isGroup": address.endswith("@g.us"),
    }


def presence(event: Event, place: Place) -> Json | None:
    """Somebody is there, or writes."""
    chat = person_at(event.data.get("chat"))
    if chat.group is None:
        chat = person(event.data.get("party")).filled(chat).filled(place.contact)
    return {
        "type": "PresenceChatCallback",
        "phone": chat.id,
        "status": str(event.data.get("state")).upper(),
        "lastSeen": instant(event.data.get("last_seen")),
        "instanceId": place.public_id,
    }


def connected(event: Event, place: Place) -> Json | None:
    """The number is connected. That of a connection which stands by is nobody's business."""
    if event.data.get("active") is False:
        return None
    return {
        "type": "ConnectedCallback",
        "connected": True,
        "momment": milliseconds(event.at),
        "instanceId": place.public_id,
        "phone": text(event.data.get("phone")) or place.phone,
    }


def disconnected(event: Event, place: Place) -> Json | None:
    """The number is away, with one of Z-API's three reasons."""
    if event.data.get("active") is False:
        return None
    return {
        "momment": milliseconds(event.at),
        "error": _LOST.get(str(event.data.get("status")), "Device has been disconnected"),
        "disconnected": True,
        "type": "DisconnectedCallback",
        "instanceId": place.public_id,
        "phone": text(event.data.get("phone")) or place.phone,
    }


def proxy(event: Event, place: Place) -> Json | None:
    """The instance connected without its proxy."""
    error = text(event.part("proxy").get("error"))
    return None if error is None else {"type": "ProxyCallback", "instanceId": place.public_id, "error": error}
