"""Webhooks to events, on payloads of our own (`providers/meta/fixtures`)."""

import copy
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recado.domain.events import (
    EVENT_TYPES,
    Edited,
    Noticed,
    Party,
    ProviderEvent,
    Reacted,
    Receipt,
    Received,
)
from recado.domain.states import MessageStatus
from recado.providers.meta import adapter, webhooks

FIXTURES = Path(adapter.__file__).parent / "fixtures"
ANA = Party(phone="5511999990001", name="Ana")


def read(name: str) -> list[ProviderEvent]:
    return webhooks.read((FIXTURES / f"{name}.json").read_bytes())


def one(name: str) -> Any:
    (event,) = read(name)
    return event


def test_every_part_of_a_batch_comes_out_and_the_bad_ones_keep_their_raw_object() -> None:
    events = read("batch")
    assert [event.type for event in events] == [
        "message.received",
        "unknown",
        "unknown",
        "message.received",
        "message.received",
        "message.server_ack",
        "unknown",
        "message.read",
        "unknown",
        "unknown",
        "message.received",
        "unknown",
    ]
    first, bad, worse, hologram, last, sent, teleported, seen, field, value, other, empty = events
    assert isinstance(first, Received)
    assert (first.key, first.content, first.account) == ("message:wamid.A1", {"body": "primeira"}, "200000000000001")
    assert first.at == datetime.fromtimestamp(1_760_000_000, UTC)
    assert isinstance(bad, Noticed)
    assert bad.data["raw"]["id"] == "wamid.A2"
    assert isinstance(worse, Noticed)
    assert worse.data == {"field": "messages", "raw": "not a message at all"}
    assert isinstance(hologram, Received)
    assert (hologram.kind, hologram.extra["hologram"], hologram.sender) == ("unknown", {"id": "9", "depth": 3}, ANA)
    assert isinstance(last, Received)
    assert last.content == {"body": "quarta"}
    assert isinstance(sent, Receipt)
    assert sent.message_id == "01890000-0000-7000-8000-0000000000aa"
    assert isinstance(teleported, Noticed)
    assert teleported.data["raw"]["status"] == "teleported"
    assert isinstance(seen, Receipt)
    assert (seen.state, seen.key) == (MessageStatus.READ, "receipt:wamid.O1:read:5511999990001")
    assert isinstance(field, Noticed)
    assert field.data == {"field": "a_field_of_next_year", "raw": {"anything": [1, 2]}}
    assert isinstance(value, Noticed)
    assert value.data["raw"]["value"] == "not an object"
    assert isinstance(other, Received)
    assert (other.account, other.content) == ("200000000000002", {"body": "de outro número"})
    assert isinstance(empty, Noticed)
    assert empty.data["raw"] == {"id": "300000000000003"}


def test_voice() -> None:
    event = one("voice")
    assert (event.kind, event.content) == ("voice", {"mime_type": "audio/ogg; codecs=opus"})
    assert event.media.ref["id"] == "400000000000001"
    assert event.media.ref["url"].startswith("https://lookaside.fbsbx.com/")
    assert event.media.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("name", ["bsuid_only", "bsuid_in_from"])
def test_a_sender_may_have_no_phone(name: str) -> None:
    event = one(name)
    assert event.sender == event.chat == Party(bsuid="BR.7700112233445566", username="bruno.x", name="Bruno")


def test_edits() -> None:
    text, caption = one("edited_text"), one("edited_caption")
    assert isinstance(text, Edited)
    assert (text.target, text.kind, text.content) == ("wamid.A1", "text", {"body": "primeira, corrigida"})
    assert (caption.kind, caption.content) == ("image", {"caption": "outra legenda", "mime_type": "image/jpeg"})
    assert text.key == "edited:wamid.E1:1760000000"


def test_a_reaction_taken_back() -> None:
    event = one("reaction_removed")
    assert isinstance(event, Reacted)
    assert (event.target, event.emoji, event.from_me) == ("wamid.O1", "", False)


def test_replies_to_buttons_and_flows() -> None:
    button, flow, other = one("button_of_template"), one("flow_reply"), one("interactive_of_another_kind")
    assert (button.kind, button.content, button.reply_to) == (
        "button_reply",
        {"id": "stop-1", "title": "Parar"},
        "wamid.O2",
    )
    assert flow.kind == "nfm_reply"
    assert flow.content == {"name": "flow", "body": "Sent", "response": {"flow_token": "t", "size": "M"}}
    assert (other.kind, other.extra["interactive"]["type"]) == ("unknown", "call_permission_reply")


def test_what_stands_beside_the_content_is_kept() -> None:
    event = one("from_an_advertisement")
    assert event.extra["referral"]["ctwa_clid"] == "abc"
    assert event.forwarded is True
    assert event.reply_to is None


def test_welcome_and_cart() -> None:
    assert (one("request_welcome").kind, one("request_welcome").content) == ("request_welcome", {})
    cart = one("cart")
    assert cart.content == {
        "reference_id": "wamid.C1",
        "items": [{"name": "sku-1", "product_id": "sku-1", "quantity": 2, "amount": 1035}],
        "currency": "BRL",
        "body": "sem cebola",
    }
    assert cart.extra["order"]["catalog_id"] == "600000000000001"


def test_a_card_keeps_what_has_no_place_in_ours() -> None:
    event = one("contact_with_address")
    assert event.content == [
        {
            "name": {"formatted_name": "Bia", "first_name": "Bia"},
            "phones": [{"phone": "5581999990003", "wa_id": "5581999990003"}],
        }
    ]
    assert event.extra["contacts"][0]["addresses"] == [{"city": "Recife"}]


def test_people_change() -> None:
    number, system, update = one("number_changed"), one("user_id_changed"), one("user_id_update")
    assert {number.type, system.type, update.type} == {"contact.updated"}
    assert (number.party, number.data["wa_id"]) == (Party(phone="5511999990001"), "5511999990009")
    assert (system.party, system.data["user_id"]) == (Party(bsuid="BR.1"), "BR.2")
    assert update.party == Party(phone="5511999990001", bsuid="BR.1")


def test_what_our_phone_wrote_in_a_group() -> None:
    event = one("echo_in_group")
    assert (event.type, event.from_me) == ("message.sent", True)
    assert (event.chat, event.sender) == (Party(group="R3J1cG8x"), Party(phone="551140000001"))


def test_receipts_in_a_group_differ_by_participant() -> None:
    first, second = read("receipts_in_group")
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert (first.recipient, second.recipient) == ("5511999990001", "5511999990002")
    assert first.key != second.key
    assert one("receipt_of_bsuid").recipient is None


def test_notices_of_the_account_and_of_templates() -> None:
    number, template = one("quality_of_number"), one("quality_of_template")
    assert (number.type, number.data["waba_id"]) == ("account.updated", "300000000000001")
    assert number.at == datetime.fromtimestamp(1_760_000_020, UTC)
    assert (template.type, template.data["new_quality_score"]) == ("template.updated", "YELLOW")


def test_nul_characters_do_not_reach_the_database() -> None:
    assert one("nul_in_text").content == {"body": "ab"}


def test_a_repeat_gives_the_same_keys_and_the_order_of_fields_does_not_matter() -> None:
    for file in FIXTURES.glob("*.json"):
        body = file.read_bytes()
        keys = [event.key for event in webhooks.read(body)]
        again = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
        assert [event.key for event in webhooks.read(again)] == keys
        assert len(set(keys)) == len(keys), file.name


def test_every_type_is_one_that_companies_can_ask_for() -> None:
    types = {event.type for file in FIXTURES.glob("*.json") for event in webhooks.read(file.read_bytes())}
    assert types <= set(EVENT_TYPES)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
payloads = st.sampled_from(sorted(FIXTURES.glob("*.json")))


@given(data=st.data(), file=payloads)
@settings(max_examples=300, deadline=None)
def test_whatever_stands_where_it_should_not_no_entry_is_lost(data: st.DataObject, file: Path) -> None:
    """Any value anywhere: `read` refuses the whole as `ValueError` or gives at least one event per change."""
    payload = copy.deepcopy(msgspec.json.decode(file.read_bytes()))
    replace_somewhere(payload, data)
    try:
        events = webhooks.read(msgspec.json.encode(payload))
    except ValueError:
        assert not isinstance(payload, dict) or not isinstance(payload.get("entry"), list)
        return
    assert all(event.type in EVENT_TYPES and event.key and event.at.tzinfo for event in events)
    changes = sum(
        len(entry["changes"]) if isinstance(entry, dict) and isinstance(entry.get("changes"), list) else 1
        for entry in payload["entry"]
    )
    assert len(events) >= changes
    msgspec.json.encode(events)


def replace_somewhere(payload: Any, data: st.DataObject) -> None:
    node = payload
    while True:
        places = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not places:
            return
        place = data.draw(st.sampled_from(places))
        deeper = isinstance(node[place], dict | list) and data.draw(st.integers(0, 3)) > 0
        if not deeper:
            node[place] = data.draw(anything)
            return
        node = node[place]


def test_reading_is_fast_enough_for_a_core_to_keep_up() -> None:
    """The inbound worker counts on 3,000 bodies a second and core. The margin is wide: a few times slower fails."""
    bodies = [file.read_bytes() for file in FIXTURES.glob("*.json")]
    started = time.process_time()
    for _ in range(1_000 // len(bodies)):
        for body in bodies:
            webhooks.read(body)
    assert time.process_time() - started < 1_000 / 3_000


def in_messages(*messages: Any) -> list[ProviderEvent]:
    value = {"metadata": {"phone_number_id": "1"}, "messages": list(messages)}
    return webhooks.read(
        msgspec.json.encode({"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]})
    )


def test_a_nul_in_the_answer_of_a_flow_is_left_out() -> None:
    reply = {"name": "flow", "response_json": '{"a": "x\\u0000y"}'}
    interactive = {"type": "nfm_reply", "nfm_reply": reply}
    (event,) = in_messages(
        {"id": "wamid.1", "from": "5511999990001", "type": "interactive", "interactive": interactive}
    )
    assert isinstance(event, Received)
    assert event.content["response"] == {"a": "xy"}


@pytest.mark.parametrize("quantity", [1e300, 10**30, "inf", "nan"])
def test_an_absurd_order_costs_no_other_message(quantity: Any) -> None:
    item = {"product_retailer_id": "p", "quantity": quantity, "item_price": 1e307, "currency": "BRL"}
    order = {"id": "wamid.1", "from": "5511999990001", "type": "order", "order": {"product_items": [item]}}
    text = {"id": "wamid.2", "from": "5511999990001", "type": "text", "text": {"body": "oi"}}
    assert [event.type for event in in_messages(order, text)] == ["unknown", "message.received"]
