"""`ReceivedCallback` with a `notification`: groups, calls, labels, the own profile."""

from collections.abc import Mapping
from typing import Any

from recado.services.zapi.payloads.envelope import envelope, notification
from recado.services.zapi.payloads.facts import Event, Json, Person, Place, inner, person, person_at, text

_GROUP: Mapping[str, str] = {
    "created": "GROUP_CREATE",
    "subject": "GROUP_CHANGE_SUBJECT",
    "description": "GROUP_CHANGE_DESCRIPTION",
    "picture": "GROUP_CHANGE_ICON",
    "added": "GROUP_PARTICIPANT_ADD",
    "removed": "GROUP_PARTICIPANT_REMOVE",
    "left": "GROUP_PARTICIPANT_LEAVE",
    "joined": "GROUP_PARTICIPANT_INVITE",
    "promoted": "GROUP_PARTICIPANT_PROMOTE",
    "demoted": "GROUP_PARTICIPANT_DEMOTE",
    "join_requested": "MEMBERSHIP_APPROVAL_REQUEST",
    "join_request_revoked": "REVOKED_MEMBERSHIP_REQUESTS",
}
#: Of a channel, with the role behind the person.
_CHANNEL: Mapping[str, tuple[str, str]] = {
    "promoted": ("NEWSLETTER_ADMIN_PROMOTE", "ADMIN"),
    "demoted": ("NEWSLETTER_ADMIN_DEMOTE", "SUBSCRIBER"),
}
_LINK_MODES = {"admins": "ADMIN_LINK", "all": "ALL_MEMBER_LINK"}
#: What a call is told as, without the calls product and with it. A call that somebody took elsewhere, or ended, is told
#: of only with it.
_CALLS: Mapping[str, tuple[str | None, str | None]] = {
    "ringing": ("CALL_RECEIVED", "CALL_RECEIVED"),
    "accepted": (None, "CALL_ACCEPTED"),
    "started": (None, "CALL_STARTED"),
    "ended": (None, "CALL_ENDED"),
    "rejected": (None, "CALL_ENDED"),
    "missed": ("CALL_MISSED", "CALL_MISSED"),
}


def group(event: Event, place: Place) -> Json | None:
    """A group or channel changed."""
    chat, by = person(event.data.get("party")), person(event.data.get("by"))
    change = str(event.data.get("change"))
    around = _around(event, place, chat=chat, sender=by)
    people = _people(event.data.get("participants"))
    if (chat.group or "").endswith("@newsletter"):
        name, role = _CHANNEL.get(change, (None, ""))
        # The documented notifications of a channel are not marked as such; their `phone` tells it.
        return (
            None if name is None else notification(name, {**around, "isNewsletter": False}, parameters=[*people, role])
        )
    if change == "settings":
        mode = inner(event.data, "settings").get("invite_link")
        if mode is None:
            return None
        link = _LINK_MODES.get(str(mode), str(mode))
        return notification("GROUP_MEMBER_LINK_PROPERTY_UPDATE", around, parameters=[], linkMode=link)
    name = _GROUP.get(change)
    if name is None:
        return None
    if change in ("subject", "description"):
        people = [str(event.data.get(change) or "")]
    facts = {"requestMethod": event.data["method"]} if event.data.get("method") else {}
    return notification(name, around, parameters=people, **facts)


def _people(value: Any) -> list[Any]:
    listed = value if isinstance(value, list) else []
    return [found for one in listed if (found := person(one).id)]


def call(event: Event, place: Place) -> Json | None:
    """A call, or what became of it."""
    caller = person(event.data.get("party"))
    chat = person_at(event.data.get("group")) if event.data.get("group") else caller
    video = event.data.get("kind") == "video"
    state = "started" if event.data.get("started") is True else str(event.data.get("state"))
    plain, product = _CALLS.get(state, (None, None))
    name = product if place.settings.with_calls else plain
    if name is None:
        return None
    if name == "CALL_MISSED" and not place.settings.with_calls:
        name = "CALL_MISSED_VIDEO" if video else "CALL_MISSED_VOICE"
    call_id = text(event.data.get("call_id"))
    outgoing = event.data.get("direction") in ("outgoing", "outbound")
    around = _around(event, place, chat=chat, sender=caller, id=call_id, from_me=event.data.get("from_me") is True)
    return notification(
        name,
        around,
        parameters=[],
        callId=call_id,
        code=event.data.get("code"),
        callDirection="outgoing" if outgoing else "incoming",
        isVideo=video,
    )


def chat(event: Event, place: Place) -> Json | None:
    """A label was put on a chat, or taken off."""
    change = event.data.get("change")
    if change not in ("labelled", "unlabelled"):
        return None
    labelled = person(event.data.get("party")).filled(person_at(event.data.get("chat")))
    told = {"phone": labelled.id, "label": str(event.data.get("label")), "assigned": change == "labelled"}
    return notification("CHAT_LABEL_ASSOCIATION", _profile(event, place), parameters=[told])


def contact(event: Event, place: Place) -> Json | None:
    """The profile of the connected number changed. Z-API does not tell of those of others."""
    about = person(event.data.get("party"))
    if place.phone is None or about.phone != place.phone:
        return None
    if text(event.data.get("name")):
        return notification("PROFILE_NAME_UPDATED", _profile(event, place), profileName=event.data["name"])
    if "picture" in event.data:
        picture = text(event.data["picture"])
        shown = picture if picture and picture.startswith("http") else None
        return notification("PROFILE_PICTURE_UPDATED", _profile(event, place), updatedPhoto=shown)
    return None


def passed_on(event: Event, place: Place) -> Json | None:
    """What a provider that is Z-API itself told and we have no event for."""
    if event.data.get("type") != "ReceivedCallback":
        return None
    told = {name: value for name, value in event.data.items() if name != "raw_webhook_id"}
    empty = {"senderPhoto": None, "photo": None}
    return {**empty, **told, "instanceId": place.public_id, "connectedPhone": place.phone}


def _profile(event: Event, place: Place) -> Json:
    """The envelope of what the connected number did to itself, or to its own chats: it has no chat."""
    own = Person(phone=place.phone)
    bare = Place(public_id=place.public_id, phone=place.phone, settings=place.settings)
    around = _around(event, bare, chat=own, sender=own, from_me=True)
    if "chatName" not in event.part("envelope"):
        around["chatName"] = None
    return around


def _around(
    event: Event, place: Place, *, chat: Person, sender: Person, id: str | None = None, from_me: bool = False
) -> Json:
    return envelope(
        event,
        place,
        id=id or event.id.hex.upper(),
        chat=chat,
        sender=sender,
        from_me=from_me,
        said=event.part("envelope"),
    )
