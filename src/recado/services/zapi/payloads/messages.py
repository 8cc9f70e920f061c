"""`ReceivedCallback` of messages: those that came in, those of our own number, and what is about an earlier one."""

from typing import Any
from uuid import UUID

from recado.services.zapi.payloads import contents
from recado.services.zapi.payloads.envelope import envelope, notification
from recado.services.zapi.payloads.facts import (
    Event,
    Json,
    Person,
    Place,
    Stored,
    inner,
    milliseconds,
    person,
    person_at,
    text,
)
from recado.services.zapi.payloads.said import Said

#: Kinds of messages of ours that are about another one, whose id they carry.
_ABOUT = frozenset({"reaction", "pin", "poll_vote", "event_response", "edit", "delete", "event_edit"})


def written(event: Event, place: Place) -> Json | None:
    """A message that came in, or that our number wrote. One with a file waits for it: then `media_settled` tells of it."""
    if event.type == "message.sent" and "source" not in event.data:
        return _own(event, place) if place.message is not None and place.message.through_us else None
    message = event.part("message")
    if inner(message, "content").get("media_id"):
        return None
    beside = ("forwarded", "source", "sender", "extra")
    told = Stored(
        id=UUID(str(message["id"])),
        type=str(message.get("type")),
        content=message.get("content"),
        address="",
        direction=str(message.get("direction")),
        provider_id=text(message.get("provider_id")),
        reply_to=text(message.get("reply_to")),
        metadata={name: message[name] for name in beside if name in message},
        provider_at=event.at,
    )
    return _told(event, place, told, person(message.get("contact")))


def media_settled(event: Event, place: Place) -> Json | None:
    """The file of a message is here, or will not come: now the message is told."""
    message = place.message
    if message is None or message.through_us:
        return None
    return _told(event, place, message, person_at(message.address))


def _told(event: Event, place: Place, message: Stored, chat: Person) -> Json | None:
    """A message that a provider told of."""
    metadata = message.metadata or {}
    extra = inner(metadata, "extra")
    from_me = message.direction == "outbound"
    sender = person(metadata.get("sender")) if chat.group else chat.filled(place.contact)
    around = envelope(
        event,
        place,
        id=message.provider_id,
        chat=chat,
        sender=Person() if from_me else sender,
        from_me=from_me,
        from_api=metadata.get("source") == "api",
        forwarded=metadata.get("forwarded") is True,
        reply_to=_quoted(place, message.reply_to),
        said=inner(extra, "envelope"),
        changes=_changes(event, message, extra),
    )
    said = Said(
        kind=message.type,
        content=message.content,
        extra=extra,
        place=place,
        at=around["momment"],
        by=place.phone if from_me else sender.id,
        chat=around["phone"],
    )
    content = contents.render(said)
    return None if content is None else {**around, **content}


def _changes(event: Event, message: Stored, extra: Json) -> Json:
    found: Json = {}
    if True in (extra.get("isStatusReply"), extra.get("story_reply")):
        found["isStatusReply"] = True
    if event.type.startswith("media.") and message.provider_at is not None:
        # It was written then, though it could be told only now.
        found["momment"] = milliseconds(message.provider_at)
    return found


def _quoted(place: Place, reference: str | None) -> str | None:
    """The id, as it is known here, of the message that is answered."""
    if reference is None:
        return None
    return place.about.shown_id if place.about is not None else reference


# --- sent through us ---------------------------------------------------------------------------------------


def _own(event: Event, place: Place) -> Json | None:
    """A message that was sent through us. Its content is the one that it was sent with."""
    message = place.message
    assert message is not None, "the caller looked"
    chat = person_at(message.address)
    target = text(inner({"content": message.content}, "content").get("message_id"))
    about = place.about.shown_id if place.about is not None else target
    edits = message.type in ("edit", "event_edit")
    around = envelope(
        event,
        place,
        id=about if edits or message.type == "delete" else message.shown_id,
        chat=chat,
        sender=Person(),
        from_me=True,
        from_api=True,
        forwarded=message.type == "forward",
        reply_to=None if message.type in _ABOUT else _quoted(place, message.reply_to),
        changes={"isEdit": True} if edits else None,
    )
    if message.type == "delete":
        return notification("REVOKE", {**around, "referenceMessageId": about}, parameters=[])
    said = Said(
        kind="text" if message.type == "edit" else message.type,
        content=message.content,
        extra={},
        place=place,
        at=around["momment"],
        by=place.phone,
        chat=around["phone"],
    )
    if message.type == "forward":
        found = contents.forwarded(said)
        if found is None:
            return None
        said = found[0]
    content = contents.render(said)
    return None if content is None else {**around, **content}


# --- about an earlier message ------------------------------------------------------------------------------


def edited(event: Event, place: Place) -> Json | None:
    """A text was replaced: the message again, under its own id, with `isEdit`."""
    message = event.part("message")
    around = _around(event, place, message, id=_target(place.message, message), changes={"isEdit": True})
    # The file of an edited caption is the message's own.
    content: Any = message.get("content")
    if place.message is not None and isinstance(place.message.content, dict) and isinstance(content, dict):
        content = {**place.message.content, **content}
    said = Said(
        kind=str(message.get("type")),
        content=content,
        extra={},
        place=place,
        at=around["momment"],
        chat=around["phone"],
    )
    shown = contents.render(said)
    return None if shown is None else {**around, **shown}


def deleted(event: Event, place: Place) -> Json:
    """A message was taken back for everybody."""
    message = event.part("message")
    target = _target(place.message, message)
    around = _around(event, place, message, id=target)
    return notification("REVOKE", {**around, "referenceMessageId": target}, parameters=[])


def _target(known: Stored | None, told: Json) -> str | None:
    return known.shown_id if known is not None else text(told.get("provider_id"))


def reacted(event: Event, place: Place) -> Json:
    """An emoji on a message."""
    told = event.part("reaction")
    around = _around(event, place, told, id=event.id.hex.upper(), from_me=told.get("from_me") is True)
    said = _saying(place, around, told, inner(told.get("extra"), "envelope"))
    return {**around, **contents.reaction(said, text(told.get("provider_id")))}


def voted(event: Event, place: Place) -> Json:
    """A vote in a poll."""
    around = _noticed(event, place)
    return {
        **around,
        **contents.poll_vote(_saying(place, around, event.data, event.part("envelope")), text(event.data.get("poll"))),
    }


def answered(event: Event, place: Place) -> Json:
    """Whether somebody comes to an event."""
    around = _noticed(event, place)
    return {
        **around,
        **contents.event_response(
            _saying(place, around, event.data, event.part("envelope")), text(event.data.get("event"))
        ),
    }


def waiting(event: Event, place: Place) -> Json:
    """A message whose content WhatsApp has not delivered yet."""
    view_once = event.data.get("view_once") is True
    return {**_noticed(event, place, changes={"waitingMessage": True}), "viewOnce": view_once}


def _saying(place: Place, around: Json, content: Json, envelope: Json) -> Said:
    author = around["connectedPhone"] if around["fromMe"] else around["participantPhone"] or around["participantLid"]
    return Said(
        kind="",
        content=content,
        extra={},
        place=place,
        at=around["momment"],
        by=text(envelope.get("by")) or author or around["phone"],
        chat=around["phone"],
    )


def _around(
    event: Event, place: Place, told: Json, *, id: str | None, from_me: bool = False, changes: Json | None = None
) -> Json:
    """The envelope of what somebody did to a message."""
    chat, sender = person(told.get("contact")), person(told.get("sender"))
    ours = place.phone is not None and sender.phone == place.phone
    return envelope(
        event,
        place,
        id=id,
        chat=chat,
        sender=sender if chat.group or from_me or ours else sender.filled(chat),
        from_me=from_me or ours,
        said=inner(told.get("extra"), "envelope"),
        changes=changes,
    )


def _noticed(event: Event, place: Place, changes: Json | None = None) -> Json:
    """The envelope of a notice about a chat, which `party` did something in."""
    party, chat = person(event.data.get("party")), person_at(event.data.get("chat"))
    from_me = event.data.get("from_me") is True
    if chat.group is None and not from_me:
        chat = chat.filled(party)
    return envelope(
        event,
        place,
        id=text(event.data.get("provider_id")) or event.id.hex.upper(),
        chat=chat,
        sender=party,
        from_me=from_me,
        said=event.part("envelope"),
        changes=changes,
    )
