"""What UAZAPI is sent for every kind of content: one table, run against a local server and against its document."""

import base64
from typing import Any

from recado.domain.provider import Accepted, Connection, Outcome, Refused
from recado.testing import upstream
from recado.testing.tables import MESSAGE_ID, Expected, File, Row, connection, earlier

TOKEN = "11111111-2222-4333-8444-555555555555"
ADMIN_TOKEN = "admin-token-of-the-tests"
OWNER = "5511999990000"
SENT_ID = "3EB0TESTS0000000001"
REPLIED = "3EB0TESTS0000000000"
GROUP = "120363000000000001@g.us"
CHANNEL = "120363000000000009@newsletter"

#: The beginning of a message as UAZAPI answers it.
MESSAGE = {
    "chatid": "551199990001@s.whatsapp.net",
    "edited": "",
    "fromMe": True,
    "id": f"{OWNER}:{SENT_ID}",
    "messageTimestamp": 1787161430102,
    "messageid": SENT_ID,
    "owner": OWNER,
    "response": {"status": "success", "message": "Message sent"},
    "status": "Pending",
    "track_id": str(MESSAGE_ID),
}
SENT = upstream.json(MESSAGE)
ACCEPTED = Accepted(provider_id=SENT_ID, recipient="551199990001")
#: Routes about an earlier message answer without its chat.
DONE = upstream.json({"id": f"{OWNER}:{SENT_ID}", "messageid": SENT_ID, "status": "Pending", "owner": OWNER})
DONE_ACCEPTED = Accepted(provider_id=SENT_ID)

PNG = File(data=b"\x89PNG tests", mime_type="image/png", filename="photo.png")
OGG = File(data=b"OggS tests", mime_type="audio/ogg; codecs=opus", filename="voice.ogg")


def connect(url: str) -> Connection:
    return connection(url, kind="uazapi", account="r00000000000001", token=TOKEN)


def post(path: str, body: dict[str, Any], *, to: str = "5511999990001", **more: Any) -> Expected:
    """A request with what every send has."""
    common = {"number": to, "track_source": "recado", "track_id": str(MESSAGE_ID)}
    return Expected(method="POST", path=path, json={**common, **body, **more})


def sends(label: str, kind: str, content: Any, expected: Expected, **more: Any) -> Row:
    return Row(label=label, kind=kind, content=content, replies=(SENT,), requests=(expected,), outcome=ACCEPTED, **more)


def about(label: str, kind: str, content: Any, path: str, json: Any, **more: Any) -> Row:
    earlier_message = more.pop("about", earlier(REPLIED))
    return Row(
        label=label,
        kind=kind,
        content={"message_id": REPLIED, **content},
        about=earlier_message,
        replies=more.pop("replies", (DONE,)),
        requests=(Expected(method="POST", path=path, json=json),),
        outcome=DONE_ACCEPTED,
        **more,
    )


def refused(label: str, kind: str, content: Any, outcome: Outcome, **more: Any) -> Row:
    return Row(label=label, kind=kind, content=content, outcome=outcome, **more)


def data_url(file: File) -> str:
    mime_type = file.mime_type.partition(";")[0]
    return f"data:{mime_type};base64,{base64.b64encode(file.data).decode()}"


SENDS: tuple[Row, ...] = (
    sends("text", "text", {"body": "Olá"}, post("/send/text", {"text": "Olá", "linkPreview": False})),
    sends(
        "text with a preview, to a number with a plus",
        "text",
        {"body": "https://example.com", "preview_url": True},
        post("/send/text", {"text": "https://example.com", "linkPreview": True}),
        to="+5511999990001",
    ),
    sends(
        "text in a group, quoting, mentioning",
        "text",
        {"body": "oi @5511999990002", "mentions": ["+5511999990002", "900000000000002@lid"]},
        post(
            "/send/text",
            {"text": "oi @5511999990002", "linkPreview": False, "mentions": "5511999990002,900000000000002@lid"},
            to=GROUP,
            replyid=REPLIED,
        ),
        to=GROUP,
        reply_to=earlier(REPLIED, chat=GROUP),
    ),
    sends(
        "text in a group, mentioning everybody",
        "text",
        {"body": "oi @all", "mention_all": True},
        post("/send/text", {"text": "oi @all", "linkPreview": False, "mentions": "all"}, to=GROUP),
        to=GROUP,
    ),
    sends(
        "link with a large preview",
        "link",
        {"url": "https://example.com/a", "size": "large"},
        post("/send/text", {"text": "https://example.com/a", "linkPreview": True, "linkPreviewLarge": True}),
    ),
    sends(
        "voice to open once",
        "voice",
        {"link": "https://example.com/a.ogg", "view_once": True},
        post("/send/media", {"type": "ptt", "file": "https://example.com/a.ogg", "viewOnce": True}),
    ),
    sends(
        "buttons under a picture",
        "buttons",
        {"body": "?", "image": "https://example.com/a.png", "buttons": [{"title": "Sim", "id": "1"}]},
        post(
            "/send/menu",
            {"type": "button", "text": "?", "choices": ["Sim|1"], "imageButton": "https://example.com/a.png"},
        ),
    ),
    sends(
        "code under a picture, with words on its button",
        "otp",
        {"body": "?", "code": "1", "button": "Copiar", "image": "https://example.com/a.png"},
        post(
            "/send/menu",
            {"type": "button", "text": "?", "choices": ["Copiar|copy:1"], "imageButton": "https://example.com/a.png"},
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
                    "buttons": [
                        {"id": "1", "title": "Quero"},
                        {"title": "Site", "url": "https://example.com"},
                        {"title": "Ligar", "phone": "+551140000001"},
                    ],
                },
            ],
        },
        post(
            "/send/carousel",
            {
                "text": "Nossos pães",
                "carousel": [
                    {
                        "text": "Francês",
                        "image": "https://example.com/a.png",
                        "buttons": [
                            {"id": "1", "text": "Quero", "type": "REPLY"},
                            {"id": "https://example.com", "text": "Site", "type": "URL"},
                            {"id": "551140000001", "text": "Ligar", "type": "CALL"},
                        ],
                    }
                ],
            },
        ),
    ),
    sends(
        "order with all its amounts",
        "order",
        {
            "reference_id": "42",
            "items": [{"name": "Pão", "quantity": 2, "amount": 500}],
            "discount": 100,
            "tax": 50,
            "shipping": 200,
            "payment": {"pixKey": "a@example.com"},
        },
        post(
            "/send/request-payment",
            {"amount": 11.5, "itemName": "2 × Pão", "invoiceNumber": "42", "pixKey": "a@example.com"},
        ),
    ),
    sends(
        "text to somebody without a phone",
        "text",
        {"body": "oi"},
        post("/send/text", {"text": "oi", "linkPreview": False}, to="900000000000002@lid"),
        to="900000000000002@lid",
    ),
    sends(
        "text in a channel",
        "text",
        {"body": "oi"},
        post("/send/text", {"text": "oi", "linkPreview": False}, to=CHANNEL),
        to=CHANNEL,
    ),
    sends(
        "link",
        "link",
        {"url": "https://example.com/a", "body": "Veja", "title": "A", "description": "B", "image": "https://e.test/a"},
        post(
            "/send/text",
            {
                "text": "Veja\nhttps://example.com/a",
                "linkPreview": True,
                "linkPreviewTitle": "A",
                "linkPreviewDescription": "B",
                "linkPreviewImage": "https://e.test/a",
            },
        ),
    ),
    sends(
        "image by link",
        "image",
        {"link": "https://example.com/a.png", "caption": "uma foto", "mime_type": "image/png"},
        post(
            "/send/media",
            {"type": "image", "file": "https://example.com/a.png", "text": "uma foto", "mimetype": "image/png"},
        ),
    ),
    sends(
        "image from storage",
        "image",
        {"media_id": "0190", "caption": "uma foto"},
        post("/send/media", {"type": "image", "file": data_url(PNG), "text": "uma foto"}),
        media=PNG,
    ),
    sends(
        "voice from storage",
        "voice",
        {"media_id": "0190"},
        post("/send/media", {"type": "ptt", "file": data_url(OGG)}),
        media=OGG,
    ),
    *(
        sends(
            kind,
            kind,
            {"link": "https://example.com/a"},
            post("/send/media", {"type": type_, "file": "https://example.com/a"}),
        )
        for kind, type_ in (
            ("video", "video"),
            ("audio", "audio"),
            ("sticker", "sticker"),
            ("gif", "videoplay"),
            ("ptv", "ptv"),
        )
    ),
    sends(
        "document",
        "document",
        {"link": "https://example.com/b.pdf", "filename": "b.pdf", "caption": "o boleto"},
        post(
            "/send/media",
            {"type": "document", "file": "https://example.com/b.pdf", "docName": "b.pdf", "text": "o boleto"},
        ),
    ),
    sends(
        "location",
        "location",
        {"latitude": -23.5614, "longitude": -46.6559, "name": "MASP", "address": "Avenida Paulista, 1578"},
        post(
            "/send/location",
            {"latitude": -23.5614, "longitude": -46.6559, "name": "MASP", "address": "Avenida Paulista, 1578"},
        ),
    ),
    sends(
        "contact",
        "contacts",
        [
            {
                "name": {"formatted_name": "Ana Souza"},
                "phones": [{"phone": "+55 11 99999-0002", "wa_id": "551199990002"}, {"phone": "+551140000000"}],
                "emails": [{"email": "ana@example.com"}],
                "org": {"company": "Exemplo"},
            }
        ],
        post(
            "/send/contact",
            {
                "fullName": "Ana Souza",
                "phoneNumber": "551199990002,551140000000",
                "organization": "Exemplo",
                "email": "ana@example.com",
            },
        ),
    ),
    sends(
        "buttons of every sort",
        "buttons",
        {
            "header": "Pedido",
            "body": "Confirma?",
            "footer": "Exemplo",
            "buttons": [
                {"id": "yes", "title": "Sim"},
                {"title": "Não"},
                {"title": "Site", "url": "https://example.com"},
                {"title": "Ligar", "phone": "+5511999990002"},
            ],
        },
        post(
            "/send/menu",
            {
                "type": "button",
                "text": "*Pedido*\nConfirma?",
                "footerText": "Exemplo",
                "choices": ["Sim|yes", "Não", "Site|https://example.com", "Ligar|call:+5511999990002"],
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
                {"title": "Frete", "rows": [{"id": "1", "title": "Rápido", "description": "2 dias"}]},
                {"title": "Outros", "rows": [{"id": "2", "title": "Retirar"}]},
            ],
        },
        post(
            "/send/menu",
            {
                "type": "list",
                "text": "Escolha",
                "listButton": "Opções",
                "choices": ["[Frete]", "Rápido|1|2 dias", "[Outros]", "Retirar|2"],
            },
        ),
    ),
    sends(
        "one-time password",
        "otp",
        {"body": "Seu código", "code": "123456"},
        post("/send/menu", {"type": "button", "text": "Seu código", "choices": ["Copiar código|copy:123456"]}),
    ),
    sends(
        "poll",
        "poll",
        {"name": "Quando?", "options": ["Hoje", "Amanhã"]},
        post("/send/menu", {"type": "poll", "text": "Quando?", "choices": ["Hoje", "Amanhã"], "selectableCount": 1}),
    ),
    sends(
        "poll with any number of answers",
        "poll",
        {"name": "Quais?", "options": ["A", "B", "C"], "selectable": 0},
        post("/send/menu", {"type": "poll", "text": "Quais?", "choices": ["A", "B", "C"], "selectableCount": 3}),
    ),
    sends(
        "pix",
        "pix",
        {"key": "ana@example.com", "key_type": "email", "merchant_name": "Padaria"},
        post("/send/pix-button", {"pixType": "EMAIL", "pixKey": "ana@example.com", "pixName": "Padaria"}),
    ),
    sends(
        "order",
        "order",
        {
            "reference_id": "42",
            "body": "Seu pedido",
            "items": [
                {"name": "Pão", "product_id": "1", "quantity": 2, "amount": 150},
                {"name": "Leite", "product_id": "2", "quantity": 1, "amount": 699},
            ],
            "payment": {"pixKey": "ana@example.com", "pixType": "EMAIL"},
        },
        post(
            "/send/request-payment",
            {
                "amount": 9.99,
                "text": "Seu pedido",
                "itemName": "2 × Pão, 1 × Leite",
                "invoiceNumber": "42",
                "pixKey": "ana@example.com",
                "pixType": "EMAIL",
            },
        ),
    ),
    sends(
        "forwarded text",
        "forward",
        {"message_id": REPLIED},
        post("/send/text", {"text": "Olá", "linkPreview": False, "forward": True}),
        about=earlier(REPLIED, content={"body": "Olá"}),
    ),
    sends(
        "forwarded image that has a link",
        "forward",
        {"message_id": REPLIED},
        post("/send/media", {"type": "image", "file": "https://example.com/a.png", "forward": True}),
        about=earlier(REPLIED, kind="image", content={"link": "https://example.com/a.png"}),
    ),
    about(
        "reaction",
        "reaction",
        {"emoji": "👍"},
        "/message/react",
        {"number": "5511999990001@s.whatsapp.net", "text": "👍", "id": REPLIED},
    ),
    about(
        "reaction taken back, in a group",
        "reaction",
        {"emoji": ""},
        "/message/react",
        {"number": GROUP, "text": "", "id": REPLIED},
        about=earlier(REPLIED, chat=GROUP),
        to=GROUP,
    ),
    about("edit", "edit", {"body": "Olá!"}, "/message/edit", {"id": REPLIED, "text": "Olá!"}),
    about(
        "edit in a channel",
        "edit",
        {"body": "Olá!"},
        "/newsletter/messages/edit",
        {"jid": CHANNEL, "messageid": REPLIED, "text": "Olá!"},
        to=CHANNEL,
        replies=(upstream.json({"response": {"jid": CHANNEL, "messageid": SENT_ID, "serverid": 7}}),),
    ),
    about(
        "delete",
        "delete",
        {},
        "/message/delete",
        {"id": REPLIED},
        replies=(upstream.json({"id": f"{OWNER}:{SENT_ID}", "timestamp": "2026-08-19T17:48:26Z"}),),
    ),
    about(
        "delete in a channel",
        "delete",
        {},
        "/newsletter/messages/delete",
        {"jid": CHANNEL, "messageid": REPLIED},
        to=CHANNEL,
        replies=(upstream.json({"response": {"jid": CHANNEL, "messageid": SENT_ID}}),),
    ),
    about("pin", "pin", {"duration_s": 86_400}, "/message/pin", {"id": REPLIED, "pin": True, "duration": 1}),
    about("unpin", "pin", {"pinned": False}, "/message/pin", {"id": REPLIED, "pin": False}),
)


def invalid(why: str) -> Refused:
    return Refused(code="invalid", why=why)


_BREAKS = "may hold neither | nor a line break"
_ITEM = {"name": "Pão", "product_id": "1", "quantity": 1, "amount": 150}
_PHONE = {"name": {"formatted_name": "Ana"}, "phones": [{"phone": "5511999990002"}]}

REFUSED: tuple[Row, ...] = (
    refused(
        "a caption that nobody sees",
        "voice",
        {"link": "https://example.com/a", "caption": "oi"},
        invalid("voice.caption: WhatsApp shows no caption with voice"),
    ),
    refused(
        "a document to open once",
        "document",
        {"link": "https://example.com/a", "view_once": True},
        invalid("document.view_once: UAZAPI sends no document to be opened once"),
    ),
    refused(
        "a story answered",
        "sticker",
        {"link": "https://example.com/a", "story": "1"},
        invalid("sticker.story: UAZAPI answers no stories"),
    ),
    refused(
        "a text that mentions a group",
        "text",
        {"body": "oi", "group_mentions": [{"group": GROUP, "subject": "Avisos"}]},
        invalid("text.group_mentions: UAZAPI mentions people only"),
    ),
    refused(
        "buttons under a video",
        "buttons",
        {"body": "?", "video": "https://example.com/a.mp4", "buttons": [{"title": "Sim", "id": "1"}]},
        invalid("buttons.video: UAZAPI shows a picture over buttons, and no video"),
    ),
    refused(
        "a carousel with a footer",
        "carousel",
        {"body": "?", "cards": [{"body": "b", "image": "https://example.com/a.png"}], "footer": "f"},
        invalid("carousel.footer: UAZAPI's carousels have no footer"),
    ),
    refused("two cards", "contacts", [_PHONE, _PHONE], invalid("contacts: UAZAPI sends one card in a message")),
    refused(
        "a card without a phone",
        "contacts",
        [{"name": {"formatted_name": "Ana"}}],
        invalid("contacts.[0].phones: UAZAPI needs a phone in a card"),
    ),
    refused(
        "a title with a bar",
        "buttons",
        {"body": "?", "buttons": [{"title": "a|b", "id": "1"}]},
        invalid(f"buttons.buttons[0].title: {_BREAKS}"),
    ),
    refused(
        "an id that would be a link",
        "buttons",
        {"body": "?", "buttons": [{"title": "a", "id": "https://example.com"}]},
        invalid("buttons.buttons[0].id: UAZAPI makes a link or an action of an id that begins like one"),
    ),
    refused(
        "rows that would be something else",
        "list",
        {
            "body": "?",
            "button": "x",
            "sections": [
                {"rows": [{"id": "1", "title": "[a]"}]},
                {"rows": [{"id": "2", "title": "b", "description": "c|d"}]},
            ],
        },
        invalid(
            "list.sections[0].rows[0].title: UAZAPI reads a title in brackets as a section; "
            "list.sections[1].title: UAZAPI tells sections apart by their titles; "
            f"list.sections[1].rows[0].description: {_BREAKS}"
        ),
    ),
    refused(
        "a code with a bar",
        "otp",
        {"body": "?", "code": "1|2"},
        invalid("otp.code: may hold neither | nor a line break"),
    ),
    refused(
        "an order to follow, in another currency, with payment nobody knows",
        "order",
        {"reference_id": "1", "items": [_ITEM], "status": "shipped", "currency": "USD", "payment": {"card": 1}},
        invalid(
            "order.status: UAZAPI asks for payment and does not follow orders; "
            "order.currency: UAZAPI asks for payment in BRL; "
            "order.payment: not known to UAZAPI: card; "
            "order.payment: needs one of pixKey, paymentLink, boletoCode"
        ),
    ),
    refused(
        "an image of ours that cannot be forwarded",
        "forward",
        {"message_id": REPLIED},
        Refused(code="unsupported_by_provider", why="UAZAPI forwards media only by link, and this one has none"),
        about=earlier(REPLIED, kind="image", content={"caption": "oi"}),
    ),
    refused(
        "a poll that cannot be forwarded",
        "forward",
        {"message_id": REPLIED},
        Refused(code="unsupported_by_provider", why="UAZAPI forwards no poll"),
        about=earlier(REPLIED, kind="poll"),
    ),
    refused(
        "a message that nobody knows",
        "edit",
        {"message_id": REPLIED, "body": "oi"},
        Refused(code="target_missing", why="the message it is about is not known"),
    ),
    refused(
        "forwarding what nobody knows",
        "forward",
        {"message_id": REPLIED},
        Refused(code="target_missing", why="the message to forward is not known"),
    ),
    refused(
        "a reaction in a channel",
        "reaction",
        {"message_id": REPLIED, "emoji": "👍"},
        Refused(code="unsupported_by_provider", why="UAZAPI reacts in channels only by the post's number"),
        about=earlier(REPLIED, chat=CHANNEL),
        to=CHANNEL,
    ),
    refused(
        "media that is nowhere",
        "image",
        {"media_id": "0190"},
        Refused(code="media_missing", why="the message names no link and no stored media"),
    ),
    refused(
        "a sticker that is too large",
        "sticker",
        {"media_id": "0190"},
        Refused(code="media_too_large", why="1048577 bytes; at most 1048576 as sticker"),
        media=File(data=b"", mime_type="image/webp", size=1_048_577),
    ),
)
