"""Every payload under ../shared/specs/waha/webhooks, and what must come out of it.

Needs the shared folder; skipped by name where it is absent, a failure in CI.
"""

from typing import Any

import msgspec
import pytest

from recado.domain.events import EVENT_TYPES
from recado.providers.waha import webhooks
from tests.providers.conftest import shared

A32 = "A" * 32

#: File -> the type of each event, and facts of the first: a dotted path into it, and the value there.
EXPECTED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "ack_read": (
        ("message.read",),
        {
            "state": "read",
            "provider_id": "4CC5EDD64BC22EBA6D639F2AF571346C",
            "message_id": None,
            "recipient": None,
            "key": "receipt:4CC5EDD64BC22EBA6D639F2AF571346C:read:",
        },
    ),
    "call_accepted": (("call.received",), {"data.state": "accepted", "data.call_id": A32}),
    "call_received": (
        ("call.received",),
        {"data": {"call_id": A32, "kind": "voice", "state": "ringing"}, "party.phone": "22222222222"},
    ),
    "channel_text": (
        ("message.received",),
        {
            "kind": "text",
            "content": {"body": "How are you all?! ❤️"},
            "chat.group": "123123@newsletter",
            "sender.group": "123123@newsletter",
        },
    ),
    "chat_archive": (
        ("chat.updated",),
        {"data": {"chat": "123123123", "change": "archived"}, "party.phone": "123123123"},
    ),
    "document": (
        # Its id says that it is ours.
        ("message.sent",),
        {
            "kind": "document",
            "content": {"filename": "some-file.pdf", "mime_type": "application/pdf"},
            "media.ref.url": f"http://localhost:3000/api/files/true_11111111111@c.us_{A32}.pdf",
            "media.ref.message": f"true_11111111111@c.us_{A32}",
            "media.filename": "some-file.pdf",
        },
    ),
    "engine_event": (("unknown",), {"data.event": "engine.event", "data.payload.event": "messages.upsert"}),
    "event_response": (
        ("event.answered",),
        {
            "data": {"event": "3EBAAAAAAAAAAAAAAAAAAAAAAAAAA", "answer": "going"},
            "party.phone": "11111111111111111",
        },
    ),
    "group_text": (
        ("message.received",),
        {
            "provider_id": "AC79C12F3AD4F6D4A008CF6F141130D5",
            "chat.group": "120363000000000001@g.us",
            "sender.lid": "900000000000002@lid",
            "sender.phone": None,
            "content": {"body": "Oi"},
        },
    ),
    "group_v2_join": (
        ("group.updated",),
        {
            "party.group": "1231231232@g.us",
            "party.name": "Work Group",
            "data.change": "joined",
            "data.participants": [{"phone": "99999"}],
            "data.settings": {"announce": False, "approval": True, "members_add": True},
        },
    ),
    "group_v2_leave": (("group.updated",), {"party.group": "1231231232@g.us", "data": {"change": "left"}}),
    "group_v2_update": (
        ("group.updated",),
        {"data": {"change": "subject", "subject": "New Work Group Name"}},
    ),
    "image": (
        ("message.sent",),
        {
            "kind": "image",
            "content": {"caption": "Check this out (caption for the media)!", "mime_type": "image/jpeg"},
            "media.mime_type": "image/jpeg",
        },
    ),
    "image_s3_storage": (("message.sent",), {"kind": "image", "chat.phone": "11111111111"}),
    "label_chat_added": (
        ("chat.updated",),
        {"data": {"chat": "11111111111", "change": "labelled", "label": "6"}},
    ),
    "label_deleted": (("label.updated",), {"data": {"label": "10", "deleted": True, "color": "#00a0f2"}}),
    "label_upsert": (
        ("label.updated",),
        {"data": {"label": "10", "deleted": False, "name": "Label Name", "color": "#00a0f2"}},
    ),
    "message_deleted": (
        ("message.deleted",),
        {"target": "AAAAAAAAAAAAAAAA", "chat.phone": "1231243123", "sender.phone": "1231243123"},
    ),
    "message_waiting": (("message.waiting",), {"data": {"provider_id": A32, "chat": "11111111111"}}),
    "poll_vote": (
        ("poll.voted",),
        {"data": {"poll": "BAE5F2EF5C69001E", "options": ["Awesome!"]}, "party.phone": "1111111"},
    ),
    "poll_vote_failed": (("poll.voted",), {"data": {"poll": "BAE595F4E0A2042C", "options": None}}),
    "presence": (
        ("presence.updated",),
        {"data": {"state": "composing", "chat": "111111111111111111@g.us"}, "party.phone": "11111111111"},
    ),
    "reaction": (
        ("reaction.received",),
        {"emoji": "🙏", "target": "1" * 32, "chat.phone": "79111111", "from_me": False},
    ),
    "reply_quoted": (("message.sent",), {"reply_to": "AAAAAAAAAAAAAAAAAAA", "content": {"body": "Yes!"}}),
    "session_status_passkey_required": (
        ("instance.disconnected",),
        {
            "status": "connecting",
            "details.passkey.step": "challenge",
            "details.passkey.challenge": "9WVUYm9AsQ...",
            "details.passkey.rpId": "web.whatsapp.com",
        },
    ),
    "session_status_scan_qr_code": (("instance.qr",), {"status": "qr", "qr": None}),
    "session_status_working": (
        ("instance.connected",),
        {"status": "connected", "phone": "7911111", "reason": None},
    ),
    "status_story_image": (
        ("status.received",),
        {
            "data.kind": "image",
            "data.content.caption": "Check this out!",
            "data.provider_id": A32,
            "party.phone": "123123",
        },
    ),
    "text": (
        ("message.received",),
        {
            "key": "message:3AC22AE73E797638455D",
            "provider_id": "3AC22AE73E797638455D",
            # Both ids of the person: this is how WAHA lets a contact's identities meet.
            "chat.lid": "900000000000002@lid",
            "chat.phone": "5511999990002",
            "sender.name": "Ana",
            "content": {"body": "Oi"},
            "from_me": False,
            "extra": {},
        },
    ),
}


def at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)]
        else:
            value = value[step] if isinstance(value, dict) else getattr(value, step)
    return value


@pytest.mark.parametrize("name", EXPECTED)
def test_payload(name: str) -> None:
    types, facts = EXPECTED[name]
    body = (shared("specs/waha/webhooks") / f"{name}.json").read_bytes()
    events = webhooks.read(body)
    assert tuple(event.type for event in events) == types
    assert set(types) <= set(EVENT_TYPES)
    for path, value in facts.items():
        assert at(events[0], path) == value, path
    raw = msgspec.json.decode(body)
    if raw.get("id") or raw.get("timestamp") or raw["payload"].get("timestamp"):
        again = webhooks.read(body)
        assert [event.key for event in again] == [event.key for event in events]


def test_no_payload_is_missing_from_the_table() -> None:
    assert {path.stem for path in shared("specs/waha/webhooks").glob("*.json")} == set(EXPECTED)
