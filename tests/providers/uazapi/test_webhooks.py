"""Webhooks of our own making: what captures lack, and what may go wrong."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from recado.domain.events import (
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
from recado.providers.uazapi import webhooks
from recado.testing.tables import MESSAGE_ID

OWNER = "5511999990000"
ANA = "5511999990002@s.whatsapp.net"
ANA_LID = "900000000000002@lid"
GROUP = "120363000000000001@g.us"
AT = datetime(2026, 2, 3, 19, 16, 18, tzinfo=UTC)


def hook(kind: str, **more: Any) -> bytes:
    return msgspec.json.encode({"EventType": kind, "owner": OWNER, "token": "", "instanceName": "x", **more})


def read(kind: str, **more: Any) -> list[ProviderEvent]:
    return webhooks.read(hook(kind, **more))


def message(**more: Any) -> bytes:
    raw = {
        "chatid": ANA,
        "content": {"text": "Oi"},
        "fromMe": False,
        "id": f"{OWNER}:3EB0A",
        "messageTimestamp": 1770146178000,
        "messageType": "ExtendedTextMessage",
        "messageid": "3EB0A",
        "sender": ANA_LID,
        "sender_lid": ANA_LID,
        "sender_pn": ANA,
        "senderName": "Ana",
        "text": "Oi",
        **more,
    }
    return hook("messages", message={name: value for name, value in raw.items() if value is not None})


def received(**more: Any) -> Received:
    [event] = webhooks.read(message(**more))
    assert isinstance(event, Received), event
    return event


def noticed(kind: str, event: Any, **more: Any) -> list[Noticed]:
    events = read(kind, event=event, **more)
    return [one for one in events if isinstance(one, Noticed)]


# --- messages -------------------------------------------------------------------------------------------


def test_a_direct_chat_joins_every_id_of_the_person() -> None:
    event = received()
    assert event.chat == Party(phone="5511999990002", lid=ANA_LID, name="Ana") == event.sender
    assert (event.at, event.provider_id, event.key) == (AT, "3EB0A", "message:3EB0A")


def test_a_person_without_a_phone() -> None:
    event = received(chatid=ANA_LID, sender_pn="", sender=ANA_LID)
    assert event.chat == Party(lid=ANA_LID, name="Ana")
    assert event.sender == event.chat


def test_an_echo_of_ours_carries_our_id_and_the_other_persons_ids() -> None:
    beside = {"wa_chatid": ANA, "wa_chatlid": ANA_LID, "wa_name": "Ana"}
    body = msgspec.json.decode(
        message(fromMe=True, wasSentByApi=True, track_id=str(MESSAGE_ID), sender_pn=f"{OWNER}@s.whatsapp.net")
    )
    [event] = webhooks.read(msgspec.json.encode({**body, "chat": beside}))
    assert isinstance(event, Received)
    assert (event.type, event.from_me, event.by_api) == ("message.sent", True, True)
    assert event.message_id == str(MESSAGE_ID)
    assert event.chat == Party(phone="5511999990002", lid=ANA_LID, name="Ana")
    assert event.sender.phone == OWNER


def test_a_chat_beside_the_message_that_is_another_lends_nothing() -> None:
    body = msgspec.json.decode(message(fromMe=True))
    beside = {"wa_chatid": "5511999990009@s.whatsapp.net", "wa_chatlid": "900000000000009@lid", "wa_name": "Bia"}
    [event] = webhooks.read(msgspec.json.encode({**body, "chat": beside}))
    assert isinstance(event, Received)
    assert event.chat == Party(phone="5511999990002")


@pytest.mark.parametrize("track_id", ["cw:capture-005", "", None, 17, "not-a-uuid"])
def test_another_systems_track_id_is_not_ours(track_id: Any) -> None:
    assert received(fromMe=True, wasSentByApi=True, track_id=track_id).message_id is None


def test_truth_as_text() -> None:
    assert received(fromMe="False", wasSentByApi="false").from_me is False
    assert received(fromMe="True", wasSentByApi="true").by_api is True


CONTENTS: tuple[tuple[str, dict[str, Any], str, Any], ...] = (
    ("conversation", {"messageType": "Conversation", "content": "Oi"}, "text", {"body": "Oi"}),
    ("text that only UAZAPI read", {"content": None}, "text", {"body": "Oi"}),
    ("content as JSON text", {"content": '{"text": "Olá"}'}, "text", {"body": "Olá"}),
    (
        "a location, whose `type` says text",
        {
            "messageType": "LocationMessage",
            "type": "text",
            "content": {"degreesLatitude": -25.4, "degreesLongitude": -49.2, "name": "Curitiba", "address": "PR"},
        },
        "location",
        {"latitude": -25.4, "longitude": -49.2, "name": "Curitiba", "address": "PR"},
    ),
    (
        "a contact, whose `type` says media",
        {
            "messageType": "ContactMessage",
            "type": "media",
            "content": {
                "displayName": "Bia",
                "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Bia\nTEL;waid=5511999990003:+55 11 99999-0003\nEND:VCARD",
            },
        },
        "contacts",
        [
            {
                "name": {"formatted_name": "Bia"},
                "phones": [{"phone": "+55 11 99999-0003", "wa_id": "5511999990003"}],
            }
        ],
    ),
    (
        "a button",
        {
            "messageType": "ButtonsResponseMessage",
            "content": {"selectedButtonID": "yes", "selectedDisplayText": "Sim"},
            "buttonOrListid": "yes",
            "text": "Sim",
        },
        "button_reply",
        {"id": "yes", "title": "Sim"},
    ),
    (
        "a button that only UAZAPI read",
        {"messageType": "SomeResponseMessage", "content": {}, "buttonOrListid": "yes", "vote": "Sim", "text": ""},
        "button_reply",
        {"id": "yes", "title": "Sim"},
    ),
    (
        "a video note",
        {"messageType": "VideoMessage", "mediaType": "ptv", "content": {"mimetype": "video/mp4"}},
        "ptv",
        {"mime_type": "video/mp4"},
    ),
    (
        "a voice note by UAZAPI's own word",
        {"messageType": "AudioMessage", "mediaType": "ptt", "content": {"mimetype": "audio/ogg"}},
        "voice",
        {"mime_type": "audio/ogg"},
    ),
    (
        "an image with a caption",
        {"messageType": "ImageMessage", "content": {"mimetype": "image/jpeg", "caption": "eu"}},
        "image",
        {"caption": "eu", "mime_type": "image/jpeg"},
    ),
    (
        "a list that was sent",
        {
            "messageType": "ListMessage",
            "content": {
                "description": "Escolha",
                "buttonText": "Ver",
                "sections": [{"title": "A", "rows": [{"title": "Um", "rowID": "1"}]}],
            },
        },
        "list",
        {"body": "Escolha", "button": "Ver", "sections": [{"title": "A", "rows": [{"id": "1", "title": "Um"}]}]},
    ),
)


@pytest.mark.parametrize(("label", "raw", "kind", "content"), CONTENTS, ids=[row[0] for row in CONTENTS])
def test_contents(label: str, raw: dict[str, Any], kind: str, content: Any) -> None:
    event = received(**raw)
    assert (event.kind, event.content) == (kind, content)


def test_a_kind_of_next_year_keeps_its_object() -> None:
    event = received(messageType="HologramMessage", content={"light": 7}, text="")
    assert (event.kind, event.content) == ("unknown", {})
    assert event.extra["hologramMessage"] == {"light": 7}


def test_reply_mention_and_forward() -> None:
    context = {
        "stanzaID": "3EB0B",
        "mentionedJID": ["5511999990003@s.whatsapp.net", ANA_LID],
        "isForwarded": True,
        "forwardingScore": 2,
    }
    event = received(content={"text": "Oi", "contextInfo": context}, quoted=f"{OWNER}:3EB0B")
    assert (event.reply_to, event.forwarded) == ("3EB0B", True)
    assert event.extra["mentions"] == ["5511999990003", ANA_LID]
    assert received(content={"text": "Oi", "contextInfo": context}).reply_to == "3EB0B"


def test_media_is_fetched_by_the_message() -> None:
    content = {"mimetype": "image/jpeg", "mediaKey": "c2VjcmV0", "fileSHA256": "abc", "fileLength": "99"}
    event = received(messageType="ImageMessage", content=content, text="")
    assert event.media is not None
    assert event.media.ref == {"id": "3EB0A"}
    assert (event.media.size, event.media.sha256) == (99, None)
    assert "c2VjcmV0" not in repr(event)


def test_edits_reactions_and_what_was_taken_back() -> None:
    [edited] = webhooks.read(message(edited=f"{OWNER}:3EB0OLD"))
    assert isinstance(edited, Edited)
    assert (edited.target, edited.content) == ("3EB0OLD", {"body": "Oi"})
    [reacted] = webhooks.read(message(messageType="ReactionMessage", reaction="3EB0OLD", text="", content={}))
    assert isinstance(reacted, Reacted)
    assert (reacted.target, reacted.emoji, reacted.sender.phone) == ("3EB0OLD", "", "5511999990002")
    key = {"key": {"ID": "3EB0OLD", "fromMe": False}, "text": "👍"}
    [reacted] = webhooks.read(message(messageType="ReactionMessage", text="👍", content=key, fromMe=True))
    assert isinstance(reacted, Reacted)
    assert (reacted.target, reacted.from_me) == ("3EB0OLD", True)
    revoked = {"key": {"ID": "3EB0OLD"}, "type": 0}
    [deleted] = webhooks.read(message(messageType="ProtocolMessage", content=revoked, text=""))
    assert isinstance(deleted, Deleted)
    assert deleted.target == "3EB0OLD"


def test_a_story_and_a_message_that_comes_later() -> None:
    [story] = webhooks.read(message(chatid="status@broadcast"))
    assert isinstance(story, Noticed)
    assert (story.type, story.data["kind"], story.data["content"]) == ("status.received", "text", {"body": "Oi"})
    assert story.party is not None
    assert story.party.phone == "5511999990002"
    [waiting] = webhooks.read(message(messageType="PlaceholderMessage", content={}, text=""))
    assert isinstance(waiting, Noticed)
    assert (waiting.type, waiting.data) == ("message.waiting", {"provider_id": "3EB0A", "chat": "5511999990002"})


def test_all_of_a_story_is_a_story() -> None:
    for more in (
        {"messageType": "ReactionMessage", "reaction": "3EB0B", "content": {}},
        {"messageType": "ProtocolMessage", "content": {"type": 0, "key": {"ID": "3EB0B"}}},
    ):
        [event] = webhooks.read(message(chatid="status@broadcast", **more))
        assert event.type == "status.received"
    [event] = receipt("Deleted", ["3EB0A"], Chat="status@broadcast")
    assert event.type == "unknown"


def test_a_broadcast_lists_message_is_its_senders() -> None:
    event = received(chatid="1700000000@broadcast")
    assert event.chat == event.sender == Party(phone="5511999990002", lid=ANA_LID, name="Ana")


def test_a_chat_with_nobody_that_we_could_name() -> None:
    bot = "867051314767696@bot"
    for more in ({"chatid": bot}, {"chatid": "1700000000@broadcast", "fromMe": True}):
        [event] = webhooks.read(message(sender=bot, sender_pn="", sender_lid="", **more))
        assert isinstance(event, Noticed)
        assert (event.type, event.data["provider_id"]) == ("unknown", "3EB0A")
    assert [event.type for event in receipt("Deleted", ["3EB0A"], Chat=bot)] == ["unknown"]
    assert [event.type for event in read("chats", chat={"wa_chatid": bot})] == ["unknown"]
    labelled = {"JID": bot, "LabelID": "7", "Action": {"labeled": True}}
    assert [event.type for event in read("chat_labels", event=labelled)] == ["unknown"]


def test_a_direct_sender_is_the_other_person_though_the_body_names_none() -> None:
    event = received(sender="", sender_pn="", sender_lid="", chatlid=ANA_LID)
    assert event.sender == event.chat == Party(phone="5511999990002", lid=ANA_LID, name="Ana")


def test_a_post_of_a_channel() -> None:
    body = msgspec.json.decode(message(chatid="120363000000000009@newsletter", sender="", sender_pn="", sender_lid=""))
    [event] = webhooks.read(msgspec.json.encode({**body, "EventType": "newsletter_messages"}))
    assert isinstance(event, Received)
    assert event.chat.group == "120363000000000009@newsletter"


def test_messages_that_say_nothing_to_a_person() -> None:
    for kind, content in (
        ("ProtocolMessage", {"type": 3}),
        ("PinInChatMessage", {"key": {"ID": "3EB0B"}, "type": 1}),
    ):
        [event] = webhooks.read(message(messageType=kind, content=content, text=""))
        assert event.type == "unknown"


def test_a_nul_character_costs_nothing() -> None:
    body = message(text="a\x00b", content={"text": "a\x00b"})
    assert b"\\u0000" in body
    [event] = webhooks.read(body)
    assert isinstance(event, Received)
    assert event.content == {"body": "ab"}


def test_a_message_without_an_id_is_told_by_its_facts() -> None:
    [event] = webhooks.read(message(messageid="", id=""))
    assert (event.type, event.key) == ("unknown", webhooks.read(message(messageid="", id=""))[0].key)


# --- receipts -------------------------------------------------------------------------------------------


def receipt(state: str, ids: list[str], **more: Any) -> list[ProviderEvent]:
    event = {"Chat": ANA, "MessageIDs": ids, "Timestamp": 1787161784, "sender_pn": ANA, "sender_lid": ANA_LID, **more}
    return read("messages_update", state=state, type="ReadReceipt", event=event)


def test_a_batch_is_a_receipt_each() -> None:
    events = receipt("Read", [f"3EB0{index}" for index in range(246)], Type="read", IsFromMe="False")
    assert len(events) == 246
    assert {event.type for event in events} == {"message.read"}
    assert len({event.key for event in events}) == 246
    last = events[-1]
    assert isinstance(last, Receipt)
    assert (last.provider_id, last.recipient) == ("3EB0245", None)


def test_states() -> None:
    for state, status in (
        ("Sent", MessageStatus.SERVER_ACK),
        ("delivered", MessageStatus.DELIVERED),
        ("Played", MessageStatus.PLAYED),
        ("Failed", MessageStatus.FAILED),
    ):
        [event] = receipt(state, ["3EB0A"], Error="no room", track_id=str(MESSAGE_ID))
        assert isinstance(event, Receipt)
        assert (event.state, event.message_id) == (status, str(MESSAGE_ID))
        assert event.why == ("no room" if status is MessageStatus.FAILED else None)


def test_a_group_names_who_got_it() -> None:
    [event] = receipt("Delivered", ["3EB0A"], Chat=GROUP, IsGroup=True)
    assert isinstance(event, Receipt)
    assert (event.recipient, event.key) == ("5511999990002", "receipt:3EB0A:delivered:5511999990002")
    [event] = receipt("Delivered", ["3EB0A"], Chat=GROUP, sender_pn="")
    assert isinstance(event, Receipt)
    assert event.recipient == ANA_LID


def test_taken_back_for_everybody() -> None:
    events = receipt("Deleted", ["3EB0A", "3EB0B"], Timestamp="2026-08-19T17:48:26Z")
    assert [event.target for event in events if isinstance(event, Deleted)] == ["3EB0A", "3EB0B"]
    assert events[0].at == datetime(2026, 8, 19, 17, 48, 26, tzinfo=UTC)


def test_what_we_read_ourselves_is_no_receipt() -> None:
    [event] = receipt("Read", ["3EB0A"], IsFromMe=True)
    assert isinstance(event, Noticed)
    assert (event.type, event.data["change"], event.data["chat"]) == ("chat.updated", "read", "5511999990002")


def test_what_another_device_of_ours_got_is_no_delivery() -> None:
    assert receipt("Delivered", ["3EB0A"], IsFromMe=True, sender_pn=f"{OWNER}@s.whatsapp.net") == []
    assert [event.type for event in receipt("Sent", ["3EB0A"], IsFromMe=True)] == ["message.server_ack"]


# --- the connection -------------------------------------------------------------------------------------


def connection(**instance: Any) -> ConnectionChanged:
    [event] = read("connection", instance=instance)
    assert isinstance(event, ConnectionChanged)
    return event


def test_the_connection() -> None:
    assert connection(status="connecting").status is ConnectionStatus.CONNECTING
    paired = connection(status="connecting", paircode="1234-5678")
    assert (paired.status, paired.pairing_code, paired.type) == (ConnectionStatus.QR, "1234-5678", "instance.qr")
    shown = connection(status="connecting", qrcode="data:image/png;base64,AA")
    assert shown.details == {"qr_image": "data:image/png;base64,AA"}
    assert shown.key == connection(status="connecting", qrcode="data:image/png;base64,AA").key
    asleep = connection(status="hibernated")
    assert (asleep.status, asleep.reason) == (ConnectionStatus.DISCONNECTED, "hibernated")
    banned = connection(status="disconnected", lastDisconnectReason="402: account temporarily banned")
    assert banned.status is ConnectionStatus.BANNED


def test_every_code_of_a_new_pairing_is_told_though_the_last_end_comes_with_it() -> None:
    ended = {"lastDisconnect": "2026-02-02 17:46:57.567Z", "lastDisconnectReason": "401: logged out"}
    codes = [connection(status="connecting", qrcode=f"data:image/png;base64,{code}", **ended) for code in ("AA", "BB")]
    assert codes[0].key != codes[1].key
    assert {(code.reason, code.at.year > 2026 or code.at.month > 2) for code in codes} == {(None, True)}
    waiting = [connection(status="connecting", **ended) for _ in range(2)]
    assert waiting[0].key != waiting[1].key


def test_a_code_that_was_used_is_not_told() -> None:
    event = connection(status="connected", qrcode="data:image/png;base64,AA", paircode="1234-5678")
    assert (event.pairing_code, event.details) == (None, {})


def test_connecting_again_is_not_a_repeat() -> None:
    assert connection(status="connected").key != connection(status="connected").key
    [one] = read("connection", event_id="e1", instance={"status": "connected"})
    [same] = read("connection", event_id="e1", instance={"status": "connected"})
    assert one.key == same.key == "connection:connected:e1"


# --- groups, presence and the rest ----------------------------------------------------------------------


def group(**event: Any) -> list[Noticed]:
    shared = {"JID": GROUP, "Sender": "5511999990003@s.whatsapp.net", "Timestamp": "2026-04-27T16:45:47Z"}
    return noticed("groups", {**shared, **event}, type="Group")


def test_several_changes_of_a_group_are_an_event_each() -> None:
    events = group(
        Join=["5511999990001@s.whatsapp.net"],
        JoinLid=["900000000000001@lid"],
        Leave=["5511999990003@s.whatsapp.net"],
        Promote=["5511999990004@s.whatsapp.net"],
        Demote=[ANA_LID],
        Name={"Name": "Novo"},
        Topic={"Topic": "Sobre"},
        Announce={"IsAnnounce": True},
        Locked={"IsLocked": False},
        Ephemeral={"IsEphemeral": True, "DisappearingTimer": 86400},
        MembershipApprovalMode={"IsJoinApprovalRequired": True},
        NewInviteLink="https://chat.whatsapp.com/abc",
        Delete={"Deleted": True},
    )
    assert [event.data["change"] for event in events] == [
        "added",
        "left",
        "promoted",
        "demoted",
        "subject",
        "description",
        "settings",
        "invite",
        "deleted",
    ]
    assert events[0].data["participants"] == [{"phone": "5511999990001", "lid": "900000000000001@lid"}]
    assert events[6].data["settings"] == {"locked": False, "announce": True, "approval": True, "ephemeral": 86400}
    assert len({event.key for event in events}) == len(events)


def test_coming_in_by_a_link_and_being_removed() -> None:
    assert group(Join=[ANA], JoinReason="invite")[0].data["change"] == "joined"
    assert group(Leave=[ANA])[0].data["change"] == "removed"
    assert group(Leave=[ANA, ANA_LID], LeaveLid=[ANA_LID])[0].data["participants"][1] == {"lid": ANA_LID}
    assert group()[0].type == "unknown"


def test_presence() -> None:
    typing = {"Chat": ANA, "State": "composing", "sender_pn": ANA, "sender_lid": ANA_LID, "IsFromMe": False}
    [event] = noticed("presence", typing)
    assert event.data == {"state": "composing", "chat": "5511999990002"}
    assert event.party == Party(phone="5511999990002", lid=ANA_LID)
    [event] = noticed("presence", {**typing, "Media": "audio"})
    assert event.data["state"] == "recording"
    assert read("presence", event={**typing, "IsFromMe": "True"}) == []
    [event] = noticed("presence", {"From": ANA, "Unavailable": True, "LastSeen": "2026-08-19T17:00:00Z"})
    assert event.data == {"state": "unavailable", "last_seen": "2026-08-19T17:00:00+00:00"}


def test_calls() -> None:
    [event] = noticed("call", {"From": ANA, "CallID": "C1", "Timestamp": "2026-08-19T17:00:00Z"}, type="CallOffer")
    assert (event.type, event.key) == ("call.received", "call:C1:ringing")
    assert event.data == {"call_id": "C1", "kind": "voice", "state": "ringing"}
    [event] = noticed("call", {"From": ANA, "CallID": "C1", "IsVideo": True}, type="CallTerminate")
    assert (event.data["kind"], event.data["state"]) == ("video", "ended")


def test_contacts_blocks_and_labels() -> None:
    [event] = noticed("contacts", {"JID": ANA, "Action": {"fullName": "Ana Souza"}})
    assert (event.type, event.data) == ("contact.updated", {"name": "Ana Souza"})
    [event] = noticed("blocks", {"Changes": [{"JID": ANA, "Action": "block"}]})
    assert (event.type, event.data) == ("contact.updated", {"blocked": True})
    [event] = noticed("labels", {"LabelID": "7", "Action": {"name": "VIP", "color": 3, "deleted": False}})
    assert (event.type, event.data) == ("label.updated", {"label": "7", "name": "VIP", "color": "3", "deleted": False})
    [event] = noticed("chat_labels", {"JID": ANA, "LabelID": "7", "Action": {"labeled": True}})
    assert (event.type, event.data) == (
        "chat.updated",
        {"chat": "5511999990002", "change": "labelled", "label": "7"},
    )


@pytest.mark.parametrize(
    "kind", ["history", "sender", "hologram", "call", "contacts", "blocks", "labels", "chat_labels"]
)
def test_what_is_not_understood_is_told_by_its_fields(kind: str) -> None:
    [event] = noticed(kind, {"Something": {"secret": "else"}})
    assert (event.type, event.data["event"], event.data["fields"]) == ("unknown", kind, ["Something"])
    assert "else" not in repr(event)


SHAPES: tuple[Any, ...] = (None, 17, "x", [], {}, [17], {"JID": 17}, {"MessageIDs": 7}, {"status": []}, {"chatid": {}})


@pytest.mark.parametrize("kind", ["messages", "messages_update", "connection", "groups", "presence", "call", "chats"])
def test_no_shape_of_a_known_event_raises(kind: str) -> None:
    for value in SHAPES:
        read(kind, message=value, event=value, instance=value, chat=value)


FIELDS = (
    "content",
    "text",
    "edited",
    "reaction",
    "quoted",
    "messageTimestamp",
    "fromMe",
    "messageType",
    "vote",
    "chatid",
)


@pytest.mark.parametrize("field", FIELDS)
def test_no_value_of_a_field_raises(field: str) -> None:
    values: tuple[Any, ...] = (None, 17, -1, 1e300, True, "", "x", "{", [], [17], {}, {"a": {}})
    for value in values:
        webhooks.read(message(**{field: value}))
        webhooks.read(message(**{"messageType": "ReactionMessage", field: value}))


def test_a_time_beyond_the_calendar() -> None:
    [event] = receipt("Read", ["3EB0A"], Timestamp="9999-12-31T23:59:59-23:00")
    assert event.at.year < 9999


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"EventType": 17}', b'{"event": "message"}', b"\xff"])
def test_what_is_no_body_of_uazapi(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the contract promises no more than the type.
        webhooks.read(body)


# --- the token ------------------------------------------------------------------------------------------


def test_redacting_takes_the_token_and_nothing_else() -> None:
    told = {
        "token": "11111111-2222",
        "text": 'a "token": "kept" and token',
        "instance": {"token": 'with "quotes" \\ and more', "openai_apikey": "sk-1", "name": "x"},
    }
    body = msgspec.json.encode(told)
    clean = msgspec.json.decode(webhooks.redact(body))
    assert clean == {**told, "token": "", "instance": {"token": "", "openai_apikey": "", "name": "x"}}
    assert webhooks.redact(b'{"token" : "a"}') == b'{"token" : ""}'
    for other in (b"", b"\xff", b"not json", b'{"a": "token"}', b"[" * 1000):
        assert webhooks.redact(other) == other
