"""Messages in WhatsApp's own schema, as Baileys and as whatsmeow write them."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recado.providers import waproto
from recado.providers.waproto import Content

DIGEST = bytes(range(32))
B64 = base64.b64encode(DIGEST).decode()
CARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nTEL;waid=5511999990002:+55 11 99999-0002\nEND:VCARD"
CARD_READ = {"name": {"formatted_name": "Ana"}, "phones": [{"phone": "+55 11 99999-0002", "wa_id": "5511999990002"}]}
KEY = {"id": "3EB0", "fromMe": True, "remoteJid": "5511999990002@s.whatsapp.net"}
GO_KEY = {"ID": "3EB0", "fromMe": True, "remoteJID": "5511999990002@s.whatsapp.net"}
BODY = {"text": "Confirma?"}
YES = {"display_text": "Sim", "id": "yes"}
FLOW = {"buttons": [{"name": "quick_reply", "buttonParamsJson": '{"display_text": "Sim", "id": "yes"}'}]}
PIX = (
    '{"display_text": "Pagar", "payment_settings": [{"type": "pix_static_code", "pix_static_code": '
    '{"merchant_name": "Padaria", "key": "0190-abc", "key_type": "TYPE"}}]}'
)
ANY_BUTTON = {"body": "Confirma?", "buttons": [{"title": "Pagar"}]}


def flow(button: Any) -> Any:
    return {"interactiveMessage": {"body": BODY, "nativeFlowMessage": {"buttons": [button]}}}


ROW = {"title": "Francês", "rowId": "1"}
GO_ROW = {"title": "Francês", "rowID": "1"}
CHOSEN = {"name": "single_select", "paramsJson": '{"id": "1", "description": "quente"}'}

#: Label, message, kind, content.
READ: tuple[tuple[str, Any, str, Any], ...] = (
    ("text", {"conversation": "oi"}, "text", {"body": "oi"}),
    ("text with keys before it", {"messageContextInfo": {}, "conversation": "oi"}, "text", {"body": "oi"}),
    ("empty text", {"conversation": ""}, "text", {"body": ""}),
    ("long text", {"extendedTextMessage": {"text": "oi", "matchedText": "x"}}, "text", {"body": "oi"}),
    ("disappearing", {"ephemeralMessage": {"message": {"conversation": "oi"}}}, "text", {"body": "oi"}),
    (
        "sent by another device",
        {"deviceSentMessage": {"destinationJid": "x", "message": {"conversation": "oi"}}},
        "text",
        {"body": "oi"},
    ),
    (
        "document with caption",
        {"documentWithCaptionMessage": {"message": {"documentMessage": {"fileName": "a.pdf", "caption": "boleto"}}}},
        "document",
        {"caption": "boleto", "filename": "a.pdf"},
    ),
    ("image", {"imageMessage": {"mimetype": "image/jpeg"}}, "image", {"mime_type": "image/jpeg"}),
    ("video", {"videoMessage": {"gifPlayback": False}}, "video", {}),
    ("gif", {"videoMessage": {"gifPlayback": True}}, "gif", {}),
    ("round video", {"ptvMessage": {"mimetype": "video/mp4"}}, "ptv", {"mime_type": "video/mp4"}),
    ("audio", {"audioMessage": {"ptt": False}}, "audio", {}),
    ("voice", {"audioMessage": {"ptt": True}}, "voice", {}),
    ("voice of whatsmeow", {"audioMessage": {"PTT": True}}, "voice", {}),
    ("sticker", {"stickerMessage": {"mimetype": "image/webp"}}, "sticker", {"mime_type": "image/webp"}),
    (
        "animated sticker",
        {"lottieStickerMessage": {"message": {"stickerMessage": {"mimetype": "image/webp"}}}},
        "sticker",
        {"mime_type": "image/webp"},
    ),
    (
        "place",
        {"locationMessage": {"degreesLatitude": -23.5, "degreesLongitude": -46.6, "name": "MASP"}},
        "location",
        {"latitude": -23.5, "longitude": -46.6, "name": "MASP"},
    ),
    ("card", {"contactMessage": {"displayName": "Ana", "vcard": CARD}}, "contacts", [CARD_READ]),
    (
        "cards",
        {"contactsArrayMessage": {"contacts": [{"displayName": "Ana", "vcard": CARD}, {"vcard": 17}, 3]}},
        "contacts",
        [CARD_READ],
    ),
    ("reaction", {"reactionMessage": {"key": KEY, "text": "👍"}}, "reaction", {"emoji": "👍"}),
    ("reaction taken back", {"reactionMessage": {"key": GO_KEY}}, "reaction", {"emoji": ""}),
    (
        "edit",
        {"protocolMessage": {"key": KEY, "type": 14, "editedMessage": {"conversation": "b"}}},
        "edit",
        {"body": "b"},
    ),
    (
        "edit of Baileys",
        {
            "editedMessage": {
                "message": {
                    "protocolMessage": {
                        "key": KEY,
                        "type": "MESSAGE_EDIT",
                        "editedMessage": {"imageMessage": {"caption": "b"}},
                    }
                }
            }
        },
        "edit",
        {"caption": "b"},
    ),
    ("taken back", {"protocolMessage": {"key": KEY, "type": "REVOKE"}}, "delete", {}),
    ("taken back, where 0 is left out", {"protocolMessage": {"key": GO_KEY}}, "delete", {}),
    ("pin", {"pinInChatMessage": {"key": KEY, "type": "PIN_FOR_ALL"}}, "pin", {"pinned": True}),
    ("unpin", {"pinInChatMessage": {"key": KEY, "type": 2}}, "pin", {"pinned": False}),
    (
        "poll",
        {
            "pollCreationMessageV3": {
                "name": "Quando?",
                "options": [{"optionName": "hoje"}, {"optionName": "amanhã"}, {}],
                "selectableOptionsCount": 1,
            }
        },
        "poll",
        {"name": "Quando?", "options": ["hoje", "amanhã"], "selectable": 1},
    ),
    (
        "vote that is encrypted",
        {"pollUpdateMessage": {"pollCreationMessageKey": KEY, "vote": {"encPayload": "AA=="}}},
        "poll_vote",
        {"options": None},
    ),
    (
        "vote",
        {"pollUpdateMessage": {"pollCreationMessageKey": KEY, "vote": {"selectedOptions": ["hoje", 3]}}},
        "poll_vote",
        {"options": ["hoje"]},
    ),
    (
        "event",
        {
            "eventMessage": {
                "name": "Festa",
                "startTime": {"low": 1_749_766_101, "high": 0, "unsigned": True},
                "location": {"name": "MASP"},
                "joinLink": "https://call.whatsapp.com/video/x",
            }
        },
        "event",
        {"name": "Festa", "start_at": "2025-06-12T22:08:21+00:00", "location": "MASP", "call": "video"},
    ),
    (
        "answer to an event",
        {"encEventResponseMessage": {"eventCreationMessageKey": KEY}},
        "event_response",
        {"answer": None},
    ),
    (
        "tap on a button",
        {"buttonsResponseMessage": {"selectedButtonId": "yes", "selectedDisplayText": "Sim"}},
        "button_reply",
        {"id": "yes", "title": "Sim"},
    ),
    (
        "tap on a template's button",
        {"templateButtonReplyMessage": {"selectedID": "yes", "selectedDisplayText": "Sim"}},
        "button_reply",
        {"id": "yes", "title": "Sim"},
    ),
    (
        "tap on a button of today",
        {
            "interactiveResponseMessage": {
                "body": {"text": "Sim"},
                "nativeFlowResponseMessage": {"name": "quick_reply", "paramsJSON": '{"id": "yes"}'},
            }
        },
        "button_reply",
        {"id": "yes", "title": "Sim"},
    ),
    (
        "row of a list of today",
        {"interactiveResponseMessage": {"body": {"text": "Francês"}, "nativeFlowResponseMessage": CHOSEN}},
        "list_reply",
        {"id": "1", "title": "Francês", "description": "quente"},
    ),
    (
        "form",
        {
            "interactiveResponseMessage": {
                "body": {"text": "Sent"},
                "nativeFlowResponseMessage": {"name": "flow", "paramsJson": '{"a": "x\\u0000y"}'},
            }
        },
        "nfm_reply",
        {"name": "flow", "body": "Sent", "response": {"a": "xy"}},
    ),
    (
        "row of a list",
        {"listResponseMessage": {"title": "Francês", "singleSelectReply": {"selectedRowID": "1"}}},
        "list_reply",
        {"id": "1", "title": "Francês"},
    ),
    (
        "code to copy",
        flow({"name": "cta_copy", "buttonParamsJson": '{"display_text": "Copiar", "copy_code": "123456"}'}),
        "otp",
        {"body": "Confirma?", "code": "123456"},
    ),
    (
        "Pix key",
        flow({"name": "payment_info", "buttonParamsJson": PIX.replace("TYPE", "EVP")}),
        "pix",
        {"key": "0190-abc", "key_type": "evp", "merchant_name": "Padaria"},
    ),
    ("Pix key of another type", flow({"name": "payment_info", "buttonParamsJson": PIX}), "buttons", ANY_BUTTON),
    ("code that is none", flow({"name": "cta_copy", "buttonParamsJson": "[]"}), "unknown", {}),
    (
        "buttons",
        {
            "buttonsMessage": {
                "contentText": "Confirma?",
                "footerText": "Padaria",
                "buttons": [{"buttonId": "yes", "buttonText": {"displayText": "Sim"}}],
            }
        },
        "buttons",
        {"body": "Confirma?", "footer": "Padaria", "buttons": [{"title": "Sim", "id": "yes"}]},
    ),
    (
        "buttons of a template",
        {
            "templateMessage": {
                "hydratedTemplate": {
                    "hydratedContentText": "Confirma?",
                    "hydratedButtons": [
                        {"quickReplyButton": {"displayText": "Sim", "id": "yes"}},
                        {"urlButton": {"displayText": "Site", "url": "https://x.test"}},
                        {"callButton": {"displayText": "Ligar", "phoneNumber": "+5511"}},
                    ],
                }
            }
        },
        "buttons",
        {
            "body": "Confirma?",
            "buttons": [
                {"title": "Sim", "id": "yes"},
                {"title": "Site", "url": "https://x.test"},
                {"title": "Ligar", "phone": "+5511"},
            ],
        },
    ),
    (
        "buttons of today",
        {"viewOnceMessage": {"message": {"interactiveMessage": {"body": BODY, "nativeFlowMessage": FLOW}}}},
        "buttons",
        {"body": "Confirma?", "buttons": [{"title": "Sim", "id": "yes"}]},
    ),
    (
        "list",
        {
            "listMessage": {
                "title": "Pães",
                "description": "Escolha",
                "buttonText": "Abrir",
                "sections": [{"title": "Hoje", "rows": [ROW, GO_ROW]}],
            }
        },
        "list",
        {
            "body": "Escolha",
            "button": "Abrir",
            "header": "Pães",
            "sections": [{"title": "Hoje", "rows": [{"id": "1", "title": "Francês"}] * 2}],
        },
    ),
    (
        "product",
        {"productMessage": {"businessOwnerJid": "5511@s.whatsapp.net", "product": {"productID": "7"}, "body": "Pão"}},
        "product",
        {"catalog_id": "5511", "product_id": "7", "body": "Pão"},
    ),
    (
        "cart",
        {"orderMessage": {"orderId": "9", "message": "quero", "totalCurrencyCode": "BRL"}},
        "order",
        {"reference_id": "9", "items": [], "body": "quero", "currency": "BRL"},
    ),
    (
        "invitation",
        {"groupInviteMessage": {"groupJID": "1@g.us", "inviteCode": "x", "groupName": "Pães"}},
        "group_invite",
        {"group": "1@g.us", "code": "x", "name": "Pães"},
    ),
    ("history", {"protocolMessage": {"type": "HISTORY_SYNC_NOTIFICATION"}}, "protocol", {}),
    ("keys", {"senderKeyDistributionMessage": {"groupId": "1@g.us"}}, "protocol", {}),
    ("head of an album", {"albumMessage": {"expectedImageCount": 2}}, "protocol", {}),
    ("nothing", {}, "unknown", {}),
    ("nothing but what a provider adds", {"base64": "AA=="}, "unknown", {}),
    ("next year's", {"newMessage": {"a": 1}}, "unknown", {}),
    ("text that is none", {"extendedTextMessage": {"text": 17}}, "unknown", {}),
    ("place that is none", {"locationMessage": {"degreesLatitude": "x"}}, "unknown", {}),
    ("reaction to nothing", {"reactionMessage": {"text": "👍"}}, "unknown", {}),
    ("a field that is no object", {"imageMessage": 17}, "unknown", {}),
)


@pytest.mark.parametrize(("label", "message", "kind", "content"), READ, ids=[row[0] for row in READ])
def test_kinds(label: str, message: Any, kind: str, content: Any) -> None:
    read = waproto.read(message)
    assert (read.kind, read.content) == (kind, content)


def test_what_is_unknown_is_kept() -> None:
    assert waproto.read({"newMessage": {"a": 1, "jpegThumbnail": "AA=="}}).extra == {"newMessage": {"a": 1}}
    assert waproto.read({"imageMessage": 17}).extra == {"imageMessage": 17}


def test_what_is_spoken_of() -> None:
    for key in (KEY, GO_KEY):
        read = waproto.read({"reactionMessage": {"key": key, "text": "👍"}})
        assert (read.about, read.about_from_me) == ("3EB0", True)
    edit = waproto.read(
        {"protocolMessage": {"key": KEY, "type": 14, "editedMessage": {"imageMessage": {"caption": "b"}}}}
    )
    assert (edit.about, edit.edited) == ("3EB0", "image")


@pytest.mark.parametrize(
    "digest",
    [B64, B64.rstrip("="), list(DIGEST), {str(n): n for n in DIGEST}, {"type": "Buffer", "data": list(DIGEST)}],
    ids=["base64", "base64 without its end", "list", "object", "buffer"],
)
@pytest.mark.parametrize("name", ["fileSha256", "fileSHA256"])
@pytest.mark.parametrize(
    "size", ["5204600001", 5204600001, {"low": 909632705, "high": 1, "unsigned": True}], ids=["text", "number", "long"]
)
def test_media(digest: Any, name: str, size: Any) -> None:
    image = {"url": "https://x.test/a.enc", "mediaKey": B64, "fileLength": size, name: digest, "jpegThumbnail": "/9j/"}
    read = waproto.read({"imageMessage": image | {"mimetype": "image/png", "caption": "oi"}})
    assert read.media is not None
    assert (read.media.mime_type, read.media.size, read.media.sha256) == ("image/png", 5_204_600_001, DIGEST.hex())
    assert read.media.node == {
        "url": "https://x.test/a.enc",
        "mediaKey": B64,
        "fileLength": size,
        name: digest,
        "mimetype": "image/png",
    }


def test_context() -> None:
    context = {
        "stanzaID": "3EB0",
        "mentionedJID": ["5511999990002@s.whatsapp.net", "9@lid", 17],
        "forwardingScore": 1,
        "externalAdReply": {"title": "Pão", "sourceURL": "https://x.test", "thumbnail": "AA=="},
    }
    read = waproto.read({"extendedTextMessage": {"text": "oi", "contextInfo": context}})
    assert (read.reply_to, read.mentions, read.forwarded) == ("3EB0", ["5511999990002", "9@lid"], True)
    assert read.extra == {"referral": {"title": "Pão", "sourceURL": "https://x.test"}}


def test_context_beside_the_message() -> None:
    beside = {"stanzaId": "3EB0"}
    for read in (
        waproto.read({"conversation": "oi"}, context=beside),
        waproto.read({"conversation": "oi", "contextInfo": beside}),
        waproto.read({"imageMessage": {}}, context=beside),
        waproto.read({"imageMessage": {}, "contextInfo": beside}),
    ):
        assert read.reply_to == "3EB0"
    assert waproto.read({"conversation": "oi"}, context={}) == Content(kind="text", content={"body": "oi"})


def test_an_edit_tells_when_it_was_made() -> None:
    edited = {"key": KEY, "type": 14, "editedMessage": {"conversation": "b"}}
    for name in ("timestampMs", "timestampMS"):
        read = waproto.read({"protocolMessage": edited | {name: "1749766101000"}})
        assert read.edited_at == datetime(2025, 6, 12, 22, 8, 21, tzinfo=UTC)
    assert waproto.read({"protocolMessage": edited}).edited_at is None


def test_view_once() -> None:
    inner = {"message": {"imageMessage": {"viewOnce": True}}}
    for wrapped in (
        {"viewOnceMessageV2": inner},
        {"ephemeralMessage": {"message": {"viewOnceMessage": inner}}},
        inner["message"],
    ):
        assert waproto.read(wrapped).extra == {"view_once": True}


def test_endless_wrappings_end() -> None:
    message: dict[str, Any] = {"conversation": "oi"}
    for _ in range(2_000):
        message = {"ephemeralMessage": {"message": message}}
    assert waproto.read(message).kind == "unknown"
    for _ in range(2_000):
        message = {"protocolMessage": {"key": KEY, "type": 14, "editedMessage": message}}
    assert waproto.read(message).kind == "unknown"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        ("7", 7),
        (7.5, 7),
        ({"low": 7, "high": 0, "unsigned": True}, 7),
        ({"low": -1, "high": -1, "unsigned": False}, -1),
        ({"low": 7}, 7),
        ({"low": "7"}, None),
        ({}, None),
        (True, None),
        ("x", None),
        ("nan", None),
        ("1e400", None),
        (2**70, None),
        (None, None),
        ([], None),
    ],
    ids=[str(place) for place in range(15)],
)
def test_numbers(value: Any, number: int | None) -> None:
    assert waproto.integer(value) == number


def test_times() -> None:
    wanted = datetime(2025, 6, 12, 22, 8, 21, tzinfo=UTC)
    told: tuple[Any, ...] = (1_749_766_101, "1749766101", 1_749_766_101_000, {"low": 1_749_766_101, "high": 0})
    for value in told:
        assert waproto.moment(value) == wanted
    none: tuple[Any, ...] = (0, -1, "soon", None, 2**52)
    for value in none:
        assert waproto.moment(value) is None


@pytest.mark.parametrize(
    "value", ["é", "A", [300], [2**70], ["x"], {"1": 1}, {"data": 3}, 17, None], ids=[str(place) for place in range(9)]
)
def test_octets_that_are_none(value: Any) -> None:
    assert waproto.octets(value) is None


NAMES = [
    *waproto.READERS,
    "message",
    "contextInfo",
    "key",
    "text",
    "type",
    "options",
    "vote",
    "contacts",
    "vcard",
    "body",
    "buttons",
    "sections",
    "rows",
    "nativeFlowMessage",
    "hydratedTemplate",
    "editedMessage",
    "product",
    "location",
    "header",
    "mentionedJid",
    "startTime",
    "id",
]
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(list(waproto.READERS)), value=ODD, context=st.dictionaries(st.sampled_from(NAMES), ODD))
def test_no_shape_raises(name: str, value: Any, context: dict[str, Any]) -> None:
    read = waproto.read({name: value}, context=context)
    assert read.kind
