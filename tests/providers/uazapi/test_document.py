"""Nothing that UAZAPI's published document forbids leaves the adapter.

The document is used as `openapi.patched.json`, whose repairs PATCHES.md beside it lists.
"""

from typing import Any

import msgspec
import pytest

from recado.domain.events import MediaRef
from recado.domain.provider import Accepted, CallFailed
from recado.providers.uazapi.adapter import Uazapi
from recado.testing import tables, upstream
from recado.testing.tables import Row
from recado.testing.upstream import Request, Upstream
from tests.providers.conftest import shared
from tests.providers.uazapi.operations import CASES, OK, Case
from tests.providers.uazapi.rows import SENDS, SENT, connect
from tests.providers.uazapi.test_calls import NAME, SINCE, fresh, ours
from tests.support.documents import Document, Json, load


def mend(raw: Json) -> None:
    """`/profile/image` lists its three forms as alternatives without a schema, so every text matches all of them and
    `oneOf` refuses each, the document's own examples too."""
    image = raw["paths"]["/profile/image"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    del image["properties"]["image"]["oneOf"]


@pytest.fixture
def document() -> Document:
    return load(shared("specs/uazapi/openapi.patched.json"), mend)


@pytest.mark.parametrize("row", SENDS, ids=str)
async def test_every_kind(row: Row, uazapi: Uazapi, document: Document) -> None:
    async with Upstream(row.replies) as server:
        assert isinstance(await uazapi.send(connect(server.url), tables.outgoing(row)), Accepted)
    for request in server.requests:
        document.check(request)


@pytest.mark.parametrize("one", CASES, ids=str)
async def test_every_operation(one: Case, uazapi: Uazapi, document: Document) -> None:
    async with Upstream(one.replies) as server:
        await one.call(uazapi, connect(server.url))
    assert server.requests
    for request in server.requests:
        document.check(request)


async def test_sessions(uazapi: Uazapi, document: Document) -> None:
    made = upstream.json({"token": "made-by-the-tests"})
    hooks = upstream.json([{"id": "h1", "url": "https://recado.test/hooks/key"}])
    instance = upstream.json({"instance": {"id": "r1", "name": NAME, "status": "connecting"}, "status": {}})
    async with Upstream([upstream.json([]), made, upstream.json([]), OK]) as server:
        await uazapi.open_session(fresh(server.url))
        seen = list(server.requests)
    async with Upstream([hooks, OK]) as server:
        await uazapi.register_webhook(connect(server.url))
        await uazapi.close_session(ours(server.url))
        seen += server.requests
    async with Upstream([hooks, OK]) as server:
        await uazapi.close_session(connect(server.url))
        seen += server.requests
    async with Upstream([instance]) as server:
        connection = connect(server.url)
        await uazapi.connect(connection, method="qr", phone=None)
        await uazapi.connect(connection, method="phone_code", phone="5511999990000")
        await uazapi.status(connection)
        await uazapi.restart(connection)
        await uazapi.disconnect(connection, logout=True)
        await uazapi.account_info(connection)
        await uazapi.health(connection.server)
        seen += server.requests
    assert len(seen) == 18
    for request in seen:
        document.check(request)


async def test_messages_and_media(uazapi: Uazapi, document: Document) -> None:
    async with Upstream([upstream.json({"messages": []})]) as server:
        connection = connect(server.url)
        with pytest.raises(CallFailed):
            await uazapi.find(connection, tables.outgoing(SENDS[0]), since=SINCE)
        await uazapi.mark_read(connection, chat="5511999990001", provider_id="3EB0A")
        await uazapi.show_typing(connection, chat="5511999990001", last_received=None, recording=True)
        with pytest.raises(CallFailed):
            await anext(aiter(uazapi.fetch_media(connection, MediaRef(ref={"id": "3EB0A"}))))
    assert len(server.requests) == 4
    for request in server.requests:
        document.check(request)


@pytest.mark.parametrize("wrong", [{"text": 17}, {"number": None}, {"something": "else"}, {"mentions": ["all"]}])
async def test_the_document_still_refuses(wrong: dict[str, Any], uazapi: Uazapi, document: Document) -> None:
    async with Upstream([SENT]) as server:
        await uazapi.send(connect(server.url), tables.outgoing(SENDS[0]))
    good = server.requests[0]
    body = {name: value for name, value in {**msgspec.json.decode(good.body), **wrong}.items() if value is not None}
    changed: Request = msgspec.structs.replace(good, body=msgspec.json.encode(body))
    with pytest.raises(AssertionError):
        document.check(changed)


CAPTURED = ("send_text", "send_media_image")


@pytest.mark.parametrize("name", CAPTURED)
async def test_answers_as_captured(name: str, uazapi: Uazapi) -> None:
    reply = upstream.Reply(
        body=(shared("specs/uazapi/responses") / f"{name}.json").read_bytes(),
        headers={"content-type": "application/json"},
    )
    async with Upstream([reply]) as server:
        outcome = await uazapi.send(connect(server.url), tables.outgoing(SENDS[0]))
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id.startswith("3EB0000000000000")
    assert outcome.recipient == "5511999990001"


async def test_the_connection_as_captured(uazapi: Uazapi) -> None:
    files = [shared("specs/uazapi/responses") / f"instance_{name}.json" for name in ("connect_qr", "status_connected")]
    headers = {"content-type": "application/json"}
    replies = [upstream.Reply(body=file.read_bytes(), headers=headers) for file in files]
    async with Upstream(replies) as server:
        shown = await uazapi.connect(connect(server.url), method="qr", phone=None)
        state = await uazapi.status(connect(server.url))
    assert (shown.status, shown.qr) == ("qr", None)
    assert shown.details["qr_image"].startswith("data:image/png;base64,")
    assert (state.status, state.phone) == ("connected", "553499990002")
