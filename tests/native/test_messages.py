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
}


def built(kind: str, content: Any, **given: Any) -> Any:
    from neonize.proto.Neonize_pb2 import UploadResponse

    from recado.native import messages

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

    request = {"to": ABOUT["chat"], "kind": kind, "content": content, "about": ABOUT, **given}
    message = messages.build(request, own=OWN, secret=b"z" * 32, data=b"bytes", upload=upload)
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize("kind", SENDABLE)
def test_what_is_built_reads_as_what_was_meant(kind: str) -> None:
    from google.protobuf.json_format import MessageToDict

    read = waproto.read(MessageToDict(built(kind, SENDABLE[kind])))
    assert read.kind == kind
    if kind in ("reaction", "edit", "delete", "pin"):
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


def test_a_forward_is_marked_and_one_with_a_file_refused() -> None:
    from recado.native import messages

    assert built("forward", {}).extendedTextMessage.contextInfo.isForwarded
    with pytest.raises(messages.Unsendable):
        built("forward", {}, about={**ABOUT, "kind": "image", "content": {}})


def test_buttons_of_each_sort() -> None:
    buttons = [{"title": "Site", "url": "https://x.test"}, {"title": "Ligar", "phone": "+5511"}]
    flow = built("buttons", {"body": "b", "buttons": buttons, "footer": "f"}).interactiveMessage
    made = [(one.name, json.loads(one.buttonParamsJSON)["display_text"]) for one in flow.nativeFlowMessage.buttons]
    assert made == [("cta_url", "Site"), ("cta_call", "Ligar")]
    assert flow.footer.text == "f"
