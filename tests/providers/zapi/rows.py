"""What Z-API is sent for every kind of content: one table, run against a local server and against the document."""

import base64
from typing import Any

import msgspec

from recado.domain.provider import Accepted, Connection, Refused
from recado.testing import tables, upstream
from recado.testing.tables import MESSAGE_ID, Expected, File, Row, earlier

INSTANCE = "3C67AB641C8AA0412F6A2242B4E23AC7"
TOKEN = "F8A0made0up0instance0token"
CLIENT_TOKEN = "Fmade0up0client0token"
PARTNER_TOKEN = "made.up.partner.token"
ROOT = f"/instances/{INSTANCE}/token/{TOKEN}"
WAMID = "3EB0796DC6B777C0C7CD"
ZAAP = "3999984263738042930CD6ECDE9VDWSA"
TO = "5511999990001"
GROUP = "120363019502650977@g.us"

SENT = upstream.json({"zaapId": ZAAP, "messageId": WAMID, "id": WAMID})
ACCEPTED = Accepted(provider_id=WAMID)
TARGET = earlier("3EB0000000000000AAAA")
OURS = earlier("3EB0000000000000BBBB", from_me=True)

PNG = File(data=b"\x89PNG tests", mime_type="image/png", filename="photo.png")
PDF = File(data=b"%PDF-1.7 tests", mime_type="application/pdf", filename="boleto.PDF")
OGG = File(data=b"OggS tests", mime_type="audio/ogg; codecs=opus", filename="voice.ogg")


def connect(url: str, *, partner: bool = False, **credentials: str) -> Connection:
    """A connection with an instance; with `partner` its server can make some."""
    given = credentials or {"instance_id": INSTANCE, "token": TOKEN, "client_token": CLIENT_TOKEN}
    made = tables.connection(url, kind="zapi", account=given.get("instance_id"), **given)
    if not partner:
        return made
    server = msgspec.structs.replace(made.server, credentials={"partner_token": PARTNER_TOKEN})
    return msgspec.structs.replace(made, server=server)


def bare(url: str) -> Connection:
    """A connection of a partner's server that has no instance yet."""
    made = connect(url, partner=True)
    return msgspec.structs.replace(made, credentials={}, account=None)


def data_url(file: File) -> str:
    return f"data:{file.mime_type.partition(';')[0]};base64,{base64.b64encode(file.data).decode()}"


def post(route: str, body: dict[str, Any], *, to: str = TO) -> Expected:
    return Expected(method="POST", path=f"{ROOT}/{route}", json={"phone": to, **body})


def sends(label: str, kind: str, content: Any, expected: Expected, **more: Any) -> Row:
    return Row(label=label, kind=kind, content=content, replies=(SENT,), requests=(expected,), outcome=ACCEPTED, **more)


def refused(label: str, kind: str, content: Any, why: str, **more: Any) -> Row:
    return Row(label=label, kind=kind, content=content, outcome=Refused(code="invalid", why=why), **more)


ITEMS = [{"name": "Pão", "product_id": "23940797548900636", "quantity": 3, "amount": 150}]
PRODUCTS = [{"name": "Pão", "value": 1.5, "quantity": 3, "productId": "23940797548900636"}]
LINK = {"url": "https://example.com/a", "body": "Veja", "title": "Exemplo", "description": "Um site"}

SENDS: tuple[Row, ...] = (
    sends("text", "text", {"body": "oi"}, post("send-text", {"message": "oi", "delayMessage": 1})),
    sends(
        "text that answers and mentions in a group",
        "text",
        {"body": "oi @5511999990002", "mentions": ["5511999990002"]},
        post(
            "send-text",
            {
                "message": "oi @5511999990002",
                "mentioned": ["5511999990002"],
                "delayMessage": 1,
                "messageId": TARGET.provider_id,
            },
            to="120363019502650977-group",
        ),
        to=GROUP,
        reply_to=TARGET,
    ),
    sends(
        "text to a group of before 2021",
        "text",
        {"body": "oi"},
        post("send-text", {"message": "oi", "delayMessage": 1}, to="5511999999999-1623281429"),
        to="5511999999999-1623281429@g.us",
    ),
    sends(
        "text to somebody without a phone",
        "text",
        {"body": "oi"},
        post("send-text", {"message": "oi", "delayMessage": 1}, to="900000000000001@lid"),
        to="900000000000001@lid",
    ),
    sends(
        "text to a channel",
        "text",
        {"body": "oi"},
        post("send-text", {"message": "oi", "delayMessage": 1}, to="999999999999999999@newsletter"),
        to="999999999999999999@newsletter",
    ),
    sends(
        "private answer to somebody in a group",
        "text",
        {"body": "só para você"},
        post(
            "send-text",
            {"message": "só para você", "delayMessage": 1, "messageId": "3EB0C", "privateAnswer": True},
            to="120363019502650977-group",
        ),
        reply_to=earlier("3EB0C", chat=GROUP, sender=TO),
    ),
    sends(
        "quotation of somebody else in a group, which Z-API would answer to that one",
        "text",
        {"body": "veja"},
        post("send-text", {"message": "veja", "delayMessage": 1, "messageId": "3EB0C"}),
        reply_to=earlier("3EB0C", chat=GROUP, sender="5511999990002"),
    ),
    sends(
        "quotation of our own message in a group, which Z-API would answer there",
        "text",
        {"body": "veja"},
        post("send-text", {"message": "veja", "delayMessage": 1, "messageId": "3EB0C"}),
        reply_to=earlier("3EB0C", chat=GROUP, from_me=True),
    ),
    sends(
        "image by link",
        "image",
        {"link": "https://example.com/a.png", "caption": "uma foto"},
        post("send-image", {"image": "https://example.com/a.png", "caption": "uma foto", "delayMessage": 1}),
    ),
    sends(
        "image from storage, as an answer",
        "image",
        {"media_id": "0190"},
        post("send-image", {"image": data_url(PNG), "delayMessage": 1, "messageId": TARGET.provider_id}),
        media=PNG,
        reply_to=TARGET,
    ),
    sends(
        "video",
        "video",
        {"link": "https://example.com/a.mp4", "caption": "olhe"},
        post("send-video", {"video": "https://example.com/a.mp4", "caption": "olhe", "delayMessage": 1}),
    ),
    sends(
        "gif",
        "gif",
        {"link": "https://example.com/a.mp4"},
        post("send-gif", {"gif": "https://example.com/a.mp4", "delayMessage": 1}),
    ),
    sends(
        "round video",
        "ptv",
        {"link": "https://example.com/a.mp4"},
        post("send-ptv", {"ptv": "https://example.com/a.mp4", "delayMessage": 1}),
    ),
    sends(
        "sticker",
        "sticker",
        {"link": "https://example.com/a.webp"},
        post("send-sticker", {"sticker": "https://example.com/a.webp", "delayMessage": 1}),
    ),
    sends(
        "audio",
        "audio",
        {"link": "https://example.com/a.mp3"},
        post("send-audio", {"audio": "https://example.com/a.mp3", "waveform": False, "delayMessage": 1}),
    ),
    sends(
        "voice from storage",
        "voice",
        {"media_id": "0190"},
        post("send-audio", {"audio": data_url(OGG), "waveform": True, "delayMessage": 1}),
        media=OGG,
    ),
    sends(
        "document by link",
        "document",
        {"link": "https://example.com/b.docx?x=1", "caption": "o contrato"},
        post(
            "send-document/docx",
            {"document": "https://example.com/b.docx?x=1", "caption": "o contrato", "delayMessage": 1},
        ),
    ),
    sends(
        "document from storage, named as stored",
        "document",
        {"media_id": "0190"},
        post("send-document/pdf", {"document": data_url(PDF), "fileName": "boleto.PDF", "delayMessage": 1}),
        media=PDF,
    ),
    sends(
        "document of which only the type is known",
        "document",
        {"link": "https://example.com/file", "mime_type": "application/pdf"},
        post("send-document/pdf", {"document": "https://example.com/file", "delayMessage": 1}),
    ),
    sends(
        "document of which nothing is known",
        "document",
        {"link": "https://example.com/file"},
        post("send-document/bin", {"document": "https://example.com/file", "delayMessage": 1}),
    ),
    sends(
        "location",
        "location",
        {"latitude": -23.5614, "longitude": -46.6559, "name": "MASP", "address": "Avenida Paulista, 1578"},
        post(
            "send-location",
            {
                "title": "MASP",
                "address": "Avenida Paulista, 1578",
                "latitude": "-23.5614",
                "longitude": "-46.6559",
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "location without words",
        "location",
        {"latitude": -23.5, "longitude": -46.5},
        post(
            "send-location",
            {
                "title": "-23.5, -46.5",
                "address": "-23.5, -46.5",
                "latitude": "-23.5",
                "longitude": "-46.5",
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "contact",
        "contacts",
        [{"name": {"formatted_name": "Ana"}, "phones": [{"phone": "+55 11 99999-0002"}]}],
        post("send-contact", {"contactName": "Ana", "contactPhone": "5511999990002", "delayMessage": 1}),
    ),
    sends(
        "contacts",
        "contacts",
        [
            {"name": {"formatted_name": "Ana"}, "phones": [{"phone": "+55 11 99999-0002"}, {"phone": "551140000001"}]},
            {"name": {"formatted_name": "Bruno"}, "phones": [{"phone": "x", "wa_id": "5511999990003"}]},
        ],
        post(
            "send-contacts",
            {
                "contacts": [
                    {"name": "Ana", "phones": ["5511999990002", "551140000001"]},
                    {"name": "Bruno", "phones": ["5511999990003"]},
                ],
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "contact of a business",
        "contacts",
        [{"name": {"formatted_name": "Ana"}, "phones": [{"phone": "5511999990002"}], "org": {"company": "Padaria"}}],
        post(
            "send-contact",
            {
                "contactName": "Ana",
                "contactPhone": "5511999990002",
                "contactBusinessDescription": "Padaria",
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "contacts, one of a business",
        "contacts",
        [
            {"name": {"formatted_name": "Ana"}, "phones": [{"phone": "5511999990002"}], "org": {"company": "Padaria"}},
            {"name": {"formatted_name": "Bia"}, "phones": [{"phone": "5511999990003"}]},
        ],
        post(
            "send-contacts",
            {
                "contacts": [
                    {"name": "Ana", "phones": ["5511999990002"], "businessDescription": "Padaria"},
                    {"name": "Bia", "phones": ["5511999990003"]},
                ],
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "link with a picture",
        "link",
        {**LINK, "image": "https://example.com/a.png"},
        post(
            "send-link",
            {
                "message": "Veja\nhttps://example.com/a",
                "image": "https://example.com/a.png",
                "linkUrl": "https://example.com/a",
                "title": "Exemplo",
                "linkDescription": "Um site",
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "link with a picture, named in the middle of the text",
        "link",
        {"url": "https://example.com/a", "body": "https://example.com/a é bom", "image": "https://example.com/a.png"},
        post(
            "send-link",
            {
                "message": "https://example.com/a é bom\nhttps://example.com/a",
                "image": "https://example.com/a.png",
                "linkUrl": "https://example.com/a",
                "title": "https://example.com/a",
                "linkDescription": "",
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "link without a picture",
        "link",
        LINK,
        post("send-text", {"message": "Veja\nhttps://example.com/a", "delayMessage": 1}),
    ),
    sends(
        "quick replies",
        "buttons",
        {"body": "Confirma?", "buttons": [{"id": "1", "title": "Sim"}, {"title": "Não"}]},
        post(
            "send-button-list",
            {
                "message": "Confirma?",
                "buttonList": {"buttons": [{"id": "1", "label": "Sim"}, {"id": "Não", "label": "Não"}]},
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "quick reply under a header",
        "buttons",
        {"header": "Pedido", "body": "Confirma?", "footer": "Exemplo", "buttons": [{"title": "Sim"}]},
        post(
            "send-button-actions",
            {
                "message": "Confirma?",
                "title": "Pedido",
                "footer": "Exemplo",
                "buttonActions": [{"id": "Sim", "type": "REPLY", "label": "Sim"}],
            },
        ),
    ),
    sends(
        "link and call",
        "buttons",
        {
            "body": "Fale conosco",
            "buttons": [
                {"title": "Site", "url": "https://example.com"},
                {"title": "Ligar", "phone": "+55 11 4000-0001"},
            ],
        },
        post(
            "send-button-actions",
            {
                "message": "Fale conosco",
                "buttonActions": [
                    {"type": "URL", "label": "Site", "url": "https://example.com"},
                    {"type": "CALL", "label": "Ligar", "phone": "551140000001"},
                ],
            },
        ),
    ),
    sends(
        "list",
        "list",
        {
            "body": "Escolha",
            "button": "Opções",
            "sections": [
                {
                    "title": "Frete",
                    "rows": [{"id": "1", "title": "Rápido", "description": "2 dias"}, {"id": "2", "title": "Retirar"}],
                }
            ],
        },
        post(
            "send-option-list",
            {
                "message": "Escolha",
                "optionList": {
                    "title": "Frete",
                    "buttonLabel": "Opções",
                    "options": [
                        {"id": "1", "title": "Rápido", "description": "2 dias"},
                        {"id": "2", "title": "Retirar"},
                    ],
                },
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "code",
        "otp",
        {"body": "Seu código", "code": "123456"},
        post("send-button-otp", {"message": "Seu código", "code": "123456"}),
    ),
    sends(
        "pix",
        "pix",
        {"key": "ana@example.com", "key_type": "email", "merchant_name": "Padaria"},
        post("send-button-pix", {"pixKey": "ana@example.com", "type": "EMAIL", "merchantName": "Padaria"}),
    ),
    sends(
        "poll",
        "poll",
        {"name": "Qual?", "options": ["a", "b"]},
        post(
            "send-poll",
            {"message": "Qual?", "poll": [{"name": "a"}, {"name": "b"}], "pollMaxOptions": 1, "delayMessage": 1},
        ),
    ),
    sends(
        "poll of as many as you like",
        "poll",
        {"name": "Qual?", "options": ["a", "b"], "selectable": 0},
        post("send-poll", {"message": "Qual?", "poll": [{"name": "a"}, {"name": "b"}], "delayMessage": 1}),
    ),
    sends(
        "event",
        "event",
        {
            "name": "Festa",
            "start_at": "2026-12-24T20:00:00-03:00",
            "description": "Ceia",
            "location": "Em casa",
            "call": "video",
        },
        post(
            "send-event",
            {
                "event": {
                    "name": "Festa",
                    "dateTime": "2026-12-24T23:00:00.000Z",
                    "timeZone": "UTC+0",
                    "description": "Ceia",
                    "location": {"name": "Em casa"},
                    "callLinkType": "video",
                }
            },
            to="120363019502650977-group",
        ),
        to=GROUP,
    ),
    sends(
        "product",
        "product",
        {"catalog_id": "+5511999990009", "product_id": "7190654897637620"},
        post("send-product", {"catalogPhone": "5511999990009", "productId": "7190654897637620"}),
    ),
    sends(
        "catalogue",
        "catalog",
        {"catalog_id": "5511999990009", "body": "Nossos pães", "header": "Padaria"},
        post("send-catalog", {"catalogPhone": "5511999990009", "message": "Nossos pães", "title": "Padaria"}),
    ),
    sends(
        "order to pay",
        "order",
        {"reference_id": "42", "items": ITEMS, "payment": {"pix": {"key": "a@example.com", "keyType": "email"}}},
        post(
            "send-order",
            {
                "order": {"currency": "BRL", "products": PRODUCTS},
                "paymentSettings": {"pix": {"key": "a@example.com", "keyType": "email"}},
            },
        ),
    ),
    sends(
        "order of what is in no catalogue, with all its amounts",
        "order",
        {
            "reference_id": "42",
            "items": [{"name": "Pão", "quantity": 1, "amount": 1000}],
            "discount": 100,
            "tax": 50,
            "shipping": 500,
        },
        post(
            "send-order",
            {
                "order": {
                    "currency": "BRL",
                    "products": [{"name": "Pão", "value": 10.0, "quantity": 1}],
                    "discount": 1.0,
                    "tax": 0.5,
                    "shipping": 5.0,
                }
            },
        ),
    ),
    *(
        sends(
            f"update of an order's {changed}",
            "order_update",
            {
                "message_id": OURS.provider_id,
                "changed": changed,
                "reference_id": "4N9AVI38VOB",
                "order_request_id": "4N9AVI38VYZ",
                "items": [*ITEMS, {"name": "Bolo", "product_id": "custom-item-1", "quantity": 1, "amount": 900}],
                "status": "shipped",
                "payment_status": "paid",
                "shipping": 500,
                "body": "A caminho",
            },
            post(
                f"order-{changed}-update",
                {
                    "messageId": OURS.provider_id,
                    "referenceId": "4N9AVI38VOB",
                    "orderRequestId": "4N9AVI38VYZ",
                    "orderStatus": "shipped",
                    "paymentStatus": "paid",
                    "order": {
                        "currency": "BRL",
                        "products": [
                            *PRODUCTS,
                            {
                                "name": "Bolo",
                                "value": 9.0,
                                "quantity": 1,
                                "productId": "custom-item-1",
                                "isCustomItem": True,
                            },
                        ],
                        "shipping": 5.0,
                    },
                    "message": "A caminho",
                },
            ),
            about=OURS,
        )
        for changed in ("status", "payment")
    ),
    sends(
        "text that mentions everybody, and a group",
        "text",
        {
            "body": "@all @120363019502650999@g.us",
            "mention_all": True,
            "group_mentions": [{"group": "120363019502650999@g.us", "subject": "Avisos"}],
        },
        post(
            "send-text",
            {
                "message": "@all @120363019502650999@g.us",
                "mentionAll": True,
                "groupMentioned": [{"phone": "120363019502650999-group", "subject": "Avisos"}],
                "delayMessage": 1,
            },
            to="120363019502650977-group",
        ),
        to=GROUP,
    ),
    sends(
        "answer to a story",
        "text",
        {"body": "lindo", "story": "1F606398F2ECAA4846269F659B6003A9"},
        post("reply-status-text", {"message": "lindo", "statusMessageId": "1F606398F2ECAA4846269F659B6003A9"}),
    ),
    *(
        sends(
            f"answer to a story with a {kind}",
            kind,
            {"link": "https://example.com/a", "story": "1F606398F2ECAA4846269F659B6003A9"},
            post(
                f"reply-status-{kind}",
                {kind: "https://example.com/a", "statusMessageId": "1F606398F2ECAA4846269F659B6003A9"},
            ),
        )
        for kind in ("gif", "sticker")
    ),
    sends(
        "image to open once",
        "image",
        {"link": "https://example.com/a.png", "view_once": True},
        post("send-image", {"image": "https://example.com/a.png", "viewOnce": True, "delayMessage": 1}),
    ),
    sends(
        "sticker with its author",
        "sticker",
        {"link": "https://example.com/a.webp", "author": "Ana"},
        post("send-sticker", {"sticker": "https://example.com/a.webp", "stickerAuthor": "Ana", "delayMessage": 1}),
    ),
    sends(
        "link with a large preview",
        "link",
        {"url": "https://example.com/a", "image": "https://example.com/a.png", "size": "large"},
        post(
            "send-link",
            {
                "message": "https://example.com/a",
                "image": "https://example.com/a.png",
                "linkUrl": "https://example.com/a",
                "title": "https://example.com/a",
                "linkDescription": "",
                "linkType": "LARGE",
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "quick replies under a video",
        "buttons",
        {"body": "?", "video": "https://example.com/a.mp4", "buttons": [{"id": "1", "title": "Sim"}]},
        post(
            "send-button-list",
            {
                "message": "?",
                "buttonList": {"video": "https://example.com/a.mp4", "buttons": [{"id": "1", "label": "Sim"}]},
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "link under a picture",
        "buttons",
        {
            "body": "?",
            "image": "https://example.com/a.png",
            "buttons": [{"id": "1", "title": "Site", "url": "https://example.com"}],
        },
        post(
            "send-button-actions",
            {
                "message": "?",
                "image": "https://example.com/a.png",
                "buttonActions": [{"id": "1", "type": "URL", "label": "Site", "url": "https://example.com"}],
            },
        ),
    ),
    sends(
        "code under a picture, with words on its button",
        "otp",
        {"body": "Seu código", "code": "123456", "button": "Copiar", "image": "data:image/png;base64,iVBO"},
        post(
            "send-button-otp",
            {
                "message": "Seu código",
                "code": "123456",
                "buttonText": "Copiar",
                "image": "data:image/png;base64,iVBO",
            },
        ),
    ),
    sends(
        "catalogue described in English",
        "catalog",
        {"catalog_id": "5511999990009", "description": "Fresh", "language": "en"},
        post(
            "send-catalog",
            {"catalogPhone": "5511999990009", "catalogDescription": "Fresh", "translation": "EN"},
        ),
    ),
    sends(
        "carousel",
        "carousel",
        {
            "body": "Nossos pães",
            "cards": [
                {
                    "body": "Francês",
                    "image": "https://example.com/a.png",
                    "buttons": [{"id": "1", "title": "Quero"}, {"title": "Site", "url": "https://example.com"}],
                },
                {"body": "Integral", "image": "https://example.com/b.png"},
            ],
        },
        post(
            "send-carousel",
            {
                "message": "Nossos pães",
                "carousel": [
                    {
                        "text": "Francês",
                        "image": "https://example.com/a.png",
                        "buttons": [
                            {"id": "1", "type": "REPLY", "label": "Quero"},
                            {"type": "URL", "label": "Site", "url": "https://example.com"},
                        ],
                    },
                    {"text": "Integral", "image": "https://example.com/b.png"},
                ],
                "delayMessage": 1,
            },
        ),
    ),
    sends(
        "invitation to be an admin of a channel",
        "channel_invite",
        {"channel": "120363166555745933@newsletter", "caption": "Venha", "name": "Padaria"},
        post(
            "send-newsletter-admin-invite",
            {"adminInviteMessage": {"newsletterId": "120363166555745933@newsletter", "caption": "Venha"}},
        ),
    ),
    sends(
        "vote",
        "poll_vote",
        {"message_id": TARGET.provider_id, "options": ["a", "b"]},
        post(
            "send-poll-vote",
            {"pollMessageId": TARGET.provider_id, "pollVote": [{"name": "a"}, {"name": "b"}]},
        ),
        about=TARGET,
    ),
    sends(
        "vote taken back",
        "poll_vote",
        {"message_id": TARGET.provider_id, "options": []},
        post("send-poll-vote", {"pollMessageId": TARGET.provider_id, "pollVote": []}),
        about=TARGET,
    ),
    sends(
        "answer to an event",
        "event_response",
        {"message_id": TARGET.provider_id, "response": "not_going"},
        post("send-event-response", {"eventMessageId": TARGET.provider_id, "eventResponse": "NOT_GOING"}),
        about=TARGET,
    ),
    sends(
        "event called off",
        "event_edit",
        {
            "message_id": OURS.provider_id,
            "event": {"name": "Festa", "start_at": "2026-12-24T20:00:00-03:00"},
            "cancelled": True,
        },
        post(
            "send-edit-event",
            {
                "eventMessageId": OURS.provider_id,
                "event": {"name": "Festa", "dateTime": "2026-12-24T23:00:00.000Z", "canceled": True},
            },
            to="120363019502650977-group",
        ),
        to=GROUP,
        about=OURS,
    ),
    sends(
        "button pressed",
        "button_reply",
        {"message_id": TARGET.provider_id, "id": "1", "title": "Sim"},
        post("reply-button", {"responseButtonId": "1", "messageId": TARGET.provider_id}),
        about=TARGET,
    ),
    sends(
        "button of a template pressed",
        "button_reply",
        {"message_id": TARGET.provider_id, "id": "1", "template": True},
        post("reply-template-button", {"responseTemplateButtonId": "1", "messageId": TARGET.provider_id}),
        about=TARGET,
    ),
    sends(
        "edit of a document's caption",
        "edit",
        {"message_id": OURS.provider_id, "body": "o contrato novo"},
        post(
            "send-document/docx",
            {
                "document": "https://example.com/b.docx",
                "caption": "o contrato novo",
                "editDocumentMessageId": OURS.provider_id,
                "delayMessage": 1,
            },
        ),
        about=earlier(OURS.provider_id, from_me=True, kind="document", content={"link": "https://example.com/b.docx"}),
    ),
    sends(
        "reaction",
        "reaction",
        {"message_id": TARGET.provider_id, "emoji": "👍"},
        post("send-reaction", {"reaction": "👍", "messageId": TARGET.provider_id, "delayMessage": 1}),
        about=TARGET,
    ),
    sends(
        "reaction taken back",
        "reaction",
        {"message_id": TARGET.provider_id, "emoji": ""},
        post("send-remove-reaction", {"messageId": TARGET.provider_id, "delayMessage": 1}),
        about=TARGET,
    ),
    sends(
        "edit of the caption of a stored image",
        "edit",
        {"message_id": OURS.provider_id, "body": "outra"},
        post(
            "send-image",
            {
                "image": data_url(PNG),
                "caption": "outra",
                "editImageMessageId": OURS.provider_id,
                "delayMessage": 1,
            },
        ),
        about=earlier(OURS.provider_id, from_me=True, kind="image", content={"media_id": "0190"}, media=PNG),
    ),
    sends(
        "edit of the caption of a stored document",
        "edit",
        {"message_id": OURS.provider_id, "body": "o boleto"},
        post(
            "send-document/pdf",
            {
                "document": data_url(PDF),
                "fileName": "boleto.PDF",
                "caption": "o boleto",
                "editDocumentMessageId": OURS.provider_id,
                "delayMessage": 1,
            },
        ),
        about=earlier(OURS.provider_id, from_me=True, kind="document", content={"media_id": "0190"}, media=PDF),
    ),
    sends(
        "edit",
        "edit",
        {"message_id": OURS.provider_id, "body": "olá"},
        post("send-text", {"message": "olá", "editMessageId": OURS.provider_id, "delayMessage": 1}),
        about=OURS,
    ),
    sends(
        "pin for a month",
        "pin",
        {"message_id": TARGET.provider_id, "duration_s": 2_592_000},
        post(
            "pin-message",
            {"messageId": TARGET.provider_id, "messageAction": "pin", "pinMessageDuration": "30_days"},
        ),
        about=TARGET,
    ),
    sends(
        "pin let go",
        "pin",
        {"message_id": TARGET.provider_id, "pinned": False},
        post(
            "pin-message",
            {"messageId": TARGET.provider_id, "messageAction": "unpin", "pinMessageDuration": "7_days"},
        ),
        about=TARGET,
    ),
    Row(
        label="forward, whose message id nobody tells",
        kind="forward",
        content={"message_id": TARGET.provider_id},
        about=earlier(TARGET.provider_id, chat=GROUP),
        replies=(upstream.json({"zaapId": ZAAP}),),
        requests=(
            post(
                "forward-message",
                {"messageId": TARGET.provider_id, "messagePhone": "120363019502650977-group", "delayMessage": 1},
            ),
        ),
        outcome=Accepted(provider_id=ZAAP),
    ),
    *(
        Row(
            label=f"delete {'ours' if about.from_me else 'theirs'}",
            kind="delete",
            content={"message_id": about.provider_id},
            about=about,
            replies=(upstream.Reply(status=204),),
            requests=(
                Expected(
                    method="DELETE",
                    path=f"{ROOT}/messages?messageId={about.provider_id}&phone={TO}&owner={str(about.from_me).lower()}",
                ),
            ),
            outcome=Accepted(provider_id=f"delete:{MESSAGE_ID}"),
        )
        for about in (OURS, TARGET)
    ),
)

_BUTTON = {"title": "Sim"}
_SECTION = {"rows": [{"id": "1", "title": "Um"}]}

REFUSED: tuple[Row, ...] = (
    refused("template", "template", {"name": "hello"}, "template: is no kind that Z-API can send"),
    refused(
        "caption where none is shown",
        "sticker",
        {"link": "https://example.com/a.webp", "caption": "a"},
        "sticker.caption: Z-API shows no caption with this kind of media",
    ),
    refused("no contacts", "contacts", [], "contacts: Z-API takes at least one contact"),
    refused(
        "contact without a phone",
        "contacts",
        [{"name": {"formatted_name": "Ana"}}],
        "contacts.[0].phones: Z-API takes no contact without a phone",
    ),
    refused(
        "reply beside a link",
        "buttons",
        {"body": "?", "buttons": [_BUTTON, {"title": "Site", "url": "https://example.com"}]},
        "buttons.buttons: Z-API does not mix quick replies with links and calls",
    ),
    refused(
        "list of two sections with a footer",
        "list",
        {"body": "?", "button": "b", "sections": [_SECTION, _SECTION], "footer": "f"},
        "list.sections: Z-API takes one section; list.footer: Z-API's lists have no footer",
    ),
    refused(
        "list to a group",
        "list",
        {"body": "?", "button": "b", "sections": [_SECTION]},
        "list: Z-API sends no lists to groups",
        to=GROUP,
    ),
    refused(
        "code with a footer",
        "otp",
        {"body": "?", "code": "1", "footer": "f"},
        "otp.footer: Z-API's codes have no footer",
    ),
    refused(
        "event with an end",
        "event",
        {"name": "?", "start_at": "2026-12-24T20:00:00Z", "end_at": "2026-12-24T21:00:00Z"},
        "event.end_at: Z-API's events have no end",
        to=GROUP,
    ),
    refused(
        "event to one person",
        "event",
        {"name": "?", "start_at": "2026-12-24T20:00:00Z"},
        "event: Z-API sends events to groups only",
    ),
    refused(
        "product of a catalogue with Meta's id and texts",
        "product",
        {"catalog_id": "a-catalogue", "product_id": "1", "body": "b", "footer": "f"},
        "product.catalog_id: must be the phone of the business, by which Z-API names a catalogue; "
        "product.body: Z-API sends a product without a text; product.footer: Z-API sends a product without a footer",
    ),
    refused(
        "catalogue with all that it cannot have",
        "catalog",
        {"body": "b", "footer": "f", "thumbnail_product_id": "1", "sections": [{"title": "t"}]},
        "catalog.catalog_id: must be the phone of the business, by which Z-API names a catalogue; "
        "catalog.footer: Z-API's catalogues have no footer; "
        "catalog.thumbnail_product_id: Z-API chooses the picture of a catalogue itself; "
        "catalog.sections: Z-API sends a whole catalogue",
    ),
    refused(
        "order to pay with a text and foreign settings",
        "order",
        {"reference_id": "1", "items": ITEMS, "body": "b", "payment": {"payment_settings": []}},
        "order.body: Z-API sends an order to pay without a text; "
        "order.payment.payment_settings: is nothing that Z-API takes here",
    ),
    refused(
        "order that is no new one",
        "order",
        {"reference_id": "1", "items": ITEMS, "status": "shipped"},
        "order.status: Z-API changes an order by an order_update",
    ),
    refused(
        "update of an order without the ids of its webhook",
        "order_update",
        {
            "message_id": "1",
            "reference_id": "1",
            "items": [{"name": "Pão", "quantity": 1, "amount": 1}],
            "status": "partially_shipped",
        },
        "order_update.status: Z-API has no partially shipped orders; "
        "order_update.order_request_id: is needed by Z-API; the webhook of the order tells it; "
        "order_update.items[0].product_id: is needed by Z-API; the webhook of the order tells it",
        about=OURS,
    ),
    refused(
        "answer to a story with a picture",
        "image",
        {"link": "https://example.com/a", "story": "1"},
        "image.story: Z-API answers a story with a text, or with a GIF or sticker and nothing besides",
    ),
    refused(
        "answer to a story that mentions somebody",
        "text",
        {"body": "@5511999990002", "mentions": ["5511999990002"], "story": "1"},
        "text.story: Z-API mentions nobody in the answer to a story",
    ),
    refused(
        "everybody in a chat of two",
        "text",
        {"body": "@all", "mention_all": True},
        "text: Z-API mentions everybody in groups only",
    ),
    refused(
        "document to open once, of an author",
        "document",
        {"link": "https://example.com/a.pdf", "view_once": True, "author": "Ana"},
        "document.view_once: Z-API sends no such media to be opened once; document.author: belongs to a sticker",
    ),
    refused(
        "video over a link",
        "buttons",
        {
            "body": "?",
            "video": "https://example.com/a.mp4",
            "buttons": [{"title": "Site", "url": "https://example.com"}],
        },
        "buttons.video: Z-API shows a video with quick replies only, without a header and a footer",
    ),
    refused(
        "carousel with a footer",
        "carousel",
        {"body": "?", "cards": [{"body": "b", "image": "https://example.com/a.png"}], "footer": "f"},
        "carousel.footer: Z-API's carousels have no footer",
    ),
    refused(
        "maybe to an event",
        "event_response",
        {"message_id": "1", "response": "maybe"},
        "event_response.response: Z-API answers an event with going or not_going",
        about=TARGET,
    ),
    refused(
        "event of one person changed, with an end",
        "event_edit",
        {
            "message_id": "1",
            "event": {"name": "?", "start_at": "2026-12-24T20:00:00Z", "end_at": "2026-12-24T21:00:00Z"},
        },
        "event_edit.event.end_at: Z-API's events have no end",
        about=OURS,
    ),
    refused(
        "event of one person changed",
        "event_edit",
        {"message_id": "1", "event": {"name": "?", "start_at": "2026-12-24T20:00:00Z"}},
        "event_edit: Z-API changes events in groups only",
        about=OURS,
    ),
    refused(
        "edit of a picture",
        "edit",
        {"message_id": "1", "body": "b"},
        "edit: Z-API wants the file again to change its caption, and it is not stored any more",
        about=earlier("1", from_me=True, kind="image", content={"media_id": "0190"}),
    ),
    refused(
        "edit of a place",
        "edit",
        {"message_id": "1", "body": "b"},
        "edit: Z-API cannot change the text of this kind of message (location)",
        about=earlier("1", from_me=True, kind="location"),
    ),
    refused(
        "reaction to nothing",
        "reaction",
        {"message_id": "1", "emoji": "👍"},
        "reaction: the message that it speaks of is not known",
    ),
    *(
        Row(
            label=f"{kind}, whose route takes no quote",
            kind=kind,
            content=content,
            reply_to=TARGET,
            outcome=Refused(code="unsupported_by_provider", why=f"{kind}: Z-API cannot quote a message with this kind"),
        )
        for kind, content in (
            ("audio", {"link": "https://example.com/a.mp3"}),
            ("poll", {"name": "?", "options": ["a", "b"]}),
            ("buttons", {"body": "?", "buttons": [_BUTTON]}),
            ("order", {"reference_id": "1", "items": ITEMS}),
        )
    ),
    Row(
        label="media that is not stored",
        kind="image",
        content={"media_id": "0190"},
        outcome=Refused(code="media_missing", why="the message names no link and no stored media"),
    ),
    Row(
        label="media of a wrong type",
        kind="gif",
        content={"media_id": "0190"},
        media=PNG,
        outcome=Refused(code="media_type", why="Z-API takes no image/png as gif"),
    ),
    Row(
        label="media too large",
        kind="sticker",
        content={"media_id": "0190"},
        media=File(data=b"", size=2_000_000, mime_type="image/webp"),
        outcome=Refused(code="media_too_large", why="2000000 bytes; Z-API takes 1048576 for sticker"),
    ),
)
