"""What becomes of buttons, lists, polls, events, orders and status posts: the content that is accepted, and what is refused."""

import base64
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from recado.api.zapi import commerce, interactive, polls, stories
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Call, Route
from recado.api.zapi.sends import Send
from recado.domain import content as contents
from recado.domain.errors import Invalid
from recado.providers.sandbox import samples
from recado.services.runtime import Runtime
from recado.services.zapi import files
from recado.testing.upstream import Reply as Answer
from recado.testing.upstream import Upstream
from tests.zapi.conftest import ZapiClient

PHONE = "5511999990001"
REPLY = {"type": "REPLY", "label": "Sim"}
EVENT = {"name": "Feira", "dateTime": "2026-12-24T12:00:00Z"}
PRODUCT = {"name": "Pão", "value": 10.25, "quantity": 2}

ROUTES = {
    route.path: route
    for route in (*interactive.ROUTES, *polls.ROUTES, *commerce.ROUTES, *stories.ROUTES)
    if isinstance(route, Send)
}


async def content_of(path: str, body: dict[str, Any]) -> tuple[str, Any]:
    """What a route makes of a body that speaks of no earlier message, as it is stored."""
    route = ROUTES[path]
    read = route.read_body(msgspec.json.encode({"phone": PHONE, **body}))
    kind, content = await route.content(cast(Call, None), read)
    return kind, msgspec.to_builtins(msgspec.convert(content, contents.KINDS[kind]))


MADE: tuple[tuple[str, dict[str, Any], str, dict[str, Any]], ...] = (
    (
        "/send-button-actions",
        {
            "message": "Fale\r\nconosco",
            "buttonActions": [
                {"id": "1", "type": "CALL", "phone": 5511999990002, "label": "Ligar"},
                {"id": "2", "type": "URL", "url": "https://z-api.io", "label": "Site"},
            ],
            "title": "",
            "footer": "rodapé",
            "image": "data:image/png;base64,iVBO",
        },
        "buttons",
        {
            "body": "Fale\nconosco",
            "buttons": [{"title": "Ligar", "phone": "5511999990002"}, {"title": "Site", "url": "https://z-api.io"}],
            "footer": "rodapé",
            "image": "data:image/png;base64,iVBO",
        },
    ),
    (
        "/send-button-list",
        {
            "message": "?",
            "buttonList": {"video": "https://x.test/a.mp4", "buttons": [{"label": "Sim"}, {"id": 2, "label": "Não"}]},
        },
        "buttons",
        {
            "body": "?",
            "buttons": [{"title": "Sim", "id": "Sim"}, {"title": "Não", "id": "2"}],
            "video": "https://x.test/a.mp4",
        },
    ),
    (
        "/send-button-list",
        {
            "message": "?",
            "buttonList": {
                "image": " https://x.test/o pão.png",
                "buttons": [{"id": 0, "label": "Sim"}, {"id": "", "label": "Não"}],
            },
        },
        "buttons",
        {"body": "?", "image": "https://x.test/o%20pão.png", "buttons": [{"title": "Sim", "id": "0"}, {"title": "Não", "id": "Não"}]},
    ),
    (
        "/send-button-actions",
        {"message": "?", "buttonActions": [{"id": 0, "type": "REPLY", "label": "Sim"}]},
        "buttons",
        {"body": "?", "buttons": [{"title": "Sim", "id": "0"}]},
    ),
    (
        "/send-option-list",
        {"message": "?", "optionList": {"title": 1, "buttonLabel": 2, "options": [{"id": 0, "title": "Sim"}]}},
        "list",
        {"body": "?", "button": "2", "header": "1", "sections": [{"rows": [{"id": "0", "title": "Sim"}]}]},
    ),
    (
        "/send-button-otp",
        {"message": "Seu código", "code": 123456},
        "otp",
        {"body": "Seu código", "code": "123456", "button": "Copiar código"},
    ),
    ("/send-button-pix", {"pixKey": "a@x.test", "type": "email"}, "pix", {"key": "a@x.test", "key_type": "email"}),
    (
        "/send-carousel",
        {
            "message": "Pães",
            "carousel": [{"text": "Francês", "image": "https://x.test/a.png", "buttons": [REPLY]}],
        },
        "carousel",
        {
            "body": "Pães",
            "cards": [
                {"body": "Francês", "image": "https://x.test/a.png", "buttons": [{"title": "Sim", "id": "Sim"}]}
            ],
        },
    ),
    (
        "/send-option-list",
        {
            "message": "Escolha",
            "optionList": {
                "title": "Frete",
                "buttonLabel": "Ver",
                "options": [{"title": "Rápido", "description": "2 dias"}, {"id": 7, "title": "Retirar"}],
            },
        },
        "list",
        {
            "body": "Escolha",
            "button": "Ver",
            "header": "Frete",
            "sections": [
                {
                    "rows": [
                        {"id": "Rápido", "title": "Rápido", "description": "2 dias"},
                        {"id": "7", "title": "Retirar"},
                    ]
                }
            ],
        },
    ),
    (
        "/send-poll",
        {"message": "Qual?", "poll": [{"name": "a"}, {"name": "b"}], "pollMaxOptions": 9},
        "poll",
        {"name": "Qual?", "options": ["a", "b"], "selectable": 2},
    ),
    ("/send-poll", {"message": "Qual?", "poll": [{"name": "a"}, {"name": 2}]}, "poll",
     {"name": "Qual?", "options": ["a", "2"], "selectable": 0}),
    (
        "/send-event",
        {"event": {**EVENT, "location": {"name": "Praça"}, "callLinkType": "voice", "canceled": False}},
        "event",
        {"name": "Feira", "start_at": "2026-12-24T12:00:00Z", "location": "Praça", "call": "voice"},
    ),
    (
        "/send-newsletter-admin-invite",
        {"adminInviteMessage": {"newsletterId": "120363166555745933", "caption": "Venha"}},
        "channel_invite",
        {"channel": "120363166555745933@newsletter", "caption": "Venha"},
    ),
    (
        "/send-product",
        {"catalogPhone": 5511999990009, "productId": 71},
        "product",
        {"catalog_id": "5511999990009", "product_id": "71"},
    ),
    (
        "/send-catalog",
        {"catalogPhone": "5511999990009", "translation": "PT", "catalogDescription": "Pães"},
        "catalog",
        {"catalog_id": "5511999990009", "language": "pt", "description": "Pães"},
    ),
    (
        "/send-order",
        {
            "messageId": "pedido-7",
            "order": {"currency": "brl", "products": [PRODUCT], "discount": 0.1, "tax": 10.235, "shipping": 5},
            "paymentSettings": {"pix": {"key": "k", "keyType": "CPF", "name": "n"}, "card": {"enabled": False}},
        },
        "order",
        {
            "reference_id": "pedido-7",
            "currency": "BRL",
            "items": [{"name": "Pão", "quantity": 2, "amount": 1025}],
            "discount": 10,
            "tax": 1024,
            "shipping": 500,
            "payment": {"pix": {"key": "k", "keyType": "cpf", "name": "n"}, "card": {"enabled": False}},
        },
    ),
    (
        "/reply-status-text",
        {"message": "lindo", "statusMessageId": "1F606398F2ECAA48"},
        "text",
        {"body": "lindo", "story": "1F606398F2ECAA48"},
    ),
    (
        "/reply-status-sticker",
        {"sticker": "https://x.test/a.webp", "statusMessageId": "1F606398F2ECAA48"},
        "sticker",
        {"link": "https://x.test/a.webp", "fetch": True, "story": "1F606398F2ECAA48"},
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "kind", "content"), MADE, ids=[f"{row[0]}-{at}" for at, row in enumerate(MADE)]
)
async def test_what_is_made_of_it(path: str, body: dict[str, Any], kind: str, content: dict[str, Any]) -> None:
    assert await content_of(path, body) == (kind, content)


UNMADE: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "/send-button-actions",
        {"message": "?", "buttonActions": [REPLY, {"type": "URL", "label": "Site"}]},
        "buttonActions[1].url: is required for a button of type URL",
    ),
    (
        "/send-carousel",
        {
            "message": "?",
            "carousel": [
                {"text": "t", "image": "https://x.test/a.png", "buttons": [{"type": "CALL", "label": "Ligar"}]}
            ],
        },
        "carousel[0].buttons[0].phone: is required for a button of type CALL",
    ),
    ("/send-button-pix", {"pixKey": "k", "type": "RG"}, "type: must be one of CPF, CNPJ, PHONE, EMAIL, EVP"),
    ("/send-event", {"event": {**EVENT, "timeZone": "Brasília"}}, "event.timeZone: write it as in UTC-3"),
    ("/send-event", {"event": {**EVENT, "timeZone": "UTC+15"}}, "event.timeZone: write it as in UTC-3"),
    (
        "/send-event",
        {"event": {**EVENT, "canceled": True}},
        "event.canceled: a new event cannot be canceled; use /send-edit-event",
    ),
    (
        "/send-newsletter-admin-invite",
        {"adminInviteMessage": {"newsletterId": "x", "caption": "c"}},
        "Invalid newsletterId",
    ),
    ("/send-product", {"catalogPhone": "x", "productId": "1"}, "Invalid phone in catalogPhone"),
)


@pytest.mark.parametrize(("path", "body", "error"), UNMADE, ids=[f"{row[0]}-{at}" for at, row in enumerate(UNMADE)])
async def test_what_cannot_be_sent_is_named(path: str, body: dict[str, Any], error: str) -> None:
    with pytest.raises(ZapiError) as raised:
        await content_of(path, body)
    assert raised.value.error == error


@pytest.mark.parametrize(
    ("written", "zone", "start"),
    [
        ("2026-12-24T12:00:00Z", None, "2026-12-24T12:00:00+00:00"),
        ("2026-12-24T12:00:00", None, "2026-12-24T12:00:00+00:00"),
        ("2026-12-24T12:00:00Z", "UTC", "2026-12-24T12:00:00+00:00"),
        ("2026-12-24T12:00:00.000Z", "UTC-3", "2026-12-24T15:00:00+00:00"),
        ("2026-12-24T12:00:00Z", "GMT+05:30", "2026-12-24T06:30:00+00:00"),
        ("2026-12-24T12:00:00-03:00", "UTC+9", "2026-12-24T15:00:00+00:00"),
    ],
)
async def test_when_an_event_begins(written: str, zone: str | None, start: str) -> None:
    event = {"name": "Feira", "dateTime": written, **({"timeZone": zone} if zone else {})}
    _, content = await content_of("/send-event", {"event": event})
    assert datetime.fromisoformat(content["start_at"]).astimezone(UTC) == datetime.fromisoformat(start)


async def test_orders_without_an_id_of_the_clients_are_told_apart() -> None:
    body = {"order": {"currency": "BRL", "products": [PRODUCT]}}
    first, second = [(await content_of("/send-order", body))[1]["reference_id"] for _ in range(2)]
    assert first != second


# --- what speaks of an earlier message ----------------------------------------------------------------------


async def write(zapi: ZapiClient, kind: str, content: dict[str, Any]) -> str:
    """A phone writes; the provider's id of it."""
    body = {"instance_id": zapi.instance_id, "type": kind, kind: content}
    written = await zapi.company.post(f"/sandbox/phones/{PHONE}/messages", body)
    found = f"/v1/messages?instance_id={zapi.instance_id}&direction=inbound"
    await zapi.company.until(found, lambda page: any(one["provider_id"] == written["id"] for one in page["data"]))
    return str(written["id"])


async def stored(zapi: ZapiClient, answer: dict[str, Any]) -> dict[str, Any]:
    shown = await zapi.company.get(f"/v1/messages/{answer['zaapId'].lower()}")
    content = dict(shown["content"])
    content.pop("message_id", None)
    return {shown["type"]: content}


async def test_answers_to_what_was_received(zapi: ZapiClient) -> None:
    poll = await write(zapi, "poll", {"name": "Sabor?", "options": ["Uva", "Limão"]})
    vote = {"phone": PHONE, "pollMessageId": poll, "pollVote": [{"name": "Uva"}]}
    assert await stored(zapi, await zapi.post("/send-poll-vote", vote)) == {"poll_vote": {"options": ["Uva"]}}
    back = await zapi.post("/send-poll-vote", {**vote, "pollVote": []})
    assert await stored(zapi, back) == {"poll_vote": {"options": []}}
    other = await zapi.post("/send-poll-vote", {**vote, "pollVote": [{"name": "Coco"}]}, status=400)
    assert other == {"error": "WhatsApp does not take this poll_vote. poll_vote.options: the poll has no option 'Coco'"}
    unknown = await zapi.post("/send-poll-vote", {**vote, "pollMessageId": "3EB0"}, status=400)
    assert unknown == {"error": "pollMessageId: there is no message 3EB0 on this instance"}

    event = await write(zapi, "event", {"name": "Feira", "start_at": "2026-12-24T12:00:00Z"})
    coming = {"phone": PHONE, "eventMessageId": event, "eventResponse": "NOT_GOING"}
    answered = await zapi.post("/send-event-response", coming)
    assert await stored(zapi, answered) == {"event_response": {"response": "not_going"}}

    buttons = await write(zapi, "buttons", {"body": "?", "buttons": [{"title": "Sim", "id": "1"}]})
    pressed = await zapi.post("/reply-button", {"phone": PHONE, "responseButtonId": "1", "messageId": buttons})
    assert await stored(zapi, pressed) == {"button_reply": {"id": "1", "title": "Sim"}}
    template = {"phone": PHONE, "responseTemplateButtonId": "2", "messageId": buttons}
    assert await stored(zapi, await zapi.post("/reply-template-button", template)) == {
        "button_reply": {"id": "2", "template": True}
    }


async def test_changes_of_what_was_sent(zapi: ZapiClient) -> None:
    event = await zapi.post("/send-event", {"phone": PHONE, "event": EVENT})
    change = {"phone": PHONE, "eventMessageId": event["messageId"], "event": {**EVENT, "canceled": True}}
    assert await stored(zapi, await zapi.post("/send-edit-event", change)) == {
        "event_edit": {"event": {"name": "Feira", "start_at": "2026-12-24T12:00:00Z"}, "cancelled": True}
    }
    own = await zapi.post(
        "/send-event-response",
        {"phone": PHONE, "eventMessageId": event["messageId"], "eventResponse": "GOING"},
        status=400,
    )
    assert own == {
        "error": "WhatsApp does not take this event_response. event_response.message_id: is a message of your own"
    }

    order = {"currency": "BRL", "products": [{**PRODUCT, "productId": "custom-item-1", "isCustomItem": True}]}
    sent = await zapi.post("/send-order", {"phone": PHONE, "order": order})
    update = {
        "phone": PHONE,
        "messageId": sent["messageId"],
        "referenceId": "R",
        "orderRequestId": "Q",
        "orderStatus": "shipped",
        "paymentStatus": "paid",
        "order": order,
    }
    expected = {
        "reference_id": "R",
        "order_request_id": "Q",
        "currency": "BRL",
        "status": "shipped",
        "payment_status": "paid",
        "items": [{"name": "Pão", "quantity": 2, "amount": 1025, "product_id": "custom-item-1"}],
    }
    assert await stored(zapi, await zapi.post("/order-status-update", update)) == {"order_update": expected}
    paid = await zapi.post("/order-payment-update", update)
    assert await stored(zapi, paid) == {"order_update": {**expected, "changed": "payment"}}


# --- status -------------------------------------------------------------------------------------------------


async def test_a_status_is_posted_at_once(zapi: ZapiClient) -> None:
    text = await zapi.post("/send-text-status", {"message": "Bom dia"})
    assert set(text) == {"zaapId", "messageId"}
    assert text["messageId"]
    mime_type, _, image = samples.sample("image")
    async with Upstream([Answer(body=image, headers={"content-type": "text/plain"})]) as upstream:
        posted = await zapi.post("/send-image-status", {"image": f"{upstream.url}/a picture.png", "caption": "Pão"})
        assert posted["messageId"] != text["messageId"]
        assert upstream.requests[0].path == "/a%20picture.png"
        film = await zapi.post("/send-video-status", {"video": f"{upstream.url}/a.mp4"}, status=400)
        assert film == {"error": "video: is no video"}
        upstream.replies.append(Answer(status=404))
        gone = await zapi.post("/send-image-status", {"image": f"{upstream.url}/a.png"}, status=400)
        assert gone == {"error": "image: cannot be fetched: it answered HTTP 404"}
    data = f"data:{mime_type};base64,{base64.b64encode(image).decode()}"
    await zapi.post("/send-image-status", {"image": data})


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("logo.png", "is neither a URL nor a data URI"),
        ("data:image/png,abc", "is no data URI in base64"),
        ("data:image/png;base64,%%%", "is no data URI in base64"),
        ("data:image/png;base64,b2k=", "is no image"),
        (f"data:image/png;base64,{'A' * 13_400_000}", "is larger than 10000000 bytes"),
    ],
    ids=["no url", "not base64", "broken base64", "no image", "too large"],
)
async def test_what_cannot_be_posted(image: str, why: str) -> None:
    with pytest.raises(Invalid) as raised:
        await files.content(cast(Runtime, None), image, family="image")
    assert raised.value.detail == f"image: {why}"


def test_every_route_that_sends_names_what_it_needs() -> None:
    routes: tuple[Route, ...] = (*interactive.ROUTES, *polls.ROUTES, *commerce.ROUTES, *stories.ROUTES)
    for route in routes:
        assert set(route.needs) <= {*contents.KINDS, "post_story"}, route.path
