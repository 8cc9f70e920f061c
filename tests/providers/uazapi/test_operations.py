"""The optional areas: what each operation asks, and what comes of the answer."""

from typing import Any

import msgspec
import pytest

from recado.domain import operations
from recado.domain.content import LocationContent, MediaContent
from recado.domain.operations import BusinessChange
from recado.domain.provider import CallFailed
from recado.providers.uazapi.adapter import Uazapi
from recado.testing import upstream
from recado.testing.upstream import Reply, Upstream
from tests.providers.uazapi.operations import CASES, COMMUNITY, EVERY_ASKED, PHONE, Case
from tests.providers.uazapi.rows import CHANNEL, GROUP, TOKEN, connect


@pytest.mark.parametrize("one", CASES, ids=str)
async def test_operation(one: Case, uazapi: Uazapi) -> None:
    async with Upstream(one.replies) as server:
        assert await one.call(uazapi, connect(server.url)) == one.result
    sent = [
        (request.method, request.path, msgspec.json.decode(request.body) if request.body else None)
        for request in server.requests
    ]
    assert sent == list(one.requests)
    assert {request.headers["token"] for request in server.requests} == {TOKEN}


def test_the_table_has_every_operation(uazapi: Uazapi) -> None:
    assert {one.operation for one in CASES} == operations.operations(uazapi)


@pytest.mark.parametrize("one", CASES, ids=str)
async def test_every_operation_says_why_it_failed(one: Case, uazapi: Uazapi) -> None:
    reply = upstream.json({"error": f"User is not an admin of this group {TOKEN}"}, status=403)
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed, match="not an admin") as failed:
            await one.call(uazapi, connect(server.url))
    assert TOKEN not in failed.value.why
    assert not failed.value.retryable


@pytest.mark.parametrize("one", CASES, ids=str)
async def test_every_operation_survives_an_answer_that_is_none(one: Case, uazapi: Uazapi) -> None:
    async with Upstream([Reply(body=b"<html>")]) as server:
        with pytest.raises(CallFailed) as failed:
            await one.call(uazapi, connect(server.url))
    assert failed.value.code == "bad_answer"


INVALID: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mute_chat", {"chat": PHONE, "seconds": 60}),
    ("expire_chat", {"chat": PHONE, "seconds": 60}),
    ("create_label", {"name": "VIP", "color": "20"}),
    ("create_label", {"name": "VIP", "color": "red"}),
    ("set_privacy", {"settings": {"status": "all"}}),
    ("post_story", {"kind": "location", "content": LocationContent(latitude=0, longitude=0)}),
    ("post_story", {"kind": "image", "content": MediaContent(media_id="0190")}),
    ("set_profile_name", {"name": "n" * 26}),
    ("set_business_profile", {"change": BusinessChange(websites=())}),
    ("create_group", {"subject": "", "participants": [PHONE]}),
    ("create_group", {"subject": "Turma", "participants": []}),
    ("create_group", {"subject": "Turma", "participants": [PHONE] * 51}),
    ("rename_group", {"group": GROUP, "subject": "n" * 26}),
    ("describe_group", {"group": GROUP, "description": "d" * 513}),
)


@pytest.mark.parametrize(
    ("operation", "arguments"), INVALID, ids=[f"{one} {index}" for index, (one, _) in enumerate(INVALID)]
)
async def test_what_uazapi_would_not_take_is_not_asked(operation: str, arguments: Any, uazapi: Uazapi) -> None:
    with pytest.raises(CallFailed) as failed:
        await getattr(uazapi, operation)(connect("http://127.0.0.1:9"), **arguments)
    assert (failed.value.code, failed.value.retryable) == ("invalid", False)


REFUSING: tuple[tuple[str, dict[str, Any], Any, str], ...] = (
    ("check_numbers", {"phones": [PHONE]}, [], "bad_answer"),
    ("get_chat", {"chat": PHONE}, {"wa_chatid": ""}, "bad_answer"),
    ("clear_chat", {"chat": PHONE}, {"actions": [], "errors": ["no such chat"]}, "provider_failed"),
    ("create_label", {"name": "VIP", "color": None}, [], "bad_answer"),
    ("get_product", {"product": "1", "contact": None}, {"instance": {"owner": ""}}, "not_connected"),
    ("post_story", {"kind": "image", "content": MediaContent(link="https://e.test/a")}, {"debug": {}}, "bad_answer"),
    ("get_group", {"group": GROUP}, {"JID": 17}, "bad_answer"),
    ("get_invite", {"group": GROUP}, {"JID": GROUP}, "not_admin"),
    ("reset_invite", {"group": GROUP}, {"group": {}}, "bad_answer"),
    ("join_group", {"link": "abcdefghijk"}, {"response": "ok"}, "bad_answer"),
    ("link_groups", {"community": COMMUNITY, "groups": [GROUP]}, {"failed": [GROUP]}, "partly_refused"),
    ("get_channel", {"channel": CHANNEL}, {"response": None}, "bad_answer"),
    ("delete_channel", {"channel": CHANNEL}, {"response": False}, "refused"),
)


@pytest.mark.parametrize(("operation", "arguments", "answer", "code"), REFUSING, ids=[row[0] for row in REFUSING])
async def test_a_success_that_is_none(operation: str, arguments: Any, answer: Any, code: str, uazapi: Uazapi) -> None:
    async with Upstream([upstream.json(answer)]) as server:
        with pytest.raises(CallFailed) as failed:
            await getattr(uazapi, operation)(connect(server.url), **arguments)
    assert failed.value.code == code


async def test_all_groups_are_read_page_by_page(uazapi: Uazapi) -> None:
    full = upstream.json({"groups": [{"JID": f"1203630000000{index:05}@g.us"} for index in range(1_000)]})
    last = upstream.json({"groups": [{"JID": COMMUNITY, "IsParent": True}]})
    async with Upstream([full, last]) as server:
        found = await uazapi.list_communities(connect(server.url))
    assert [one.community for one in found] == [COMMUNITY]
    offsets = [msgspec.json.decode(request.body)["offset"] for request in server.requests]
    assert (offsets, EVERY_ASKED[0]) == ([0, 1_000], "/group/list")


async def test_pages_of_products_that_do_not_end(uazapi: Uazapi) -> None:
    page = upstream.json({"response": {"Products": [{"ID": "1"}], "Paging": {"After": "P2"}}})
    async with Upstream([page]) as server:
        assert len(await uazapi.list_products(connect(server.url), contact=PHONE, limit=100)) == 2
    assert len(server.requests) == 2


async def test_who_was_refused_by_another_id_is_not_done(uazapi: Uazapi) -> None:
    told = [{"JID": "5511999990009@s.whatsapp.net", "Error": 0}, {"JID": "900000000000002@lid", "Error": 403}]
    async with Upstream([upstream.json({"groupUpdated": told})]) as server:
        results = await uazapi.change_participants(
            connect(server.url), group=GROUP, action="add", participants=["5511999990009", PHONE]
        )
    assert [(one.participant, one.done, one.code) for one in results] == [
        ("5511999990009", True, None),
        (PHONE, False, "403"),
    ]


async def test_what_uazapi_does_not_have(uazapi: Uazapi) -> None:
    with pytest.raises(operations.Unsupported):
        await uazapi.watch_presence(connect("http://127.0.0.1:9"), contact=PHONE)
