"""What Z-API can do beyond messages: every operation of the table, and what happens when Z-API does not do it."""

from typing import Any

import msgspec
import pytest

from recado.domain import operations as ops
from recado.domain.content import MediaContent, TextContent
from recado.domain.provider import CallFailed
from recado.providers.zapi.adapter import Zapi
from recado.testing import upstream
from recado.testing.upstream import Reply, Upstream
from tests.providers.zapi.operations import CHANNEL, CHAT, DONE, GROUP, OPERATIONS, Operation
from tests.providers.zapi.rows import CLIENT_TOKEN, ROOT, TOKEN, connect

_IDS = [f"{index}-{one}" for index, one in enumerate(OPERATIONS)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=_IDS)
async def test_table(operation: Operation, zapi: Zapi) -> None:
    async with Upstream(operation.replies) as server:
        result = await getattr(zapi, operation.name)(connect(server.url), **operation.given)
    assert result == operation.result
    assert [(request.method, request.path) for request in server.requests] == [
        (method, f"{ROOT}/{path}") for method, path, _ in operation.asks
    ]
    for request, (_, path, body) in zip(server.requests, operation.asks, strict=True):
        assert (msgspec.json.decode(request.body) if request.body else None) == body, path
        assert request.headers["client-token"] == CLIENT_TOKEN


def test_the_table_has_every_operation() -> None:
    assert {one.name for one in OPERATIONS} == ops.operations(Zapi.__new__(Zapi))


def test_what_z_api_does_not_have() -> None:
    absent = set(ops.OPERATIONS) - ops.operations(Zapi.__new__(Zapi))
    assert absent == {
        "list_blocked",
        "set_presence",
        "watch_presence",
        "reject_call",
        "list_join_requests",
        "save_product",
        "get_privacy",
        "delete_story",
        "set_profile_picture",
    }


TEXT = TextContent(body="oi")
UNABLE: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("mute_chat", {"chat": CHAT, "seconds": 60}, "without an end"),
    ("expire_chat", {"chat": CHAT, "seconds": 60}, "86400, 604800 or 7776000"),
    ("expire_new_chats", {"seconds": 60}, "86400, 604800 or 7776000"),
    ("set_channel_reactions", {"channel": CHANNEL, "reactions": "none"}, "not with none"),
    ("delete_product", {"product": ".."}, "names nothing"),
    ("delete_label", {"label": "."}, "names nothing"),
    ("get_product", {"product": "1", "contact": CHAT}, "own catalogue"),
    ("list_collections", {"contact": CHAT}, "own collections"),
    ("set_privacy", {"settings": {"last_seen": "all", "calls": "known"}}, "no privacy setting calls"),
    ("set_privacy", {"settings": {"groups": "none"}}, "all, contacts, contacts_except for groups"),
    ("post_story", {"kind": "text", "content": TEXT, "contacts": [CHAT]}, "to everybody"),
    ("post_story", {"kind": "voice", "content": MediaContent(link="https://example.com/a")}, "no voice as a story"),
    ("set_group_picture", {"group": GROUP, "picture": None}, "does not remove it"),
    ("set_group_settings", {"group": GROUP, "announce": True}, "give it"),
    ("get_channel", {"channel": "https://whatsapp.com/channel/x"}, "not by its link"),
)


@pytest.mark.parametrize(("name", "given", "why"), UNABLE, ids=[f"{name}: {why}" for name, _, why in UNABLE])
async def test_what_z_api_cannot_do_asks_nothing(name: str, given: dict[str, Any], why: str, zapi: Zapi) -> None:
    async with Upstream([DONE]) as server:
        with pytest.raises(CallFailed, match=why) as failed:
            await getattr(zapi, name)(connect(server.url), **given)
    assert not failed.value.retryable
    assert not server.requests


async def test_a_colour_that_z_api_does_not_have(zapi: Zapi) -> None:
    async with Upstream([upstream.json({"0": "#FF9485"})]) as server:
        with pytest.raises(CallFailed, match="no colour #000000"):
            await zapi.create_label(connect(server.url), name="A", color="#000000")
    assert len(server.requests) == 1


async def test_no_numbers_are_no_question(zapi: Zapi) -> None:
    assert await zapi.check_numbers(connect("http://127.0.0.1:1"), phones=[]) == []
    assert await zapi.list_contacts(connect("http://127.0.0.1:1"), limit=0, offset=0) == []


async def test_a_number_that_the_answer_leaves_out_is_not_guessed(zapi: Zapi) -> None:
    async with Upstream([upstream.json([])]) as server:
        with pytest.raises(CallFailed) as failed:
            await zapi.check_numbers(connect(server.url), phones=[CHAT])
    assert failed.value.code == "bad_answer"


FAILURES: tuple[tuple[str, Reply, str, bool], ...] = (
    ("not done", upstream.json({"value": False}), "refused", True),
    ("not done, for all that it says", upstream.json({"success": True, "errors": ["a"]}), "refused", True),
    ("not done, with reasons", upstream.json({"success": False, "errors": ["a", "b"]}), "refused", True),
    ("refused", upstream.json({"error": "no"}, status=400), "http_400", False),
    ("refused with 200", upstream.json({"error": "no"}), "refused", False),
    ("token", upstream.json({"error": f"{TOKEN} no"}, status=403), "http_403", False),
    ("instance gone", upstream.json({"error": "Instance not found"}, status=404), "no_session", False),
    ("not connected", upstream.json({"error": "You are not connected."}, status=400), "not_connected", True),
    ("too many", Reply(status=429), "http_429", True),
    ("broken", Reply(status=500, body=b"<html>"), "http_500", True),
    ("HTML", Reply(body=b"<html>"), "bad_answer", True),
    ("a list", upstream.json([]), "bad_answer", True),
    ("cut", Reply(trouble="cut"), "unreachable", True),
)


@pytest.mark.parametrize(("label", "reply", "code", "retryable"), FAILURES, ids=[row[0] for row in FAILURES])
async def test_failures(label: str, reply: Reply, code: str, retryable: bool, zapi: Zapi) -> None:
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed) as failed:
            await zapi.leave_group(connect(server.url), group=GROUP)
    assert (failed.value.code, failed.value.retryable) == (code, retryable)
    assert TOKEN not in str(failed.value)


@pytest.mark.parametrize(
    ("name", "given", "answer"),
    [
        ("get_group", {"group": GROUP}, {}),
        ("get_invite", {"group": GROUP}, {"invitationLink": None}),
        ("create_group", {"subject": "A", "participants": [CHAT]}, {"value": True}),
        ("create_label", {"name": "A", "color": None}, {}),
        ("create_community", {"name": "A", "description": None}, {}),
        ("create_channel", {"name": "A", "description": None, "picture": None}, {}),
        ("post_story", {"kind": "text", "content": TEXT}, {}),
        ("get_business_profile", {"contact": None}, {}),
        ("set_group_settings", {"group": GROUP, "members_add": True}, {"adminOnlyMessage": "perhaps"}),
        ("list_contacts", {"limit": 1, "offset": 0}, {}),
        ("get_channel", {"channel": CHANNEL}, []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_answers_that_cannot_be_read(name: str, given: dict[str, Any], answer: Any, zapi: Zapi) -> None:
    async with Upstream([upstream.json(answer)]) as server:
        with pytest.raises(CallFailed) as failed:
            await getattr(zapi, name)(connect(server.url), **given)
    assert failed.value.code == "bad_answer"
