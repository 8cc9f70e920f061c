"""Webhooks of our own making: what the published examples do not show."""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from recado.domain.events import ConnectionChanged, Deleted, Edited, Noticed, Reacted, Receipt, Received
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.providers.waha import webhooks
from tests.providers.conftest import shared

LID = "900000000000002@lid"
GROUP = "120363000000000001@g.us"
CHAT = "5511999990002@c.us"
OURS = "019A9E0B6C007ABC8DEF0123456789AB"
OUR_UUID = "019a9e0b-6c00-7abc-8def-0123456789ab"
ME = {"id": "5511999990001@c.us", "lid": "900000000000001@lid", "jid": "5511999990001:2@s.whatsapp.net"}


def body(event: str, payload: Any, **more: Any) -> bytes:
    envelope = {"id": "evt_1", "timestamp": 1_795_300_000_000, "event": event, "session": "s", "me": ME}
    return msgspec.json.encode({**envelope, "payload": payload, **more})


def message(**fields: Any) -> dict[str, Any]:
    return {"id": f"false_{CHAT}_3A1", "timestamp": 1_795_300_000, "from": CHAT, "fromMe": False, "body": "", **fields}


def read_message(**fields: Any) -> Received:
    (event,) = webhooks.read(body("message.any", message(**fields)))
    assert isinstance(event, Received)
    return event


def gows(proto: Any, **info: Any) -> dict[str, Any]:
    return {"Info": {"PushName": "Ana", **info}, "Message": proto}


def noweb(proto: Any, **key: Any) -> dict[str, Any]:
    return {"key": key, "pushName": "Ana", "message": proto}


FILE = {"url": "http://localhost:3000/api/files/x.bin", "mimetype": "application/octet-stream", "filename": None}


#: `_data` and the rest of a payload -> kind and content.
KINDS: tuple[tuple[str, dict[str, Any], str, Any], ...] = (
    (
        "sticker of GOWS",
        {
            "_data": gows({"stickerMessage": {"mimetype": "image/webp"}}),
            "hasMedia": True,
            "media": FILE | {"mimetype": "image/webp"},
        },
        "sticker",
        {"mime_type": "image/webp"},
    ),
    (
        "voice of GOWS",
        {
            "_data": gows({"audioMessage": {"PTT": True, "mimetype": "audio/ogg; codecs=opus"}}),
            "hasMedia": True,
            "media": None,
        },
        "voice",
        {"mime_type": "audio/ogg; codecs=opus"},
    ),
    (
        "audio of NOWEB",
        {"_data": noweb({"audioMessage": {"mimetype": "audio/mp4"}})},
        "audio",
        {"mime_type": "audio/mp4"},
    ),
    (
        "list reply of NOWEB",
        {"_data": noweb({"listResponseMessage": {"title": "Rápido", "singleSelectReply": {"selectedRowId": "1"}}})},
        "list_reply",
        {"id": "1", "title": "Rápido"},
    ),
    (
        "button reply of GOWS",
        {"_data": gows({"buttonsResponseMessage": {"selectedButtonID": "yes", "selectedDisplayText": "Sim"}})},
        "button_reply",
        {"id": "yes", "title": "Sim"},
    ),
    (
        "poll of GOWS",
        {
            "_data": gows(
                {"pollCreationMessageV3": {"name": "?", "options": [{"optionName": "a"}, {"optionName": "b"}]}}
            )
        },
        "poll",
        {"name": "?", "options": ["a", "b"], "selectable": 0},
    ),
    ("picture", {"hasMedia": True, "media": FILE | {"mimetype": "image/png"}}, "image", {"mime_type": "image/png"}),
    (
        "sound in Ogg",
        {"hasMedia": True, "media": FILE | {"mimetype": "audio/ogg; codecs=opus"}},
        "voice",
        {"mime_type": "audio/ogg; codecs=opus"},
    ),
    ("sound", {"hasMedia": True, "media": FILE | {"mimetype": "audio/mpeg"}}, "audio", {"mime_type": "audio/mpeg"}),
    ("WebP", {"hasMedia": True, "media": FILE | {"mimetype": "image/webp"}}, "sticker", {"mime_type": "image/webp"}),
    ("media that is not kept", {"hasMedia": True, "media": None, "body": "veja"}, "document", {"caption": "veja"}),
    (
        "video note of a browser",
        {"hasMedia": True, "media": FILE | {"mimetype": "video/mp4"}, "_data": {"type": "ptv"}},
        "ptv",
        {"mime_type": "video/mp4"},
    ),
    (
        "place",
        {"location": {"live": False, "latitude": "-23.5614", "longitude": "-46.6559", "name": "MASP"}},
        "location",
        {"latitude": -23.5614, "longitude": -46.6559, "name": "MASP"},
    ),
    (
        "cards",
        {"vCards": ["BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nTEL;waid=5511999990003:+55 11 99999-0003\nEND:VCARD"]},
        "contacts",
        [{"name": {"formatted_name": "Ana"}, "phones": [{"phone": "+55 11 99999-0003", "wa_id": "5511999990003"}]}],
    ),
    (
        "poll of a browser",
        {
            "_data": {"type": "poll_creation", "pollName": "?", "pollOptions": [{"name": "a"}, {"name": "b"}]},
            "body": "?",
        },
        "poll",
        {"name": "?", "options": ["a", "b"], "selectable": 0},
    ),
    (
        "list reply of a browser",
        {
            "_data": {
                "type": "list_response",
                "listResponse": {"title": "Rápido", "singleSelectReply": {"selectedRowId": "1"}},
            },
            "body": "Rápido",
        },
        "list_reply",
        {"id": "1", "title": "Rápido"},
    ),
    (
        "button reply of a browser",
        {"_data": {"type": "buttons_response", "selectedButtonId": "yes"}, "body": "Sim"},
        "button_reply",
        {"id": "yes", "title": "Sim"},
    ),
    ("nothing known", {"_data": {"type": "payment"}, "body": "?"}, "unknown", {}),
    ("nothing at all", {}, "unknown", {}),
    ("a place that is none", {"location": {"latitude": "x", "longitude": None}}, "unknown", {}),
    ("text in spite of unknown data", {"_data": {"odd": [1]}, "body": "oi"}, "text", {"body": "oi"}),
)


@pytest.mark.parametrize(("label", "fields", "kind", "content"), KINDS, ids=[row[0] for row in KINDS])
def test_kinds(label: str, fields: dict[str, Any], kind: str, content: Any) -> None:
    event = read_message(**fields)
    assert (event.kind, event.content) == (kind, content)
    if fields.get("hasMedia"):
        assert event.media is not None
        assert event.media.ref["message"] == f"false_{CHAT}_3A1"


def test_what_is_not_understood_is_kept() -> None:
    assert read_message(_data={"type": "payment"}, body="?").extra == {"type": "payment", "body": "?"}


def test_a_pin_that_comes_as_a_message_says_of_which() -> None:
    pin = {"pinInChatMessage": {"key": {"id": "3EB0F", "fromMe": True}, "type": "PIN_FOR_ALL"}}
    event = read_message(_data=gows(pin))
    assert (event.kind, event.extra) == ("unknown", {"type": "pin", "about": "3EB0F", "content": {"pinned": True}})


def test_a_reply_and_a_forward() -> None:
    event = read_message(body="sim", replyTo={"id": "3EB0F", "body": "?"}, _data={"isForwarded": True})
    assert (event.reply_to, event.forwarded) == ("3EB0F", True)
    quoting = {"extendedTextMessage": {"text": "sim", "contextInfo": {"stanzaID": "3EB0E"}}}
    assert read_message(_data=gows(quoting)).reply_to == "3EB0E"


@pytest.mark.parametrize(
    "data",
    [
        gows({"conversation": "oi"}, SenderAlt="5511999990002:7@s.whatsapp.net"),
        noweb({"conversation": "oi"}, remoteJidAlt="5511999990002@s.whatsapp.net"),
        noweb({"conversation": "oi"}, senderPn="5511999990002@s.whatsapp.net"),
    ],
    ids=["GOWS", "NOWEB", "NOWEB before 7"],
)
def test_both_ids_of_a_person_are_read(data: Any) -> None:
    event = read_message(id=f"false_{LID}_3A1", **{"from": LID}, _data=data)
    assert (event.chat.lid, event.chat.phone, event.chat.name) == (LID, "5511999990002", "Ana")
    assert event.sender == event.chat


def test_a_person_without_a_phone() -> None:
    event = read_message(id=f"false_{LID}_3A1", **{"from": LID}, body="oi")
    assert (event.chat.lid, event.chat.phone) == (LID, None)


def test_a_group_and_who_wrote_in_it() -> None:
    event = read_message(
        id=f"false_{GROUP}_3A1_{LID}",
        **{"from": GROUP},
        participant=LID,
        _data=gows({"conversation": "oi"}, SenderAlt="5511999990002@s.whatsapp.net"),
    )
    assert event.chat.group == GROUP
    assert (event.sender.lid, event.sender.phone, event.sender.name) == (LID, "5511999990002", "Ana")


@pytest.mark.parametrize(
    ("fields", "by_api", "message_id"),
    [
        ({"id": f"true_{CHAT}_3A1", "source": "app"}, False, None),
        ({"id": f"true_{CHAT}_3EB0A1"}, False, None),
        ({"id": f"true_{CHAT}_3EB0A1", "source": "api"}, True, None),
        ({"id": f"true_{CHAT}_{OURS}", "source": "api"}, True, OUR_UUID),
        # WAHA forgets what it sent; the id does not.
        ({"id": f"true_{CHAT}_{OURS}", "source": "app"}, True, OUR_UUID),
        ({"id": f"true_{CHAT}_{OURS}"}, True, OUR_UUID),
    ],
)
def test_what_we_wrote_ourselves(fields: dict[str, Any], by_api: bool, message_id: str | None) -> None:
    event = read_message(fromMe=True, to=CHAT, body="oi", **fields, _data=gows({"conversation": "oi"}))
    assert (event.type, event.from_me, event.by_api) == ("message.sent", True, by_api)
    assert event.message_id == message_id
    # Not the push name, which is our own.
    assert (event.chat.phone, event.chat.name) == ("5511999990002", None)
    assert (event.sender.phone, event.sender.lid) == ("5511999990001", "900000000000001@lid")


def test_an_id_of_ours_on_a_message_of_others_says_nothing() -> None:
    """Another number that Recado sends for writes to this one: the id is Recado's, and no message of this number."""
    event = read_message(id=f"false_{CHAT}_{OURS}", body="oi")
    assert (event.type, event.by_api, event.message_id, event.provider_id) == ("message.received", False, None, OURS)
    assert webhooks.read(body("message.ack", {"id": f"false_{CHAT}_{OURS}", "fromMe": False, "ack": 3})) == []


def test_ids_of_other_clients_name_no_message_of_ours() -> None:
    """32 hexadecimal digits are what Android and other libraries write too."""
    for other in ("AC79C12F3AD4F6D4A008CF6F141130D5", "4CC5EDD64BC22EBA6D639F2AF571346C", OURS.lower()):
        (ack,) = webhooks.read(body("message.ack", {"id": f"true_{CHAT}_{other}", "fromMe": True, "ack": 2}))
        assert isinstance(ack, Receipt)
        assert (ack.provider_id, ack.message_id) == (other, None)
        event = read_message(id=f"true_{CHAT}_{other}", fromMe=True, source="app", body="oi")
        assert (event.by_api, event.message_id) == (False, None)


def test_what_a_browser_says_of_our_own_messages() -> None:
    """`from` is us there, the chat stands in the id."""
    event = read_message(id=f"true_{CHAT}_3EB0A1", fromMe=True, **{"from": "5511999990001@c.us"}, to=CHAT, body="oi")
    assert event.chat.phone == "5511999990002"


@pytest.mark.parametrize(
    ("ack", "state", "type_"),
    [
        ({"ack": -1}, MessageStatus.FAILED, "message.failed"),
        ({"ack": 1}, MessageStatus.SERVER_ACK, "message.server_ack"),
        ({"ack": 2}, MessageStatus.DELIVERED, "message.delivered"),
        ({"ack": 4}, MessageStatus.PLAYED, "message.played"),
        ({"ack": None, "ackName": "READ"}, MessageStatus.READ, "message.read"),
    ],
)
def test_acks(ack: dict[str, Any], state: MessageStatus, type_: str) -> None:
    payload = {"id": f"true_{CHAT}_{OURS}", "from": CHAT, "fromMe": True, **ack}
    (event,) = webhooks.read(body("message.ack", payload))
    assert isinstance(event, Receipt)
    assert (event.state, event.type, event.provider_id, event.message_id) == (state, type_, OURS, OUR_UUID)
    assert (event.why is not None) == (state is MessageStatus.FAILED)


@pytest.mark.parametrize(
    "ack",
    [{"ack": 0}, {"ack": None, "ackName": "UNKNOWN"}, {"ack": 3, "fromMe": False}, {}],
    ids=["pending", "unknown", "of others", "none"],
)
def test_acks_that_say_nothing(ack: dict[str, Any]) -> None:
    assert webhooks.read(body("message.ack", {"id": f"true_{CHAT}_3EB0", "fromMe": True, **ack})) == []


def test_acks_of_a_group_name_who() -> None:
    payload = {"id": f"true_{GROUP}_3EB0_{LID}", "from": GROUP, "participant": LID, "fromMe": True, "ack": 3}
    (event,) = webhooks.read(body("message.ack.group", payload))
    assert isinstance(event, Receipt)
    assert (event.recipient, event.key) == (LID, f"receipt:3EB0:read:{LID}")


def test_acks_of_a_group_on_noweb_name_who_in_their_data() -> None:
    payload = {"id": f"true_{GROUP}_3EB0_{ME['id']}", "from": GROUP, "participant": ME["id"], "fromMe": True, "ack": 3}
    told = []
    for reader in ({"userJid": LID}, {"userJid": "5511999990003:4@s.whatsapp.net"}, {}):
        (event,) = webhooks.read(body("message.ack.group", {**payload, "_data": {"receipt": reader}}))
        assert isinstance(event, Receipt)
        told.append((event.recipient, event.key))
    assert told == [
        (LID, f"receipt:3EB0:read:{LID}"),
        ("5511999990003", "receipt:3EB0:read:5511999990003"),
        (None, "receipt:3EB0:read:"),
    ]


def test_an_error_with_whatsapps_own_code() -> None:
    error = {"code": "463", "blocked": True, "reason": "account_restricted", "until": "2026-11-23T10:00:00.000Z"}
    payload = {"id": f"true_{CHAT}_3EB0", "fromMe": True, "ack": -1}
    (told,) = webhooks.read(body("message.ack", {**payload, "error": error}))
    (silent,) = webhooks.read(body("message.ack", {**payload, "error": None}))
    assert isinstance(told, Receipt)
    assert isinstance(silent, Receipt)
    assert (told.code, told.why) == (
        "463",
        "WhatsApp reports an error for the message: 463 account_restricted until 2026-11-23T10:00:00.000Z",
    )
    assert (silent.code, silent.why) == ("ack_error", "WhatsApp reports an error for the message")


def test_an_edit_that_could_not_be_decrypted_changes_nothing() -> None:
    (event,) = webhooks.read(body("message.edited", message(editedMessageId="3A1", body="")))
    assert event.type == "unknown"


def test_edits() -> None:
    (event,) = webhooks.read(
        body("message.edited", message(id=f"false_{CHAT}_3B2", editedMessageId="3A1", body="novo"))
    )
    assert isinstance(event, Edited)
    assert (event.target, event.kind, event.content, event.chat.phone) == (
        "3A1",
        "text",
        {"body": "novo"},
        "5511999990002",
    )
    caption = message(editedMessageId="3A1", body="novo", hasMedia=True, media=FILE | {"mimetype": "image/png"})
    (event,) = webhooks.read(body("message.edited", caption))
    assert isinstance(event, Edited)
    assert (event.kind, event.content["caption"]) == ("image", "novo")


def test_a_revoked_message_that_is_known_only_as_it_was() -> None:
    (event,) = webhooks.read(body("message.revoked", {"before": message(), "after": None, "revokedMessageId": None}))
    assert isinstance(event, Deleted)
    assert event.target == "3A1"


def test_a_reaction_of_a_group_taken_back() -> None:
    payload = message(
        id=f"false_{GROUP}_3C3_{LID}", participant=LID, reaction={"text": "", "messageId": f"true_{GROUP}_3A1"}
    )
    (event,) = webhooks.read(body("message.reaction", payload))
    assert isinstance(event, Reacted)
    assert (event.target, event.emoji, event.sender.lid, event.chat.group) == ("3A1", "", LID, GROUP)


@pytest.mark.parametrize(
    ("status", "state", "type_"),
    [
        ("STARTING", ConnectionStatus.CONNECTING, "instance.disconnected"),
        ("STOPPED", ConnectionStatus.DISCONNECTED, "instance.disconnected"),
        ("FAILED", ConnectionStatus.DISCONNECTED, "instance.disconnected"),
        ("TOMORROW", ConnectionStatus.DISCONNECTED, "instance.disconnected"),
        ("WORKING", ConnectionStatus.CONNECTED, "instance.connected"),
    ],
)
def test_session_status(status: str, state: ConnectionStatus, type_: str) -> None:
    (event,) = webhooks.read(body("session.status", {"name": "s", "status": status, "data": None}))
    assert isinstance(event, ConnectionChanged)
    assert (event.status, event.type, event.key) == (state, type_, "status:evt_1")
    assert event.phone == ("5511999990001" if status == "WORKING" else None)


def test_versions_without_event_ids_may_say_the_same_again() -> None:
    payload = {"name": "s", "status": "WORKING"}
    first, second = (
        webhooks.read(body("session.status", payload, id=None, timestamp=stamp))[0].key
        for stamp in (1_795_300_000_000, 1_795_300_060_000)
    )
    repeated = webhooks.read(body("session.status", payload, id=None, timestamp=1_795_300_000_000))[0].key
    assert first == repeated
    assert first != second


def test_the_code_of_a_passkey() -> None:
    payload = {"status": "PASSKEY_CONFIRMATION_REQUIRED", "data": {"code": "1234"}}
    (event,) = webhooks.read(body("session.status", payload))
    assert isinstance(event, ConnectionChanged)
    assert event.details == {"passkey": {"step": "confirmation", "code": "1234"}}


@pytest.mark.parametrize(
    ("told", "change"), [("join", "added"), ("leave", "removed"), ("promote", "promoted"), ("demote", "demoted")]
)
def test_participants(told: str, change: str) -> None:
    people = [{"id": LID, "pn": CHAT, "role": "participant"}, {"id": "5511999990003@c.us"}, {}]
    payload = {"type": told, "timestamp": 1_795_300_000, "group": {"id": GROUP}, "participants": people}
    (event,) = webhooks.read(body("group.v2.participants", payload))
    assert isinstance(event, Noticed)
    assert event.data == {
        "change": change,
        "participants": [{"phone": "5511999990002", "lid": LID}, {"phone": "5511999990003"}],
    }


def test_a_group_that_comes_whole_changed_in_some_way() -> None:
    payload = {"group": {"id": GROUP, "subject": "a", "description": "b", "membersCanSendMessages": False}}
    (event,) = webhooks.read(body("group.v2.update", payload))
    assert isinstance(event, Noticed)
    assert event.data == {"change": "settings", "subject": "a", "description": "b", "settings": {"announce": True}}


def test_rejected_calls_and_last_seen() -> None:
    (call,) = webhooks.read(body("call.rejected", {"id": "C1", "from": CHAT, "isVideo": True, "isGroup": False}))
    assert isinstance(call, Noticed)
    assert call.data == {"call_id": "C1", "kind": "video", "state": "rejected"}
    seen = [{"participant": CHAT, "lastKnownPresence": "offline", "lastSeen": 1_795_300_000}, {"participant": LID}]
    first, second = webhooks.read(body("presence.update", {"id": CHAT, "presences": seen}))
    assert isinstance(first, Noticed)
    assert first.data["last_seen"] == "2026-11-21T22:26:40+00:00"
    assert first.key != second.key


BROKEN: tuple[tuple[str, Any], ...] = (
    ("message.any", {}),
    ("message.any", {"id": 17}),
    ("message.any", {"id": "no id at all"}),
    ("message.ack", {}),
    ("message.reaction", message()),
    ("message.edited", message()),
    ("message.revoked", {}),
    ("poll.vote", {}),
    ("event.response", message()),
    ("session.status", {}),
    ("call.received", {}),
    ("group.v2.update", {}),
    ("group.v2.participants", {"group": {"id": GROUP}}),
    ("chat.archive", {}),
    ("label.upsert", {}),
    ("label.chat.added", {}),
    ("state.change", {"state": "OPENING"}),
    ("next.year", {"a": 1}),
)


@pytest.mark.parametrize(("event", "payload"), BROKEN, ids=[f"{row[0]} {row[1]!r:.20}" for row in BROKEN])
def test_what_is_not_understood_is_unknown(event: str, payload: Any) -> None:
    (found,) = webhooks.read(body(event, payload))
    assert isinstance(found, Noticed)
    assert found.type == "unknown"
    assert found.data["event"] == event


@pytest.mark.parametrize(
    "raw",
    [
        b'{"event": "message"}',
        b'{"event": 1, "session": "s", "payload": {}}',
        b'{"event": "x", "session": "s", "payload": []}',
    ],
)
def test_what_is_not_wahas(raw: bytes) -> None:
    with pytest.raises(ValueError, match="no `event`"):
        webhooks.read(raw)


# --- bodies of any shape -----------------------------------------------------------------------------------

#: What takes the place of each field, one at a time.
ODD: tuple[Any, ...] = (None, True, 17, -1, 1.5, 2.0**70, "", "x", "true_@_", "9" * 400, [], [None, 1], {}, {"id": 5})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every field and item."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*path, name)
        yield from places(inner, (*path, name))


def spoiled(whole: Any, path: tuple[Any, ...]) -> Iterator[Any]:
    """The body without what is at `path`, and with each odd value there."""
    for odd in (..., *ODD):
        copied = copy.deepcopy(whole)
        around = copied
        for name in path[:-1]:
            around = around[name]
        if odd is ...:
            del around[path[-1]]
        else:
            around[path[-1]] = odd
        yield copied


def check_whatever_is_spoiled(whole: Any) -> None:
    """Nothing but a broken envelope raises, and that only `ValueError`; what comes out can be stored."""
    for path in places(whole):
        for copied in spoiled(whole, path):
            try:
                found = webhooks.read(msgspec.json.encode(copied))
            except ValueError:
                assert path in {("event",), ("session",), ("payload",)}, path
            else:
                msgspec.json.encode(found)


OWN = [body("message.any", message(**fields)) for _, fields, _, _ in KINDS] + [
    body("message.any", message(_data=gows({"conversation": "oi"}), replyTo={"id": "3EB0"}, source="api")),
    body("message.ack.group", {"id": f"true_{GROUP}_3EB0", "ack": -1, "_data": {"receipt": {"userJid": LID}}}),
    body("message.ack", {"id": f"true_{CHAT}_3EB0", "ack": -1, "error": {"code": "463", "until": "x"}}),
    body("message.edited", message(editedMessageId="3A1", body="novo")),
    body("group.v2.participants", {"type": "join", "group": {"id": GROUP}, "participants": [{"id": LID, "pn": CHAT}]}),
]


@pytest.mark.parametrize("raw", OWN, ids=range(len(OWN)))
def test_bodies_of_our_own_spoiled(raw: bytes) -> None:
    check_whatever_is_spoiled(msgspec.json.decode(raw))


def test_published_bodies_spoiled() -> None:
    for path in sorted(shared("specs/waha/webhooks").glob("*.json")):
        check_whatever_is_spoiled(msgspec.json.decode(path.read_bytes()))
