"""Everything but messages: the connection, presence, contacts, groups, calls, chats, labels."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from recado.domain.events import ConnectionChanged, Noticed, Party, ProviderEvent
from recado.domain.states import ConnectionStatus
from recado.providers import waproto, whatsapp
from recado.providers.evolution.envelope import (
    NO_NAMES,
    Envelope,
    Json,
    Unreadable,
    digest,
    each,
    entries,
    given,
    mapping,
    required,
    written,
)

CONNECTION_STATES: Mapping[str, ConnectionStatus] = {
    "open": ConnectionStatus.CONNECTED,
    "connecting": ConnectionStatus.CONNECTING,
    "close": ConnectionStatus.DISCONNECTED,
    "closed": ConnectionStatus.DISCONNECTED,
    "refused": ConnectionStatus.DISCONNECTED,
}
#: Baileys' reasons of a closed connection, and what they mean for the pairing.
_REASONS: Mapping[int, tuple[str, ConnectionStatus]] = {
    401: ("logged out on the phone", ConnectionStatus.LOGGED_OUT),
    402: ("temporarily banned", ConnectionStatus.BANNED),
    403: ("banned", ConnectionStatus.BANNED),
    405: ("refused: the server's version of WhatsApp Web is outdated", ConnectionStatus.DISCONNECTED),
    406: ("banned", ConnectionStatus.BANNED),
    408: ("the connection was lost", ConnectionStatus.DISCONNECTED),
    411: ("the phone's WhatsApp has no multi-device", ConnectionStatus.LOGGED_OUT),
    428: ("the connection was closed", ConnectionStatus.DISCONNECTED),
    440: ("replaced by another session", ConnectionStatus.DISCONNECTED),
    500: ("the session is broken", ConnectionStatus.DISCONNECTED),
    503: ("WhatsApp is unavailable", ConnectionStatus.DISCONNECTED),
    515: ("a restart is required", ConnectionStatus.CONNECTING),
}
_CALLS = {
    "offer": "ringing",
    "ringing": "ringing",
    "accept": "accepted",
    "reject": "rejected",
    "timeout": "missed",
    "terminate": "ended",
}
_MEMBERS = {"add": "added", "remove": "removed", "promote": "promoted", "demote": "demoted"}
_GROUP_CHANGES = (
    ("subject", "subject"),
    ("desc", "description"),
    ("inviteCode", "invite"),
    ("announce", "settings"),
    ("restrict", "settings"),
    ("memberAddMode", "settings"),
    ("joinApprovalMode", "settings"),
)


# --- the connection ------------------------------------------------------------------------------------------


def connection(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """connection.update and status.instance."""
    raw = mapping(data)
    state = waproto.text(raw, "state") or waproto.text(raw, "status") or ""
    status = CONNECTION_STATES.get(state)
    if status is None:
        raise Unreadable("a state we do not know")
    code = waproto.integer(raw.get("statusReason") or raw.get("disconnectionReasonCode"))
    reason = None
    if status is ConnectionStatus.DISCONNECTED:
        reason, status = _REASONS.get(code or 0, (f"closed by WhatsApp ({code})" if code else "closed", status))
    if state == "refused":
        reason, status = "the code was not scanned in time", ConnectionStatus.DISCONNECTED
    yield ConnectionChanged(
        type=_CONNECTION_TYPES.get(status, "instance.disconnected"),
        key=f"connection:{state}:{code}:{envelope.stamp}",
        at=envelope.at,
        status=status,
        reason=reason,
        phone=_phone(raw.get("wuid")),
        details=given(name=waproto.text(raw, "profileName"), picture=waproto.text(raw, "profilePictureUrl")),
    )


_CONNECTION_TYPES = {
    ConnectionStatus.CONNECTED: "instance.connected",
    ConnectionStatus.CONNECTING: "instance.disconnected",
    ConnectionStatus.QR: "instance.qr",
}


def qr(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """A code to show, or that nobody scanned one in time."""
    raw = mapping(data)
    shown = waproto.fields(raw.get("qrcode")) or raw
    code, pairing = waproto.text(shown, "code"), waproto.text(shown, "pairingCode")
    if code is None and pairing is None:
        if waproto.text(raw, "statusCode") is None and waproto.text(raw, "message") is None:
            raise Unreadable("neither a code nor a reason")
        yield ConnectionChanged(
            type="instance.disconnected",
            key=f"qr:limit:{envelope.stamp}",
            at=envelope.at,
            status=ConnectionStatus.DISCONNECTED,
            reason="the code was not scanned in time",
        )
        return
    yield ConnectionChanged(
        type="instance.qr",
        key=f"qr:{digest([code, pairing])}",
        at=envelope.at,
        status=ConnectionStatus.QR,
        qr=code,
        pairing_code=pairing,
    )


def gone(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """remove.instance, whose data is null."""
    yield ConnectionChanged(
        type="instance.disconnected",
        key=f"{envelope.event}:{envelope.stamp}",
        at=envelope.at,
        status=ConnectionStatus.LOGGED_OUT,
        reason="the instance was removed from the server",
    )


def quiet(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """Told by another event already, or without anything in it.

    logout.instance is one: the server sends it behind status.instance, which says why the session ended (a ban, too).
    """
    return iter(())


# --- people, groups, the rest --------------------------------------------------------------------------------


def presence(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """What somebody does in a chat, or whether they are online."""
    raw = mapping(data)
    chat = whatsapp.address(raw.get("id"))
    for who, seen in waproto.fields(raw.get("presences")).items():
        state = waproto.text(waproto.fields(seen), "lastKnownPresence")
        if state is None:
            continue
        last = waproto.moment(waproto.fields(seen).get("lastSeen"))
        told = {"state": state, "chat": chat} | ({"last_seen": last.isoformat()} if last else {})
        key = f"presence:{chat}:{who}:{state}:{envelope.stamp}"
        yield Noticed(type="presence.updated", key=key, at=envelope.at, data=told, party=whatsapp.party(who))


def contacts(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """The server repeats a contact with every message, so the same facts are told once a day."""
    return each(envelope, data, _contact)


def _contact(envelope: Envelope, raw: Json) -> Iterator[ProviderEvent]:
    who = raw.get("remoteJid") or raw.get("id")
    party = whatsapp.party(who, raw.get("lid"))
    name = waproto.text(raw, "pushName") or waproto.text(raw, "name") or waproto.text(raw, "notify")
    name = None if name is None or name in NO_NAMES or name == str(who).partition("@")[0] else name
    picture = waproto.text(raw, "profilePicUrl") or waproto.text(raw, "profilePictureUrl")
    told = given(name=name, picture=picture)
    if not told or not party.identities():
        return
    # The address of a picture is signed anew every time; its path is the picture.
    facts = [name, (picture or "").partition("?")[0], envelope.stamp[:10]]
    yield Noticed(
        type="contact.updated",
        key=f"contact:{who}:{digest(facts)}",
        at=envelope.at,
        data=told,
        party=msgspec.structs.replace(party, name=name),
    )


def groups(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """groups.upsert tells of groups that the number is in since now; groups.update what changed in one."""
    return each(envelope, data, _group_changed)


def _group_changed(envelope: Envelope, raw: Json) -> Iterator[ProviderEvent]:
    group = _group(raw.get("id"), raw.get("subject"))
    change = "joined"
    if envelope.event != "groups.upsert":
        change = next((change for field, change in _GROUP_CHANGES if field in raw), "settings")
    told: Json = {"change": change}
    told |= given(subject=waproto.text(raw, "subject"), description=waproto.text(raw, "desc"))
    told |= given(
        settings={name: raw[field] for field, name in _SETTINGS if isinstance(raw.get(field), bool)},
        participants=[_member(one) for one in entries(raw.get("participants"))],
        by=_author(raw),
    )
    key = f"group:{group.group}:{digest([told, envelope.stamp])}"
    yield Noticed(type="group.updated", key=key, at=envelope.at, data=told, party=group)


_SETTINGS = (
    ("announce", "announce"),
    ("restrict", "locked"),
    ("joinApprovalMode", "approval"),
    ("memberAddMode", "members_add"),
)


def participants(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """Who came, went, or became something else."""
    raw = mapping(data)
    group = _group(raw.get("id"), None)
    change = _MEMBERS.get(waproto.text(raw, "action") or "", "settings")
    resolved = {waproto.text(item, "jid"): item for item in waproto.objects(raw.get("participantsData"))}
    members = [
        _member(one, resolved.get(one if isinstance(one, str) else waproto.text(one, "id")))
        for one in entries(raw.get("participants"))
    ]
    by = _author(raw)
    if change == "removed" and by and len(members) == 1 and _same(members[0], by):
        change = "left"
    told: Json = {"change": change, "participants": members} | given(by=by)
    key = f"members:{group.group}:{digest([told, envelope.stamp])}"
    yield Noticed(type="group.updated", key=key, at=envelope.at, data=told, party=group)


def _member(one: Any, more: Json | None = None) -> Json:
    """A participant by all its ids: a text, or an object of Baileys 6 (`id`, `jid`) or 7 (`id`, `phoneNumber`, `lid`)."""
    raw = one if isinstance(one, dict) else {"id": one}
    more = more or {}
    told = [raw.get(name) for name in ("id", "jid", "phoneNumber", "lid")]
    number = more.get("phoneNumber")
    # Without a number the server repeats the digits of the `@lid`, which are no phone.
    if number != str(raw.get("id")).partition("@")[0] or not str(raw.get("id")).endswith("@lid"):
        told.append(number)
    party = whatsapp.party(*told, name=raw.get("name") or more.get("name"))
    admin = waproto.text(raw, "admin")
    return given(phone=party.phone, lid=party.lid, name=party.name, role=_ROLES.get(admin or ""))


_ROLES = {"admin": "admin", "superadmin": "owner"}


def _author(raw: Json) -> Json:
    party = whatsapp.party(raw.get("author"), raw.get("authorPn"))
    return given(phone=party.phone, lid=party.lid)


def _same(one: Json, other: Json) -> bool:
    return any(one.get(name) and one.get(name) == other.get(name) for name in ("phone", "lid"))


def call(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """Baileys' call object."""
    return each(envelope, data, _call)


def _call(envelope: Envelope, raw: Json) -> Iterator[ProviderEvent]:
    identifier = required(raw, "id")
    state = waproto.text(raw, "status") or ""
    told: Json = {
        "call_id": identifier,
        "kind": "video" if raw.get("isVideo") is True else "voice",
        "state": _CALLS.get(state, state),
    }
    told |= given(group=whatsapp.address(raw.get("groupJid")))
    yield Noticed(
        type="call.received",
        key=f"call:{identifier}:{state}",
        at=written(raw.get("date")) or waproto.moment(raw.get("date")) or envelope.at,
        data=told,
        party=whatsapp.party(raw.get("from"), raw.get("callerPn"), raw.get("chatId")),
    )


def chats_deleted(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """A list of chat ids."""
    for one in entries(data):
        chat = whatsapp.address(
            waproto.fields(one).get("remoteJid") or waproto.fields(one).get("id") if isinstance(one, dict) else one
        )
        if chat is not None:
            told = {"chat": chat, "change": "deleted"}
            key = f"chat-deleted:{chat}:{envelope.stamp}"
            yield Noticed(
                type="chat.updated", key=key, at=envelope.at, data=told, party=whatsapp.party(whatsapp.jid(chat))
            )


def label(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """A label that was made, changed or removed."""
    raw = mapping(data)
    label = required(raw, "id")
    told: Json = {"label": label, "deleted": raw.get("deleted") is True}
    told |= given(name=waproto.text(raw, "name"), color=waproto.text(raw, "color"))
    key = f"label:{digest([told, envelope.stamp])}"
    yield Noticed(type="label.updated", key=key, at=envelope.at, data=told)


def labelled(envelope: Envelope, data: Any) -> Iterator[ProviderEvent]:
    """A label that was put on a chat, or taken off."""
    raw = mapping(data)
    change = "unlabelled" if raw.get("type") == "remove" else "labelled"
    told = {
        "chat": whatsapp.address(raw.get("chatId")),
        "change": change,
        "label": required(raw, "labelId"),
    }
    key = f"labelled:{digest([told, envelope.stamp])}"
    yield Noticed(type="chat.updated", key=key, at=envelope.at, data=told, party=whatsapp.party(raw.get("chatId")))


def _group(identifier: Any, name: Any) -> Party:
    party = whatsapp.party(identifier, name=name)
    if party.group is None:
        raise Unreadable("a group without an id")
    return party


def _phone(identifier: Any) -> str | None:
    return whatsapp.party(identifier).phone
