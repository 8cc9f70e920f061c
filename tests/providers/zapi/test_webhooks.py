"""What Z-API's pages describe without an example, and what no page describes. The payloads are our own."""

import gzip
from datetime import UTC, datetime, tzinfo
from typing import Any, Self

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
from recado.providers.zapi import addresses, notices, webhooks
from recado.providers.zapi.adapter import Zapi
from tests.providers.zapi.rows import connect

AT = 1_786_422_957_000
ENVELOPE: dict[str, Any] = {
    "isStatusReply": False,
    "chatLid": "900000000000001@lid",
    "connectedPhone": "5511999990009",
    "waitingMessage": False,
    "isEdit": False,
    "isGroup": False,
    "isNewsletter": False,
    "instanceId": "3C67AB641C8AA0412F6A2242B4E23AC7",
    "messageId": "3EB0000000000000AAAA",
    "phone": "5511999990001",
    "fromMe": False,
    "momment": AT,
    "status": "RECEIVED",
    "chatName": "Ana Souza",
    "senderName": "Ana",
    "forwarded": False,
    "fromApi": False,
    "type": "ReceivedCallback",
}
IN_GROUP = {
    "isGroup": True,
    "phone": "120363019502650977-group",
    "chatLid": None,
    "chatName": "Padaria",
    "participantPhone": "5511999990001",
    "participantLid": "900000000000001@lid",
}


def read(**facts: Any) -> list[ProviderEvent]:
    return notices.read(msgspec.json.encode(facts))


def received(**facts: Any) -> ProviderEvent:
    events = read(**{**ENVELOPE, **facts})
    assert len(events) == 1
    return events[0]


def message(**facts: Any) -> Received:
    event = received(**facts)
    assert isinstance(event, Received)
    return event


def notice(**facts: Any) -> Noticed:
    event = received(**facts)
    assert isinstance(event, Noticed)
    return event


# --- who and where -----------------------------------------------------------------------------------------


def test_a_direct_message_names_one_person_by_both_ids() -> None:
    event = message(text={"message": "oi"})
    assert event.chat == event.sender == Party(phone="5511999990001", lid="900000000000001@lid", name="Ana")
    assert event.at == datetime.fromtimestamp(AT / 1000, UTC)
    assert (event.type, event.key, event.kind) == ("message.received", "message:3EB0000000000000AAAA", "text")


def test_a_message_without_a_phone() -> None:
    event = message(phone="900000000000001@lid", text={"message": "oi"})
    assert event.chat == event.sender == Party(lid="900000000000001@lid", name="Ana")


def test_a_group_message_names_its_author() -> None:
    event = message(**IN_GROUP, text={"message": "oi"})
    assert event.chat == Party(group="120363019502650977@g.us", name="Padaria")
    assert event.sender == Party(phone="5511999990001", lid="900000000000001@lid", name="Ana")


def test_our_own_message_in_a_group_is_ours() -> None:
    event = message(**IN_GROUP, fromMe=True, fromApi=True, text={"message": "oi"})
    assert (event.type, event.from_me, event.by_api) == ("message.sent", True, True)
    assert event.sender == Party(phone="5511999990009")


def test_our_own_message_to_somebody() -> None:
    event = message(fromMe=True, text={"message": "oi"})
    assert event.chat == Party(phone="5511999990001", lid="900000000000001@lid", name="Ana Souza")
    assert (event.sender, event.by_api) == (Party(phone="5511999990009"), False)


def test_a_name_that_is_the_number_is_no_name() -> None:
    assert message(senderName="5511999990001", text={"message": "oi"}).sender.name is None


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("120363019502650977-group", "120363019502650977@g.us"),
        ("5511999999999-1623281429", "5511999999999-1623281429@g.us"),
        ("1774895799-broadcast", "1774895799@broadcast"),
        ("999@newsletter", "999@newsletter"),
        ("900000000000001@lid", "900000000000001@lid"),
        ("5511999990001", "5511999990001"),
        ("se for grupo esse será o participante", None),
        ("-group", None),
        (17, None),
        (None, None),
    ],
)
def test_addresses(theirs: Any, ours: str | None) -> None:
    assert addresses.address(theirs) == ours
    if ours is not None and not ours.endswith("@broadcast"):
        assert addresses.phone(ours) == theirs


# --- messages ----------------------------------------------------------------------------------------------


def test_what_is_beside_the_content_is_kept() -> None:
    event = message(text={"message": "oi", "url": "https://example.com"}, newField={"a": 1}, emptyField=None)
    assert event.extra == {"preview": {"url": "https://example.com"}, "newField": {"a": 1}}


def test_an_answer_that_was_forwarded() -> None:
    event = message(text={"message": "oi"}, referenceMessageId="3EB0BBBB", forwarded=True)
    assert (event.reply_to, event.forwarded) == ("3EB0BBBB", True)


def test_a_picture_whose_download_failed() -> None:
    event = message(image={"mimeType": "image/jpeg", "caption": "praia", "downloadError": "404"})
    assert (event.kind, event.content, event.media) == ("image", {"caption": "praia", "mime_type": "image/jpeg"}, None)
    assert event.extra == {"media": {"downloadError": "404"}}


def test_a_document_keeps_its_name() -> None:
    event = message(
        document={"documentUrl": "https://example.com/a", "mimeType": "application/pdf", "fileName": "a.pdf"}
    )
    assert event.media is not None
    assert (event.media.ref, event.media.filename) == ({"url": "https://example.com/a"}, "a.pdf")


def test_audio_that_was_not_spoken() -> None:
    assert message(audio={"audioUrl": "https://example.com/a", "ptt": False}).kind == "audio"


def test_a_moving_picture() -> None:
    assert message(video={"videoUrl": "https://example.com/a", "gifPlayback": True}).kind == "gif"


def test_a_card_without_a_vcard() -> None:
    event = message(contact={"displayName": "Ana", "vCard": "", "phones": ["5511999990001"]})
    assert event.content == [{"name": {"formatted_name": "Ana"}, "phones": [{"phone": "5511999990001"}]}]


def test_a_template_with_buttons() -> None:
    buttons = [
        {"index": 0, "quickReplyButton": {"displayText": "Sim", "id": "1"}},
        {"index": 1, "callButton": {"displayText": "Ligar", "phoneNumber": "551140000001"}},
        {"index": 2, "somethingNew": {}},
    ]
    event = message(hydratedTemplate={"header": {}, "message": "Oi", "footer": "F", "hydratedButtons": buttons})
    assert event.kind == "buttons"
    assert event.content == {
        "body": "Oi",
        "buttons": [{"title": "Sim", "id": "1"}, {"title": "Ligar", "phone": "551140000001"}],
        "footer": "F",
    }


@pytest.mark.parametrize(
    "facts",
    [
        {"somethingNew": {"a": 1}},
        {"text": {"message": 17}},
        {"text": "not an object"},
        {"location": {"latitude": "north"}},
        {"pinMessage": {"action": "pin"}},
        {"carouselMessage": {"text": "a", "cards": []}},
    ],
    ids=str,
)
def test_a_message_that_is_not_understood_stays_whole(facts: dict[str, Any]) -> None:
    event = message(**facts)
    assert (event.kind, event.content, event.extra) == ("unknown", {}, facts)


def test_an_edit_names_its_message_and_every_edit_is_one_of_its_own() -> None:
    first = received(isEdit=True, text={"message": "olá"})
    second = received(isEdit=True, momment=AT + 1, text={"message": "olá!"})
    assert isinstance(first, Edited)
    assert (first.target, first.kind, first.content) == ("3EB0000000000000AAAA", "text", {"body": "olá"})
    assert first.key != second.key


def test_a_reaction_taken_back() -> None:
    event = received(**IN_GROUP, reaction={"value": "", "referencedMessage": {"messageId": "3EB0BBBB"}})
    assert isinstance(event, Reacted)
    assert (event.target, event.emoji, event.sender.phone) == ("3EB0BBBB", "", "5511999990001")


def test_a_reaction_to_nothing_is_unknown() -> None:
    assert received(reaction={"value": "👍"}).type == "unknown"


def test_a_story() -> None:
    event = notice(phone="status@broadcast", participantPhone="5511999990001", text={"message": "bom dia"})
    assert event.type == "status.received"
    assert event.data == {"provider_id": "3EB0000000000000AAAA", "kind": "text", "content": {"body": "bom dia"}}
    assert event.party is not None
    assert event.party.phone == "5511999990001"


def test_a_message_that_waits() -> None:
    event = notice(waitingMessage=True)
    assert (event.type, event.data) == (
        "message.waiting",
        {"provider_id": "3EB0000000000000AAAA", "chat": "5511999990001"},
    )


def test_an_edit_that_is_not_understood_replaces_nothing() -> None:
    assert received(isEdit=True).type == received(isEdit=True, somethingNew={"a": 1}).type == "unknown"


@pytest.mark.parametrize(
    "said",
    [
        {"reaction": {"value": "👍", "referencedMessage": {"messageId": "3EB0BBBB"}}},
        {"pollVote": {"pollMessageId": "3EB0BBBB", "options": [{"name": "a"}]}},
        {"eventResponse": {"response": "GOING", "referencedMessage": {"messageId": "3EB0BBBB"}}},
    ],
    ids=["reaction", "vote", "answer"],
)
def test_what_two_say_of_one_message_is_two_events(said: dict[str, Any]) -> None:
    """Also if `messageId` were that of the message they speak of, which no page tells."""
    first = received(**IN_GROUP, **said)
    assert first.key == received(**IN_GROUP, **said).key
    other = {**IN_GROUP, "participantPhone": "5511999990003", "participantLid": None}
    assert first.key != received(**other, **said).key
    assert first.key != received(**IN_GROUP, **said, momment=AT + 1000).key


def test_a_group_of_bare_digits_is_no_person() -> None:
    event = message(**{**IN_GROUP, "phone": "120363019502650977"}, text={"message": "oi"})
    assert event.chat == Party(group="120363019502650977@g.us", name="Padaria")


@pytest.mark.parametrize("phone", ["status@broadcast", None], ids=["a story", "nowhere"])
def test_what_belongs_to_no_chat_makes_none(phone: str | None) -> None:
    place = {"phone": phone, "chatLid": None}
    reaction = {"value": "👍", "referencedMessage": {"messageId": "3EB0BBBB"}}
    assert received(**place, reaction=reaction).type == "unknown"
    assert received(**place, notification="REVOKE").type == "unknown"


def test_what_has_no_id_is_not_mistaken_for_another() -> None:
    for facts in ({"waitingMessage": True}, {"phone": "status@broadcast", "text": {"message": "a"}}):
        assert received(messageId=None, **facts).type == "unknown"
    first = notice(messageId=None, notification="CALL_RECEIVED")
    second = notice(messageId=None, notification="CALL_RECEIVED", momment=AT + 1000)
    assert first.key != second.key


# --- notifications -----------------------------------------------------------------------------------------


def test_a_message_taken_back() -> None:
    event = received(notification="REVOKE", referenceMessageId="3EB0BBBB")
    assert isinstance(event, Deleted)
    assert event.target == "3EB0BBBB"
    own = received(notification="REVOKE")
    assert isinstance(own, Deleted)
    assert own.target == "3EB0000000000000AAAA"


def test_a_message_that_could_not_be_decrypted() -> None:
    assert received(notification="CIPHERTEXT").type == "message.waiting"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("GROUP_CREATE", "created"),
        ("GROUP_CHANGE_ICON", "picture"),
        ("GROUP_PARTICIPANT_ADD", "added"),
        ("GROUP_PARTICIPANT_REMOVE", "removed"),
        ("GROUP_PARTICIPANT_LEAVE", "left"),
        ("GROUP_PARTICIPANT_INVITE", "joined"),
        ("GROUP_PARTICIPANT_PROMOTE", "promoted"),
        ("GROUP_PARTICIPANT_DEMOTE", "demoted"),
    ],
)
def test_changes_of_a_group(name: str, change: str) -> None:
    event = notice(**IN_GROUP, notification=name, notificationParameters=["5511999990002", "9@lid", "a text"])
    assert event.type == "group.updated"
    assert event.party == Party(group="120363019502650977@g.us", name="Padaria")
    assert event.data["change"] == change
    assert event.data["participants"] == [{"phone": "5511999990002"}, {"lid": "9@lid"}]
    assert event.data["by"] == {"phone": "5511999990001", "lid": "900000000000001@lid", "name": "Ana"}


def test_changes_of_a_group_are_told_apart_by_more_than_their_short_id() -> None:
    given = {**IN_GROUP, "notification": "GROUP_PARTICIPANT_ADD", "messageId": "464201093"}
    first = notice(**given, notificationParameters=["5511999990002"])
    assert first.key == notice(**given, notificationParameters=["5511999990002"]).key
    assert first.key != notice(**given, notificationParameters=["5511999990003"]).key
    assert first.key != notice(**given, notificationParameters=["5511999990002"], momment=AT + 60_000).key


def test_a_new_subject() -> None:
    event = notice(**IN_GROUP, notification="GROUP_CHANGE_SUBJECT", notificationParameters=["Padaria nova"])
    assert (event.data["change"], event.data["subject"]) == ("subject", "Padaria nova")


@pytest.mark.parametrize("name", ["E2E_ENCRYPTED", "BLUE_MSG_SELF_PREMISE_VERIFIED", "WA_OLD_REGISTRATION", "NEW_ONE"])
def test_other_notifications_are_unknown_with_their_name(name: str) -> None:
    event = notice(notification=name)
    assert (event.type, event.data["notification"]) == ("unknown", name)


def test_a_call_in_a_group() -> None:
    event = notice(**IN_GROUP, notification="CALL_MISSED_VIDEO", callId="C1")
    assert event.data == {
        "call_id": "C1",
        "kind": "video",
        "state": "missed",
        "group": "120363019502650977@g.us",
        "envelope": {"messageId": "3EB0000000000000AAAA"},
    }


def test_labels_of_another_shape_are_unknown() -> None:
    assert received(notification="CHAT_LABEL_ASSOCIATION", notificationParameters=["a"]).type == "unknown"


# --- receipts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("Phone number does not exist", "not_on_whatsapp"),
        ("Message has not been sent because it got invalid phone number", "not_on_whatsapp"),
        ("The message was not sent due to a likely shadow ban", "SHADOW_BAN"),
        ("Did not have permission to send this message.", "not_permitted"),
        ("Timeout on send message", "timeout"),
        ("Message not send caused by invalid media url", "media_unreadable"),
        ("Whatsapp rejected sending this message", "rejected"),
        ("This type of message can only be sent in groups", "groups_only"),
        ("Unsupported sticker format: image/png", "media_type"),
        ("Error on send message", "delivery_failed"),
    ],
)
def test_a_message_that_failed_behind_the_queue(error: str, code: str) -> None:
    events = read(type="DeliveryCallback", messageId="3EB0", zaapId="ZAAP", error=error, momment=AT, phone="55119")
    receipts = [event for event in events if isinstance(event, Receipt)]
    assert [(one.provider_id, one.state, one.code, one.why) for one in receipts] == [
        ("3EB0", MessageStatus.FAILED, code, error),
        ("ZAAP", MessageStatus.FAILED, code, error),
    ]


@pytest.mark.parametrize("facts", [{"error": {"a": 1}}, {"error": True}, {"errorCode": "SHADOW_BAN"}], ids=str)
def test_a_failure_of_another_shape_is_none_the_less_a_failure(facts: dict[str, Any]) -> None:
    event = read(type="DeliveryCallback", messageId="3EB0", momment=AT, **facts)[0]
    assert isinstance(event, Receipt)
    assert (event.state, bool(event.code), bool(event.why)) == (MessageStatus.FAILED, True, True)


def test_the_code_that_z_api_gives_goes_first() -> None:
    event = read(type="DeliveryCallback", messageId="3EB0", error="any", errorCode="SHADOW_BAN")[0]
    assert isinstance(event, Receipt)
    assert event.code == "SHADOW_BAN"


def test_leaving_the_queue_and_sent_are_one_receipt() -> None:
    left = read(type="DeliveryCallback", messageId="3EB0", zaapId="ZAAP", momment=AT)
    sent = read(type="MessageStatusCallback", ids=["3EB0"], status="SENT", phone="5511999990001", momment=AT)
    assert [event.key for event in left] == [event.key for event in sent] == ["receipt:3EB0:server_ack:"]


def test_receipts_of_a_group_name_the_reader_where_z_api_does() -> None:
    group = {
        "type": "MessageStatusCallback",
        "ids": ["A", "B"],
        "status": "READ",
        "phone": "1203-group",
        "isGroup": True,
    }
    known = read(**group, participant="5511999990001")
    assert [event.key for event in known] == ["receipt:A:read:5511999990001", "receipt:B:read:5511999990001"]
    assert [getattr(event, "recipient", "") for event in read(**group)] == [None, None]


@pytest.mark.parametrize(
    "facts", [{"status": "NEW", "ids": ["A"]}, {"status": "READ"}, {"status": "READ", "ids": [1]}], ids=str
)
def test_receipts_of_another_shape_are_unknown(facts: dict[str, Any]) -> None:
    assert [event.type for event in read(type="MessageStatusCallback", **facts)] == ["unknown"]
    assert [event.type for event in read(type="DeliveryCallback", error="x")] == ["unknown"]


# --- the connection and the rest ---------------------------------------------------------------------------


def test_a_time_that_cannot_be_is_the_time_of_reading() -> None:
    before = datetime.now(UTC)
    for momment in (26_151_515_154, "soon", None, True, 10**30, 0):
        event = read(type="ConnectedCallback", connected=True, momment=momment, phone="5511999990001")[0]
        assert isinstance(event, ConnectionChanged)
        assert event.status is ConnectionStatus.CONNECTED
        assert before <= event.at <= datetime.now(UTC), momment


def test_what_comes_without_a_time_is_not_swallowed_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bodies of an event without a time are alike to the byte."""
    for facts in (
        {"type": "DisconnectedCallback", "error": "Device has been disconnected"},
        {"type": "ConnectedCallback", "connected": True, "momment": 26_151_515_154},
        {"type": "ProxyCallback", "error": "failed"},
    ):
        now = read(**facts)[0].key
        with monkeypatch.context() as patch:
            patch.setattr(webhooks, "datetime", _Later)
            later = read(**facts)[0].key
        assert now != later
    timed = {"type": "DisconnectedCallback", "momment": AT}
    assert read(**timed)[0].key == read(**timed)[0].key


class _Later(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2100, 1, 1, tzinfo=tz)


def test_seconds_and_milliseconds() -> None:
    for momment in (1_580_163_342, 1_580_163_342_000, "1580163342"):
        event = read(type="DisconnectedCallback", disconnected=True, momment=momment)[0]
        assert event.at == datetime.fromtimestamp(1_580_163_342, UTC)


def test_presence_with_a_time_and_a_state_we_do_not_know() -> None:
    event = read(type="PresenceChatCallback", phone="5511999990001", status="UNAVAILABLE", lastSeen=AT)[0]
    assert isinstance(event, Noticed)
    assert event.data["last_seen"] == datetime.fromtimestamp(AT / 1000, UTC).isoformat()
    assert read(type="PresenceChatCallback", phone="5511999990001", status="DANCING")[0].type == "unknown"


def test_another_type_is_unknown() -> None:
    event = read(type="SomethingNewCallback", instanceId="1", fact=2)[0]
    assert isinstance(event, Noticed)
    assert (event.type, event.data) == ("unknown", {"type": "SomethingNewCallback", "fact": 2})


def test_a_body_without_a_type_is_not_z_apis() -> None:
    with pytest.raises(ValueError, match="type"):
        read(instanceId="1")


def test_a_nul_is_left_out() -> None:
    assert message(text={"message": "a\x00b"}).content == {"body": "ab"}


def test_a_zipped_body_and_one_that_only_seems_to_be() -> None:
    body = msgspec.json.encode({**ENVELOPE, "text": {"message": "oi"}})
    assert notices.read(gzip.compress(body)) == notices.read(body)
    for broken in (b"\x1f\x8bgarbage", gzip.compress(body)[:-9]):
        with pytest.raises(ValueError, match="gzip"):
            notices.read(broken)


def test_a_zipped_body_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        notices.read(gzip.compress(b" " * (65 * 1024 * 1024)))


def test_the_password_of_a_proxy_is_not_stored(zapi: Zapi) -> None:
    body = b'{"type": "ProxyCallback", "instanceId": "1", "error": "proxy (socks5://user:senha@host:1080) failed"}'
    for given in (body, gzip.compress(body)):
        kept = zapi.redact(given)
        assert b"senha" not in kept
        assert zapi.read(kept)[0].type == "account.updated"
    for hard in ("socks5://user:se@nha@host:1", "socks5:\\/\\/user:senha@host:1", "http://user:/senha@host:1"):
        assert b"nha@" not in zapi.redact(b'{"type": "ProxyCallback", "error": "(%s) failed"}' % hard.encode()), hard
    other = b'{"type": "ReceivedCallback", "text": {"message": "https://a:b@example.com"}}'
    assert zapi.redact(other) == other
    assert zapi.redact(b"\x1f\x8bgarbage") == b"\x1f\x8bgarbage"


def test_a_body_nested_without_end_is_no_error_of_ours(zapi: Zapi) -> None:
    for depth in (200, 500, 900, 5_000, 100_000):
        deep = b'{"type": "ProxyCallback", "error": "\\u0000", "a": ' + b"[" * depth + b"]" * depth + b"}"
        assert zapi.redact(deep)
        assert not zapi.verify(connect("http://x.test"), {}, deep)
        try:
            zapi.read(deep)
        except ValueError:
            continue
