"""Every capture under ../shared/specs/uazapi/webhooks, and what must come out of it.

Needs the shared folder; skipped by name where it is absent, a failure in CI.
"""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from recado.domain.events import EVENT_TYPES, Deleted, Edited, Reacted, Received
from recado.domain.states import ConnectionStatus
from recado.providers.uazapi import webhooks
from tests.providers.conftest import shared

ANA = {"chat.phone": "5511999990002", "chat.lid": "900000000000002@lid", "sender.name": "Ana"}
GROUP = {
    "chat.group": "120363000000000001@g.us",
    "chat.phone": None,
    "chat.name": "Grupo de Teste",
    "sender.phone": "5511999990002",
    "sender.lid": "900000000000002@lid",
}
SHA = "00" * 32

#: File -> the type of each event, and facts of the first: a dotted path into it, and the value there.
EXPECTED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "ack_delivered": (
        ("message.delivered",),
        {
            "provider_id": "3EB00000000000000011",
            "state": "delivered",
            "recipient": None,
            "key": "receipt:3EB00000000000000011:delivered:",
            "at": datetime(2026, 8, 19, 17, 49, 44, tzinfo=UTC),
        },
    ),
    "ack_read": (
        ("message.read",),
        {"provider_id": "3EB00000000000000001", "at": datetime(2026, 8, 19, 17, 51, 41, tzinfo=UTC)},
    ),
    "audio": (
        ("message.received",),
        {
            **ANA,
            "kind": "voice",
            "content": {"mime_type": "audio/ogg; codecs=opus"},
            "media.ref": {"id": "AC0618B4C57918C5D25431E1AF47B2E7"},
            "media.size": 4920,
            "media.sha256": SHA,
            "extra.seconds": 2,
        },
    ),
    "chats": (
        ("chat.updated",),
        {"data.chat": "5511999990001", "data.change": "updated", "data.unread": 0, "party.lid": "90000020000000@lid"},
    ),
    "connection_connected": (
        ("instance.connected",),
        {"status": ConnectionStatus.CONNECTED, "phone": "5511999990001", "reason": None},
    ),
    "connection_disconnected": (
        ("instance.disconnected",),
        {
            "status": ConnectionStatus.LOGGED_OUT,
            "reason": "401: logged out from another device",
            "key": "connection:logged_out:2026-02-02T17:46:57.567000+00:00",
        },
    ),
    "document": (
        ("message.received",),
        {**ANA, "kind": "document", "content.filename": "documento.pdf", "media.mime_type": "application/pdf"},
    ),
    "file_downloaded": (
        ("unknown",),
        {"data.state": "filedownloaded", "data.messages": ["3EB00000000000000979"], "data.event": "messages_update"},
    ),
    "group_audio": (("message.received",), {**GROUP, "kind": "voice"}),
    "group_created": (
        ("group.updated",),
        {
            "data.change": "created",
            "data.subject": "captura chatwoot",
            "data.participants.1": {"phone": "5511999990001", "lid": "90000020000000@lid", "role": "owner"},
            "data.by.phone": "5511999990001",
            "party.group": "120363000002000000@g.us",
        },
    ),
    "group_document": (("message.received",), {**GROUP, "kind": "document"}),
    "group_image": (("message.received",), {**GROUP, "kind": "image", "media.size": 125330}),
    "group_join_added_other": (
        ("group.updated",),
        {
            "data.change": "added",
            "data.participants": [{"phone": "5511999990001", "lid": "900000000000001@lid"}],
            "data.by.phone": "5511999990003",
            "at": datetime(2026, 4, 27, 16, 45, 47, tzinfo=UTC),
        },
    ),
    "group_join_link_me": (
        ("group.updated",),
        {"data.change": "joined", "data.subject": "lgrupo link", "data.reason": "invite"},
    ),
    "group_leave_me": (
        ("group.updated",),
        {"data.change": "left", "data.participants": [{"phone": "5511999990003", "lid": "900000000000003@lid"}]},
    ),
    "group_poll_vote": (
        ("poll.voted",),
        {
            "data.poll": "ACC68CE4E0813DDFA7CBC82E3E812AA5",
            "data.options": ["Oi"],
            "data.chat": "120363000000000001@g.us",
            "party.phone": "5511999990002",
        },
    ),
    "group_sent_by_me_text": (
        ("message.sent",),
        {"from_me": True, "by_api": False, "chat.group": "120363000000000001@g.us", "sender.phone": "5511999990001"},
    ),
    "group_text": (("message.received",), {**GROUP, "kind": "text", "content": {"body": "Oi"}}),
    "image": (("message.received",), {**ANA, "kind": "image", "content": {"mime_type": "image/jpeg"}}),
    "list_reply": (
        ("message.received",),
        {
            "kind": "list_reply",
            "content": {"id": "fones", "title": "Fones", "description": "Bluetooth e com fio"},
            "reply_to": "3EB00EB51811DEDC4195E4",
        },
    ),
    "message_edited": (
        ("message.edited",),
        {"target": "AC98212CD4909DE6799E78D93A824A3F", "kind": "text", "content": {"body": "Oi2"}},
    ),
    "poll_created": (
        ("message.received",),
        {"kind": "poll", "content": {"name": "Oi", "options": ["Sol", "Lua"], "selectable": 0}},
    ),
    "poll_vote": (
        ("poll.voted",),
        {"data.poll": "ACD77D406C13602A7D0C93F11113240B", "data.options": ["Sol", "Lua"], "party.name": "Ana"},
    ),
    # What our own number shows in a chat comes back, and says nothing about the other.
    "presence": ((), {}),
    "qr_updated": (
        ("instance.qr",),
        {"status": ConnectionStatus.QR, "qr": None, "pairing_code": None, "phone": None},
    ),
    "reaction": (
        ("reaction.received",),
        {"emoji": "❤️", "target": "AC24A7E68360C7E9A54F64AB85FAECE2", "from_me": False, "sender.name": "Ana"},
    ),
    "sent_by_me_conversation": (
        ("message.sent",),
        {"from_me": True, "by_api": False, "kind": "text", "content": {"body": "Oi"}},
    ),
    "sent_by_me_image": (
        ("message.sent",),
        {"chat.phone": "5511999990002", "chat.lid": "900000000000002@lid", "sender.phone": "5511999990001"},
    ),
    "sent_by_me_text": (
        ("message.sent",),
        {"from_me": True, "chat.phone": "5511999990002", "sender.lid": "900000000000001@lid"},
    ),
    "sent_by_me_via_api_text": (
        ("message.sent",),
        # Its `track_id` is that of another system.
        {"by_api": True, "from_me": True, "message_id": None, "chat.lid": "900000100000000@lid"},
    ),
    "sticker": (("message.received",), {**ANA, "kind": "sticker", "media.mime_type": "image/webp"}),
    "text": (
        ("message.received",),
        {
            **ANA,
            "kind": "text",
            "content": {"body": "Oi"},
            "provider_id": "AC98212CD4909DE6799E78D93A824A3F",
            "key": "message:AC98212CD4909DE6799E78D93A824A3F",
            "at": datetime(2026, 2, 3, 19, 16, 18, tzinfo=UTC),
            "account": None,
            "from_me": False,
        },
    ),
    "video": (("message.received",), {**ANA, "kind": "video", "extra.seconds": 4}),
    "video_gif": (("message.received",), {**ANA, "kind": "gif"}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_capture(name: str) -> None:
    body = (shared("specs/uazapi/webhooks") / f"{name}.json").read_bytes()
    types, facts = EXPECTED[name]
    for read in (body, webhooks.redact(body)):
        events = webhooks.read(read)
        assert tuple(event.type for event in events) == types
        assert set(types) <= set(EVENT_TYPES)
        assert {path: at(events[0], path) for path in facts} == facts


@pytest.mark.parametrize("name", EXPECTED)
def test_the_token_proves_a_capture_and_is_not_kept(name: str) -> None:
    body = (shared("specs/uazapi/webhooks") / f"{name}.json").read_bytes()
    token = "00000000-0000-4000-8000-000000000001"
    assert webhooks.verify(token, body)
    assert token.encode() not in webhooks.redact(body)
    assert not webhooks.verify(token, webhooks.redact(body))


def test_the_table_has_every_capture() -> None:
    assert {file.stem for file in shared("specs/uazapi/webhooks").glob("*.json")} == set(EXPECTED)


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e300,
    "",
    "x",
    "{",
    "x@bot",
    "9999-12-31T23:59:59-23:00",
    [],
    [None, 17, "x", {}],
    {},
    {"a": {}},
)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_capture_with_one_field_gone_or_odd_never_raises(name: str) -> None:
    """Anything but a missing or odd `EventType` is still UAZAPI's shape."""
    whole = msgspec.json.decode((shared("specs/uazapi/webhooks") / f"{name}.json").read_bytes())
    for path, changed in bent(whole):
        body = msgspec.json.encode(changed)
        kind = changed.get("EventType")
        if not isinstance(kind, str) or not kind:
            with pytest.raises(ValueError, match="EventType"):
                webhooks.read(body)
            continue
        for event in webhooks.read(body):
            assert event.type in EVENT_TYPES
            assert event.key
            if isinstance(event, Received | Edited | Deleted | Reacted):
                assert event.chat.identities(), path


def bent(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Plain data with each place inside it taken away, or replaced by something odd, one at a time."""
    places: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    for place in places:
        without = copy.copy(value)
        del without[place]
        yield (*path, place), without
        for odd in ODD:
            with_odd = copy.copy(value)
            with_odd[place] = odd
            yield (*path, place), with_odd
        if isinstance(value[place], dict | list):
            for deeper, changed in bent(value[place], (*path, place)):
                around = copy.copy(value)
                around[place] = changed
                yield deeper, around


def at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, list):
            value = value[int(name)]
        else:
            value = getattr(value, name)
    return value
