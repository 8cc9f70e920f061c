"""What Meta is sent for every kind of content: one table, run against a local server and against Meta's document."""

from typing import Any

from recado.domain.provider import Accepted, Connection, Refused
from recado.testing import upstream
from recado.testing.tables import MESSAGE_ID, Expected, File, Row, connection, earlier

PHONE_NUMBER_ID = "106540352242922"
TOKEN = "EAAtesttoken0123456789"
APP_SECRET = "app-secret-of-the-tests"
VERIFY_TOKEN = "verify-token-of-the-tests"
WAMID = "wamid.HBgLTests0001"
REPLIED = "wamid.HBgLTests0000"
ROOT = f"/v23.0/{PHONE_NUMBER_ID}"

SENT = upstream.json(
    {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "5511999990001", "wa_id": "551199990001"}],
        "messages": [{"id": WAMID, "message_status": "accepted"}],
    }
)
UPLOADED = upstream.json({"id": "4490709327384033"})
ACCEPTED = Accepted(provider_id=WAMID, recipient="551199990001")

PNG = File(data=b"\x89PNG tests", mime_type="image/png", filename='a "photo".png')
PDF = File(data=b"%PDF-1.7 tests", mime_type="application/pdf", filename="boleto.pdf")
OGG = File(data=b"OggS tests", mime_type="audio/ogg; codecs=opus", filename="voice.ogg")


def connect(url: str) -> Connection:
    return connection(
        url,
        kind="meta",
        account=PHONE_NUMBER_ID,
        phone_number_id=PHONE_NUMBER_ID,
        access_token=TOKEN,
        app_secret=APP_SECRET,
        verify_token=VERIFY_TOKEN,
    )


def post(kind: str, value: Any, **more: Any) -> Expected:
    """The request that posts a message. `more` replaces and adds top-level fields; None takes one away."""
    request = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "5511999990001",
        "type": kind,
        kind: value,
        "biz_opaque_callback_data": str(MESSAGE_ID),
        **more,
    }
    json = {name: found for name, found in request.items() if found is not None}
    return Expected(method="POST", path=f"{ROOT}/messages", json=json)


def upload(*contains: bytes) -> Expected:
    return Expected(method="POST", path=f"{ROOT}/media", contains=(b"whatsapp", *contains))


def sends(label: str, kind: str, content: Any, expected: Expected, **more: Any) -> Row:
    return Row(label=label, kind=kind, content=content, replies=(SENT,), requests=(expected,), outcome=ACCEPTED, **more)


def uploads(label: str, kind: str, content: Any, media: File, *requests: Expected) -> Row:
    return Row(
        label=label,
        kind=kind,
        content={"media_id": "0190", **content},
        media=media,
        replies=(UPLOADED, SENT),
        requests=requests,
        outcome=ACCEPTED,
    )


def refused(label: str, kind: str, content: Any, why: str, **more: Any) -> Row:
    return Row(label=label, kind=kind, content=content, outcome=Refused(code="invalid", why=why), **more)


#: What Meta's published document describes.
DOCUMENTED: tuple[Row, ...] = (
    sends("text", "text", {"body": "Olá"}, post("text", {"body": "Olá", "preview_url": False})),
    sends(
        "text with a preview, to a number with a plus",
        "text",
        {"body": "https://example.com", "preview_url": True},
        post("text", {"body": "https://example.com", "preview_url": True}),
        to="+5511999990001",
    ),
    sends(
        "text in a group, quoting",
        "text",
        {"body": "oi"},
        post(
            "text",
            {"body": "oi", "preview_url": False},
            recipient_type="group",
            to="Y2FwaV9ncm91cDoxMjM0NQZD",
            context={"message_id": REPLIED},
        ),
        to="Y2FwaV9ncm91cDoxMjM0NQZD",
        reply_to=earlier(REPLIED),
    ),
    sends(
        "link",
        "link",
        {"url": "https://example.com/a", "body": "Veja", "title": "A"},
        post("text", {"body": "Veja\nhttps://example.com/a", "preview_url": True}),
    ),
    sends(
        "link that its text holds",
        "link",
        {"url": "https://example.com/a", "body": "Veja https://example.com/a"},
        post("text", {"body": "Veja https://example.com/a", "preview_url": True}),
    ),
    sends(
        "image by link",
        "image",
        {"link": "https://example.com/a.png", "caption": "uma foto"},
        post("image", {"link": "https://example.com/a.png", "caption": "uma foto"}),
    ),
    uploads(
        "image from storage",
        "image",
        {"caption": "uma foto"},
        PNG,
        upload(b"\x89PNG tests", b'filename="a %22photo%22.png"', b"image/png"),
        post("image", {"id": "4490709327384033", "caption": "uma foto"}),
    ),
    sends(
        "video by link",
        "video",
        {"link": "https://example.com/a.mp4", "caption": "um vídeo"},
        post("video", {"link": "https://example.com/a.mp4", "caption": "um vídeo"}),
    ),
    sends(
        "audio by link",
        "audio",
        {"link": "https://example.com/a.mp3"},
        post("audio", {"link": "https://example.com/a.mp3"}),
    ),
    uploads(
        "voice from storage",
        "voice",
        {},
        OGG,
        upload(b"OggS tests", b"audio/ogg; codecs=opus"),
        post("audio", {"id": "4490709327384033", "voice": True}),
    ),
    sends(
        "document by link",
        "document",
        {"link": "https://example.com/b.pdf", "filename": "b.pdf", "caption": "o boleto"},
        post("document", {"link": "https://example.com/b.pdf", "filename": "b.pdf", "caption": "o boleto"}),
    ),
    uploads(
        "document from storage, named as stored",
        "document",
        {},
        PDF,
        upload(b"%PDF-1.7 tests"),
        post("document", {"id": "4490709327384033", "filename": "boleto.pdf"}),
    ),
    sends(
        "sticker by link",
        "sticker",
        {"link": "https://example.com/a.webp"},
        post("sticker", {"link": "https://example.com/a.webp"}),
    ),
    sends(
        "location",
        "location",
        {"latitude": -23.5614, "longitude": -46.6559, "name": "MASP", "address": "Avenida Paulista, 1578"},
        post(
            "location",
            {"latitude": "-23.5614", "longitude": "-46.6559", "name": "MASP", "address": "Avenida Paulista, 1578"},
        ),
    ),
    sends(
        "contacts",
        "contacts",
        [
            {
                "name": {"formatted_name": "Ana Souza"},
                "phones": [{"phone": "+55 11 99999-0002", "type": "work", "wa_id": "5511999990002"}],
                "emails": [{"email": "ana@example.com"}],
                "org": {"company": "Exemplo"},
                "birthday": "1990-01-31",
            }
        ],
        post(
            "contacts",
            [
                {
                    "name": {"formatted_name": "Ana Souza", "first_name": "Ana Souza"},
                    "phones": [{"phone": "+55 11 99999-0002", "type": "WORK", "wa_id": "5511999990002"}],
                    "emails": [{"email": "ana@example.com"}],
                    "org": {"company": "Exemplo"},
                    "birthday": "1990-01-31",
                }
            ],
        ),
    ),
    sends(
        "buttons",
        "buttons",
        {
            "header": "Pedido",
            "body": "Confirma?",
            "footer": "Exemplo",
            "buttons": [{"id": "yes", "title": "Sim"}, {"title": "Não"}],
        },
        post(
            "interactive",
            {
                "type": "button",
                "header": {"type": "text", "text": "Pedido"},
                "body": {"text": "Confirma?"},
                "footer": {"text": "Exemplo"},
                "action": {
                    "buttons": [
                        {"type": "reply", "reply": {"id": "yes", "title": "Sim"}},
                        {"type": "reply", "reply": {"id": "Não", "title": "Não"}},
                    ]
                },
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
            "interactive",
            {
                "type": "list",
                "body": {"text": "Escolha"},
                "action": {
                    "button": "Opções",
                    "sections": [
                        {"title": "Frete", "rows": [{"id": "1", "title": "Rápido", "description": "2 dias"}]},
                        {"title": "Outros", "rows": [{"id": "2", "title": "Retirar"}]},
                    ],
                },
            },
        ),
    ),
    sends(
        "product",
        "product",
        {"catalog_id": "194836987003835", "product_id": "sku-1", "body": "Olhe"},
        post(
            "interactive",
            {
                "type": "product",
                "body": {"text": "Olhe"},
                "action": {"catalog_id": "194836987003835", "product_retailer_id": "sku-1"},
            },
        ),
    ),
    sends(
        "catalogue",
        "catalog",
        {"body": "Nossos produtos", "thumbnail_product_id": "sku-1"},
        post(
            "interactive",
            {
                "type": "catalog_message",
                "body": {"text": "Nossos produtos"},
                "action": {"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "sku-1"}},
            },
        ),
    ),
    sends(
        "list of products",
        "catalog",
        {
            "header": "Ofertas",
            "body": "Da semana",
            "catalog_id": "194836987003835",
            "sections": [{"title": "Pães", "product_items": [{"product_retailer_id": "sku-1"}]}],
        },
        post(
            "interactive",
            {
                "type": "product_list",
                "header": {"type": "text", "text": "Ofertas"},
                "body": {"text": "Da semana"},
                "action": {
                    "catalog_id": "194836987003835",
                    "sections": [{"title": "Pães", "product_items": [{"product_retailer_id": "sku-1"}]}],
                },
            },
        ),
    ),
    sends(
        "order to pay",
        "order",
        {
            "reference_id": "pedido-42",
            "body": "Seu pedido",
            "items": [
                {"name": "Pão", "product_id": "sku-1", "quantity": 3, "amount": 150},
                {"name": "Bolo", "product_id": "sku-2", "quantity": 1, "amount": 2500},
            ],
            "payment": {"payment_settings": [{"type": "payment_link", "payment_link": {"uri": "https://example.com"}}]},
        },
        post(
            "interactive",
            {
                "type": "order_details",
                "body": {"text": "Seu pedido"},
                "action": {
                    "name": "review_and_pay",
                    "parameters": {
                        "type": "digital-goods",
                        "payment_type": "br",
                        "payment_settings": [{"type": "payment_link", "payment_link": {"uri": "https://example.com"}}],
                        "reference_id": "pedido-42",
                        "currency": "BRL",
                        "total_amount": {"value": 2950, "offset": 100},
                        "order": {
                            "status": "pending",
                            "items": [
                                {
                                    "retailer_id": "sku-1",
                                    "name": "Pão",
                                    "amount": {"value": 150, "offset": 100},
                                    "quantity": 3,
                                },
                                {
                                    "retailer_id": "sku-2",
                                    "name": "Bolo",
                                    "amount": {"value": 2500, "offset": 100},
                                    "quantity": 1,
                                },
                            ],
                            "subtotal": {"value": 2950, "offset": 100},
                            "tax": {"value": 0, "offset": 100},
                        },
                    },
                },
            },
        ),
    ),
    sends(
        "order to follow",
        "order",
        {
            "reference_id": "pedido-42",
            "body": "A caminho",
            "status": "shipped",
            "items": [{"name": "Pão", "product_id": "sku-1", "quantity": 3, "amount": 150}],
        },
        post(
            "interactive",
            {
                "type": "order_status",
                "body": {"text": "A caminho"},
                "action": {
                    "name": "review_order",
                    "parameters": {"reference_id": "pedido-42", "order": {"status": "shipped"}},
                },
            },
        ),
    ),
    sends(
        "reaction, which quotes by itself",
        "reaction",
        {"message_id": REPLIED, "emoji": "👍"},
        post("reaction", {"message_id": REPLIED, "emoji": "👍"}),
        reply_to=earlier(REPLIED),
    ),
    sends(
        "reaction taken back",
        "reaction",
        {"message_id": REPLIED, "emoji": ""},
        post("reaction", {"message_id": REPLIED, "emoji": ""}),
    ),
    sends(
        "template",
        "template",
        {
            "name": "order_confirmation",
            "language": "pt_BR",
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "42"}]}],
        },
        post(
            "template",
            {
                "name": "order_confirmation",
                "language": {"policy": "deterministic", "code": "pt_BR"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "42"}]}],
            },
        ),
    ),
    sends(
        "template without parameters",
        "template",
        {"name": "hello_world", "language": "en_US"},
        post("template", {"name": "hello_world", "language": {"policy": "deterministic", "code": "en_US"}}),
    ),
)

#: What only Meta's pages describe; README.md of the adapter names them.
BEYOND_THE_DOCUMENT: tuple[Row, ...] = (
    sends(
        "button that opens a page",
        "buttons",
        {"body": "Rastreie", "buttons": [{"title": "Abrir", "url": "https://example.com/42"}]},
        post(
            "interactive",
            {
                "type": "cta_url",
                "body": {"text": "Rastreie"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "Abrir", "url": "https://example.com/42"},
                },
            },
        ),
    ),
    sends(
        "to a business-scoped user id",
        "text",
        {"body": "oi"},
        post("text", {"body": "oi", "preview_url": False}, to=None, recipient="BR.13491208655302741918"),
        to="BR.13491208655302741918",
    ),
    sends(
        "reply under a picture",
        "buttons",
        {"body": "?", "image": "https://example.com/a.png", "buttons": [{"id": "1", "title": "Sim"}]},
        post(
            "interactive",
            {
                "type": "button",
                "header": {"type": "image", "image": {"link": "https://example.com/a.png"}},
                "body": {"text": "?"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Sim"}}]},
            },
        ),
    ),
    sends(
        "order with all its amounts",
        "order",
        {
            "reference_id": "42",
            "body": "Seu pedido",
            "items": [{"name": "Pão", "product_id": "p", "quantity": 2, "amount": 500}],
            "discount": 100,
            "tax": 50,
            "shipping": 200,
        },
        post(
            "interactive",
            {
                "type": "order_details",
                "body": {"text": "Seu pedido"},
                "action": {
                    "name": "review_and_pay",
                    "parameters": {
                        "type": "digital-goods",
                        "payment_type": "br",
                        "reference_id": "42",
                        "currency": "BRL",
                        "total_amount": {"value": 1150, "offset": 100},
                        "order": {
                            "status": "pending",
                            "items": [
                                {
                                    "retailer_id": "p",
                                    "name": "Pão",
                                    "amount": {"value": 500, "offset": 100},
                                    "quantity": 2,
                                }
                            ],
                            "subtotal": {"value": 1000, "offset": 100},
                            "tax": {"value": 50, "offset": 100},
                            "shipping": {"value": 200, "offset": 100},
                            "discount": {"value": 100, "offset": 100},
                        },
                    },
                },
            },
        ),
    ),
    sends(
        "catalogue without a thumbnail",
        "catalog",
        {"body": "Nossos produtos"},
        post(
            "interactive",
            {
                "type": "catalog_message",
                "body": {"text": "Nossos produtos"},
                "action": {"name": "catalog_message"},
            },
        ),
    ),
)

REFUSED: tuple[Row, ...] = (
    refused("poll", "poll", {"name": "?", "options": ["a", "b"]}, "poll: is no kind that Meta can send"),
    refused("long text", "text", {"body": "a" * 4_097}, "text.body: has 4097 characters; Meta takes at most 4096"),
    refused("mentions", "text", {"body": "@ana", "mentions": ["5511"]}, "text.mentions: the Cloud API has no mentions"),
    refused("story answered", "text", {"body": "b", "story": "1"}, "text.story: the Cloud API has no stories"),
    refused(
        "story answered with a sticker",
        "sticker",
        {"link": "https://example.com/a", "story": "1"},
        "sticker.story: the Cloud API has no stories",
    ),
    refused(
        "everybody mentioned",
        "text",
        {"body": "@all", "mention_all": True},
        "text.mention_all: the Cloud API has no mentions",
    ),
    *(
        refused(
            f"{kind} to open once",
            kind,
            {"link": "https://example.com/a", "view_once": True},
            f"{kind}.view_once: the Cloud API sends no media to be opened once",
        )
        for kind in ("image", "audio")
    ),
    refused(
        "buttons under a picture without a link, and a header",
        "buttons",
        {"body": "?", "header": "h", "image": "data:image/png;base64,iVBO", "buttons": [{"id": "1", "title": "Sim"}]},
        "buttons.header: Meta shows a text or media over buttons, and not both; "
        "buttons.image: Meta takes a picture over buttons by its link",
    ),
    refused(
        "catalogue without a text, but described",
        "catalog",
        {"description": "Pães"},
        "catalog.body: Meta wants a text with a catalogue; "
        "catalog.description: Meta writes the card of a catalogue itself",
    ),
    refused(
        "order of what has no id, for less than nothing",
        "order",
        {"reference_id": "1", "body": "b", "items": [{"name": "n", "quantity": 1, "amount": 1}], "discount": 2},
        "order.items[0].product_id: is needed by Meta; order.discount: is more than the items cost",
    ),
    refused(
        "long caption",
        "image",
        {"link": "https://example.com/a.png", "caption": "a" * 1_025},
        "image.caption: has 1025 characters; Meta takes at most 1024",
    ),
    refused(
        "caption where none is shown",
        "audio",
        {"link": "https://example.com/a.mp3", "caption": "a"},
        "audio.caption: Meta shows no caption with this kind of media",
    ),
    refused("no contacts", "contacts", [], "contacts: Meta takes 1 to 5 contacts in a message"),
    refused(
        "four buttons",
        "buttons",
        {"body": "?", "buttons": [{"title": str(number)} for number in range(4)]},
        "buttons.buttons: Meta takes at most 3 buttons",
    ),
    refused(
        "long button",
        "buttons",
        {"body": "?", "buttons": [{"title": "a" * 21}]},
        "buttons.buttons[0].title: has 21 characters; Meta takes at most 20",
    ),
    refused(
        "equal buttons",
        "buttons",
        {"body": "?", "buttons": [{"title": "a", "id": "1"}, {"title": "a", "id": "2"}]},
        "buttons.buttons: each title must be different",
    ),
    refused(
        "link beside a reply",
        "buttons",
        {"body": "?", "buttons": [{"title": "a"}, {"title": "b", "url": "https://example.com"}]},
        "buttons.buttons[1].url: Meta takes a link button only alone",
    ),
    refused(
        "call button",
        "buttons",
        {"body": "?", "buttons": [{"title": "a", "phone": "+551133334444"}]},
        "buttons.buttons[0].phone: Meta sends call buttons only in templates",
    ),
    refused(
        "eleven rows",
        "list",
        {"body": "?", "button": "b", "sections": [{"rows": [{"id": str(n), "title": "t"} for n in range(11)]}]},
        "list.sections: Meta takes at most 10 rows in all sections together",
    ),
    refused(
        "sections without titles",
        "list",
        {
            "body": "?",
            "button": "b",
            "sections": [{"rows": [{"id": "1", "title": "t"}]}, {"title": "b", "rows": [{"id": "2", "title": "t"}]}],
        },
        "list.sections[0].title: is needed when there are several sections",
    ),
    refused(
        "equal rows",
        "list",
        {"body": "?", "button": "b", "sections": [{"rows": [{"id": "1", "title": "t"}, {"id": "1", "title": "u"}]}]},
        "list.sections: each row id must be different",
    ),
    refused(
        "products without a catalogue",
        "catalog",
        {"body": "?", "header": "h", "sections": [{"product_items": [{"product_retailer_id": "1"}]}]},
        "catalog.catalog_id: a list of products needs the catalogue they are in",
    ),
    refused(
        "products of another shape",
        "catalog",
        {"body": "?", "header": "h", "catalog_id": "1", "sections": [{"product_items": [1]}]},
        "catalog.sections[0].product_items: must be a list of objects with `product_retailer_id`",
    ),
    refused(
        "order with its own total",
        "order",
        {
            "reference_id": "1",
            "body": "?",
            "items": [{"name": "a", "product_id": "1", "quantity": 1, "amount": 1}],
            "payment": {"total_amount": 1},
        },
        "order.payment.total_amount: is made from the order's own fields",
    ),
    Row(
        label="media that is not stored",
        kind="image",
        content={"media_id": "0190"},
        outcome=Refused(code="media_missing", why="the message names no link and no stored media"),
    ),
    Row(
        label="media of a wrong type",
        kind="image",
        content={"media_id": "0190"},
        media=PDF,
        outcome=Refused(code="media_type", why="Meta takes no application/pdf as image"),
    ),
    Row(
        label="media too large",
        kind="sticker",
        content={"media_id": "0190"},
        media=File(data=b"", size=600_000, mime_type="image/webp"),
        outcome=Refused(code="media_too_large", why="600000 bytes; Meta takes 512000 for sticker"),
    ),
)
