"""Webhook bodies to events: groups, presence, calls, contacts, chats and labels.

Groups, presence and chats were captured. The others were not: they are read as whatsmeow, on which UAZAPI runs, names
their fields, and what does not fit is an `unknown` event with the names of the fields it came with.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from recado.domain.events import Noticed, Party, ProviderEvent
from recado.providers import whatsapp
from recado.providers.uazapi.calls import Json, encoded, flag, given, jid_text, maybe, objects, text, whole
from recado.providers.uazapi.errors import moment


def read(kind: str, hook: Json) -> list[ProviderEvent]:
    """The events of a body that is neither a message nor a receipt nor about the connection."""
    reader = _READERS.get(kind)
    event = next((found for name in ("event", kind, "chat") if isinstance(found := hook.get(name), dict)), None)
    if reader is None or event is None:
        return [unknown(kind, hook, {})]
    found = reader(hook, event)
    return [unknown(kind, hook, given(type=text(hook, "type")))] if found is None else found


def unknown(kind: str, hook: Json, facts: Json) -> ProviderEvent:
    """A body that is not understood, by its short facts. The body itself is kept as it came."""
    inner = next((found for name in ("event", "message", "instance", "chat") if (found := hook.get(name))), None)
    fields = sorted(inner) if isinstance(inner, dict) else []
    data = {"event": kind, "fields": fields, **facts}
    at = moment(maybe(hook.get("event")).get("Timestamp")) or datetime.now(UTC)
    return Noticed(type="unknown", key=f"unknown:{hashed([kind, inner, facts])}", at=at, data=data)


def hashed(value: Any) -> str:
    """A short hash of plain data."""
    return hashlib.sha256(encoded(value)).hexdigest()[:24]


# --- groups --------------------------------------------------------------------------------------------------

_CHANGES = (("Join", "added", "joined"), ("Leave", "removed", "left"), ("Promote", "promoted", "promoted"))
_MEMBERS = (*_CHANGES, ("Demote", "demoted", "demoted"))


def _groups(hook: Json, event: Json) -> list[ProviderEvent] | None:
    group = whatsapp.address(event.get("JID"))
    if group is None or not group.endswith("@g.us"):
        return None
    by = whatsapp.party(event.get("sender_pn"), event.get("SenderPN"), event.get("sender_lid"), event.get("Sender"))
    changed = [_joined(event)] if text(hook, "type") == "JoinedGroup" else list(_changed(event, by))
    made = moment(event.get("GroupCreated")) if event.get("Type") == "new" else None
    at = moment(event.get("Timestamp")) or made or datetime.now(UTC)
    version = event.get("ParticipantVersionID")
    found: list[ProviderEvent] = [
        Noticed(
            type="group.updated",
            key=f"group:{group}:{change['change']}:{hashed([version, event.get('Timestamp'), change])}",
            at=at,
            data=change | given(by=_person(by)),
            party=Party(group=group, name=change.get("subject")),
        )
        for change in changed
    ]
    return found or None


def _joined(event: Json) -> Json:
    """Our number came into a group: it was made with us in it, or we were added, or took an invitation."""
    participants = [_member(one) for one in objects(event.get("Participants"))]
    facts = given(subject=text(event, "Name"), description=text(event, "Topic"), participants=participants)
    settings = given(
        announce=flag(event.get("IsAnnounce")),
        locked=flag(event.get("IsLocked")),
        approval=flag(event.get("IsJoinApprovalRequired")),
        ephemeral=whole(event.get("DisappearingTimer")) if flag(event.get("IsEphemeral")) else None,
        members_add=text(event, "MemberAddMode"),
    )
    change = "created" if event.get("Type") == "new" else "joined"
    return {"change": change, **facts, **given(settings=settings, reason=text(event, "Reason"))}


def _member(raw: Json) -> Json:
    party = whatsapp.party(raw.get("PhoneNumber"), raw.get("LID"), raw.get("JID"), name=raw.get("DisplayName"))
    role = "owner" if flag(raw.get("IsSuperAdmin")) else "admin" if flag(raw.get("IsAdmin")) else "member"
    return {**_person(party), "role": role}


def _changed(event: Json, by: Party) -> Iterator[Json]:
    """One change per filled field: several come in one body."""
    for field, by_others, by_themselves in _MEMBERS:
        people = _people(event, field)
        if people:
            alone = all(_same(by, person) for person in people) or event.get("JoinReason") == "invite"
            yield {"change": by_themselves if alone else by_others, "participants": [_person(one) for one in people]}
    subject = _inside(event, "Name", "Name")
    if isinstance(subject, str):
        yield {"change": "subject", "subject": subject}
    topic = _inside(event, "Topic", "Topic")
    if isinstance(topic, str):
        yield {"change": "description", "description": topic}
    settings = given(
        locked=flag(_inside(event, "Locked", "IsLocked")),
        announce=flag(_inside(event, "Announce", "IsAnnounce")),
        approval=flag(_inside(event, "MembershipApprovalMode", "IsJoinApprovalRequired")),
        ephemeral=_inside(event, "Ephemeral", "DisappearingTimer"),
    )
    if settings:
        yield {"change": "settings", "settings": settings}
    if text(event, "NewInviteLink"):
        yield {"change": "invite", "invite_link": text(event, "NewInviteLink")}
    if event.get("Delete"):
        yield {"change": "deleted"}


def _people(event: Json, field: str) -> list[Party]:
    """Who a change is about. The same people are listed twice, by phone and by LID."""
    phones, lids = event.get(field), event.get(f"{field}Lid")
    phones = phones if isinstance(phones, list) else []
    lids = lids if isinstance(lids, list) else []
    if len(phones) == len(lids):
        return [whatsapp.party(phone, lid) for phone, lid in zip(phones, lids, strict=True)]
    return [whatsapp.party(one) for one in phones or lids]


def _inside(event: Json, field: str, name: str) -> Any:
    """whatsmeow wraps what changed into an object; None when it did not change."""
    found = event.get(field)
    return found.get(name) if isinstance(found, dict) else found


def _same(one: Party, other: Party) -> bool:
    return bool({one.phone, one.lid} & {other.phone, other.lid} - {None})


def _person(party: Party) -> Json:
    return given(phone=party.phone, lid=party.lid, name=party.name)


# --- presence ------------------------------------------------------------------------------------------------


def _presence(hook: Json, event: Json) -> list[ProviderEvent] | None:
    """Who is typing or online. What our own number shows comes back too and says nothing about the other: dropped."""
    if flag(event.get("IsFromMe")) is True:
        return []
    party = whatsapp.party(event.get("sender_pn"), event.get("sender_lid"), event.get("Sender"), event.get("From"))
    state = (text(event, "State") or "").lower()
    if state == "composing" and event.get("Media") == "audio":
        state = "recording"
    unavailable = flag(event.get("Unavailable"))
    if not state and unavailable is not None:
        state = "unavailable" if unavailable else "available"
    if not state or not party.identities():
        return None
    now = datetime.now(UTC)
    seen = moment(event.get("LastSeen"))
    chat = whatsapp.address(event.get("Chat")) or whatsapp.address(event.get("chatid"))
    facts = given(state=state, chat=chat, last_seen=seen.isoformat() if seen else None)
    # Presence has neither an id nor a time, and the same comes again and again.
    key = f"presence:{hashed(facts | _person(party))}:{now.isoformat()}"
    return [Noticed(type="presence.updated", key=key, at=now, data=facts, party=party)]


# --- what was never captured ---------------------------------------------------------------------------------

_CALL_STATES = (
    ("offer", "ringing"),
    ("ring", "ringing"),
    ("accept", "accepted"),
    ("reject", "rejected"),
    ("missed", "missed"),
    ("terminate", "ended"),
    ("end", "ended"),
)


def _call(hook: Json, event: Json) -> list[ProviderEvent] | None:
    call = text(event, "CallID", "call_id", "callId", "id")
    party = whatsapp.party(*(jid_text(event.get(name)) for name in ("sender_pn", "From", "from", "CallCreatorAlt")))
    party = party if party.identities() else whatsapp.party(jid_text(event.get("CallCreator")))
    told = (text(event, "Type", "status", "Status") or text(hook, "type", "state") or "").lower()
    state = next((ours for word, ours in _CALL_STATES if word in told), None)
    if call is None or state is None or not party.identities():
        return None
    video = flag(event.get("IsVideo")) or flag(event.get("isVideo")) or event.get("Media") == "video"
    group = jid_text(event.get("GroupJID"))
    facts = given(call_id=call, kind="video" if video else "voice", state=state, group=group)
    at = moment(event.get("Timestamp")) or datetime.now(UTC)
    return [Noticed(type="call.received", key=f"call:{call}:{state}", at=at, data=facts, party=party)]


def _contacts(hook: Json, event: Json) -> list[ProviderEvent] | None:
    party = whatsapp.party(jid_text(event.get("JID")), jid_text(event.get("jid")), event.get("sender_lid"))
    action = maybe(event.get("Action"))
    name = text(event, "NewPushName", "name", "contact_name") or text(action, "fullName", "firstName")
    if not party.identities() or name is None:
        return None
    return [_told("contact.updated", event, {"name": name}, party)]


def _blocks(hook: Json, event: Json) -> list[ProviderEvent] | None:
    changes = objects(event.get("Changes")) or [event]
    found: list[ProviderEvent] = []
    for change in changes:
        party = whatsapp.party(jid_text(change.get("JID")), jid_text(change.get("jid")))
        action = (text(change, "Action", "action") or "").lower()
        if party.identities() and action in ("block", "unblock"):
            found.append(_told("contact.updated", event, {"blocked": action == "block"}, party))
    return found or None


def _labels(hook: Json, event: Json) -> list[ProviderEvent] | None:
    action = maybe(event.get("Action")) or event
    label = text(event, "LabelID", "labelid", "id")
    if label is None:
        return None
    facts = {"label": label} | given(
        name=text(action, "name"), color=_color(action), deleted=flag(action.get("deleted"))
    )
    return [_told("label.updated", event, facts, None)]


def _chat_labels(hook: Json, event: Json) -> list[ProviderEvent] | None:
    label, chat = text(event, "LabelID", "labelid"), jid_text(event.get("JID")) or jid_text(event.get("chatid"))
    on = flag((maybe(event.get("Action")) or event).get("labeled"))
    party = whatsapp.party(chat)
    if label is None or not party.identities() or on is None:
        return None
    facts = {"chat": chat, "change": "labelled" if on else "unlabelled", "label": label}
    return [_told("chat.updated", event, facts, party)]


def _chats(hook: Json, chat: Json) -> list[ProviderEvent] | None:
    """A chat as it stands. What changed of it is not said."""
    address = whatsapp.address(chat.get("wa_chatid"))
    party = whatsapp.party(address, chat.get("wa_chatlid"), name=chat.get("wa_name") or chat.get("name"))
    if address is None or not party.identities():
        return None
    last = moment(chat.get("wa_lastMsgTimestamp"))
    facts = {"chat": address, "change": "updated"} | given(
        name=text(chat, "name"),
        unread=whole(chat.get("wa_unreadCount")),
        archived=flag(chat.get("wa_archived")),
        pinned=flag(chat.get("wa_isPinned")),
        blocked=flag(chat.get("wa_isBlocked")),
        labels=chat.get("wa_label"),
        last_message_at=last.isoformat() if last else None,
    )
    return [_told("chat.updated", chat, facts, party)]


def _told(type_: str, event: Json, facts: Json, party: Party | None) -> ProviderEvent:
    at = moment(event.get("Timestamp")) or datetime.now(UTC)
    name = party.identities()[0][1] if party else ""
    return Noticed(type=type_, key=f"{type_}:{name}:{hashed([event, facts])}", at=at, data=facts, party=party)


def _color(action: Json) -> str | None:
    color = whole(action.get("color"))
    return str(color) if color is not None else None


_READERS: Mapping[str, Callable[[Json, Json], list[ProviderEvent] | None]] = {
    "groups": _groups,
    "presence": _presence,
    "call": _call,
    "contacts": _contacts,
    "blocks": _blocks,
    "labels": _labels,
    "chat_labels": _chat_labels,
    "chats": _chats,
}
