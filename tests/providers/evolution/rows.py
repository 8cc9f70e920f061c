"""What Evolution is sent for every kind of content: one table, run against a local server and against the document."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from recado.domain.provider import Accepted, Connection, Refused
from recado.testing import tables, upstream
from recado.testing.tables import Expected, File, Row, earlier

INSTANCE = "rcd-tests"
API_KEY = "global-key-of-the-tests"
TOKEN = "instance-token-of-the-tests"
SECRET = "webhook-secret-of-the-tests"
ACCESS_TOKEN = "EAAtesttokenofmeta0123"
ID = "3EB0062835B784532CE8B8"
EARLIER = "3EB0000000000000000001"
GROUP = "120363000000000001@g.us"

SENT = upstream.json(
    {
        "key": {"remoteJid": "551199990001@s.whatsapp.net", "fromMe": True, "id": ID},
        "pushName": "Você",
        "status": "PENDING",
        "message": {"conversation": "oi"},
        "messageType": "conversation",
        "messageTimestamp": 1_749_766_101,
        "instanceId": "188cbb13-bcb7-4d5a-979d-ba0fe75a3ee9",
        "source": "unknown",
    },
    status=201,
)
ACCEPTED = Accepted(provider_id=ID, recipient="551199990001")

PNG = File(data=b"\x89PNG tests", mime_type="image/png", filename="foto.png")
PDF = File(data=b"%PDF-1.7 tests", mime_type="application/pdf", filename="boleto")
OGG = File(data=b"OggS tests", mime_type="audio/ogg; codecs=opus", filename="voz.ogg")


def connect(url: str, **more: str) -> Connection:
    """A connection to an instance on a phone; `more` are further credentials."""
    credentials = {"token": TOKEN, "webhook_secret": SECRET, **more}
    made = tables.connection(url, kind="evolution", account=INSTANCE, **credentials)
    server = msgspec.structs.replace(made.server, credentials={"api_key": API_KEY, "graph_url": f"{url}/graph"})
    return msgspec.structs.replace(made, server=server)


def cloud(url: str) -> Connection:
    """A connection to an instance on the Cloud channel."""
    made = connect(url, channel="cloud", access_token=ACCESS_TOKEN, phone_number_id="1065", business_id="2077")
    return msgspec.structs.replace(made, credentials={k: v for k, v in made.credentials.items() if k != "token"})


def post(route: str, json: Any, *, method: str = "POST") -> Expected:
    return Expected(method=method, path=f"/{route}/{INSTANCE}", json=json)


def sends(label: str, kind: str, content: Any, route: str, json: Any, **more: Any) -> Row:
    return Row(
        label=label,
        kind=kind,
        content=content,
        replies=(SENT,),
        requests=(post(f"message/{route}", {"number": "5511999990001", **json}),),
        outcome=ACCEPTED,
        **more,
    )


def about(label: str, kind: str, content: Any, expected: Expected, **more: Any) -> Row:
    return Row(label=label, kind=kind, content=content, replies=(SENT,), requests=(expected,), outcome=ACCEPTED, **more)


def buttons(title: str, description: str, footer: str, *items: Any) -> Any:
    return {"title": title, "description": description, "footer": footer, "buttons": list(items)}


OURS = earlier(EARLIER, from_me=True)
THEIRS = earlier(EARLIER, content={"body": "e aí?"})
IN_GROUP = earlier(
    EARLIER, chat=GROUP, sender="900000000000002@lid", content={"body": "quem vem?"}, at=datetime.now(UTC)
)
KEY = {"id": EARLIER, "remoteJid": "5511999990001@s.whatsapp.net", "fromMe": False}
OUR_KEY = {**KEY, "fromMe": True}
GROUP_KEY = {"id": EARLIER, "remoteJid": GROUP, "fromMe": False, "participant": "900000000000002@lid"}

#: What goes to a phone.
PHONE: tuple[Row, ...] = (
    sends("text", "text", {"body": "Olá"}, "sendText", {"text": "Olá", "linkPreview": False}),
    sends(
        "text that quotes",
        "text",
        {"body": "oi", "preview_url": True},
        "sendText",
        {"text": "oi", "linkPreview": True, "quoted": {"key": KEY, "message": {"conversation": "e aí?"}}},
        reply_to=THEIRS,
    ),
    sends(
        "text in a group that mentions and quotes",
        "text",
        {"body": "@5511999990002 vem", "mentions": ["+5511999990002", "900000000000002@lid"]},
        "sendText",
        {
            "number": GROUP,
            "text": "@5511999990002 vem",
            "linkPreview": False,
            "mentioned": ["5511999990002", "900000000000002@lid"],
            "quoted": {"key": GROUP_KEY, "message": {"conversation": "quem vem?"}},
        },
        to=GROUP,
        reply_to=IN_GROUP,
    ),
    sends(
        "text that mentions everybody",
        "text",
        {"body": "@all vem", "mention_all": True},
        "sendText",
        {"number": GROUP, "text": "@all vem", "linkPreview": False, "mentionsEveryOne": True},
        to=GROUP,
    ),
    sends(
        "text that quotes a picture",
        "text",
        {"body": "linda"},
        "sendText",
        {
            "text": "linda",
            "linkPreview": False,
            "quoted": {"key": KEY, "message": {"imageMessage": {"caption": "praia"}}},
        },
        reply_to=earlier(EARLIER, kind="image", content={"caption": "praia"}),
    ),
    sends(
        "text to somebody without a phone",
        "text",
        {"body": "oi"},
        "sendText",
        {"number": "900000000000001@lid", "text": "oi", "linkPreview": False},
        to="900000000000001@lid",
    ),
    sends(
        "link",
        "link",
        {"url": "https://example.com/a", "body": "Veja"},
        "sendText",
        {"text": "Veja\nhttps://example.com/a", "linkPreview": True},
    ),
    sends(
        "image by link",
        "image",
        {"link": "https://example.com/a/praia.png?x=1", "caption": "praia"},
        "sendMedia",
        {
            "mediatype": "image",
            "mimetype": "image/png",
            "media": "https://example.com/a/praia.png?x=1",
            "fileName": "praia.png",
            "caption": "praia",
        },
    ),
    sends(
        "image from storage",
        "image",
        {"media_id": "0190"},
        "sendMedia",
        {"mediatype": "image", "mimetype": "image/png", "media": "iVBORyB0ZXN0cw==", "fileName": "foto.png"},
        media=PNG,
    ),
    sends(
        "video by a link that names no file",
        "video",
        {"link": "https://example.com/", "mime_type": "video/mp4"},
        "sendMedia",
        {"mediatype": "video", "mimetype": "video/mp4", "media": "https://example.com/", "fileName": "video.mp4"},
    ),
    sends(
        "audio",
        "audio",
        {"link": "https://example.com/a.mp3"},
        "sendMedia",
        {
            "mediatype": "audio",
            "mimetype": "audio/mpeg",
            "media": "https://example.com/a.mp3",
            "fileName": "a.mp3",
        },
    ),
    sends(
        "document whose name has no ending",
        "document",
        {"media_id": "0190"},
        "sendMedia",
        {
            "mediatype": "document",
            "mimetype": "application/pdf",
            "media": "JVBERi0xLjcgdGVzdHM=",
            "fileName": "boleto.pdf",
        },
        media=PDF,
    ),
    sends("voice", "voice", {"media_id": "0190"}, "sendWhatsAppAudio", {"audio": "T2dnUyB0ZXN0cw=="}, media=OGG),
    sends(
        "sticker",
        "sticker",
        {"link": "https://example.com/a.webp"},
        "sendSticker",
        {"sticker": "https://example.com/a.webp"},
    ),
    sends("ptv", "ptv", {"link": "https://example.com/a.mp4"}, "sendPtv", {"video": "https://example.com/a.mp4"}),
    sends(
        "location",
        "location",
        {"latitude": -23.56, "longitude": -46.65, "name": "MASP"},
        "sendLocation",
        {"latitude": -23.56, "longitude": -46.65, "name": "MASP", "address": ""},
    ),
    sends(
        "contacts",
        "contacts",
        [
            {
                "name": {"formatted_name": "Ana"},
                "phones": [{"phone": "+55 11 99999-0002"}],
                "emails": [{"email": "ana@example.com"}],
                "org": {"company": "Padaria"},
            }
        ],
        "sendContact",
        {
            "contact": [
                {
                    "fullName": "Ana",
                    "wuid": "5511999990002",
                    "phoneNumber": "+55 11 99999-0002",
                    "organization": "Padaria",
                    "email": "ana@example.com",
                    "url": "",
                }
            ]
        },
    ),
    sends(
        "poll",
        "poll",
        {"name": "Quando?", "options": ["hoje", "amanhã"], "selectable": 1},
        "sendPoll",
        {"name": "Quando?", "selectableCount": 1, "values": ["hoje", "amanhã"]},
    ),
    sends(
        "list",
        "list",
        {
            "body": "Escolha",
            "button": "Abrir",
            "sections": [{"title": "Pães", "rows": [{"id": "1", "title": "Francês"}, {"id": "2", "title": "Forma"}]}],
        },
        "sendList",
        {
            "title": "",
            "description": "Escolha",
            "buttonText": "Abrir",
            "footerText": "",
            "sections": [
                {"title": "Pães", "rows": [{"title": "Francês", "rowId": "1"}, {"title": "Forma", "rowId": "2"}]}
            ],
        },
    ),
    sends(
        "buttons with a header",
        "buttons",
        {"header": "Pedido", "body": "Confirma?", "footer": "Padaria", "buttons": [{"title": "Sim", "id": "yes"}]},
        "sendButtons",
        buttons("Pedido", "Confirma?", "Padaria", {"type": "reply", "displayText": "Sim", "id": "yes"}),
    ),
    sends(
        "buttons that lead elsewhere",
        "buttons",
        {
            "body": "Veja",
            "buttons": [{"title": "Site", "url": "https://example.com"}, {"title": "Ligar", "phone": "+551133330000"}],
        },
        "sendButtons",
        buttons(
            "Veja",
            "",
            "",
            {"type": "url", "displayText": "Site", "url": "https://example.com"},
            {"type": "call", "displayText": "Ligar", "phoneNumber": "+551133330000"},
        ),
    ),
    sends(
        "otp",
        "otp",
        {"body": "Seu código", "code": "123456"},
        "sendButtons",
        buttons("Seu código", "", "", {"type": "copy", "displayText": "Copiar código", "copyCode": "123456"}),
    ),
    sends(
        "pix",
        "pix",
        {"key": "0190-abc", "key_type": "evp", "merchant_name": "Padaria"},
        "sendButtons",
        buttons(
            "Padaria",
            "",
            "",
            {"type": "pix", "currency": "BRL", "name": "Padaria", "keyType": "random", "key": "0190-abc"},
        ),
    ),
    about(
        "reaction in a group",
        "reaction",
        {"message_id": EARLIER, "emoji": "👍"},
        post("message/sendReaction", {"key": GROUP_KEY, "reaction": "👍"}),
        about=IN_GROUP,
        to=GROUP,
    ),
    about(
        "edit",
        "edit",
        {"message_id": EARLIER, "body": "oi de novo"},
        post(
            "chat/updateMessage",
            {"number": "5511999990001@s.whatsapp.net", "text": "oi de novo", "key": OUR_KEY},
        ),
        about=OURS,
    ),
    about(
        "delete",
        "delete",
        {"message_id": EARLIER},
        post("chat/deleteMessageForEveryone", OUR_KEY, method="DELETE"),
        about=OURS,
    ),
)

ON_CLOUD = Accepted(provider_id=ID)


def on_cloud(row: Row) -> Row:
    """The row, where the server does not learn the canonical number."""
    return msgspec.structs.replace(row, outcome=ON_CLOUD)


#: What goes to the Cloud channel in another way than to a phone, or there only.
CLOUD: tuple[Row, ...] = tuple(
    on_cloud(row)
    for row in (
        *(row for row in PHONE if row.label in ("text", "link", "image by link", "contacts", "location", "voice")),
        sends(
            "template",
            "template",
            {"name": "pedido_pronto", "language": "pt_BR", "components": [{"type": "body", "parameters": []}]},
            "sendTemplate",
            {"name": "pedido_pronto", "language": "pt_BR", "components": [{"type": "body", "parameters": []}]},
        ),
        sends(
            "buttons",
            "buttons",
            {"header": "Pedido", "body": "Confirma?", "buttons": [{"title": "Sim", "id": "yes"}]},
            "sendButtons",
            buttons("*Pedido*\n\nConfirma?", "", "", {"type": "reply", "displayText": "Sim", "id": "yes"}),
        ),
        sends(
            "list",
            "list",
            {
                "header": "Pães",
                "body": "Escolha",
                "footer": "Padaria",
                "button": "Abrir",
                "sections": [{"title": "Hoje", "rows": [{"id": "1", "title": "Francês", "description": "quente"}]}],
            },
            "sendList",
            {
                "title": "Pães",
                "description": "Escolha",
                "buttonText": "Abrir",
                "footerText": "Padaria",
                "sections": [{"title": "Hoje", "rows": [{"title": "Francês", "rowId": "1", "description": "quente"}]}],
            },
        ),
    )
)


def refused(label: str, kind: str, content: Any, why: str, code: str = "invalid", **more: Any) -> Row:
    return Row(label=label, kind=kind, content=content, outcome=Refused(code=code, why=why), **more)


REFUSED: tuple[Row, ...] = (
    refused(
        "four replies",
        "buttons",
        {"body": "?", "buttons": [{"title": str(n), "id": str(n)} for n in range(4)]},
        "buttons: at most 3 reply buttons",
    ),
    refused(
        "mixed buttons",
        "buttons",
        {"body": "?", "buttons": [{"title": "a", "id": "a"}, {"title": "b", "url": "https://example.com"}]},
        "buttons: reply buttons cannot be mixed with links and calls",
    ),
    refused(
        "buttons under a picture",
        "buttons",
        {"body": "?", "image": "https://example.com/a.png", "buttons": [{"title": "a", "id": "a"}]},
        "image: the server shows no media over buttons",
    ),
    refused(
        "code under a picture",
        "otp",
        {"body": "?", "code": "1", "image": "https://example.com/a.png"},
        "image: the server shows no picture with a code",
    ),
    refused(
        "image to open once",
        "image",
        {"link": "https://example.com/a.png", "view_once": True},
        "view_once: the server sends no media to be opened once",
    ),
    refused("story answered", "text", {"body": "b", "story": "1"}, "story: the server answers no stories"),
    refused(
        "text that mentions a group",
        "text",
        {"body": "oi", "group_mentions": [{"group": GROUP, "subject": "Avisos"}]},
        "group_mentions: the server mentions people only",
    ),
    refused(
        "poll with too many options",
        "poll",
        {"name": "?", "options": [str(n) for n in range(11)]},
        "options: at most 10 options",
    ),
    refused(
        "card without a phone",
        "contacts",
        [{"name": {"formatted_name": "Ana"}}],
        "[0].phones: needs a phone",
    ),
    refused(
        "media that is nowhere",
        "image",
        {"media_id": "0190"},
        "the message names no link and no stored media",
        code="media_missing",
    ),
    refused(
        "template to a phone",
        "template",
        {"name": "a"},
        "Evolution's phone channel has no such kind",
        "unsupported_by_provider",
    ),
    refused(
        "reaction to nothing",
        "reaction",
        {"message_id": "x", "emoji": "👍"},
        "the message that it speaks of is not known",
    ),
)
REFUSED_ON_CLOUD: tuple[Row, ...] = (
    refused(
        "poll",
        "poll",
        {"name": "?", "options": ["a", "b"]},
        "Evolution's Cloud channel has no such kind",
        "unsupported_by_provider",
    ),
    refused(
        "links",
        "buttons",
        {"body": "?", "buttons": [{"title": "b", "url": "https://example.com"}]},
        "the Cloud channel has reply buttons only",
    ),
    refused(
        "bare list",
        "list",
        {"body": "?", "button": "b", "sections": [{"rows": [{"id": "1", "title": "a"}]}]},
        "the Cloud channel needs a list's header and footer",
    ),
)
