"""Webhook bodies to events.

Nothing here validates: Meta's own examples fail Meta's own schema, and new fields come every month. What is
understood becomes a typed event and the rest of its object is kept under `extra`; what is not becomes an `unknown`
event with its raw object. One unreadable message never costs the others of its batch.

Keys are Meta's own ids where there are any (`message:<wamid>`, `receipt:<wamid>:<status>:<recipient>`) and
otherwise a hash of the object and its time, so that a repeated webhook gives the same keys.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.events import (
    Deleted,
    Edited,
    MediaRef,
    Noticed,
    Party,
    ProviderEvent,
    Reacted,
    Receipt,
    Received,
)
from recado.domain.states import MessageStatus

Json = dict[str, Any]

STATES: Mapping[str, tuple[str, MessageStatus]] = {
    "sent": ("message.server_ack", MessageStatus.SERVER_ACK),
    "delivered": ("message.delivered", MessageStatus.DELIVERED),
    "read": ("message.read", MessageStatus.READ),
    "played": ("message.played", MessageStatus.PLAYED),
    "failed": ("message.failed", MessageStatus.FAILED),
}

#: Beginnings of `field` -> the type of event; the groups and single fields are handled by name.
_NOTICES = (
    ("message_template_", "template.updated"),
    ("template_", "template.updated"),
    ("account_", "account.updated"),
    ("phone_number_", "account.updated"),
    ("business_", "account.updated"),
    ("security", "account.updated"),
)

#: No quantity, price or place is larger; up to here a number is exact.
_LARGEST = 2.0**53

#: Keys of a message that are read into the event itself; every other one goes to `extra`.
_READ = frozenset({"id", "from", "to", "timestamp", "type", "context", "group_id", "from_user_id", "to_user_id"})


class _Unreadable(ValueError):
    """An object without what its kind must have."""


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of one change share. `at` stands in for a time that an object does not have."""

    field: str
    waba_id: str | None
    account: str | None
    own_phone: str | None
    at: datetime
    stamp: Any
    contacts: Mapping[str, Json]
    only_contact: Json | None


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    content: Any
    media: MediaRef | None = None
    extra: Json = {}


def read(body: bytes) -> list[ProviderEvent]:
    """The events in a webhook body, in its order. Raises `ValueError` when it is not Meta's shape."""
    try:
        return _events(body)
    except RecursionError as error:
        raise ValueError("the body is nested too deeply") from error


def _events(body: bytes) -> list[ProviderEvent]:
    payload = msgspec.json.decode(body)
    if b"\\u0000" in body:
        payload = _without_nul(payload)
    entries = payload.get("entry") if isinstance(payload, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the body has no `entry` list")
    events: list[ProviderEvent] = []
    for entry in entries:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        if not isinstance(changes, list):
            events.append(_unknown(_EMPTY, entry))
            continue
        for change in changes:
            events.extend(_change(entry, change))
    return events


# --- changes -----------------------------------------------------------------------------------------------


def _change(entry: Json, raw: Any) -> list[ProviderEvent]:
    value = raw.get("value") if isinstance(raw, dict) else None
    if not isinstance(value, dict):
        return [_unknown(_EMPTY, raw)]
    change = _context(entry, str(raw.get("field")), value)
    parts: tuple[tuple[str, Callable[[_Change, Json], ProviderEvent]], ...]
    match change.field:
        case "messages":
            parts = (("messages", _message), ("statuses", _status), ("errors", _value_error))
        case "smb_message_echoes" | "message_echoes":
            parts = (("message_echoes", _echo), ("errors", _value_error))
        case "calls":
            return _calls(change, value) or [_unknown(change, value)]
        case "user_preferences":
            parts = (("user_preferences", _preference),)
        case "user_id_update":
            parts = (("user_id_update", _user_id_change),)
        case field if field.startswith("group_"):
            parts = (("groups", _group),)
        case field:
            kind = next((kind for start, kind in _NOTICES if field.startswith(start)), None)
            return [_notice(change, kind, value) if kind else _unknown(change, value)]
    events = [event for name, reader in parts for event in _each(change, value.get(name), reader)]
    return events or [_unknown(change, value)]


def _context(entry: Json, field: str, value: Json) -> _Change:
    metadata = _maybe_object(value.get("metadata"))
    stamp = entry.get("time")
    listed = value.get("contacts")
    contacts = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    display = "".join(character for character in _text(metadata, "display_phone_number") or "" if character.isdigit())
    return _Change(
        field=field,
        waba_id=_text(entry, "id"),
        account=_text(metadata, "phone_number_id"),
        own_phone=display or None,
        at=_time(stamp) or datetime.now(UTC),
        stamp=stamp,
        contacts={
            identifier: contact
            for contact in contacts
            for identifier in (_text(contact, "wa_id"), _text(contact, "user_id"))
            if identifier
        },
        only_contact=contacts[0] if len(contacts) == 1 else None,
    )


def _each(change: _Change, items: Any, reader: Callable[[_Change, Json], ProviderEvent]) -> Iterable[ProviderEvent]:
    """The event of each item; an item, or a list, that is not what it should be becomes `unknown`."""
    if items is None:
        return
    if not isinstance(items, list):
        yield _unknown(change, items)
        return
    for item in items:
        try:
            yield reader(change, _object(item))
        except _Unreadable:
            yield _unknown(change, item)


# --- messages ----------------------------------------------------------------------------------------------


def _message(change: _Change, raw: Json) -> ProviderEvent:
    system = _maybe_object(raw.get("system"))
    user_id = _text(raw, "from_user_id") or _text(system, "previous_user_id")
    sender = _party(change, _text(raw, "from"), user_id)
    group = _text(raw, "group_id")
    chat = Party(group=group) if group else sender
    return _in_chat(change, raw, chat=chat, sender=sender, from_me=False)


def _echo(change: _Change, raw: Json) -> ProviderEvent:
    """A message that our own number wrote on the phone (coexistence)."""
    group = _text(raw, "group_id")
    chat = Party(group=group) if group else _party(change, _text(raw, "to"), _text(raw, "to_user_id"))
    sender = Party(phone=_digits(_text(raw, "from")) or change.own_phone)
    return _in_chat(change, raw, chat=chat, sender=sender, from_me=True)


def _in_chat(change: _Change, raw: Json, *, chat: Party, sender: Party, from_me: bool) -> ProviderEvent:
    wamid = _required(raw, "id")
    at = _time(raw.get("timestamp")) or change.at
    kind = _text(raw, "type") or "unknown"
    match kind:
        case "reaction":
            reaction = _object(raw.get("reaction"))
            return Reacted(
                type="reaction.received",
                key=f"reaction:{wamid}",
                at=at,
                account=change.account,
                target=_required(reaction, "message_id"),
                chat=chat,
                sender=sender,
                emoji=_text(reaction, "emoji") or "",
                from_me=from_me,
            )
        case "edit":
            edit = _object(raw.get("edit"))
            edited = _object(edit.get("message"))
            now = _content(_required(edited, "type"), edited, wamid)
            # Meta may repeat the id of the message for a second edit of it; the time tells them apart.
            return Edited(
                type="message.edited",
                key=f"edited:{wamid}:{_text(raw, 'timestamp')}",
                at=at,
                account=change.account,
                target=_required(edit, "original_message_id"),
                chat=chat,
                sender=sender,
                kind=now.kind,
                content=now.content,
            )
        case "revoke":
            return Deleted(
                type="message.deleted",
                key=f"deleted:{wamid}",
                at=at,
                account=change.account,
                target=_required(_object(raw.get("revoke")), "original_message_id"),
                chat=chat,
                sender=sender,
            )
        case "system":
            return Noticed(
                type="contact.updated",
                key=f"system:{wamid}",
                at=at,
                account=change.account,
                data=_object(raw.get("system")) | _others(raw, "system"),
                party=sender,
            )
        case _:
            return _received(change, raw, kind, chat=chat, sender=sender, from_me=from_me)


def _received(change: _Change, raw: Json, kind: str, *, chat: Party, sender: Party, from_me: bool) -> Received:
    wamid = _required(raw, "id")
    context = _maybe_object(raw.get("context"))
    content = _content(kind, raw, wamid)
    extra = content.extra if content.kind == "unknown" else _others(raw, kind) | content.extra
    beside = {name: value for name, value in context.items() if name not in ("from", "id", "forwarded")}
    return Received(
        type="message.sent" if from_me else "message.received",
        key=f"message:{wamid}",
        at=_time(raw.get("timestamp")) or change.at,
        account=change.account,
        provider_id=wamid,
        chat=chat,
        sender=sender,
        kind=content.kind,
        content=content.content,
        media=content.media,
        from_me=from_me,
        reply_to=_text(context, "id"),
        forwarded=context.get("forwarded") is True or context.get("frequently_forwarded") is True,
        extra=extra | {"context": beside} if beside and content.kind != "unknown" else extra,
    )


def _content(kind: str, raw: Json, wamid: str) -> _Content:
    reader = _KINDS.get(kind)
    if reader is None:
        return _Content(kind="unknown", content={}, extra=raw)
    return reader(kind, raw.get(kind), wamid)


def _read_text(kind: str, value: Any, wamid: str) -> _Content:
    text = _object(value)
    body = text.get("body")
    if not isinstance(body, str):
        raise _Unreadable("a text without a body")
    return _Content(kind=kind, content={"body": body})


def _read_media(kind: str, value: Any, wamid: str) -> _Content:
    media = _object(value)
    ref = _given(id=_text(media, "id"), url=_text(media, "url"))
    if not ref:
        raise _Unreadable("media without an id")
    mime_type, filename = _text(media, "mime_type"), _text(media, "filename")
    return _Content(
        kind="voice" if kind == "audio" and media.get("voice") is True else kind,
        content=_given(caption=_text(media, "caption"), filename=filename, mime_type=mime_type),
        media=MediaRef(ref=ref, mime_type=mime_type, filename=filename, sha256=_hex(_text(media, "sha256"))),
        extra=_rest(media, "id", "url", "caption", "filename", "mime_type", "sha256", "voice"),
    )


def _read_location(kind: str, value: Any, wamid: str) -> _Content:
    place = _object(value)
    content = {"latitude": _number(place.get("latitude")), "longitude": _number(place.get("longitude"))}
    content |= _given(name=_text(place, "name"), address=_text(place, "address"))
    return _Content(kind=kind, content=content, extra=_rest(place, "latitude", "longitude", "name", "address"))


def _read_contacts(kind: str, value: Any, wamid: str) -> _Content:
    if not isinstance(value, list):
        raise _Unreadable("contacts that are no list")
    cards = [_card(_object(card)) for card in value]
    # Addresses, web pages and the like have no place in our card: the whole cards are kept beside it.
    return _Content(kind=kind, content=cards, extra={} if cards == value else {"contacts": value})


def _card(raw: Json) -> Json:
    name = _maybe_object(raw.get("name"))
    first, last = _text(name, "first_name"), _text(name, "last_name")
    phones = _objects(raw.get("phones"))
    shown = _text(name, "formatted_name") or " ".join(filter(None, (first, last)))
    shown = shown or next(filter(None, (_text(phone, "phone") for phone in phones)), "?")
    card: Json = {"name": {"formatted_name": shown} | _given(first_name=first, last_name=last)}
    card |= _given(
        phones=[
            {"phone": number} | _given(type=_text(phone, "type"), wa_id=_text(phone, "wa_id"))
            for phone in phones
            if (number := _text(phone, "phone") or _text(phone, "wa_id"))
        ],
        emails=[
            {"email": address} | _given(type=_text(email, "type"))
            for email in _objects(raw.get("emails"))
            if (address := _text(email, "email"))
        ],
    )
    org = _maybe_object(raw.get("org"))
    company = _given(**{key: _text(org, key) for key in ("company", "department", "title")})
    return card | _given(org=company, birthday=_text(raw, "birthday"))


def _read_button(kind: str, value: Any, wamid: str) -> _Content:
    """A tap on a quick reply of a template."""
    button = _object(value)
    title = _required(button, "text")
    return _Content(kind="button_reply", content={"id": _text(button, "payload") or title, "title": title})


def _read_interactive(kind: str, value: Any, wamid: str) -> _Content:
    interactive = _object(value)
    which = _required(interactive, "type")
    reply = _object(interactive.get(which))
    match which:
        case "button_reply" | "list_reply":
            content = {"id": _required(reply, "id"), "title": _text(reply, "title") or ""}
            return _Content(kind=which, content=content | _given(description=_text(reply, "description")))
        case "nfm_reply":
            answer = _text(reply, "response_json")
            content = _given(name=_text(reply, "name"), body=_text(reply, "body"))
            return _Content(kind=which, content=content | {"response": _json(answer)})
        case _:
            return _Content(kind="unknown", content={}, extra={"type": kind, kind: interactive})


def _read_order(kind: str, value: Any, wamid: str) -> _Content:
    """A cart. Meta names no reference and no product names: the message id and the product ids stand in."""
    order = _object(value)
    items = [
        {
            "name": _required(item, "product_retailer_id"),
            "product_id": _required(item, "product_retailer_id"),
            "quantity": int(_number(item.get("quantity"))),
            "amount": round(_number(item.get("item_price")) * 100),
        }
        for item in _objects(order.get("product_items"))
    ]
    currency = next((_text(item, "currency") for item in _objects(order.get("product_items"))), None)
    content: Json = {"reference_id": wamid, "items": items}
    content |= _given(currency=currency, body=_text(order, "text"))
    return _Content(kind=kind, content=content, extra={"order": order})


def _read_welcome(kind: str, value: Any, wamid: str) -> _Content:
    """Somebody opened the chat for the first time and has written nothing yet."""
    return _Content(kind=kind, content={})


_KINDS: Mapping[str, Callable[[str, Any, str], _Content]] = {
    "text": _read_text,
    "image": _read_media,
    "video": _read_media,
    "audio": _read_media,
    "document": _read_media,
    "sticker": _read_media,
    "location": _read_location,
    "contacts": _read_contacts,
    "button": _read_button,
    "interactive": _read_interactive,
    "order": _read_order,
    "request_welcome": _read_welcome,
}


# --- receipts and everything else --------------------------------------------------------------------------


def _status(change: _Change, raw: Json) -> ProviderEvent:
    wamid, status = _required(raw, "id"), _required(raw, "status")
    if status not in STATES:
        raise _Unreadable("a status we do not know")
    type_, state = STATES[status]
    participant = _text(raw, "recipient_participant_id") or _text(raw, "recipient_participant_user_id")
    recipient = participant or _text(raw, "recipient_id") or _text(raw, "recipient_user_id")
    tracker = _text(raw, "biz_opaque_callback_data")
    failure = next(iter(_objects(raw.get("errors"))), {})
    in_group = _text(raw, "recipient_type") == "group"
    return Receipt(
        type=type_,
        key=f"receipt:{wamid}:{status}:{recipient or ''}",
        at=_time(raw.get("timestamp")) or change.at,
        account=change.account,
        provider_id=wamid,
        state=state,
        message_id=tracker if _is_uuid(tracker) else None,
        recipient=participant or (recipient if in_group else None),
        code=_text(failure, "code"),
        why=_why(failure),
        extra=_rest(raw, "id", "status", "timestamp", "recipient_participant_id"),
    )


def _value_error(change: _Change, raw: Json) -> ProviderEvent:
    """An error of the account as a whole, told beside messages or alone."""
    return _notice(change, "account.updated", {"error": raw})


def _calls(change: _Change, value: Json) -> list[ProviderEvent]:
    errors = value.get("errors")

    def call(change: _Change, raw: Json) -> ProviderEvent:
        ours = _text(raw, "direction") == "BUSINESS_INITIATED"
        happened = _text(raw, "event") or _text(raw, "status") or ""
        other = _text(raw, "to" if ours else "from") or _text(raw, "recipient_id")
        user_id = _text(raw, "to_user_id" if ours else "from_user_id") or _text(raw, "recipient_user_id")
        return Noticed(
            type="call.received",
            key=f"call:{_required(raw, 'id')}:{happened}",
            at=_time(raw.get("timestamp")) or change.at,
            account=change.account,
            data=raw | {"errors": errors} if errors else raw,
            party=_party(change, other, user_id),
        )

    return [event for name in ("calls", "statuses") for event in _each(change, value.get(name), call)]


def _preference(change: _Change, raw: Json) -> ProviderEvent:
    return Noticed(
        type="contact.updated",
        key=f"preference:{_fingerprint(raw)}",
        at=_time(raw.get("timestamp")) or change.at,
        account=change.account,
        data={"field": change.field, **raw},
        party=_party(change, _text(raw, "wa_id"), _text(raw, "user_id")),
    )


def _user_id_change(change: _Change, raw: Json) -> ProviderEvent:
    ids = _maybe_object(raw.get("user_id"))
    return Noticed(
        type="contact.updated",
        key=f"user_id:{_fingerprint(raw)}",
        at=_time(raw.get("timestamp")) or change.at,
        account=change.account,
        data={"field": change.field, **raw},
        party=_party(change, _text(raw, "wa_id"), _text(ids, "previous") or _text(raw, "user_id")),
    )


def _group(change: _Change, raw: Json) -> ProviderEvent:
    return Noticed(
        type="group.updated",
        key=f"group:{_fingerprint([change.field, raw])}",
        at=_time(raw.get("timestamp")) or change.at,
        account=change.account,
        data={"field": change.field, **raw},
        party=Party(group=_required(raw, "group_id"), name=_text(raw, "subject")),
    )


def _notice(change: _Change, type_: str, value: Json) -> ProviderEvent:
    """Something that `type_` says enough about: the value is passed on, with what it belongs to."""
    return Noticed(
        type=type_,
        key=f"{change.field}:{_fingerprint([change.waba_id, change.stamp, value])}",
        at=change.at,
        account=change.account,
        data={"field": change.field, "waba_id": change.waba_id, **value},
    )


def _unknown(change: _Change, raw: Any) -> ProviderEvent:
    return Noticed(
        type="unknown",
        key=f"unknown:{_fingerprint([change.field, change.stamp, raw])}",
        at=change.at if change is not _EMPTY else datetime.now(UTC),
        account=change.account,
        data={"field": change.field, "raw": raw},
    )


_EMPTY = _Change(
    field="",
    waba_id=None,
    account=None,
    own_phone=None,
    at=datetime.fromtimestamp(0, UTC),
    stamp=None,
    contacts={},
    only_contact=None,
)


# --- reading loosely ---------------------------------------------------------------------------------------


def _party(change: _Change, wa_id: str | None, user_id: str | None) -> Party:
    """A person by any of both ids, completed from the change's contacts. A `wa_id` may be no phone at all."""
    if wa_id is None and user_id is None:
        contact = change.only_contact
    else:
        contact = change.contacts.get(wa_id or "") or change.contacts.get(user_id or "")
    contact = contact or {}
    wa_id = wa_id or _text(contact, "wa_id")
    phone = _digits(wa_id)
    bsuid = user_id or _text(contact, "user_id") or (None if phone else wa_id)
    if phone is None and bsuid is None:
        raise _Unreadable("nobody is named")
    profile = _maybe_object(contact.get("profile"))
    username = _text(profile, "username") or _text(contact, "username")
    return Party(phone=phone, bsuid=bsuid, username=username, name=_text(profile, "name"))


def _digits(value: str | None) -> str | None:
    digits = (value or "").removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else None


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise _Unreadable("not an object")
    return value


def _maybe_object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Json, name: str) -> str | None:
    """A text, or a number as text (Meta writes some ids as numbers); None when absent, empty or something else."""
    found = value.get(name)
    if isinstance(found, str):
        return found or None
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return None


def _required(value: Json, name: str) -> str:
    found = _text(value, name)
    if found is None:
        raise _Unreadable(f"no {name}")
    return found


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _Unreadable("not a number") from error
    if not abs(number) < _LARGEST:
        raise _Unreadable("not a number of anything")
    return number


def _time(value: Any) -> datetime | None:
    """A Unix time in seconds or milliseconds, as number or text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        seconds = int(value)
        return datetime.fromtimestamp(seconds / 1000 if seconds > 100_000_000_000 else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _hex(sha256: str | None) -> str | None:
    """Webhooks write the hash in base64, the media route in hexadecimal: always hexadecimal here."""
    try:
        raw = base64.b64decode(sha256 or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 32 else None


def _json(text: str | None) -> Any:
    """JSON within JSON. A NUL in it shows only now."""
    try:
        return _without_nul(msgspec.json.decode(text or "null"))
    except (ValueError, RecursionError):
        return text


def _is_uuid(value: str | None) -> bool:
    try:
        UUID(value or "")
    except ValueError:
        return False
    return True


def _why(error: Json) -> str | None:
    details = _text(_maybe_object(error.get("error_data")), "details")
    return details or _text(error, "message") or _text(error, "title")


def _given(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value}


def _rest(value: Json, *names: str) -> Json:
    return {name: found for name, found in value.items() if name not in names}


def _others(raw: Json, kind: str) -> Json:
    """What a message carries beside its content: referral, identity, errors, parent ids …"""
    return {name: value for name, value in raw.items() if name not in _READ and name != kind}


def _fingerprint(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _without_nul(value: Any) -> Any:
    """PostgreSQL stores no NUL character in a text; a message must not be lost for one."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {name.replace("\x00", ""): _without_nul(item) for name, item in value.items()}
    return value
