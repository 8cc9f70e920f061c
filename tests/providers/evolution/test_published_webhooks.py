"""Every payload under ../shared/specs/evolution/webhooks, and what must come out of it.

Needs the shared folder; skipped by name where it is absent, a failure in CI.
"""

from datetime import UTC
from typing import Any

import msgspec
import pytest

from recado.domain.events import EVENT_TYPES, ProviderEvent
from recado.providers.evolution import webhooks
from tests.providers.conftest import shared
from tests.providers.evolution.odd import variants

GROUP = "120363000000000005@g.us"
ZEROS = "00" * 32

#: File -> the type of each event, and facts of the first: a dotted path into it, and the value there.
EXPECTED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "text": (
        ("message.received",),
        {
            "key": "message:3EB0062835B784532CE8B8",
            "kind": "text",
            "content": {"body": "Mensagem de teste"},
            "chat.phone": "5511999990002",
            "sender.name": "Ana",
            "from_me": False,
            "at.year": 2025,
            "at.hour": 22,
        },
    ),
    "text_cloud_api_channel": (
        ("message.received",),
        {
            "provider_id": "wamid.HBgNNTUxMTk5OTk5MDAwMhUCABIYFjNFQjAwMDAwMDAwMDAwMDAwMDAwMDAA",
            "content": {"body": "hola!"},
            "sender.phone": "5511999990002",
        },
    ),
    "audio": (
        ("message.received",),
        {
            "kind": "voice",
            "content": {"mime_type": "audio/ogg; codecs=opus"},
            "media.size": 7397,
            "media.sha256": ZEROS,
            "media.ref.key": {
                "id": "3A35903C2393D681D816",
                "remoteJid": "5511999990002@s.whatsapp.net",
                "fromMe": False,
            },
            "extra": {"seconds": 3},
        },
    ),
    "sent_by_me_audio": (
        ("message.sent",),
        {
            "kind": "voice",
            "from_me": True,
            "by_api": False,
            "chat.phone": "5511999990002",
            "sender.phone": "5511999990001",
        },
    ),
    "group_participants_add": (
        ("group.updated",),
        {
            "party.group": "120363000000000002@g.us",
            "data.change": "added",
            "data.participants": [{"phone": "5511999990002", "lid": "900000000000001@lid"}],
        },
    ),
    "group_participants_add_lid_strings": (
        ("group.updated",),
        {
            "data.change": "added",
            "data.participants": [{"lid": "900000000000004@lid"}],
            "data.by": {"lid": "900000000000002@lid"},
        },
    ),
    "groups_upsert": (
        ("group.updated",),
        {
            "party.group": GROUP,
            "party.name": "Grupo de Teste",
            "data.change": "joined",
            "data.description": "Mudei a descrição",
            "data.participants.0": {"phone": "5511999990003", "lid": "900000000000002@lid", "role": "owner"},
        },
    ),
    # An edit, as the one who reported it found: the server's word for every change without a status.
    "messages_update_deleted": (
        ("unknown",),
        {"data.status": "DELETED", "data.provider_id": "A5561E44C2A63682E4295B52F484C14E"},
    ),
    "presence": (
        ("presence.updated",),
        {"data.state": "composing", "data.chat": "900000000000004@lid", "party.lid": "900000000000004@lid"},
    ),
    "v1_connection_close": (
        ("instance.disconnected",),
        {"status": "disconnected", "reason": "refused: the server's version of WhatsApp Web is outdated"},
    ),
    "v1_connection_connecting": (("instance.disconnected",), {"status": "connecting", "reason": None}),
    "v1_group_text": (
        ("message.received",),
        {
            "content": {"body": "Mensaje de prueba"},
            "chat.group": "120363000000000001@g.us",
            "chat.name": None,
            "sender.lid": "900000000000002@lid",
            "sender.phone": None,
            "sender.name": "Ana",
        },
    ),
    "v1_image": (
        ("message.received",),
        {
            "kind": "image",
            "content": {"caption": "hola - text con multimedia (imagen)", "mime_type": "image/jpeg"},
            "media.size": 52046,
            "media.ref.message.imageMessage.height": 720,
        },
    ),
    "v1_sent_by_me_text": (
        ("message.sent",),
        {"content": {"body": "menasje saliente solo texto"}, "from_me": True, "by_api": False, "sender.name": None},
    ),
    "v1_sticker": (("message.received",), {"kind": "sticker", "content": {"mime_type": "image/webp"}}),
    "v1_video": (
        ("message.received",),
        {"kind": "video", "content.caption": "hola - text con multimea (video)", "extra": {"seconds": 16}},
    ),
}


def read(name: str) -> list[ProviderEvent]:
    return webhooks.read((shared("specs/evolution/webhooks") / f"{name}.json").read_bytes())


@pytest.mark.parametrize("name", EXPECTED)
def test_what_comes_out(name: str) -> None:
    events = read(name)
    types, facts = EXPECTED[name]
    assert tuple(event.type for event in events) == types
    assert set(types) <= set(EVENT_TYPES)
    for path, value in facts.items():
        assert follow(events[0], path) == value, path


def follow(found: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(found, list):
            found = found[int(step)]
        else:
            found = found[step] if isinstance(found, dict) else getattr(found, step)
    return found


def test_the_table_names_every_file() -> None:
    folder = shared("specs/evolution/webhooks")
    assert {path.stem for path in folder.glob("*.json")} == set(EXPECTED)


#: Without an envelope there is no time to tell two alike from one.
TIMED = sorted(set(EXPECTED) - {"presence", "group_participants_add_lid_strings", "groups_upsert"})


@pytest.mark.parametrize("name", TIMED)
def test_a_repeat_gives_the_same_keys(name: str) -> None:
    assert [event.key for event in read(name)] == [event.key for event in read(name)]


@pytest.mark.parametrize("name", EXPECTED)
def test_no_single_odd_field_breaks_the_reading(name: str) -> None:
    """Only what makes the body none of Evolution's is refused: its `event` and its `data`."""
    whole = msgspec.json.decode((shared("specs/evolution/webhooks") / f"{name}.json").read_bytes())
    for path, odd in variants(whole):
        try:
            found = webhooks.read(msgspec.json.encode(odd))
        except ValueError:
            assert path in (("event",), ("data",)), path
            continue
        for event in found:
            assert event.type in EVENT_TYPES, path
            assert event.at.tzinfo is UTC, path
            msgspec.json.encode(event)


@pytest.mark.parametrize("name", EXPECTED)
def test_no_preview_and_no_key_is_kept(name: str) -> None:
    shown = repr(read(name))
    assert "/9j/" not in shown
    assert "00000000-0000-4000-8000-000000000000" not in shown
    body = (shared("specs/evolution/webhooks") / f"{name}.json").read_bytes()
    assert b"00000000-0000-4000-8000-000000000000" not in webhooks.redact(body)
    assert len(webhooks.read(webhooks.redact(body))) == len(EXPECTED[name][0])
