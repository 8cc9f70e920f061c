"""What UAZAPI is sent, and what its answers mean."""

from typing import Any

import msgspec
import pytest

from recado.domain.provider import (
    Accepted,
    Connection,
    Limited,
    NotConnected,
    Outcome,
    Refused,
    Retry,
    StoredMedia,
    Unknown,
)
from recado.domain.states import ConnectionStatus
from recado.providers.uazapi.adapter import Uazapi
from recado.testing import tables, upstream
from recado.testing.tables import Row
from recado.testing.upstream import Reply, Upstream
from tests.providers.uazapi.rows import ADMIN_TOKEN, MESSAGE, PNG, REFUSED, SENDS, SENT, TOKEN, connect

TEXT = tables.outgoing(SENDS[0])


@pytest.mark.parametrize("row", [*SENDS, *REFUSED], ids=str)
async def test_table(row: Row, uazapi: Uazapi) -> None:
    await tables.run(row, uazapi, connect)


def test_the_table_has_every_kind() -> None:
    assert {row.kind for row in SENDS} == Uazapi.capabilities.kinds


async def test_the_token_is_a_header(uazapi: Uazapi) -> None:
    async with Upstream([SENT]) as server:
        await uazapi.send(connect(f"{server.url}/"), TEXT)
    assert server.requests[0].headers["token"] == TOKEN
    assert "admintoken" not in server.requests[0].headers
    assert server.requests[0].path == "/send/text"


def says(error: str, status: int = 500, **more: Any) -> Reply:
    return upstream.json({"error": error, **more}, status=status)


COLD = says(
    "WhatsApp server error 463: temporary restriction",
    error_source="whatsapp_server",
    provider_code=463,
    error_key="WHATSAPP_REACHOUT_TIMELOCK",
    details={
        "reachout_timelock": {"active": True, "until": "2026-04-07T12:00:00Z"},
        "new_chat_message_capping": {"cycle_end": "1970-01-01T00:00:01Z"},
    },
)
NOT_ON = "the number 5511999990001@s.whatsapp.net is not on WhatsApp"

ANSWERS: tuple[tuple[str, Reply, Outcome], ...] = (
    (
        "463, whose end is past",
        COLD,
        Limited(code="463", why="WhatsApp server error 463: temporary restriction", after=3_600.0, scope="cold"),
    ),
    (
        "463 in words only",
        says("server returned error 463"),
        Limited(code="463", why="server returned error 463", after=3_600.0, scope="cold"),
    ),
    (
        "another refusal of WhatsApp",
        says("server returned error 479"),
        Refused(code="479", why="server returned error 479"),
    ),
    (
        "463, with a quota that is not used up",
        says(
            "server returned error 463",
            details={"new_chat_message_capping": {"status": "NONE", "cycle_end": "2099-01-01T00:00:00Z"}},
        ),
        Limited(code="463", why="server returned error 463", after=3_600.0, scope="cold"),
    ),
    (
        "a phone with 463 in it",
        says("Invalid number +1 463 555 0100", 400),
        Refused(code="http_400", why="Invalid number +1 463 555 0100"),
    ),
    ("WhatsApp's own limit", says("x", provider_code=429), Limited(code="429", why="x", after=5.0)),
    ("WhatsApp's own trouble", says("x", provider_code=503), Retry(code="503", why="x")),
    ("not on WhatsApp", says(NOT_ON), Refused(code="not_on_whatsapp", why=NOT_ON)),
    (
        "a phone that WhatsApp knows no LID of",
        says("no LID found for 5511999990001@s.whatsapp.net from server"),
        Refused(code="not_on_whatsapp", why="no LID found for 5511999990001@s.whatsapp.net from server"),
    ),
    ("not on WhatsApp, with 400", says(NOT_ON, 400), Refused(code="not_on_whatsapp", why=NOT_ON)),
    ("rate limit", says("Rate limit exceeded", 429), Limited(code="http_429", why="Rate limit exceeded", after=5.0)),
    (
        "rate limit that tells how long",
        upstream.json({"error": "Rate limit exceeded"}, status=429, headers={"retry-after": "9"}),
        Limited(code="http_429", why="Rate limit exceeded", after=9.0),
    ),
    ("bad request", says("Missing number or text", 400), Refused(code="http_400", why="Missing number or text")),
    ("too large", says("File size exceeds limit", 413), Refused(code="http_413", why="File size exceeds limit")),
    ("no such message", says("Message not found", 404), Refused(code="http_404", why="Message not found")),
    (
        "no such route",
        upstream.json({"message": "Method Not Allowed."}, status=405),
        Refused(code="http_405", why="Method Not Allowed."),
    ),
    (
        "a token that is not accepted",
        says("Invalid token", 401),
        NotConnected(why="Invalid token (the token is not accepted)", status=ConnectionStatus.LOGGED_OUT),
    ),
    ("no session, with 401", says("No session", 401), NotConnected(why="No session")),
    ("no session", says("No session"), NotConnected(why="No session")),
    ("not connected", says("WhatsApp client is not connected"), NotConnected(why="WhatsApp client is not connected")),
    ("disconnected", says("WhatsApp disconnected", 503), NotConnected(why="WhatsApp disconnected")),
    (
        "WhatsApp's answer did not come",
        says("timed out waiting for message send response"),
        Unknown(why="timed out waiting for message send response"),
    ),
    (
        "the line to WhatsApp broke behind the message",
        says("websocket disconnected before info query returned response"),
        Unknown(why="websocket disconnected before info query returned response"),
    ),
    (
        "an upload that did not end",
        says("Failed to upload media: context deadline exceeded"),
        Retry(code="http_500", why="Failed to upload media: context deadline exceeded"),
    ),
    (
        "a question in front of the message",
        says("failed to get device list: failed to send usync query: info query timed out"),
        Retry(code="http_500", why="failed to get device list: failed to send usync query: info query timed out"),
    ),
    (
        "no line to ask over",
        says("failed to get device list: websocket not connected"),
        NotConnected(why="failed to get device list: websocket not connected"),
    ),
    (
        "an instance that is gone",
        says("Instância não encontrada", 404),
        NotConnected(why="Instância não encontrada"),
    ),
    (
        "an instance that is busy",
        says("reset in progress", 409),
        Retry(code="http_409", why="reset in progress"),
    ),
    ("generic", says("Failed to send message"), Unknown(why="Failed to send message")),
    (
        "before anything is sent",
        says("Failed to upload media"),
        Retry(code="http_500", why="Failed to upload media"),
    ),
    (
        "a message that failed, with 200",
        upstream.json({**MESSAGE, "status": "Failed", "error": NOT_ON}),
        Refused(code="not_on_whatsapp", why=NOT_ON),
    ),
    (
        "a message that failed for no reason, with 200",
        upstream.json({**MESSAGE, "status": "Failed"}),
        Unknown(why="HTTP 200 with no message and no reason"),
    ),
    (
        "a row of UAZAPI's without WhatsApp's id",
        upstream.json({"id": "r1234567"}),
        Unknown(why="HTTP 200 with an answer that names no message"),
    ),
    (
        "only the decorated id",
        upstream.json({"id": "5511999990000:3EB0A", "chatid": "900000000000002@lid"}),
        Accepted(provider_id="3EB0A", recipient="900000000000002@lid"),
    ),
)


@pytest.mark.parametrize(("label", "reply", "outcome"), ANSWERS, ids=[label for label, _, _ in ANSWERS])
async def test_answers(label: str, reply: Reply, outcome: Outcome, uazapi: Uazapi) -> None:
    async with Upstream([reply]) as server:
        assert await uazapi.send(connect(server.url), TEXT) == outcome


END = "2099-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "details",
    [{"reachout_timelock": {"until": END}}, {"new_chat_message_capping": {"status": "CAPPED", "cycle_end": END}}],
)
async def test_first_contacts_wait_until_whatsapp_says(details: dict[str, Any], uazapi: Uazapi) -> None:
    reply = says("restricted", provider_code=463, details=details)
    async with Upstream([reply]) as server:
        outcome = await uazapi.send(connect(server.url), TEXT)
    assert isinstance(outcome, Limited)
    assert outcome.scope == "cold"
    assert outcome.after > 2_000_000_000


async def test_secrets_in_an_answer_are_not_repeated(uazapi: Uazapi) -> None:
    async with Upstream([says(f"bad {TOKEN} and {ADMIN_TOKEN}", 400)]) as server:
        outcome = await uazapi.send(with_admin(server.url), TEXT)
    assert outcome == Refused(code="http_400", why="bad [hidden] and [hidden]")


def with_admin(url: str) -> Connection:
    found = connect(url)
    return msgspec.structs.replace(
        found, server=msgspec.structs.replace(found.server, credentials={"admin_token": ADMIN_TOKEN})
    )


class Lost(tables.File):
    async def read(self) -> bytes:
        raise OSError("the disk is gone")


async def test_media_that_cannot_be_read_is_tried_again(uazapi: Uazapi) -> None:
    lost: StoredMedia = Lost(data=b"", mime_type="image/png")
    message = tables.with_media(tables.outgoing(next(row for row in SENDS if row.media is PNG)), lost)
    async with Upstream([SENT]) as server:
        assert await uazapi.send(connect(server.url), message) == Retry(code="media_unreadable", why="OSError")
        assert server.requests == []


@pytest.mark.parametrize("credentials", [{}, {"token": ""}, {"token": "é\n"}])
async def test_a_connection_without_a_token_waits_for_one(credentials: dict[str, str], uazapi: Uazapi) -> None:
    bare = tables.connection("http://127.0.0.1:9", kind="uazapi", **credentials)
    outcome = await uazapi.send(bare, TEXT)
    assert isinstance(outcome, NotConnected)
    assert outcome.status is ConnectionStatus.LOGGED_OUT


def test_nothing_paces_on_our_behalf() -> None:
    for row in SENDS:
        for request in row.requests:
            assert not {"delay", "async", "readchat", "readmessages"} & set(request.json)
