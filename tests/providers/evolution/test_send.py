"""What Evolution is sent, and what its answers mean."""

from typing import Any

import pytest

from recado.domain.provider import (
    Accepted,
    Limited,
    NotConnected,
    Outcome,
    Refused,
    Retry,
    StoredMedia,
    Unknown,
    capabilities_of,
)
from recado.domain.states import ConnectionStatus
from recado.providers.evolution import payloads
from recado.providers.evolution.adapter import Evolution
from recado.testing import tables, upstream
from recado.testing.tables import Row
from recado.testing.upstream import Reply, Upstream
from tests.providers.evolution.rows import (
    ACCESS_TOKEN,
    API_KEY,
    CLOUD,
    INSTANCE,
    PDF,
    PHONE,
    REFUSED,
    REFUSED_ON_CLOUD,
    SENT,
    TOKEN,
    cloud,
    connect,
)

TEXT = PHONE[0]


@pytest.mark.parametrize("row", [*PHONE, *REFUSED], ids=str)
async def test_to_a_phone(row: Row, evolution: Evolution) -> None:
    await tables.run(row, evolution, connect)


@pytest.mark.parametrize("row", [*CLOUD, *REFUSED_ON_CLOUD], ids=str)
async def test_to_the_cloud_channel(row: Row, evolution: Evolution) -> None:
    await tables.run(row, evolution, cloud)


def test_the_tables_have_every_kind(evolution: Evolution) -> None:
    assert {row.kind for row in PHONE} == capabilities_of(evolution, connect("http://x.test")).kinds
    assert {row.kind for row in (*PHONE, *CLOUD)} >= capabilities_of(evolution, cloud("http://x.test")).kinds
    assert evolution.variants["cloud"].human_pacing is False
    assert evolution.capabilities is evolution.variants["baileys"]
    assert evolution.capabilities.deduplicates is False


async def test_the_key_is_the_instances_own_or_else_the_servers(evolution: Evolution) -> None:
    async with Upstream([SENT]) as server:
        await evolution.send(connect(server.url), tables.outgoing(TEXT))
        await evolution.send(cloud(server.url), tables.outgoing(TEXT))
    assert [request.headers["apikey"] for request in server.requests] == [TOKEN, API_KEY]


def said(message: Any, status: int = 400, headers: dict[str, str] | None = None) -> Reply:
    names = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error"}
    error = {"status": status, "error": names.get(status, "Error"), "response": {"message": message}}
    return upstream.json(error, status=status, headers=headers)


CLOSED = "Error: Connection Closed"
PRISMA = "PrismaClientKnownRequestError: Invalid `prisma.message.create()` invocation"
ANSWERS: tuple[tuple[str, Reply, Outcome], ...] = (
    (
        "unknown number",
        said([{"jid": "5511999990001@s.whatsapp.net", "exists": False, "number": "5511999990001"}]),
        Refused(code="not_on_whatsapp", why="The number is not on WhatsApp."),
    ),
    ("closed", said([CLOSED]), NotConnected(why=CLOSED)),
    ("closed, uncaught", said("Connection Closed", 500), NotConnected(why="Connection Closed")),
    (
        "never connected",
        said("Cannot read properties of undefined (reading 'onWhatsApp')", 500),
        NotConnected(why="Cannot read properties of undefined (reading 'onWhatsApp')"),
    ),
    (
        "no such instance",
        said(['The "rcd-tests" instance does not exist'], 404),
        NotConnected(why='The "rcd-tests" instance does not exist', status=ConnectionStatus.LOGGED_OUT),
    ),
    (
        "no such route",
        said(["Cannot POST /message/sendPtv/rcd-tests"], 404),
        Refused(
            code="unsupported_by_server",
            why="Cannot POST /message/sendPtv/rcd-tests: the server is too old for this kind.",
        ),
    ),
    (
        "wrong key",
        said("Unauthorized", 401),
        NotConnected(why="Unauthorized (HTTP 401: the server does not accept the credentials)"),
    ),
    (
        "validation",
        said([["text is required", 'requires property "number"']]),
        Refused(code="http_400", why='text is required; requires property "number"'),
    ),
    ("thrown before sending", said(["Error: Timed Out"]), Retry(code="not_sent", why="Error: Timed Out")),
    (
        "media that cannot be fetched",
        said(["AxiosError: Request failed with status code 404"], 500),
        Retry(code="not_sent", why="AxiosError: Request failed with status code 404"),
    ),
    ("thrown by storage, behind the sending", said([PRISMA]), Unknown(why=PRISMA)),
    ("thrown by a call behind the sending", said(["AxiosError: x"]), Unknown(why="AxiosError: x")),
    ("another 404", said(["Group not found"], 404), Refused(code="http_404", why="Group not found")),
    (
        "thrown by a group that is not there",
        said(["[object Object]"]),
        Retry(code="evolution_error", why="[object Object]"),
    ),
    ("forbidden by WhatsApp", said(["Error: not-authorized"]), Refused(code="http_400", why="Error: not-authorized")),
    (
        "too fast",
        said(["Error: rate-overlimit"]),
        Limited(code="rate_overlimit", why="Error: rate-overlimit", after=60),
    ),
    (
        "first contacts",
        said(["Error: 463"], headers={"retry-after": "90"}),
        Limited(code="463", why="Error: 463", after=90, scope="cold"),
    ),
    ("unexplained", said("Something", 500), Unknown(why="Something")),
    (
        "proxy",
        Reply(status=503, headers={"retry-after": "4"}),
        Retry(code="http_503", why="HTTP 503 without a reason", after=4),
    ),
    (
        "a key without an id",
        upstream.json({"key": {}}, status=201),
        Unknown(why="HTTP 201 without the id of a message"),
    ),
)


@pytest.mark.parametrize(("label", "reply", "outcome"), ANSWERS, ids=[label for label, _, _ in ANSWERS])
async def test_answers(label: str, reply: Reply, outcome: Outcome, evolution: Evolution) -> None:
    async with Upstream([reply]) as server:
        assert await evolution.send(connect(server.url), tables.outgoing(TEXT)) == outcome


def meta(code: Any, message: str = "(#1) Something") -> Reply:
    return upstream.json({"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A"}, status=201)


WHY = "(#1) Something"
OF_META: tuple[tuple[str, Reply, Outcome], ...] = (
    ("refused", meta(131026), Refused(code="131026", why=WHY)),
    ("limited", meta(130429), Limited(code="130429", why=WHY, after=2)),
    ("pair", meta(131056), Limited(code="131056", why=WHY, after=6, scope="recipient")),
    ("transient", meta(131000), Retry(code="131000", why=WHY)),
    ("token", meta(190), NotConnected(why=f"{WHY} (190)", status=ConnectionStatus.LOGGED_OUT)),
    ("banned", meta(131031), NotConnected(why=f"{WHY} (131031)", status=ConnectionStatus.BANNED)),
    ("no code", upstream.json({"message": "x"}, status=201), Unknown(why="HTTP 201 without the id of a message")),
    (
        "Meta did not answer",
        said(["TypeError: Cannot read properties of undefined (reading 'message')"]),
        Unknown(why="TypeError: Cannot read properties of undefined (reading 'message')"),
    ),
)


@pytest.mark.parametrize(("label", "reply", "outcome"), OF_META, ids=[label for label, _, _ in OF_META])
async def test_the_cloud_channel_passes_metas_errors_on(
    label: str, reply: Reply, outcome: Outcome, evolution: Evolution
) -> None:
    async with Upstream([reply]) as server:
        assert await evolution.send(cloud(server.url), tables.outgoing(TEXT)) == outcome


async def test_secrets_are_not_repeated(evolution: Evolution) -> None:
    async with Upstream([said([f"Error: {API_KEY} {ACCESS_TOKEN}"])]) as server:
        outcome = await evolution.send(cloud(server.url), tables.outgoing(TEXT))
    assert outcome == Retry(code="evolution_error", why="Error: [hidden] [hidden]")


class Lost(tables.File):
    async def read(self) -> bytes:
        raise OSError("the disk is gone")


async def test_media_that_cannot_be_read_is_tried_again(evolution: Evolution) -> None:
    lost: StoredMedia = Lost(data=b"", mime_type="application/pdf")
    message = tables.with_media(tables.outgoing(next(row for row in PHONE if row.media is PDF)), lost)
    async with Upstream([SENT]) as server:
        assert await evolution.send(connect(server.url), message) == Retry(code="media_unreadable", why="OSError")
        assert server.requests == []


async def test_a_connection_without_an_instance_waits_for_one(evolution: Evolution) -> None:
    bare = tables.connection("http://127.0.0.1:9", kind="evolution", token=TOKEN)
    outcome = await evolution.send(bare, tables.outgoing(TEXT))
    assert isinstance(outcome, NotConnected)
    assert outcome.status is ConnectionStatus.LOGGED_OUT
    keyless = tables.connection("http://127.0.0.1:9", kind="evolution", account=INSTANCE)
    assert isinstance(await evolution.send(keyless, tables.outgoing(TEXT)), NotConnected)
    odd = tables.connection("http://127.0.0.1:9", kind="evolution", account=INSTANCE, token="é\n")
    assert isinstance(await evolution.send(odd, tables.outgoing(TEXT)), NotConnected)


async def test_an_instances_name_stays_within_its_part_of_the_path(evolution: Evolution) -> None:
    async with Upstream([SENT]) as server:
        made = tables.connection(server.url, kind="evolution", account="padaria/../x?y", token=TOKEN)
        assert isinstance(await evolution.send(made, tables.outgoing(TEXT)), Accepted)
    assert server.requests[0].path == "/message/sendText/padaria%2F..%2Fx%3Fy"


def test_check(evolution: Evolution) -> None:
    for row in (*PHONE, *CLOUD):
        assert evolution.check(row.kind, tables.outgoing(row).content) == []
    wrong = tables.outgoing(next(row for row in REFUSED if row.label == "mixed buttons")).content
    assert [problem.field for problem in evolution.check("buttons", wrong)] == ["buttons"]
    assert payloads.check_cloud("text", tables.outgoing(TEXT).content) is None
