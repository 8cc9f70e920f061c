"""Everything that is sent, against the document WAHA publishes (../shared/specs/waha/openapi.patched.json).

Needs the shared folder; skipped by name where it is absent, a failure in CI.
"""

from typing import Any

import pytest

from recado.domain.events import MediaRef
from recado.domain.provider import CallFailed, Connection
from recado.providers.waha.adapter import Waha
from recado.testing import tables, upstream
from recado.testing.tables import Row
from recado.testing.upstream import Reply, Upstream
from tests.providers.conftest import shared
from tests.providers.waha.rows import GOWS, NOWEB, WEBJS, connect
from tests.providers.waha.test_calls import ASSERTION, CHALLENGE, FILE, PONG, THROUGH_MESSAGE, VERSION, described
from tests.providers.waha.test_operations import CASES
from tests.support.documents import Document, load

Json = dict[str, Any]


def mend(raw: Json) -> None:
    # `mentions` is on the send-messages page and missing in the schema (NOTES.md, Sending).
    text = raw["components"]["schemas"]["MessageTextRequest"]["properties"]
    text["mentions"] = {"type": "array", "items": {"type": "string"}}
    # Neither wants its one field, so that one with either fits both and `oneOf` refuses it.
    raw["components"]["schemas"]["FileURL"]["required"] = ["url"]
    raw["components"]["schemas"]["FileContent"]["required"] = ["data"]
    # The events of a webhook are texts (NOTES.md, Webhooks); the schema says objects.
    hook = raw["components"]["schemas"]["WebhookConfig"]["properties"]
    hook["events"] = {"type": "array", "items": {"type": "string"}}


@pytest.fixture
def document() -> Document:
    return load(shared("specs/waha/openapi.patched.json"), mend)


ROWS = [("GOWS", row) for row in GOWS] + [("NOWEB", row) for row in NOWEB] + [("WEBJS", row) for row in WEBJS]


@pytest.mark.parametrize(("engine", "row"), ROWS, ids=[f"{engine} {row}" for engine, row in ROWS])
async def test_messages(engine: str, row: Row, waha: Waha, document: Document) -> None:
    async with Upstream(row.replies) as server:
        await waha.send(connect(server.url, engine), tables.outgoing(row))
    assert server.requests
    for request in server.requests:
        document.check(request)


@pytest.mark.parametrize("name", CASES)
async def test_operations(name: str, waha: Waha, document: Document) -> None:
    case = CASES[name]
    async with Upstream(case.replies) as server:
        await case.call(waha, connect(server.url, case.engine))
    for request in server.requests:
        document.check(request)


async def every_call(waha: Waha, connection: Connection, server: Upstream) -> None:
    """Each call about a session, with the answer it needs."""

    async def asking(*replies: Reply) -> None:
        server.replies = [*([Reply()] * len(server.requests)), *replies]

    await asking(upstream.json({"name": "x", "status": "STOPPED"}, status=201))
    for engine in ("GOWS", "NOWEB", "WEBJS", "WPP"):
        await waha.open_session(connect(server.url, engine))
    await asking(described("STOPPED"), described("STARTING"))
    await waha.connect(connection, method="qr", phone=None)
    await asking(described("SCAN_QR_CODE"), upstream.json({"value": "2@a"}))
    await waha.connect(connection, method="qr", phone=None)
    await asking(described("SCAN_QR_CODE"), upstream.json({"code": "ABCD-EFGH"}))
    await waha.connect(connection, method="phone_code", phone="5511999990001")
    await asking(described("PASSKEY_REQUIRED"), upstream.json(CHALLENGE))
    await waha.status(connection)
    await asking(described("PASSKEY_CONFIRMATION_REQUIRED"), upstream.json({"code": "1234"}))
    await waha.status(connection)
    await asking(Reply(status=201), described("WORKING"))
    await waha.answer_passkey(connection, step="challenge", answer=ASSERTION)
    await asking(Reply(status=201), described("WORKING"))
    await waha.answer_passkey(connection, step="confirmation", answer={})
    await asking(described("WORKING", config={"debug": False}), described("WORKING"))
    await waha.register_webhook(connection)
    await asking(described("WORKING"))
    await waha.restart(connection)
    await waha.account_info(connection)
    await waha.disconnect(connection, logout=True)
    await waha.close_session(connection)
    await waha.mark_read(connection, chat="5511999990001", provider_id="3A1")
    await waha.show_typing(connection, chat="5511999990001", last_received=None)
    await waha.show_typing(connection, chat="5511999990001", last_received=None, recording=True)
    await asking(PONG, VERSION)
    await waha.health(connection.server)
    await asking(upstream.json({"media": {"url": f"http://localhost:3000{FILE}"}}), Reply(status=404))
    with pytest.raises(CallFailed):
        async for _ in waha.fetch_media(connection, MediaRef(ref=dict(THROUGH_MESSAGE))):
            pass


async def test_calls(waha: Waha, document: Document) -> None:
    async with Upstream([Reply()]) as server:
        await every_call(waha, connect(server.url), server)
    # Files are served outside the document.
    checked = [request for request in server.requests if not request.path.startswith("/api/files/")]
    assert len(checked) == len(server.requests) - 1
    for request in checked:
        document.check(request)
