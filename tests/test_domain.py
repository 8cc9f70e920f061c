"""The domain's own rules, without anything around them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from recado.domain import content, fallback, ids, phones
from recado.services.accepting import MessageRequest


@pytest.mark.parametrize("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)])
def test_a_time_before_all_ids_has_the_smallest_of_them(at: datetime) -> None:
    assert ids.lowest(at) == ids.lowest(datetime.fromtimestamp(0, UTC)) < ids.new()


def test_an_address_is_short_however_it_is_spelt() -> None:
    assert phones.parse(" +55 (11) 99999-0001 ").value == "5511999990001"
    with pytest.raises(ValueError, match="too long"):
        phones.parse("5511999990001" + " " * 100_000)


CARD = {"body": "Pão", "image": "https://example.com/a.png", "buttons": [{"title": "Quero", "id": "1"}]}
ITEM = {"name": "Pão", "quantity": 2, "amount": 150}

ODD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("poll_vote", {"message_id": "x"}, "options"),
    ("event_response", {"message_id": "x", "response": "perhaps"}, "response"),
    ("event_edit", {"message_id": "x", "event": {"name": "?"}}, "event"),
    ("carousel", {"body": "b", "cards": []}, "cards"),
    ("carousel", {"body": "b", "cards": [CARD] * 11}, "cards"),
    ("carousel", {"body": "b", "cards": [{**CARD, "image": "ftp://example.com/a"}]}, "image"),
    ("channel_invite", {"channel": "5511999990001", "caption": "c"}, "channel"),
    ("button_reply", {"message_id": "x"}, "id"),
    ("order_update", {"message_id": "x", "reference_id": "r", "status": "lost", "items": [ITEM]}, "status"),
    ("order", {"reference_id": "r", "items": [{**ITEM, "amount": -1}]}, "amount"),
    ("text", {"body": "b", "group_mentions": [{"group": "5511999990001", "subject": "s"}]}, "group"),
    ("buttons", {"body": "b", "buttons": [], "image": "x"}, "buttons"),
)


@pytest.mark.parametrize(("kind", "raw", "named"), ODD)
def test_what_no_provider_could_send_is_named(kind: str, raw: dict[str, Any], named: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=named):
        content.decode(kind, msgspec.json.encode(raw))


def test_buttons_stand_under_one_thing() -> None:
    both = {"body": "b", "buttons": [{"title": "a"}], "image": "https://x.test/a.png", "video": "https://x.test/a.mp4"}
    with pytest.raises(msgspec.ValidationError, match="cannot both be given"):
        content.decode("buttons", msgspec.json.encode(both))


TEXTS: tuple[tuple[str, dict[str, Any], str | None], ...] = (
    (
        "carousel",
        {"body": "Pães", "cards": [CARD, {**CARD, "body": "Bolo"}], "footer": "f"},
        "Pães\nPão\nhttps://example.com/a.png\n1. Quero\nBolo\nhttps://example.com/a.png\n2. Quero\nf",
    ),
    ("carousel", {"body": "Pães", "cards": [{**CARD, "image": "data:image/png;base64,iVBO"}]}, None),
    ("button_reply", {"message_id": "x", "id": "1", "title": "Sim"}, "Sim"),
    ("button_reply", {"message_id": "x", "id": "1"}, "1"),
    ("otp", {"body": "b", "code": "1", "image": "data:image/png;base64,iVBO"}, None),
    (
        "order",
        {"reference_id": "r", "items": [ITEM], "discount": 100, "tax": 5, "shipping": 500},
        "2 x Pão: BRL 1.50\n- BRL 1.00\n+ BRL 0.05\n+ BRL 5.00",
    ),
    ("poll_vote", {"message_id": "x", "options": ["a"]}, None),
    (
        "event",
        {"name": "Feira", "start_at": "2026-12-24T12:00:00-03:00", "end_at": "2026-12-24T20:00:00Z", "location": "Rua"},
        "Feira\n24/12/2026 12:00 UTC-03:00\n- 24/12/2026 20:00 UTC\nRua",
    ),
)


@pytest.mark.parametrize(("kind", "raw", "text"), TEXTS)
def test_as_text(kind: str, raw: dict[str, Any], text: str | None) -> None:
    assert fallback.as_text(kind, content.decode(kind, msgspec.json.encode(raw))) == text


def test_every_kind_can_be_asked_for() -> None:
    fields = {field.name for field in msgspec.structs.fields(MessageRequest)}
    assert set(content.KINDS) <= fields
    assert set(content.KINDS) >= content.ABOUT_A_MESSAGE


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"x": value}
    return value


def test_data_of_the_callers_own_shape_is_not_nested_without_end() -> None:
    item = {"name": "n", "product_id": "p", "quantity": 1, "amount": 1}
    for levels, fits in ((content.DEEPEST, True), (content.DEEPEST + 1, False), (900, False)):
        assert content.too_deep(nested(levels)) is not fits
        order = {"reference_id": "r", "items": [item], "payment": nested(levels)}
        template = {"name": "t", "components": [nested(levels - 1)]}
        for kind, raw in (("order", order), ("template", template)):
            body = msgspec.json.encode(raw)
            if fits:
                content.decode(kind, body)
            else:
                with pytest.raises(msgspec.ValidationError, match="nested more than"):
                    content.decode(kind, body)
