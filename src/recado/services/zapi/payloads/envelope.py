"""What every `ReceivedCallback` says around its content: who, where and when.

One shape for all: that of the payloads seen on the wire and of the present documentation together, so that a client finds
both `chatLid` and `senderLid`. `referenceMessageId`, `externalAdReply` and `messageExpirationSeconds` are there only with a
value in messages, and always in notifications, as documented.
"""

from typing import Any

from recado.providers import whatsapp
from recado.services.zapi.payloads.facts import Event, Json, Person, Place, milliseconds

#: What a provider that is Z-API itself says there beyond our events (`extra.envelope`), told on as it is.
_SAID = frozenset(
    {"chatName", "senderName", "senderPhoto", "photo", "senderLid", "participantPhone", "participantLid", "messageId"}
    | {"expiresAt"}
)


def envelope(
    event: Event,
    place: Place,
    *,
    id: str | None,
    chat: Person,
    sender: Person,
    from_me: bool,
    from_api: bool = False,
    forwarded: bool = False,
    reply_to: str | None = None,
    said: Json | None = None,
    changes: Json | None = None,
) -> Json:
    """The envelope. `said` is what the provider said of it in Z-API's words; `changes` are set over the defaults."""
    chat = chat.filled(place.contact)
    author = Person(phone=place.phone).filled(sender) if from_me else sender
    group = chat.group or ""
    broadcast = group.endswith("@broadcast") and group != whatsapp.STORIES
    said = said or {}
    found: Json = {
        "isStatusReply": False,
        "chatLid": None if group else chat.lid,
        "senderLid": author.lid if from_me or group else chat.lid,
        "connectedPhone": place.phone,
        "waitingMessage": False,
        "isEdit": False,
        "isGroup": group.endswith("@g.us"),
        "isNewsletter": group.endswith("@newsletter"),
        "instanceId": place.public_id,
        "messageId": id,
        "phone": chat.id,
        "fromMe": from_me,
        "momment": milliseconds(event.at),
        "status": "SENT" if from_api else "RECEIVED",
        "chatName": (place.contact.name if place.contact else None) or chat.name or ("" if broadcast else chat.id),
        "senderPhoto": None,
        "senderName": author.name or (chat.name if not (from_me or group) else None) or author.id or chat.id,
        "photo": None,
        "broadcast": broadcast,
        "participantPhone": author.phone if group and not from_me else None,
        "participantLid": author.lid if group and not from_me else None,
    }
    if reply_to is not None:
        found["referenceMessageId"] = reply_to
    if "messageExpirationSeconds" in said:
        found["messageExpirationSeconds"] = said["messageExpirationSeconds"]
    found |= {"forwarded": forwarded, "type": "ReceivedCallback", "fromApi": from_api}
    found |= {name: value for name, value in said.items() if name in _SAID and value is not None}
    return {**found, **(changes or {})}


def notification(name: str, envelope: Json, *, parameters: list[Any] | None = None, **facts: Any) -> Json:
    """An envelope around a notification."""
    beside = {"expiresAt": None, "referenceMessageId": None, "externalAdReply": None, "callId": None, "code": None}
    found = {**beside, **envelope, "notification": name}
    if parameters is not None:
        found["notificationParameters"] = parameters
    return {**found, **facts}
