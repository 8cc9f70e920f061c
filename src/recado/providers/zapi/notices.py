"""Webhook bodies to events: receipts, the connection, presence, and the notifications of groups, calls, contacts.

`read` is the entry for every body.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from recado.domain.events import ConnectionChanged, Noticed, ProviderEvent, Receipt
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.providers.zapi import errors, webhooks
from recado.providers.zapi.addresses import address, party, person
from recado.providers.zapi.calls import Json, objects, rest, text, time
from recado.providers.zapi.webhooks import Message, envelope, fingerprint, instant, moment, read_message, unknown

#: `MessageStatusCallback.status`. `READ_BY_ME` is our own phone and becomes a change of the chat.
STATES: Mapping[str, MessageStatus] = {
    "SENT": MessageStatus.SERVER_ACK,
    "RECEIVED": MessageStatus.DELIVERED,
    "READ": MessageStatus.READ,
    "PLAYED": MessageStatus.PLAYED,
}
_PRESENCES = frozenset({"available", "unavailable", "composing", "recording", "paused"})

_GROUP_CHANGES: Mapping[str, str] = {
    "GROUP_CREATE": "created",
    "GROUP_CHANGE_SUBJECT": "subject",
    "GROUP_CHANGE_DESCRIPTION": "description",
    "GROUP_CHANGE_ICON": "picture",
    "GROUP_PARTICIPANT_ADD": "added",
    "GROUP_PARTICIPANT_REMOVE": "removed",
    "GROUP_PARTICIPANT_LEAVE": "left",
    "GROUP_PARTICIPANT_INVITE": "joined",
    "GROUP_PARTICIPANT_PROMOTE": "promoted",
    "GROUP_PARTICIPANT_DEMOTE": "demoted",
    "NEWSLETTER_ADMIN_PROMOTE": "promoted",
    "NEWSLETTER_ADMIN_DEMOTE": "demoted",
    "MEMBERSHIP_APPROVAL_REQUEST": "join_requested",
    "REVOKED_MEMBERSHIP_REQUESTS": "join_request_revoked",
    "GROUP_MEMBER_LINK_PROPERTY_UPDATE": "settings",
}
_CALLS: Mapping[str, str] = {
    "CALL_RECEIVED": "ringing",
    "CALL_VOICE": "ringing",
    "CALL_VIDEO": "ringing",
    "CALL_ACCEPTED": "accepted",
    "CALL_STARTED": "accepted",
    "CALL_ENDED": "ended",
    "CALL_MISSED": "missed",
    "CALL_MISSED_VOICE": "missed",
    "CALL_MISSED_VIDEO": "missed",
}
_LINK_MODES = {"ADMIN_LINK": "admins", "ALL_MEMBER_LINK": "all"}


def read(body: bytes) -> list[ProviderEvent]:
    """The events in a webhook body. Raises `ValueError` when it is not Z-API's shape."""
    raw = webhooks.decode(body)
    try:
        reader = _TYPES.get(raw["type"])
        return reader(raw) if reader else [unknown(raw)]
    except RecursionError as error:
        raise ValueError("the body is nested too deeply") from error


def _received(raw: Json) -> list[ProviderEvent]:
    message = envelope(raw)
    notification = raw.get("notification")
    if not isinstance(notification, str) or not notification:
        return [read_message(message)]
    return _notification(message, notification)


# --- receipts ----------------------------------------------------------------------------------------------


def _delivery(raw: Json) -> list[ProviderEvent]:
    """A message left Z-API's queue for WhatsApp, or failed there. A forwarded one we know by its `zaapId` only, so a
    failure is told for both ids."""
    at, told = moment(raw), raw.get("error") or raw.get("errorCode")
    identifier, queued = text(raw, "messageId"), text(raw, "zaapId")
    if not told:
        return [_receipt(identifier, MessageStatus.SERVER_ACK, at)] if identifier else [unknown(raw)]
    why = told if isinstance(told, str) else "Z-API gives no reason"
    failed = [
        _receipt(one, MessageStatus.FAILED, at, code=errors.delivery_code(raw), why=why)
        for one in dict.fromkeys((identifier, queued))
        if one
    ]
    return [*failed] or [unknown(raw)]


def _status(raw: Json) -> list[ProviderEvent]:
    at, told = moment(raw), raw.get("status")
    listed = raw.get("ids")
    ids = [one for one in listed if isinstance(one, str) and one] if isinstance(listed, list) else []
    chat = party(raw.get("phone"), raw.get("chatLid"))
    if told == "READ_BY_ME":
        data = {"chat": address(raw.get("phone")), "change": "read", "messages": ids}
        key = f"read:{fingerprint([data, instant(raw)])}"
        return [Noticed(type="chat.updated", key=key, at=at, party=chat, data=data)]
    state = STATES.get(told) if isinstance(told, str) else None
    if state is None or not ids:
        return [unknown(raw)]
    in_group = raw.get("isGroup") is True or chat.group is not None
    reader = address(text(raw, "participantPhone", "participant", "participantLid")) if in_group else None
    return [_receipt(one, state, at, recipient=reader) for one in ids]


def _receipt(identifier: str, state: MessageStatus, at: datetime, **facts: Any) -> ProviderEvent:
    recipient = facts.get("recipient")
    key = f"receipt:{identifier}:{state.value}:{recipient or ''}"
    return Receipt(type=f"message.{state.value}", key=key, at=at, provider_id=identifier, state=state, **facts)


# --- the connection ----------------------------------------------------------------------------------------


def _connected(raw: Json) -> list[ProviderEvent]:
    return [_change(raw, ConnectionStatus.CONNECTED if raw.get("connected") is not False else _lost(None))]


def _disconnected(raw: Json) -> list[ProviderEvent]:
    return [_change(raw, _lost(text(raw, "error")))]


def _lost(why: str | None) -> ConnectionStatus:
    """Z-API has three texts: the phone may be blocked, the session is over, or the device is off."""
    told = (why or "").lower()
    if "blocking" in told:
        return ConnectionStatus.BANNED
    return ConnectionStatus.LOGGED_OUT if "login again" in told else ConnectionStatus.DISCONNECTED


def _change(raw: Json, status: ConnectionStatus) -> ProviderEvent:
    return ConnectionChanged(
        type="instance.connected" if status is ConnectionStatus.CONNECTED else "instance.disconnected",
        key=f"connection:{status.value}:{instant(raw)}",
        at=moment(raw),
        status=status,
        reason=text(raw, "error"),
        phone=party(raw.get("phone")).phone,
    )


def _presence(raw: Json) -> list[ProviderEvent]:
    """It comes without a time or an id."""
    state, at = str(raw.get("status")).lower(), moment(raw)
    if state not in _PRESENCES:
        return [unknown(raw)]
    chat = address(raw.get("phone"))
    seen = time(raw.get("lastSeen"))
    data = {"state": state, "chat": chat, **({"last_seen": seen.isoformat()} if seen else {})}
    key = f"presence:{chat}:{state}:{instant(raw)}"
    return [Noticed(type="presence.updated", key=key, at=at, party=party(raw.get("phone")), data=data)]


def _proxy(raw: Json) -> list[ProviderEvent]:
    """Z-API gave up the instance's proxy and connects without it. It comes without a time or an id."""
    key = f"proxy:{instant(raw)}"
    data = {"proxy": rest(raw, "type", "instanceId", "momment")}
    return [Noticed(type="account.updated", key=key, at=moment(raw), data=data)]


# --- notifications -----------------------------------------------------------------------------------------


def _notification(message: Message, name: str) -> list[ProviderEvent]:
    if name == "REVOKE":
        return [webhooks.deleted(message)]
    if name == "CIPHERTEXT" and message.id and message.address:
        return [webhooks.waiting(message)]
    if name == "CHAT_LABEL_ASSOCIATION":
        return _labels(message) or [unknown(message.raw)]
    if name in _CALLS:
        return [_call(message, name)]
    if name in _GROUP_CHANGES and message.chat.group:
        return [_group(message, name)]
    if name in ("PROFILE_NAME_UPDATED", "PROFILE_PICTURE_UPDATED"):
        return [_profile(message, name)]
    return [unknown(message.raw)]


#: What tells a notification of a group from others. Ids alone do not: some are short numbers, and two examples share one.
_FACTS = ("phone", "messageId", "notificationParameters", "requestMethod", "linkMode")


def _key(message: Message, name: str) -> str:
    facts = [message.raw.get(fact) for fact in _FACTS]
    return f"notification:{name}:{fingerprint([instant(message.raw), *facts])}"


def _group(message: Message, name: str) -> ProviderEvent:
    raw = message.raw
    change = _GROUP_CHANGES[name]
    listed = raw.get("notificationParameters")
    parameters = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    data: Json = {"change": change}
    if change in ("subject", "description"):
        data |= {change: parameters[0]} if parameters else {}
    elif name.startswith("NEWSLETTER_"):
        # Behind the person stands the role.
        data["participants"] = [person(one) for one in parameters[:1]]
    elif change == "settings":
        data["settings"] = {"invite_link": _LINK_MODES.get(str(raw.get("linkMode")), raw.get("linkMode"))}
    else:
        data["participants"] = [found for one in parameters if (found := person(one))]
    if message.sender.identities():
        data["by"] = _person(message)
    if raw.get("requestMethod"):
        data["method"] = raw["requestMethod"]
    data |= webhooks.said(message, "messageId", "senderLid")
    return Noticed(type="group.updated", key=_key(message, name), at=message.at, party=message.chat, data=data)


def _person(message: Message) -> Json:
    who = message.sender
    facts = (("phone", who.phone), ("lid", who.lid), ("name", who.name))
    return {name: value for name, value in facts if value}


def _call(message: Message, name: str) -> ProviderEvent:
    raw = message.raw
    call = text(raw, "callId") or message.id
    video = raw.get("isVideo") is True or name.endswith("_VIDEO")
    data = {
        "call_id": call,
        "kind": "video" if video else "voice",
        "state": _CALLS[name],
        **rest({"direction": raw.get("callDirection"), "code": raw.get("code"), "group": message.chat.group}),
        **({"started": True} if name == "CALL_STARTED" else {}),
        **webhooks.said(message, "messageId"),
    }
    key = f"call:{call or fingerprint(raw)}:{name}"
    return Noticed(
        type="call.received",
        key=key,
        at=message.at,
        party=message.chat if message.from_me else message.sender,
        data=data,
    )


def _labels(message: Message) -> list[ProviderEvent]:
    events: list[ProviderEvent] = []
    for one in objects(message.raw.get("notificationParameters")):
        chat, label = address(one.get("phone")), text(one, "label")
        if not chat or label is None:
            continue
        change = "labelled" if one.get("assigned") is True else "unlabelled"
        events.append(
            Noticed(
                type="chat.updated",
                key=f"label:{chat}:{label}:{change}:{instant(message.raw)}",
                at=message.at,
                party=party(one.get("phone")),
                data={"chat": chat, "change": change, "label": label, **webhooks.said(message)},
            )
        )
    return events


def _profile(message: Message, name: str) -> ProviderEvent:
    raw = message.raw
    data = rest({"name": raw.get("profileName"), "picture": raw.get("updatedPhoto")})
    key = f"notification:{name}:{fingerprint([raw.get('phone'), instant(raw), data])}"
    about = party(raw.get("phone"), raw.get("chatLid"), name=raw.get("profileName"))
    return Noticed(type="contact.updated", key=key, at=message.at, party=about, data={**data, **webhooks.said(message)})


_TYPES: Mapping[str, Callable[[Json], list[ProviderEvent]]] = {
    "ReceivedCallback": _received,
    "DeliveryCallback": _delivery,
    "MessageStatusCallback": _status,
    "ConnectedCallback": _connected,
    "DisconnectedCallback": _disconnected,
    "PresenceChatCallback": _presence,
    "ProxyCallback": _proxy,
}
