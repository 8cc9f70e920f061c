"""What Z-API is sent, and what its answers mean."""

import pytest

from recado.domain.provider import Limited, NotConnected, Outcome, Refused, Retry, Unknown
from recado.domain.states import ConnectionStatus
from recado.providers.zapi.adapter import Zapi
from recado.testing import tables, upstream
from recado.testing.tables import File, Row
from recado.testing.upstream import Reply, Upstream
from tests.providers.zapi.rows import CLIENT_TOKEN, INSTANCE, PNG, REFUSED, ROOT, SENDS, SENT, TOKEN, connect

TEXT = SENDS[0]


@pytest.mark.parametrize("row", [*SENDS, *REFUSED], ids=str)
async def test_table(row: Row, zapi: Zapi) -> None:
    await tables.run(row, zapi, connect)


def test_the_table_has_every_kind() -> None:
    assert {row.kind for row in SENDS} == Zapi.capabilities.kinds


async def test_the_client_token_is_a_header_where_there_is_one(zapi: Zapi) -> None:
    async with Upstream([SENT]) as server:
        await zapi.send(connect(server.url), tables.outgoing(TEXT))
        await zapi.send(connect(server.url, instance_id=INSTANCE, token=TOKEN), tables.outgoing(TEXT))
    assert [request.headers.get("client-token") for request in server.requests] == [CLIENT_TOKEN, None]


async def test_a_token_is_written_into_the_address_whatever_it_holds(zapi: Zapi) -> None:
    async with Upstream([SENT]) as server:
        await zapi.send(connect(server.url, instance_id="a/b", token="c?d#e"), tables.outgoing(TEXT))
    assert server.requests[0].path == "/instances/a%2Fb/token/c%3Fd%23e/send-text"


def error(text: str, status: int = 400, **more: str) -> Reply:
    return upstream.json({"error": text, **more}, status=status)


SUBSCRIBE = "To continue sending a message, you must subscribe to this instance again"
CONNECTED = upstream.json({"connected": True, "error": "You are already connected."})
NO_ROUTE = {"error": "NOT_FOUND", "message": "Unable to find matching target resource method"}
AWAY = ConnectionStatus.DISCONNECTED

ANSWERS: tuple[tuple[str, Reply, Outcome], ...] = (
    (
        "client token missing",
        error("your client-token is not configured"),
        NotConnected(why="your client-token is not configured", status=AWAY),
    ),
    ("client token missing, newer", error("null not allowed", 403), NotConnected(why="null not allowed", status=AWAY)),
    (
        "client token wrong, and repeated to us",
        error(f"Client-Token {CLIENT_TOKEN} not allowed", 403),
        NotConnected(why="Client-Token [hidden] not allowed", status=AWAY),
    ),
    ("address not allowed", error("[203.0.113.7] not allowed"), NotConnected(why="[203.0.113.7] not allowed")),
    (
        "instance or token wrong",
        error("Instance not found", 404),
        NotConnected(why="Instance not found", status=ConnectionStatus.LOGGED_OUT),
    ),
    ("subscription over", error(SUBSCRIBE), NotConnected(why=SUBSCRIBE)),
    ("not connected", error("You are not connected."), NotConnected(why="You are not connected.")),
    (
        "not on WhatsApp",
        error("Phone number does not exist"),
        Refused(code="not_on_whatsapp", why="Phone number does not exist"),
    ),
    (
        "a route that is gone, told with 200",
        upstream.json(NO_ROUTE),
        Refused(code="unsupported_by_provider", why="NOT_FOUND: Unable to find matching target resource method"),
    ),
    (
        "a bad request",
        error("mentionAll can only be used in groups"),
        Refused(code="http_400", why="mentionAll can only be used in groups"),
    ),
    ("an error with 200", error("something", 200), Refused(code="refused", why="something")),
    ("wrong method", Reply(status=405), Retry(code="http_405", why="HTTP 405 without a reason")),
    ("rate limit", error("slow down", 429), Limited(code="http_429", why="slow down", after=5.0)),
    ("rate limit with 400", error("Too many requests"), Limited(code="rate_limit", why="Too many requests", after=5.0)),
    ("it waited for WhatsApp", error("Timeout on send message", 200), Unknown(why="Timeout on send message")),
    ("a line of its own that broke", error("Socket disconnected", 500), Unknown(why="Socket disconnected")),
    (
        "the phone's line, told with 500",
        error("Device has been disconnected", 500),
        NotConnected(why="Device has been disconnected"),
    ),
    ("an error of the server's own", error("Internal error", 500), Unknown(why="Internal error")),
    (
        "credentials refused without a known text",
        error("no", 401),
        NotConnected(why="no (HTTP 401: the server does not accept the credentials)"),
    ),
    ("only a zaapId", upstream.json({"zaapId": "1"}), Unknown(why="Z-API's answer names no message")),
)


@pytest.mark.parametrize(("label", "reply", "outcome"), ANSWERS, ids=[label for label, _, _ in ANSWERS])
async def test_answers(label: str, reply: Reply, outcome: Outcome, zapi: Zapi) -> None:
    async with Upstream([reply, CONNECTED]) as server:
        assert await zapi.send(connect(server.url), tables.outgoing(TEXT)) == outcome


UNKNOWN_WORDS = error("This message was not enqueued")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (CONNECTED, Refused(code="http_400", why="This message was not enqueued")),
        (
            upstream.json({"connected": False, "error": "You are not connected."}),
            NotConnected(why="This message was not enqueued", status=AWAY),
        ),
        (
            error("Instance not found", 404),
            NotConnected(why="This message was not enqueued", status=ConnectionStatus.LOGGED_OUT),
        ),
        (Reply(status=502), Retry(code="http_400", why="This message was not enqueued")),
        (Reply(trouble="cut"), Retry(code="http_400", why="This message was not enqueued")),
    ],
    ids=["connected", "not connected", "gone", "502", "cut"],
)
async def test_a_refusal_in_words_we_do_not_know_is_none_while_the_number_is_away(
    status: Reply, outcome: Outcome, zapi: Zapi
) -> None:
    """Our instances refuse messages while they are not connected, and no page tells in which words."""
    async with Upstream([UNKNOWN_WORDS, status]) as server:
        assert await zapi.send(connect(server.url), tables.outgoing(TEXT)) == outcome
    # The line repeats a GET that was cut, never the message.
    asked = [(request.method, request.path) for request in server.requests]
    assert (asked[0], set(asked[1:])) == (("POST", f"{ROOT}/send-text"), {("GET", f"{ROOT}/status")})


def test_what_cannot_carry_a_quote_is_known_before() -> None:
    able = Zapi.capabilities
    assert {"audio", "voice", "buttons", "list", "poll", "event", "pix", "otp"} <= able.unquotable < able.kinds
    assert not able.unquotable & {"text", "image", "document", "link", "location", "contacts"}


async def test_an_answer_with_the_older_name_of_the_id(zapi: Zapi) -> None:
    async with Upstream([upstream.json({"zaapId": "1", "id": "3EB0"})]) as server:
        outcome = await zapi.send(connect(server.url), tables.outgoing(TEXT))
    assert getattr(outcome, "provider_id", None) == "3EB0"


async def test_taking_back_is_not_believed_without_an_empty_answer(zapi: Zapi) -> None:
    row = next(row for row in SENDS if row.kind == "delete")
    for reply in (Reply(body=b"<html>"), upstream.json({"something": 1}), Reply(status=502)):
        async with Upstream([reply]) as server:
            assert isinstance(await zapi.send(connect(server.url), tables.outgoing(row)), Unknown)


async def test_the_token_stays_out_of_outcomes(zapi: Zapi) -> None:
    for quoted in (TOKEN, f"/instances/{INSTANCE}/token/{TOKEN}/send-text"):
        async with Upstream([error(f"no {quoted}", 400), CONNECTED]) as server:
            outcome = await zapi.send(connect(server.url), tables.outgoing(TEXT))
        assert isinstance(outcome, Refused)
        assert TOKEN not in outcome.why
    outcome = await zapi.send(connect("http://127.0.0.1:1"), tables.outgoing(TEXT))
    assert isinstance(outcome, Retry)
    assert TOKEN not in repr(outcome)


async def test_a_connection_without_an_instance_waits_for_one(zapi: Zapi) -> None:
    outcome = await zapi.send(connect("http://127.0.0.1:1", token=TOKEN), tables.outgoing(TEXT))
    assert outcome == NotConnected(
        why="the connection has no instance_id or no token", status=ConnectionStatus.LOGGED_OUT
    )


class _Unreadable(File):
    async def read(self) -> bytes:
        raise OSError("the bucket is away")


async def test_media_that_cannot_be_read_is_tried_again(zapi: Zapi) -> None:
    row = next(row for row in SENDS if row.media is PNG)
    message = tables.with_media(tables.outgoing(row), _Unreadable(data=b"x", mime_type="image/png"))
    outcome = await zapi.send(connect("http://127.0.0.1:1"), message)
    assert outcome == Retry(code="media_unreadable", why="OSError")
