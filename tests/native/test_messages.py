"""Contents as real protobuf messages, and real protobuf messages read again."""

import json
from typing import Any

import pytest

from recado.domain.content import KINDS
from recado.providers import waproto

OWN = "5511900000001"
ABOUT = {
    "provider_id": "3EB0A",
    "chat": "5511988887777@s.whatsapp.net",
    "from_me": True,
    "kind": "text",
    "content": {"body": "x"},
}

SENDABLE: dict[str, Any] = {
    "text": {"body": "oi"},
    "image": {"caption": "foto", "mime_type": "image/png"},
    "video": {"caption": "filme"},
    "gif": {},
    "ptv": {},
    "audio": {},
    "voice": {},
    "document": {"filename": "nota.pdf", "mime_type": "application/pdf"},
    "sticker": {},
    "location": {"latitude": -23.5, "longitude": -46.6, "name": "Padaria"},
    "contacts": [{"name": {"formatted_name": "Ana"}, "phones": [{"phone": "+5511988887777"}]}],
    "poll": {"name": "Qual?", "options": ["a", "b"], "selectable": 1},
    "event": {"name": "Festa", "start_at": "2026-12-24T20:00:00Z"},
    "buttons": {"body": "Escolha", "buttons": [{"title": "Sim", "id": "y"}]},
    "reaction": {"message_id": "x", "emoji": "👍"},
    "edit": {"message_id": "x", "body": "novo"},
    "delete": {"message_id": "x"},
    "pin": {"message_id": "x", "pinned": True, "duration_s": 86_400},
    "poll_vote": {"message_id": "x", "options": ["a"]},
    "button_reply": {"message_id": "x", "id": "y", "title": "Sim"},
    "pix": {"key": "ana@example.com", "key_type": "email", "merchant_name": "Padaria"},
}


def built(kind: str, content: Any, **given: Any) -> Any:
    from neonize.proto.Neonize_pb2 import UploadResponse
    from neonize.proto.waCommon.WACommon_pb2 import MessageKey
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    from recado.native import jids, messages

    def upload(data: bytes, kind: Any) -> Any:
        return UploadResponse(
            url="https://mmg.test/f",
            DirectPath="/f",
            Handle="",
            MediaKey=b"k" * 32,
            FileEncSHA256=b"e" * 32,
            FileSHA256=b"s" * 32,
            FileLength=len(data),
        )

    def vote(poll: Any, options: list[str]) -> Any:
        """As whatsmeow makes it: the key of the poll, and what was chosen, encrypted."""
        where = poll.MessageSource
        key = MessageKey(remoteJID=jids.text(where.Chat), fromMe=where.IsFromMe, ID=poll.ID)
        if where.IsGroup:
            key.participant = jids.text(where.Sender) or ""
        made = waE2E.PollUpdateMessage(pollCreationMessageKey=key)
        made.vote.encPayload = ",".join(options).encode()
        return waE2E.Message(pollUpdateMessage=type(made).FromString(made.SerializeToString()))

    request = {"to": ABOUT["chat"], "kind": kind, "content": content, "about": ABOUT, **given}
    message = messages.build(request, own=OWN, secret=b"z" * 32, data=b"bytes", upload=upload, vote=vote)
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize("kind", SENDABLE)
def test_what_is_built_reads_as_what_was_meant(kind: str) -> None:
    from google.protobuf.json_format import MessageToDict

    read = waproto.read(MessageToDict(built(kind, SENDABLE[kind])))
    assert read.kind == kind
    if kind == "pix":
        assert read.content == SENDABLE[kind]
    if kind in ("reaction", "edit", "delete", "pin", "poll_vote"):
        assert read.about == "3EB0A"
    if kind in ("image", "video", "gif", "ptv", "audio", "voice", "document", "sticker"):
        assert read.media is not None
        assert (read.media.size, read.media.sha256) == (5, (b"s" * 32).hex())


def test_every_kind_of_the_capabilities_can_be_built() -> None:
    from recado.providers.native.adapter import Native

    others = {
        "link": {"url": "https://x.test", "title": "X"},
        "list": {"body": "b", "button": "Ver", "sections": [{"rows": [{"id": "1", "title": "Um"}]}]},
        "otp": {"body": "b", "code": "1234"},
        "forward": {"message_id": "x"},
    }
    for kind in Native.capabilities.kinds:
        assert built(kind, {**SENDABLE, **others}[kind]).ListFields()
    assert Native.capabilities.kinds <= set(KINDS)


def test_a_quotation_with_mentions() -> None:
    quoted = {**ABOUT, "from_me": False, "chat": "1@g.us", "sender": "77@lid"}
    message = built("text", {"body": "@ana", "mentions": ["5511988887777"]}, reply_to=quoted)
    context = message.extendedTextMessage.contextInfo
    assert (context.stanzaID, context.participant) == ("3EB0A", "77@lid")
    assert list(context.mentionedJID) == ["5511988887777@s.whatsapp.net"]
    assert context.quotedMessage.conversation == "x"
    assert message.messageContextInfo.messageSecret == b"z" * 32


def test_a_private_answer_names_the_group() -> None:
    quoted = {**ABOUT, "from_me": False, "chat": "1@g.us", "sender": "77@lid"}
    chats = {"1@g.us": "", "77@lid": "1@g.us", "2@g.us": "1@g.us"}
    for to, expected in chats.items():
        message = built("text", {"body": "só para você"}, to=to, reply_to=quoted)
        assert message.extendedTextMessage.contextInfo.remoteJID == expected
    message = built("text", {"body": "oi"}, to="77@lid", reply_to={**ABOUT, "from_me": False})
    assert message.extendedTextMessage.contextInfo.remoteJID == "", "one person by two ids"


def test_the_answer_to_a_story() -> None:
    for kind, given in (("text", {"body": "lindo"}), ("sticker", {}), ("gif", {})):
        message = built(kind, {**given, "story": "3EB0STORY"}, about=None)
        part = next(value for field, value in message.ListFields() if field.name.endswith("Message"))
        context = part.contextInfo
        assert (context.stanzaID, context.remoteJID) == ("3EB0STORY", "status@broadcast")
        assert context.participant == ABOUT["chat"]


def test_everybody_and_a_group_mentioned() -> None:
    mentions = {"mention_all": True, "group_mentions": [{"group": "2@g.us", "subject": "Avisos"}]}
    context = built("text", {"body": "@all @2@g.us", **mentions}).extendedTextMessage.contextInfo
    assert context.nonJIDMentions == 1
    assert [(one.groupJID, one.groupSubject) for one in context.groupMentions] == [("2@g.us", "Avisos")]


@pytest.mark.parametrize("kind", ["image", "video", "audio", "voice"])
def test_what_is_opened_once(kind: str) -> None:
    message = built(kind, {"view_once": True})
    assert next(value for field, value in message.ListFields() if field.name.endswith("Message")).viewOnce


def test_what_cannot_be_opened_once_is_refused() -> None:
    from recado.native import messages

    with pytest.raises(messages.Unsendable, match="document to be opened once"):
        built("document", {"view_once": True})


def test_a_vote_names_the_poll_by_its_author() -> None:
    poll = {**ABOUT, "from_me": False, "chat": "1@g.us", "sender": "77@lid", "kind": "poll"}
    vote = built("poll_vote", {"message_id": "x", "options": ["a", "b"]}, about=poll).pollUpdateMessage
    key = vote.pollCreationMessageKey
    assert (key.remoteJID, key.participant, key.ID) == ("1@g.us", "77@lid", "3EB0A")
    assert vote.vote.encPayload == b"a,b"
    ours = built("poll_vote", {"message_id": "x", "options": []}, about={**poll, "from_me": True})
    assert ours.pollUpdateMessage.pollCreationMessageKey.participant == f"{OWN}@s.whatsapp.net"


def test_a_pressed_button_quotes_its_message() -> None:
    theirs = {**ABOUT, "from_me": False}
    message = built("button_reply", {"message_id": "x", "id": "y"}, about=theirs)
    pressed = message.buttonsResponseMessage
    assert (pressed.selectedButtonID, pressed.selectedDisplayText) == ("y", "y")
    assert (pressed.contextInfo.stanzaID, pressed.contextInfo.participant) == ("3EB0A", ABOUT["chat"])
    # By it the engine proves that it was sent.
    assert message.messageContextInfo.messageSecret == b"z" * 32
    template = built("button_reply", {"message_id": "x", "id": "y", "title": "Sim", "template": True}, about=theirs)
    assert template.templateButtonReplyMessage.selectedDisplayText == "Sim"


def test_a_forward_is_marked_and_one_with_a_file_refused() -> None:
    from recado.native import messages

    answer = {**ABOUT, "content": {"body": "lindo", "story": "3EB0STORY"}}
    for earlier in (ABOUT, answer):
        context = built("forward", {}, about=earlier).extendedTextMessage.contextInfo
        assert context.isForwarded
        assert not context.stanzaID
    with pytest.raises(messages.Unsendable):
        built("forward", {}, about={**ABOUT, "kind": "image", "content": {}})


def test_words_on_the_button_of_a_code() -> None:
    for given, shown in (({}, "1234"), ({"button": "Copiar"}, "Copiar")):
        flow = built("otp", {"body": "b", "code": "1234", **given}).interactiveMessage.nativeFlowMessage
        assert json.loads(flow.buttons[0].buttonParamsJSON) == {"display_text": shown, "copy_code": "1234"}


def test_buttons_of_each_sort() -> None:
    buttons = [{"title": "Site", "url": "https://x.test"}, {"title": "Ligar", "phone": "+5511"}, {"title": "Sim"}]
    flow = built("buttons", {"body": "b", "buttons": buttons, "footer": "f"}).interactiveMessage
    made = [(one.name, json.loads(one.buttonParamsJSON)["display_text"]) for one in flow.nativeFlowMessage.buttons]
    assert made == [("cta_url", "Site"), ("cta_call", "Ligar"), ("quick_reply", "Sim")]
    assert json.loads(flow.nativeFlowMessage.buttons[2].buttonParamsJSON)["id"] == "Sim"
    assert flow.footer.text == "f"
