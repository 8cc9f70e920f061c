"""Webhooks that tell of no message: presence, calls, groups, chats, labels. Each reader gives the events of one body."""

from datetime import datetime
from typing import Any

import msgspec

from recado.domain.events import Noticed, Party, ProviderEvent
from recado.providers import whatsapp
from recado.providers.waha.reading import Json, flag, given, identifier, inner, moment, objects, text

_PRESENCES = {
    "online": "available",
    "offline": "unavailable",
    "typing": "composing",
    "recording": "recording",
    "paused": "paused",
}
_PARTICIPANTS = {"join": "added", "leave": "removed", "promote": "promoted", "demote": "demoted"}


class Unreadable(ValueError):
    """A payload without what its event must have."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounds a payload. `stamp` is the event's own id, or a hash of it and its time where an old version sends none."""

    event: str
    payload: Json
    stamp: str
    at: datetime
    own: Party


def presence(envelope: Envelope) -> list[ProviderEvent]:
    chat = whatsapp.address(envelope.payload.get("id"))
    events: list[ProviderEvent] = []
    for number, one in enumerate(objects(envelope.payload.get("presences"))):
        state = text(one, "lastKnownPresence") or "unknown"
        seen = moment(one.get("lastSeen"))
        data: Json = {"state": _PRESENCES.get(state, state), "chat": chat}
        data |= given(last_seen=seen.isoformat() if seen else None)
        events.append(
            Noticed(
                type="presence.updated",
                key=f"presence:{envelope.stamp}:{number}",
                at=envelope.at,
                data=data,
                party=whatsapp.party(one.get("participant")),
            )
        )
    return events


def call(envelope: Envelope) -> list[ProviderEvent]:
    payload = envelope.payload
    call_id = text(payload, "id")
    if call_id is None:
        raise Unreadable("no call")
    state = {"call.received": "ringing", "call.accepted": "accepted"}.get(envelope.event, "rejected")
    data: Json = {"call_id": call_id, "kind": "video" if payload.get("isVideo") is True else "voice", "state": state}
    data |= given(group=text(inner(payload, "_data"), "GroupJID")) if payload.get("isGroup") is True else {}
    caller = whatsapp.party(payload.get("from"))
    return [Noticed(type="call.received", key=f"call:{call_id}:{state}", at=envelope.at, data=data, party=caller)]


def _group(envelope: Envelope, data: Json) -> list[ProviderEvent]:
    group = inner(envelope.payload, "group")
    party = whatsapp.party(identifier(group.get("id")), name=group.get("subject"))
    if party.group is None:
        raise Unreadable("no group")
    return [Noticed(type="group.updated", key=f"group:{envelope.stamp}", at=envelope.at, data=data, party=party)]


def group_joined(envelope: Envelope) -> list[ProviderEvent]:
    group = inner(envelope.payload, "group")
    told = given(
        subject=text(group, "subject"),
        description=text(group, "description"),
        invite=text(group, "invite"),
        settings=_settings(group),
    )
    return _group(envelope, {"change": "joined", "participants": _people(group.get("participants")), **told})


def group_left(envelope: Envelope) -> list[ProviderEvent]:
    return _group(envelope, {"change": "left"})


def group_changed(envelope: Envelope) -> list[ProviderEvent]:
    """What of the group is new. Some engines send all of it, so more than one field says no more than `settings`."""
    group = inner(envelope.payload, "group")
    told = given(subject=text(group, "subject"), description=text(group, "description"), settings=_settings(group))
    change = next(iter(told)) if len(told) == 1 else "settings"
    return _group(envelope, {"change": change, **told})


def group_people(envelope: Envelope) -> list[ProviderEvent]:
    change = _PARTICIPANTS.get(text(envelope.payload, "type") or "")
    if change is None:
        raise Unreadable("no change")
    return _group(envelope, {"change": change, "participants": _people(envelope.payload.get("participants"))})


def _settings(group: Json) -> Json | None:
    """As our own names: `announce` is that only admins write."""
    writes, approval = flag(group, "membersCanSendMessages"), flag(group, "newMembersApprovalRequired")
    found = given(
        announce=None if writes is None else not writes,
        approval=approval,
        members_add=flag(group, "membersCanAddNewMember"),
    )
    return found or None


def _people(listed: Any) -> list[Json]:
    found = []
    for one in objects(listed):
        person = whatsapp.party(one.get("id"), one.get("pn"))
        if person.phone or person.lid:
            found.append(given(phone=person.phone, lid=person.lid))
    return found


def archived(envelope: Envelope) -> list[ProviderEvent]:
    chat = whatsapp.address(envelope.payload.get("id"))
    if chat is None:
        raise Unreadable("no chat")
    change = "archived" if envelope.payload.get("archived") is True else "unarchived"
    return [
        Noticed(
            type="chat.updated",
            key=f"chat:{envelope.stamp}",
            at=envelope.at,
            data={"chat": chat, "change": change},
            party=whatsapp.party(chat),
        )
    ]


def label(envelope: Envelope) -> list[ProviderEvent]:
    payload = envelope.payload
    label = text(payload, "id")
    if label is None:
        raise Unreadable("no label")
    data: Json = {"label": label, "deleted": envelope.event == "label.deleted"}
    data |= given(name=text(payload, "name"), color=text(payload, "colorHex") or text(payload, "color"))
    return [Noticed(type="label.updated", key=f"label:{envelope.stamp}", at=envelope.at, data=data)]


def labelled(envelope: Envelope) -> list[ProviderEvent]:
    chat, label = whatsapp.address(envelope.payload.get("chatId")), text(envelope.payload, "labelId")
    if chat is None or label is None:
        raise Unreadable("no chat or label")
    data: Json = {
        "chat": chat,
        "change": "labelled" if envelope.event.endswith("added") else "unlabelled",
        "label": label,
    }
    data |= given(name=text(inner(envelope.payload, "label"), "name"))
    party = whatsapp.party(chat)
    return [Noticed(type="chat.updated", key=f"chat:{envelope.stamp}", at=envelope.at, data=data, party=party)]
