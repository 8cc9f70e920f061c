"""What Meta is sent, and what its answers mean."""

from typing import Any

import pytest

from recado.domain import content as contents
from recado.domain.provider import (
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
from recado.providers.meta.adapter import Meta
from recado.testing import tables, upstream
from recado.testing.tables import Row
from recado.testing.upstream import Reply, Upstream
from tests.providers.meta.rows import (
    BEYOND_THE_DOCUMENT,
    DOCUMENTED,
    PNG,
    REFUSED,
    SENT,
    TOKEN,
    UPLOADED,
    connect,
)


@pytest.mark.parametrize("row", [*DOCUMENTED, *BEYOND_THE_DOCUMENT, *REFUSED], ids=str)
async def test_table(row: Row, meta: Meta) -> None:
    await tables.run(row, meta, connect)


def test_the_table_has_every_kind() -> None:
    assert {row.kind for row in DOCUMENTED} == Meta.capabilities.kinds


async def test_the_token_is_a_header_of_every_request(meta: Meta) -> None:
    async with Upstream([UPLOADED, SENT]) as server:
        row = next(row for row in DOCUMENTED if row.media is PNG)
        await meta.send(connect(server.url), tables.outgoing(row))
    assert [request.headers["authorization"] for request in server.requests] == [f"Bearer {TOKEN}"] * 2
    assert server.requests[0].headers["content-type"].startswith("multipart/form-data; boundary=")


def graph(code: int, message: str = "(#0) Something", status: int = 400, **more: Any) -> Reply:
    headers = more.pop("headers", None)
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1", **more}
    return upstream.json({"error": error}, status=status, headers=headers)


TEXT = next(row for row in DOCUMENTED if row.label == "text")
WHY = "(#0) Something"

ANSWERS: tuple[tuple[str, Reply, Outcome], ...] = (
    ("app rate limit", graph(4), Limited(code="4", why=WHY, after=60.0)),
    ("WABA rate limit", graph(80007, status=429), Limited(code="80007", why=WHY, after=60.0)),
    (
        "WABA rate limit that tells how long",
        graph(
            80007,
            headers={
                "x-business-use-case-usage": '{"1": [{"type": "messages", "estimated_time_to_regain_access": 3}]}'
            },
        ),
        Limited(code="80007", why=WHY, after=180.0),
    ),
    (
        "throughput with Retry-After",
        graph(130429, headers={"retry-after": "9"}),
        Limited(code="130429", why=WHY, after=9.0),
    ),
    ("throughput", graph(130429), Limited(code="130429", why=WHY, after=2.0)),
    ("pair rate", graph(131056), Limited(code="131056", why=WHY, after=6.0, scope="recipient")),
    ("pair rate as text", graph("131056"), Limited(code="131056", why=WHY, after=6.0, scope="recipient")),  # type: ignore[arg-type]
    ("spam", graph(131048), Limited(code="131048", why=WHY, after=900.0)),
    ("unlisted code with 429", graph(999, status=429), Limited(code="999", why=WHY, after=5.0)),
    ("transient", graph(131000, status=500), Retry(code="131000", why=WHY)),
    ("transient by its flag", graph(999, is_transient=True), Retry(code="999", why=WHY)),
    ("unlisted code with 500: Graph itself speaks", graph(999, status=500), Retry(code="999", why=WHY)),
    ("API unknown", graph(1, status=500), Retry(code="1", why=WHY)),
    (
        "token expired",
        graph(190, status=401),
        NotConnected(why=f"{WHY} (190)", status=ConnectionStatus.LOGGED_OUT),
    ),
    ("permission", graph(200, status=403), NotConnected(why=f"{WHY} (200)", status=ConnectionStatus.LOGGED_OUT)),
    (
        "number unknown to the token",
        graph(100, error_subcode=33),
        NotConnected(why=f"{WHY} (100)", status=ConnectionStatus.LOGGED_OUT),
    ),
    ("not registered", graph(133010), NotConnected(why=f"{WHY} (133010)", status=ConnectionStatus.DISCONNECTED)),
    ("policy block", graph(368), NotConnected(why=f"{WHY} (368)", status=ConnectionStatus.BANNED)),
    ("locked", graph(131031), NotConnected(why=f"{WHY} (131031)", status=ConnectionStatus.BANNED)),
    (
        "24 hours, with details",
        graph(131047, error_data={"messaging_product": "whatsapp", "details": "More than 24 hours have passed"}),
        Refused(code="131047", why="More than 24 hours have passed"),
    ),
    ("bad parameter", graph(100), Refused(code="100", why=WHY)),
    ("an error with 200", graph(131026, status=200), Refused(code="131026", why=WHY)),
    (
        "503 that tells how long",
        Reply(status=503, headers={"retry-after": "4"}),
        Retry(code="http_503", why="HTTP 503 without an answer from Graph", after=4.0),
    ),
    ("502 from a gateway", Reply(status=502), Unknown(why="HTTP 502 without an answer from Graph")),
    ("404 that is not Graph's", Reply(status=404), Retry(code="http_404", why="HTTP 404 without an answer from Graph")),
)


@pytest.mark.parametrize(("label", "reply", "outcome"), ANSWERS, ids=[label for label, _, _ in ANSWERS])
async def test_answers(label: str, reply: Reply, outcome: Outcome, meta: Meta) -> None:
    async with Upstream([reply]) as server:
        assert await meta.send(connect(server.url), tables.outgoing(TEXT)) == outcome


async def test_meta_repeats_the_token_and_we_do_not(meta: Meta) -> None:
    for quoted in (TOKEN, TOKEN + "x", "EAAsomeoneelse0123"):
        async with Upstream([graph(190, f"Malformed access token {quoted}", status=400)]) as server:
            outcome = await meta.send(connect(server.url), tables.outgoing(TEXT))
        assert isinstance(outcome, NotConnected)
        assert TOKEN not in outcome.why
        assert "EAA" not in outcome.why


UPLOAD_ANSWERS: tuple[tuple[str, Reply, type], ...] = (
    ("cut", Reply(trouble="cut"), Retry),
    ("502 HTML", Reply(status=502, body=b"<html>"), Retry),
    ("200 garbage", Reply(body=b"garbage"), Retry),
    ("200 without id", upstream.json({"id": 17}), Retry),
    ("rate limit", graph(130429), Limited),
    ("token", graph(190), NotConnected),
    ("refused", graph(131053), Refused),
)


@pytest.mark.parametrize(("label", "reply", "kind"), UPLOAD_ANSWERS, ids=[label for label, _, _ in UPLOAD_ANSWERS])
async def test_a_failed_upload_sends_nothing_and_is_never_unknown(
    label: str, reply: Reply, kind: type, meta: Meta
) -> None:
    row = next(row for row in DOCUMENTED if row.media is PNG)
    async with Upstream([reply]) as server:
        outcome = await meta.send(connect(server.url), tables.outgoing(row))
        assert [request.path.rsplit("/", 1)[1] for request in server.requests] == ["media"]
    assert type(outcome) is kind


class Lost(tables.File):
    async def read(self) -> bytes:
        raise OSError("the disk is gone")


async def test_media_that_cannot_be_read_is_tried_again(meta: Meta) -> None:
    lost: StoredMedia = Lost(data=b"", mime_type="image/png")
    message = tables.outgoing(next(row for row in DOCUMENTED if row.media is PNG))
    message = tables.with_media(message, lost)
    async with Upstream([SENT]) as server:
        assert await meta.send(connect(server.url), message) == Retry(code="media_unreadable", why="OSError")
        assert server.requests == []


@pytest.mark.parametrize("credentials", [{}, {"phone_number_id": "1"}, {"phone_number_id": "1", "access_token": "é\n"}])
async def test_a_connection_without_credentials_waits_for_them(credentials: dict[str, str], meta: Meta) -> None:
    bare: Connection = tables.connection("http://127.0.0.1:9", kind="meta", **credentials)
    outcome = await meta.send(bare, tables.outgoing(TEXT))
    assert isinstance(outcome, NotConnected)
    assert outcome.status is ConnectionStatus.LOGGED_OUT


def test_check_names_every_wrong_field(meta: Meta) -> None:
    wrong = contents.ButtonsContent(
        body="a" * 1_025, header="h" * 61, buttons=[contents.Button(title="t" * 30), contents.Button(title="u")]
    )
    assert [problem.field for problem in meta.check("buttons", wrong)] == [
        "body",
        "header",
        "buttons[0].title",
    ]
    assert meta.check("text", contents.TextContent(body="oi")) == []
