"""What we send, against the document made from Z-API's pages (../shared/specs/zapi/openapi.derived.json).

Needs the shared folder; skipped by name where it is absent, a failure in CI. The document is mended where two pages
share a route and it kept one of them, and where a route is newer than it; each mend says so.
"""

from typing import Any

import msgspec
import pytest

from recado.providers.zapi.adapter import Zapi
from recado.testing import tables, upstream
from recado.testing.tables import Row
from recado.testing.upstream import Reply, Request, Upstream
from tests.providers.conftest import shared
from tests.providers.zapi.operations import OPERATIONS, Operation
from tests.providers.zapi.rows import INSTANCE, SENDS, TOKEN, bare, connect
from tests.support import documents

Json = dict[str, Any]
_BELOW = "/instances/{instanceId}/token/{token}/"


def mend(raw: Json) -> None:
    paths = raw["paths"]
    # Three pages have this route (plain, with a picture, with a video); the document kept the second, where `image` is
    # required. NOTES.md of zapi-surface lists all three.
    buttons = paths[f"{_BELOW}send-button-list"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    buttons["properties"]["buttonList"]["required"] = ["buttons"]
    # On the live pages of 2026, newer than the document (zapi-surface/routes.csv).
    assertion = {
        "type": "object",
        "required": ["id", "rawId", "type", "response"],
        "properties": {
            "id": {"type": "string"},
            "rawId": {"type": "string"},
            "type": {"type": "string"},
            "response": {"type": "object"},
        },
    }
    paths[f"{_BELOW}passkey-prologue"] = {
        "parameters": paths[f"{_BELOW}status"]["get"]["parameters"],
        "post": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": assertion}}},
            "responses": {"200": {"description": "OK"}},
        },
    }
    # The same template twice, under two names of its parameter: a router cannot tell them apart.
    paths.pop(f"{_BELOW}redefine-invitation-link/{{communityId}}", None)


@pytest.fixture
def document() -> documents.Document:
    return documents.load(shared("specs/zapi/openapi.derived.json"), mend)


@pytest.mark.parametrize("row", SENDS, ids=str)
async def test_every_kind(row: Row, zapi: Zapi, document: documents.Document) -> None:
    async with Upstream(row.replies) as server:
        await zapi.send(connect(server.url), tables.outgoing(row))
    assert server.requests
    for request in server.requests:
        document.check(request)


@pytest.mark.parametrize("operation", OPERATIONS, ids=[f"{index}-{one}" for index, one in enumerate(OPERATIONS)])
async def test_every_operation(operation: Operation, zapi: Zapi, document: documents.Document) -> None:
    async with Upstream(operation.replies) as server:
        await getattr(zapi, operation.name)(connect(server.url), **operation.given)
    for request in server.requests:
        document.check(request)


async def test_sessions_and_connecting(zapi: Zapi, document: documents.Document) -> None:
    empty = upstream.json({"totalPage": 0, "content": []})
    made = upstream.json({"id": INSTANCE, "token": TOKEN})
    done = upstream.json({"value": True})
    away = upstream.json({"connected": False, "error": "You are not connected."})
    requests: list[Request] = []
    async with Upstream([empty, made, done]) as server:
        session = await zapi.open_session(bare(server.url))
        requests += server.requests
    async with Upstream([done, Reply(status=201)]) as server:
        await zapi.close_session(connect(server.url, partner=True, **session.credentials))
        requests += server.requests
    for method in ("qr", "phone_code"):
        async with Upstream([away, upstream.json({"value": "2@a"})]) as server:
            await zapi.connect(connect(server.url), method=method, phone="5511999990009")
            requests += server.requests
    async with Upstream([upstream.json({"value": True, "connected": True})]) as server:
        connection = connect(server.url)
        assertion = {"id": "a", "rawId": "a", "type": "public-key", "response": {}}
        await zapi.answer_passkey(connection, step="challenge", answer=assertion)
        await zapi.restart(connection)
        await zapi.account_info(connection)
        await zapi.mark_read(connection, chat="5511999990001", provider_id="3EB0")
        requests += server.requests
    assert len(requests) == 14
    for request in requests:
        document.check(request)


@pytest.mark.parametrize("wrong", [{"message": None}, {"message": 17}, {"phone": None}, {"body": "a"}], ids=str)
async def test_the_mended_document_still_refuses(wrong: Json, zapi: Zapi, document: documents.Document) -> None:
    async with Upstream([SENDS[0].replies[0]]) as server:
        await zapi.send(connect(server.url), tables.outgoing(SENDS[0]))
    good = server.requests[0]
    body = {**msgspec.json.decode(good.body), **wrong}
    changed = msgspec.structs.replace(good, body=msgspec.json.encode({k: v for k, v in body.items() if v is not None}))
    with pytest.raises(AssertionError):
        document.check(changed)
