"""What WhatsApp rules out is refused by name when it is accepted, whoever the provider is."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from recado.domain import content as contents
from recado.domain import limits, phones
from tests.support import client
from tests.support.client import Client

PERSON, GROUP, CHANNEL = "5511999990001", "120363019502650977@g.us", "120363019502650977@newsletter"
FILE = {"link": "https://example.com/a"}
SOON, LATER = "2026-12-24T12:00:00Z", "2026-12-24T14:00:00-03:00"
BUTTON = {"title": "Sim", "id": "1"}

REFUSED: tuple[tuple[str, Any, str, str], ...] = (
    ("document", {**FILE, "view_once": True}, PERSON, "document.view_once"),
    ("sticker", {**FILE, "view_once": True}, PERSON, "sticker.view_once"),
    ("gif", {**FILE, "view_once": True}, PERSON, "gif.view_once"),
    ("image", {**FILE, "view_once": True}, CHANNEL, "image.view_once"),
    ("image", {**FILE, "author": "Padaria"}, PERSON, "image.author"),
    ("voice", {**FILE, "caption": "oi"}, PERSON, "voice.caption"),
    ("ptv", {**FILE, "caption": "oi"}, PERSON, "ptv.caption"),
    ("text", {"body": "@all", "mention_all": True}, PERSON, "text.mention_all"),
    ("text", {"body": "@all", "mention_all": True}, CHANNEL, "text.mention_all"),
    ("text", {"body": "x", "group_mentions": [{"group": GROUP, "subject": "A"}]}, PERSON, "text.group_mentions"),
    ("text", {"body": "lindo", "story": "3EB0"}, GROUP, "text.story"),
    ("sticker", {**FILE, "story": "3EB0"}, CHANNEL, "sticker.story"),
    ("buttons", {"body": "?", "buttons": [{**BUTTON, "url": "https://x.test"}]}, PERSON, "buttons.buttons[0]"),
    (
        "carousel",
        {"body": "?", "cards": [{"body": "?", "image": "https://x.test/a.png", "buttons": [{**BUTTON, "phone": "1"}]}]},
        PERSON,
        "carousel.cards[0].buttons[0]",
    ),
    ("poll", {"name": "?", "options": ["a", "a"]}, PERSON, "poll.options"),
    ("poll", {"name": "?", "options": ["a", "b"], "selectable": 3}, PERSON, "poll.selectable"),
    ("poll_vote", {"message_id": "x", "options": ["a", "a"]}, PERSON, "poll_vote.options"),
    ("event", {"name": "Feira", "start_at": "2026-12-24T12:00:00"}, PERSON, "event.start_at"),
    ("event", {"name": "Feira", "start_at": SOON, "end_at": "2026-12-24T13:00:00"}, PERSON, "event.end_at"),
    ("event", {"name": "Feira", "start_at": LATER, "end_at": SOON}, PERSON, "event.end_at"),
    ("event", {"name": "Feira", "start_at": "0001-01-01T00:00:00+03:00"}, PERSON, "event.start_at"),
    ("event", {"name": "Feira", "start_at": "9999-12-31T23:59:00-03:00"}, PERSON, "event.start_at"),
    (
        "event_edit",
        {"message_id": "x", "event": {"name": "Feira", "start_at": "2026-12-24T12:00:00"}},
        PERSON,
        "event_edit.event.start_at",
    ),
)


@pytest.mark.parametrize(("kind", "raw", "to", "field"), REFUSED)
def test_what_is_ruled_out(kind: str, raw: Any, to: str, field: str) -> None:
    content = msgspec.convert(raw, contents.KINDS[kind])
    assert [one.field for one in limits.check(kind, content, phones.parse(to), quotes=False)] == [field]


TAKEN: tuple[tuple[str, Any, str], ...] = (
    ("image", {**FILE, "view_once": True, "caption": "x"}, PERSON),
    ("image", {**FILE, "view_once": True}, GROUP),
    ("gif", {**FILE, "caption": "x", "story": "3EB0"}, "123456789012345@lid"),
    ("sticker", {**FILE, "author": "Padaria"}, CHANNEL),
    ("text", {"body": "@all", "mention_all": True, "mentions": ["5511988887777"]}, GROUP),
    ("poll", {"name": "?", "options": ["a", "b"], "selectable": 0}, GROUP),
    ("poll_vote", {"message_id": "x", "options": []}, GROUP),
    ("event", {"name": "Feira", "start_at": SOON, "end_at": LATER}, GROUP),
    ("buttons", {"body": "?", "buttons": [BUTTON, {"title": "Não"}]}, PERSON),
)


@pytest.mark.parametrize(("kind", "raw", "to"), TAKEN)
def test_what_is_not(kind: str, raw: Any, to: str) -> None:
    content = msgspec.convert(raw, contents.KINDS[kind])
    assert limits.check(kind, content, phones.parse(to), quotes=kind not in ("poll_vote", "gif")) == []


def test_one_thing_is_quoted_at_most() -> None:
    for kind, raw in (("reaction", {"message_id": "x", "emoji": "👍"}), ("text", {"body": "x", "story": "3EB0"})):
        content = msgspec.convert(raw, contents.KINDS[kind])
        assert [one.field for one in limits.check(kind, content, phones.parse(PERSON), quotes=True)] == ["reply_to"]


POLL = {"type": "poll", "direction": "outbound", "content": {"name": "?", "options": ["a", "b"]}}
RECEIVED = {**POLL, "direction": "inbound"}
BOTH = {"message_id": "x", "options": ["a", "b"]}
COMING = {"message_id": "x", "response": "going"}
EVENT = {"type": "event", "direction": "inbound", "content": {"name": "Feira"}}
EDIT = {"message_id": "x", "event": {"name": "Feira", "start_at": SOON}}
ONCE = {"type": "image", "direction": "outbound", "content": {**FILE, "view_once": True}}
PRESSED = {"message_id": "x", "id": "1"}

SPOKEN_OF: tuple[tuple[str, Any, Mapping[str, Any], list[str]], ...] = (
    ("poll_vote", {**BOTH, "options": ["a"]}, POLL, []),
    ("poll_vote", BOTH, POLL, ["poll_vote.options"]),
    ("poll_vote", BOTH, RECEIVED, []),
    ("poll_vote", {**BOTH, "options": ["c"]}, RECEIVED, ["poll_vote.options"]),
    ("poll_vote", BOTH, {**RECEIVED, "type": "unknown", "content": None}, []),
    ("poll_vote", BOTH, EVENT, ["poll_vote.message_id"]),
    ("event_response", COMING, EVENT, []),
    ("event_response", COMING, {**EVENT, "direction": "outbound"}, ["event_response.message_id"]),
    ("event_response", COMING, RECEIVED, ["event_response.message_id"]),
    ("event_edit", EDIT, {**EVENT, "direction": "outbound"}, []),
    ("event_edit", EDIT, EVENT, ["event_edit.message_id"]),
    ("button_reply", PRESSED, {**EVENT, "type": "image"}, []),
    ("button_reply", PRESSED, POLL, ["button_reply.message_id"]),
    ("pin", {"message_id": "x"}, POLL, []),
    ("edit", {"message_id": "x", "body": "y"}, ONCE, ["edit.message_id"]),
    ("forward", {"message_id": "x"}, ONCE, ["forward.message_id"]),
    ("delete", {"message_id": "x"}, ONCE, []),
)


@pytest.mark.parametrize(("kind", "raw", "about", "fields"), SPOKEN_OF)
def test_what_a_message_can_be_about(kind: str, raw: Any, about: Mapping[str, Any], fields: list[str]) -> None:
    content = msgspec.convert(raw, contents.KINDS[kind])
    assert [one.field for one in limits.check_reference(kind, content, about)] == fields


async def test_they_are_422_that_name_the_field(company: Client) -> None:
    """Through the API, where the provider itself takes everything; and nobody speaks of another instance's message."""
    instance = await client.make_sandbox_instance(company, client.NO_PACING)
    other = await client.make_sandbox_instance(company, client.NO_PACING)

    async def refused(kind: str, content: Any, *, to: str = PERSON, **more: Any) -> list[str]:
        body = {"instance_id": instance["id"], "to": to, "type": kind, kind: content, **more}
        reply = await company.call("POST", "/v1/messages", json=body)
        assert reply.status == 422, reply.body
        return [one["field"] for one in reply.body["errors"]]

    assert await refused("document", {**FILE, "view_once": True}) == ["document.view_once"]
    assert await refused("text", {"body": "x", "mention_all": True}) == ["text.mention_all"]
    assert await refused("reaction", {"message_id": "x", "emoji": "!"}, reply_to="y") == ["reply_to"]
    order = {"reference_id": "r", "items": [{"name": "Pão", "quantity": 10**30, "amount": 10**400}]}
    assert await refused("order", order)
    poll = {"name": "?", "options": ["a", "b"]}
    body = {"to": PERSON, "type": "poll", "poll": poll}
    sent = await company.post("/v1/messages", {"instance_id": instance["id"], **body})
    foreign = await company.post("/v1/messages", {"instance_id": other["id"], **body})
    assert await refused("poll_vote", {"message_id": sent["id"], "options": ["c"]}) == ["poll_vote.options"]
    assert await refused("event_response", {**COMING, "message_id": sent["id"]}) == ["event_response.message_id"]
    for kind, content in (("poll_vote", BOTH), ("event_response", COMING), ("button_reply", PRESSED)):
        named = await refused(kind, {**content, "message_id": foreign["id"]})
        assert named == [f"{kind}.message_id"]
