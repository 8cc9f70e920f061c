"""Webhooks of the kinds that nobody published a capture of: shapes of the server's code, and odd ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recado.domain.events import (
    EVENT_TYPES,
    ConnectionChanged,
    Deleted,
    Edited,
    Noticed,
    Party,
    ProviderEvent,
    Reacted,
    Receipt,
    Received,
)
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.providers.evolution import webhooks
from tests.providers.evolution.odd import variants

OWN = "5511999990001"
ANA = "5511999990002"
LID = "900000000000002@lid"
GROUP = "120363000000000001@g.us"
STAMP = "2025-06-12T19:08:21.833Z"


def body(event: str, data: Any, **more: Any) -> bytes:
    envelope = {
        "event": event,
        "instance": "rcd-tests",
        "data": data,
        "destination": "https://recado.test/hooks/key",
        "date_time": STAMP,
        "sender": f"{OWN}@s.whatsapp.net",
        "server_url": "https://evolution.test",
        "apikey": "a-key",
    }
    return msgspec.json.encode(envelope | more)


def read(event: str, data: Any, **more: Any) -> list[ProviderEvent]:
    return webhooks.read(body(event, data, **more))


def one(event: str, data: Any, **more: Any) -> Any:
    found = read(event, data, **more)
    assert len(found) == 1, found
    return found[0]


def message(content: Any, **more: Any) -> dict[str, Any]:
    key = {"remoteJid": f"{ANA}@s.whatsapp.net", "fromMe": False, "id": "3A01"} | more.pop("key", {})
    return {
        "key": key,
        "pushName": "Ana",
        "status": "DELIVERY_ACK",
        "message": content,
        "messageType": next(iter(content), "unknown"),
        "messageTimestamp": 1_749_766_101,
        "instanceId": "188c",
        "source": "android",
    } | more


# --- who ---------------------------------------------------------------------------------------------------

PEOPLE: tuple[tuple[str, dict[str, Any], Party, Party], ...] = (
    (
        "a person by both ids, phone first",
        {"remoteJid": f"{ANA}@s.whatsapp.net", "remoteJidAlt": LID, "addressingMode": "pn"},
        Party(phone=ANA, lid=LID, name="Ana"),
        Party(phone=ANA, lid=LID, name="Ana"),
    ),
    (
        "a person by both ids, lid first",
        {"remoteJid": LID, "remoteJidAlt": f"{ANA}@s.whatsapp.net", "addressingMode": "lid"},
        Party(phone=ANA, lid=LID, name="Ana"),
        Party(phone=ANA, lid=LID, name="Ana"),
    ),
    (
        "a person of 2.3.0",
        {"remoteJid": LID, "senderPn": f"{ANA}@s.whatsapp.net", "senderLid": LID},
        Party(phone=ANA, lid=LID, name="Ana"),
        Party(phone=ANA, lid=LID, name="Ana"),
    ),
    ("a person without a phone", {"remoteJid": LID}, Party(lid=LID, name="Ana"), Party(lid=LID, name="Ana")),
    (
        "a member of a group",
        {"remoteJid": GROUP, "participant": LID, "participantAlt": f"{ANA}:3@s.whatsapp.net"},
        Party(group=GROUP),
        Party(phone=ANA, lid=LID, name="Ana"),
    ),
    (
        "a member of a group, of 2.3.0",
        {"remoteJid": GROUP, "participant": LID, "participantPn": f"{ANA}@s.whatsapp.net"},
        Party(group=GROUP),
        Party(phone=ANA, lid=LID, name="Ana"),
    ),
    (
        "ourselves, where senderPn is our own",
        {
            "remoteJid": LID,
            "fromMe": True,
            "senderPn": f"{OWN}@s.whatsapp.net",
            "remoteJidAlt": f"{ANA}@s.whatsapp.net",
        },
        Party(phone=ANA, lid=LID),
        Party(phone=OWN),
    ),
    (
        "ourselves, where senderPn has taken the chat's place",
        {
            "remoteJid": f"{OWN}@s.whatsapp.net",
            "previousRemoteJid": LID,
            "fromMe": True,
            "senderPn": f"{OWN}@s.whatsapp.net",
        },
        Party(lid=LID),
        Party(phone=OWN),
    ),
    (
        "a person whose senderPn has taken the chat's place",
        {"remoteJid": f"{ANA}@s.whatsapp.net", "previousRemoteJid": LID, "senderPn": f"{ANA}@s.whatsapp.net"},
        Party(phone=ANA, lid=LID, name="Ana"),
        Party(phone=ANA, lid=LID, name="Ana"),
    ),
    (
        "a list of recipients",
        {"remoteJid": "1749@broadcast", "participant": f"{ANA}@s.whatsapp.net"},
        Party(phone=ANA, name="Ana"),
        Party(phone=ANA, name="Ana"),
    ),
)


@pytest.mark.parametrize(("label", "key", "chat", "sender"), PEOPLE, ids=[row[0] for row in PEOPLE])
def test_people(label: str, key: dict[str, Any], chat: Party, sender: Party) -> None:
    event = one("messages.upsert", message({"conversation": "oi"}, key=key))
    assert (event.chat, event.sender) == (chat, sender)


@pytest.mark.parametrize("name", ["Você", "", ANA, None, 17])
def test_names_that_the_server_makes_up_are_none(name: Any) -> None:
    assert one("messages.upsert", message({"conversation": "oi"}, pushName=name)).sender.name is None


# --- messages ----------------------------------------------------------------------------------------------


def test_text_that_quotes_and_mentions() -> None:
    """The server turns a long text into `conversation`, and keeps its context beside the message."""
    context = {"stanzaId": "3EB0", "participant": LID, "mentionedJid": [LID], "forwardingScore": 2, "isForwarded": True}
    event = one("messages.upsert", message({"conversation": "oi"}, contextInfo=context))
    assert event.content == {"body": "oi", "mentions": [LID]}
    assert (event.reply_to, event.forwarded) == ("3EB0", True)


def test_echo_of_the_api() -> None:
    event = one("send.message", message({"conversation": "oi"}, key={"fromMe": True}, pushName="Você"))
    assert isinstance(event, Received)
    assert (event.type, event.by_api, event.from_me, event.sender) == ("message.sent", True, True, Party(phone=OWN))
    assert one("messages.upsert", message({"conversation": "oi"}, key={"fromMe": True})).by_api is False


def interactive(body: str, name: str, **parameters: Any) -> Any:
    """What the server makes of sendButtons."""
    button = {"name": name, "buttonParamsJson": msgspec.json.encode(parameters).decode()}
    flow = {"body": {"text": body}, "footer": {"text": ""}, "nativeFlowMessage": {"buttons": [button]}}
    return {"viewOnceMessage": {"message": {"interactiveMessage": flow}}}


SIM = {"display_text": "Sim", "id": "yes"}
ECHOED: tuple[tuple[Any, str, Any], ...] = (
    (interactive("*Confirma?*", "quick_reply", **SIM), "buttons", {"body": "Confirma?"}),
    (
        interactive("*Pedido*\n\nConfirma\n*já*?\n", "quick_reply", **SIM),
        "buttons",
        {"header": "Pedido", "body": "Confirma\n*já*?"},
    ),
    (interactive("*Seu código*", "cta_copy", copy_code="1"), "otp", {"body": "Seu código", "code": "1"}),
    ({"conversation": "▶️pedido_pronto◀️"}, "template", {"name": "pedido_pronto"}),
    ({"conversation": "*oi*"}, "text", {"body": "*oi*"}),
)


@pytest.mark.parametrize(("content", "kind", "facts"), ECHOED)
def test_an_echo_is_as_it_was_asked_for(content: Any, kind: str, facts: dict[str, Any]) -> None:
    """Else it would be taken for somebody else's message when it comes before the answer."""
    found = one("send.message", message(content, key={"fromMe": True}))
    assert (found.kind, {name: found.content.get(name) for name in facts}) == (kind, facts)
    typed = one("messages.upsert", message({"conversation": "▶️pedido_pronto◀️"}, key={"fromMe": True}))
    assert typed.kind == "text"


def test_media_of_the_cloud_channel_is_metas() -> None:
    image = {"imageMessage": {"id": "1003", "mime_type": "image/jpeg", "sha256": "A" * 43 + "=", "caption": "praia"}}
    event = one("messages.upsert", message({**image, "contextInfo": {"stanzaId": "wamid.1"}, "base64": "/9j/"}))
    assert (event.kind, event.content, event.reply_to) == (
        "image",
        {"caption": "praia", "mime_type": "image/jpeg"},
        "wamid.1",
    )
    assert event.media.ref == {"meta_id": "1003"}
    assert event.media.sha256 == "00" * 32


def test_media_that_the_server_stores() -> None:
    raw = {"stickerMessage": {"mimetype": "image/webp", "mediaKey": {"0": 1, "1": 2}}, "mediaUrl": "https://s3.test/a"}
    event = one("messages.upsert", message(raw, key={"fromMe": False}))
    assert event.media.ref["url"] == "https://s3.test/a"
    assert event.media.ref["message"] == {"stickerMessage": {"mimetype": "image/webp", "mediaKey": {"0": 1, "1": 2}}}


def test_media_within_a_message_needs_no_copy_of_the_servers() -> None:
    raw = {"viewOnceMessageV2": {"message": {"imageMessage": {"mimetype": "image/png", "mediaKey": "AA=="}}}}
    found = one("messages.upsert", message(raw))
    assert found.media.ref["message"] == {"imageMessage": {"mimetype": "image/png", "mediaKey": "AA=="}}


def test_speech_that_the_server_understood() -> None:
    event = one("messages.upsert", message({"audioMessage": {"ptt": True}, "speechToText": "[audio] oi"}))
    assert (event.kind, event.extra) == ("voice", {"speech_to_text": "[audio] oi"})


def test_reaction() -> None:
    raw = {"reactionMessage": {"key": {"id": "3EB0", "fromMe": True}, "text": "👍"}}
    event = one("messages.upsert", message(raw))
    assert isinstance(event, Reacted)
    assert (event.target, event.emoji, event.key, event.from_me) == ("3EB0", "👍", "reaction:3A01", False)


def test_story() -> None:
    key = {"remoteJid": "status@broadcast", "participant": f"{ANA}@s.whatsapp.net"}
    event = one("messages.upsert", message({"conversation": "oi"}, key=key))
    assert (event.type, event.data) == (
        "status.received",
        {"provider_id": "3A01", "kind": "text", "content": {"body": "oi"}},
    )
    assert event.party.phone == ANA


@pytest.mark.parametrize("content", [{}, {"placeholderMessage": {"type": 0}}])
def test_a_message_that_comes_later(content: Any) -> None:
    event = one("messages.upsert", message(content))
    assert (event.type, event.data) == ("message.waiting", {"provider_id": "3A01", "chat": ANA})


def test_votes_pins_and_answers() -> None:
    vote = {"pollUpdateMessage": {"pollCreationMessageKey": {"id": "3EB1"}, "vote": {"selectedOptions": ["hoje"]}}}
    assert one("messages.upsert", message(vote)).data == {"poll": "3EB1", "options": ["hoje"]}
    pin = {"pinInChatMessage": {"key": {"id": "3EB2"}, "type": 1}}
    assert one("messages.upsert", message(pin)).content == {"message_id": "3EB2", "pinned": True}
    answer = {"encEventResponseMessage": {"eventCreationMessageKey": {"id": "3EB3"}, "encPayload": "AA=="}}
    assert one("messages.upsert", message(answer)).data == {"event": "3EB3", "answer": None}


def test_messages_between_devices_are_not_told() -> None:
    assert read("messages.upsert", message({"protocolMessage": {"type": "HISTORY_SYNC_NOTIFICATION"}})) == []
    assert read("messages.upsert", message({"albumMessage": {"expectedImageCount": 2}})) == []


def test_one_unreadable_message_does_not_cost_the_others() -> None:
    found = read("messages.upsert", [{"key": {}}, message({"conversation": "oi"})])
    assert [event.type for event in found] == ["unknown", "message.received"]


# --- changes -----------------------------------------------------------------------------------------------

EDIT = {
    "key": {"id": "3EB0", "remoteJid": f"{ANA}@s.whatsapp.net", "fromMe": True},
    "type": "MESSAGE_EDIT",
    "editedMessage": {"conversation": "oi de novo"},
    "timestampMs": "1749766200000",
}


@pytest.mark.parametrize("event", ["messages.edited", "send.message.update"])
def test_edit(event: str) -> None:
    found = one(event, EDIT)
    assert isinstance(found, Edited)
    assert (found.target, found.kind, found.content) == ("3EB0", "text", {"body": "oi de novo"})
    assert (found.chat, found.sender) == (Party(phone=ANA), Party(phone=OWN))
    assert found.at == datetime(2025, 6, 12, 22, 10, tzinfo=UTC)


def test_two_tellings_of_one_edit_are_one() -> None:
    again = message({"editedMessage": {"message": {"protocolMessage": EDIT}}}, key={"fromMe": True})
    assert one("messages.upsert", again).key == one("messages.edited", EDIT).key


def test_an_edit_that_is_taken_back_is_an_edit() -> None:
    there, back = EDIT | {"timestampMs": 1_749_766_201_000}, EDIT | {"timestampMs": 1_749_766_202_000}
    assert len({one("messages.edited", edit).key for edit in (EDIT, there, back)}) == 3
    assert one("messages.edited", EDIT, date_time="2025-06-12T20:00:00.000Z").key == one("messages.edited", EDIT).key


AUTHORS: tuple[tuple[str, dict[str, Any], Party, Party], ...] = (
    ("us, to a phone", {"remoteJid": f"{ANA}@s.whatsapp.net"}, Party(phone=ANA), Party(phone=OWN)),
    ("somebody, in a chat with us", {"remoteJid": f"{OWN}@s.whatsapp.net"}, Party(phone=OWN), Party()),
    ("us or somebody, by a lid", {"remoteJid": LID}, Party(lid=LID), Party()),
    ("somebody in a group", {"remoteJid": GROUP}, Party(group=GROUP), Party()),
    ("a member", {"remoteJid": GROUP, "participant": LID}, Party(group=GROUP), Party(lid=LID)),
)


@pytest.mark.parametrize(("label", "key", "chat", "sender"), AUTHORS, ids=[row[0] for row in AUTHORS])
def test_the_key_of_an_edit_is_as_its_author_sees_it(
    label: str, key: dict[str, Any], chat: Party, sender: Party
) -> None:
    """It says `fromMe` whoever wrote: nobody else's id may become one with our number for that."""
    found = one("messages.edited", EDIT | {"key": {"id": "3EB0", "fromMe": True, **key}})
    assert (found.target, found.chat, found.sender) == ("3EB0", chat, sender)
    ours = one("send.message.update", EDIT | {"key": {"id": "3EB0", "fromMe": True, **key}})
    assert ours.sender == Party(phone=OWN)


def test_a_deletion_is_told_by_the_key_as_we_see_it() -> None:
    """The server tells it twice: first as its author sees it, then by messages.delete."""
    key = {"remoteJid": f"{ANA}@s.whatsapp.net", "fromMe": False, "id": "3A01"}
    assert read("messages.edited", {"key": key | {"remoteJid": f"{OWN}@s.whatsapp.net"}, "type": "REVOKE"}) == []
    found = one("messages.delete", key)
    assert isinstance(found, Deleted)
    assert (found.target, found.chat) == ("3A01", Party(phone=ANA))
    record = {"id": "cmf", "instanceId": "188c", "key": key, "status": "DELETED"}
    assert one("messages.delete", record) == found


def test_what_is_no_edit_is_unknown_or_nothing() -> None:
    assert read("messages.edited", {"key": {"id": "1"}, "type": "APP_STATE_SYNC_KEY_SHARE"}) == []
    assert one("messages.edited", {"something": {"else": 1}}).type == "unknown"


# --- receipts ----------------------------------------------------------------------------------------------

UPDATE = {
    "keyId": "3EB0",
    "messageId": "cmf",
    "remoteJid": f"{ANA}@s.whatsapp.net",
    "fromMe": True,
    "instanceId": "188c",
}


@pytest.mark.parametrize(
    ("status", "type_", "state"),
    [
        ("SERVER_ACK", "message.server_ack", MessageStatus.SERVER_ACK),
        ("DELIVERY_ACK", "message.delivered", MessageStatus.DELIVERED),
        ("READ", "message.read", MessageStatus.READ),
        ("PLAYED", "message.played", MessageStatus.PLAYED),
        ("ERROR", "message.failed", MessageStatus.FAILED),
    ],
)
def test_receipts(status: str, type_: str, state: MessageStatus) -> None:
    found = one("messages.update", UPDATE | {"status": status})
    assert isinstance(found, Receipt)
    assert (found.type, found.state, found.provider_id, found.recipient) == (type_, state, "3EB0", None)
    assert (found.code is not None) == (state is MessageStatus.FAILED)


def test_receipts_of_a_group_name_who_and_those_of_the_cloud_channel_are_ours() -> None:
    found = one(
        "messages.update", UPDATE | {"status": "READ", "remoteJid": GROUP, "participant": f"{ANA}@s.whatsapp.net"}
    )
    assert (found.recipient, found.key) == (ANA, f"receipt:3EB0:read:{ANA}")
    cloud = {**UPDATE, "keyId": "wamid.1", "fromMe": False, "participant": f"{ANA}@s.whatsapp.net"}
    assert one("messages.update", cloud | {"status": "DELIVERED"}).state is MessageStatus.DELIVERED
    assert one("messages.update", cloud | {"status": "FAILED"}).state is MessageStatus.FAILED
    assert one("messages.update", cloud | {"status": "DELETED"}).target == "wamid.1"


def test_statuses_of_messages_that_are_not_ours() -> None:
    theirs = UPDATE | {"fromMe": False}
    found = one("messages.update", theirs | {"status": "READ"})
    assert (found.type, found.data["change"]) == ("chat.updated", "read")
    assert read("messages.update", theirs | {"status": "DELIVERY_ACK"}) == []
    assert read("messages.update", UPDATE | {"status": "PENDING"}) == []


def test_one_unreadable_status_does_not_cost_the_others() -> None:
    found = read("messages.update", [17, UPDATE | {"status": "READ"}, {"fromMe": True}])
    assert [event.type for event in found] == ["unknown", "message.read", "unknown"]


def test_the_form_that_test_suites_invent() -> None:
    found = one("messages.update", [{"key": {"id": "3EB0", "fromMe": True}, "update": {"status": "READ"}}])
    assert (found.state, found.provider_id) == (MessageStatus.READ, "3EB0")


def test_votes_come_as_the_poll_stands() -> None:
    votes = [{"name": "hoje", "voters": [f"{ANA}@s.whatsapp.net"]}, {"name": "amanhã", "voters": []}]
    found = one("messages.update", UPDATE | {"status": "SERVER_ACK", "pollUpdates": votes, "fromMe": False})
    assert found.data == {"poll": "3EB0", "options": ["hoje"], "results": {"hoje": [ANA], "amanhã": []}}


# --- the connection ----------------------------------------------------------------------------------------

STATES: tuple[tuple[str, Any, ConnectionStatus, str | None], ...] = (
    (
        "connection.update",
        {"state": "open", "statusReason": 200, "wuid": f"{OWN}@s.whatsapp.net", "profileName": "Padaria"},
        ConnectionStatus.CONNECTED,
        None,
    ),
    ("connection.update", {"state": "connecting", "statusReason": 200}, ConnectionStatus.CONNECTING, None),
    (
        "connection.update",
        {"state": "close", "statusReason": 401},
        ConnectionStatus.LOGGED_OUT,
        "logged out on the phone",
    ),
    ("connection.update", {"state": "close", "statusReason": 403}, ConnectionStatus.BANNED, "banned"),
    (
        "connection.update",
        {"state": "close", "statusReason": 440},
        ConnectionStatus.DISCONNECTED,
        "replaced by another session",
    ),
    (
        "connection.update",
        {"state": "close", "statusReason": 599},
        ConnectionStatus.DISCONNECTED,
        "closed by WhatsApp (599)",
    ),
    ("connection.update", {"state": "close"}, ConnectionStatus.DISCONNECTED, "closed"),
    (
        "connection.update",
        {"state": "refused", "statusReason": 428},
        ConnectionStatus.DISCONNECTED,
        "the code was not scanned in time",
    ),
    (
        "status.instance",
        {"instance": "rcd-tests", "status": "closed", "disconnectionReasonCode": 401},
        ConnectionStatus.LOGGED_OUT,
        "logged out on the phone",
    ),
    (
        "qrcode.updated",
        {"message": "QR code limit reached, please login again", "statusCode": 500},
        ConnectionStatus.DISCONNECTED,
        "the code was not scanned in time",
    ),
    ("remove.instance", None, ConnectionStatus.LOGGED_OUT, "the instance was removed from the server"),
)


@pytest.mark.parametrize(("event", "data", "status", "reason"), STATES)
def test_connection(event: str, data: Any, status: ConnectionStatus, reason: str | None) -> None:
    found = one(event, data)
    assert isinstance(found, ConnectionChanged)
    assert (found.status, found.reason) == (status, reason)


def test_a_logout_does_not_cover_the_ban_that_caused_it() -> None:
    banned = one("status.instance", {"status": "closed", "disconnectionReasonCode": 403})
    assert banned.status is ConnectionStatus.BANNED
    assert read("logout.instance", None) == []


def test_changes_without_a_time_are_not_one() -> None:
    told = [one("connection.update", STATES[0][1], date_time=stamp).key for stamp in (None, "", None)]
    assert len(set(told)) == 3


def test_connected_tells_the_phone() -> None:
    found = one("connection.update", STATES[0][1])
    assert (found.type, found.phone, found.details) == ("instance.connected", OWN, {"name": "Padaria"})


def test_codes() -> None:
    shown = {"instance": "rcd-tests", "pairingCode": None, "code": "2@abc", "base64": "data:image/png;base64,AA=="}
    found = one("qrcode.updated", {"qrcode": shown})
    assert (found.type, found.status, found.qr, found.pairing_code) == (
        "instance.qr",
        ConnectionStatus.QR,
        "2@abc",
        None,
    )
    assert one("qrcode.updated", {"qrcode": shown | {"pairingCode": "ABCD1234"}}).pairing_code == "ABCD1234"


# --- the rest ----------------------------------------------------------------------------------------------


def test_presence_of_several() -> None:
    raw = {
        "id": GROUP,
        "presences": {
            LID: {"lastKnownPresence": "recording"},
            f"{ANA}@s.whatsapp.net": {"lastKnownPresence": "unavailable", "lastSeen": 1_749_766_101},
        },
    }
    first, second = read("presence.update", raw)
    assert isinstance(first, Noticed)
    assert isinstance(second, Noticed)
    assert first.data == {"state": "recording", "chat": GROUP}
    assert (second.party, second.data["last_seen"]) == (Party(phone=ANA), "2025-06-12T22:08:21+00:00")


def test_contacts_are_told_once_a_day_and_only_where_something_is_known() -> None:
    raw = {"remoteJid": f"{ANA}@s.whatsapp.net", "pushName": "Ana", "profilePicUrl": "https://pps.test/a.jpg?oh=1"}
    found = one("contacts.update", raw)
    assert (found.type, found.data["name"], found.party) == ("contact.updated", "Ana", Party(phone=ANA, name="Ana"))
    again = raw | {"profilePicUrl": "https://pps.test/a.jpg?oh=2"}
    assert one("contacts.upsert", [again]).key == found.key
    assert one("contacts.update", raw, date_time="2025-06-13T19:08:21Z").key != found.key
    nothing = {"remoteJid": f"{ANA}@s.whatsapp.net", "pushName": ANA, "profilePicUrl": None}
    assert read("contacts.update", [nothing, {"pushName": "Bruno"}]) == []


@pytest.mark.parametrize(
    ("data", "change"),
    [
        ({"subject": "Novo"}, "subject"),
        ({"desc": "d"}, "description"),
        ({"announce": True}, "settings"),
        ({"inviteCode": "x"}, "invite"),
    ],
)
@pytest.mark.parametrize("event", ["groups.update", "GROUP_UPDATE"])
def test_group_changes(event: str, data: dict[str, Any], change: str) -> None:
    found = one(event, [{"id": GROUP, "author": LID, **data}])
    assert (found.data["change"], found.data["by"], found.party.group) == (change, {"lid": LID}, GROUP)


def test_members_with_what_the_server_adds() -> None:
    raw = {
        "id": GROUP,
        "author": LID,
        "action": "remove",
        "participants": [LID],
        "participantsData": [{"jid": LID, "phoneNumber": f"{ANA}@s.whatsapp.net", "name": "Ana"}],
    }
    found = one("group-participants.update", raw)
    assert found.data["change"] == "left"
    assert found.data["participants"] == [{"phone": ANA, "lid": LID, "name": "Ana"}]
    unresolved = raw | {"participantsData": [{"jid": LID, "phoneNumber": "900000000000002"}], "action": "promote"}
    found = one("group-participants.update", unresolved)
    assert (found.data["change"], found.data["participants"]) == ("promoted", [{"lid": LID}])


def test_calls() -> None:
    raw = {"id": "C1", "from": LID, "callerPn": f"{ANA}@s.whatsapp.net", "chatId": LID, "status": "offer"}
    found = one("call", raw | {"isVideo": True, "date": "2025-06-12T22:08:21.000Z"})
    assert found.data == {"call_id": "C1", "kind": "video", "state": "ringing"}
    assert (found.party, found.at) == (Party(phone=ANA, lid=LID), datetime(2025, 6, 12, 22, 8, 21, tzinfo=UTC))
    assert one("call", raw | {"status": "timeout"}).data["state"] == "missed"


def test_chats_and_labels() -> None:
    assert one("chats.delete", [f"{ANA}@s.whatsapp.net"]).data == {"chat": ANA, "change": "deleted"}
    assert read("chats.upsert", [{"remoteJid": LID}]) == []
    label = one("labels.edit", {"id": "3", "name": "VIP", "color": 5, "deleted": False, "instance": "x"})
    assert label.data == {"label": "3", "deleted": False, "name": "VIP", "color": "5"}
    put = one("labels.association", {"type": "add", "chatId": f"{ANA}@s.whatsapp.net", "labelId": "3"})
    assert put.data == {"chat": ANA, "change": "labelled", "label": "3"}


def test_unknown_events_survive_as_short_facts() -> None:
    found = one("typebot.start", {"remoteJid": "x", "variables": {"a": 1}})
    assert (found.type, found.data) == ("unknown", {"event": "typebot.start", "remoteJid": "x"})
    assert one("messages.set", [1, 2]).data == {"event": "messages.set", "count": 2}


def test_names_of_subscriptions_are_events_too() -> None:
    assert one("MESSAGES_UPSERT", message({"conversation": "oi"})).type == "message.received"


# --- time and secrets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-3, 0, 5.5, 8])
def test_the_servers_local_time_is_taken_back_to_utc(hours: float) -> None:
    now = datetime.now(UTC)
    written = (now - timedelta(seconds=20) + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    found = one("messages.update", UPDATE | {"status": "READ"}, date_time=written)
    assert timedelta(seconds=19) < datetime.now(UTC) - found.at < timedelta(seconds=30)


def test_a_webhook_that_was_repeated_for_long_keeps_its_time() -> None:
    sent = datetime.now(UTC) - timedelta(minutes=20)
    written = (sent - timedelta(hours=3)).isoformat().replace("+00:00", "Z")
    assert abs(one("messages.update", UPDATE | {"status": "READ"}, date_time=written).at - sent) < timedelta(seconds=5)


@pytest.mark.parametrize("stamp", [None, 17, "soon", STAMP])
def test_other_times_are_taken_as_they_are(stamp: Any) -> None:
    found = one("messages.update", UPDATE | {"status": "READ"}, date_time=stamp)
    wanted = datetime(2025, 6, 12, 19, 8, 21, 833_000, tzinfo=UTC) if stamp == STAMP else datetime.now(UTC)
    assert abs(found.at - wanted) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (b'{"a":1,"apikey":"s3cr3t"}', b'{"a":1,"apikey":""}'),
        (b'{"apikey" : "s3\\"cr3t\\\\" , "b":"x"}', b'{"apikey" : "" , "b":"x"}'),
        (b'{"api_key":"s3cr3t","event":"error"}', b'{"api_key":"","event":"error"}'),
        (
            b'{"text":"say \\"apikey\\":\\"mine\\"","apikey":"s3cr3t"}',
            b'{"text":"say \\"apikey\\":\\"mine\\"","apikey":""}',
        ),
        (b'{"text":"apikey","b":"c"}', b'{"text":"apikey","b":"c"}'),
        (b'{"apikey":null}', b'{"apikey":null}'),
        (b'{"apikey":"cut off', b'{"apikey":"'),
        (b'{"apikey":"cut off\\', b'{"apikey":"\\'),
        (b"\x00\xff", b"\x00\xff"),
        (b"", b""),
    ],
)
def test_redaction(given: bytes, wanted: bytes) -> None:
    assert webhooks.redact(given) == wanted


@given(key=st.text(), text=st.text())
def test_no_key_survives_redaction(key: str, text: str) -> None:
    raw = msgspec.json.encode({"data": {"conversation": text}, "apikey": key})
    clean = msgspec.json.decode(webhooks.redact(raw))
    assert clean == {"data": {"conversation": text}, "apikey": ""}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "key",
                    "id",
                    "remoteJid",
                    "message",
                    "conversation",
                    "status",
                    "participants",
                    "presences",
                    "qrcode",
                    "code",
                    "state",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(event=st.sampled_from(sorted(webhooks.EVENTS)), data=JSON)
def test_nothing_well_formed_raises(event: str, data: Any) -> None:
    try:
        raw = body(event, data)
    except OverflowError:
        return
    for found in webhooks.read(raw):
        assert found.type
        assert found.key
        if isinstance(found, Received | Edited | Deleted | Reacted):
            assert found.chat.identities()


WELL_FORMED: tuple[tuple[str, Any], ...] = (
    ("messages.edited", EDIT),
    ("messages.update", [UPDATE | {"status": "READ", "pollUpdates": [{"name": "hoje", "voters": ["x"]}]}]),
    ("messages.delete", {"id": "cmf", "key": {"id": "3A01", "remoteJid": GROUP, "participant": LID}}),
    ("messages.upsert", message({"reactionMessage": {"key": {"id": "3EB0"}, "text": "👍"}}, key={"remoteJid": GROUP})),
    ("qrcode.updated", {"qrcode": {"code": "2@abc", "pairingCode": None}}),
    ("connection.update", {"state": "close", "statusReason": 401, "wuid": f"{OWN}@s.whatsapp.net"}),
    ("contacts.update", [{"remoteJid": LID, "pushName": "Ana", "profilePicUrl": "https://pps.test/a"}]),
    (
        "groups.update",
        [{"id": GROUP, "author": LID, "announce": True, "participants": [{"id": LID, "admin": "admin"}]}],
    ),
    (
        "group-participants.update",
        {
            "id": GROUP,
            "author": LID,
            "action": "add",
            "participants": [LID, {"id": LID}],
            "participantsData": [{"jid": LID}],
        },
    ),
    ("call", [{"id": "C1", "from": LID, "status": "offer", "date": "2025-06-12T22:08:21.000Z"}]),
    ("chats.delete", [{"remoteJid": LID}, GROUP]),
    ("labels.association", {"type": "add", "chatId": LID, "labelId": "3"}),
)


@pytest.mark.parametrize(("event", "data"), WELL_FORMED, ids=[event for event, _ in WELL_FORMED])
def test_no_single_odd_field_breaks_the_reading(event: str, data: Any) -> None:
    for path, odd in variants({"data": data}):
        for found in read(event, odd.get("data")):
            assert found.type in EVENT_TYPES, path
            assert found.at.tzinfo is UTC, path
            msgspec.json.encode(found)


@pytest.mark.parametrize("event", sorted(webhooks.EVENTS))
def test_bodies_without_an_end_are_none_or_unknown(event: str) -> None:
    for deep in (b"[" * 900 + b"]" * 900, b'{"message":' * 900 + b"1" + b"}" * 900):
        raw = b'{"event": "%s", "data": {"key": {"id": "1", "remoteJid": "1@lid"}, "x": %s}}' % (event.encode(), deep)
        assert isinstance(webhooks.read(raw), list)
        assert isinstance(webhooks.read(raw.replace(b'"x"', b'"message"')), list)


@pytest.mark.parametrize("raw", [b'{"event": 1, "data": {}}', b'{"event": "messages.upsert"}', b"[]", b"{}", b"x"])
def test_what_is_not_evolutions(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the contract promises no more
        webhooks.read(raw)
