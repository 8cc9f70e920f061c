"""What Evolution is sent, and what its answers mean."""

from typing import Any

import msgspec
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
    GROUP,
    INSTANCE,
    PDF,
    PHONE,
    REFUSED,
    REFUSED_ON_CLOUD,
    SENT,
    THEIRS,
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
PRISMA_BARE = "Invalid `prisma.message.create()` invocation"
PRISMA = f"PrismaClientKnownRequestError: {PRISMA_BARE}"
PRISMA_QUOTES = 'PrismaClientValidationError: {conversation: "Rua A, 463: connection closed, 429, timed out"}'
AXIOS_429 = "AxiosError: Request failed with status code 429"
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
    ("unexplained, before the sending", said("Something", 500), Retry(code="not_sent", why="Something")),
    (
        "unexplained, by a proxy",
        upstream.json({"message": "upstream error"}, status=500),
        Unknown(why="upstream error"),
    ),
    (
        "not loaded",
        said("Cannot read properties of undefined (reading 'textMessage')", 500),
        NotConnected(why="Cannot read properties of undefined (reading 'textMessage')"),
    ),
    (
        "a mistake of the server behind the sending",
        said(["TypeError: Cannot read properties of undefined (reading 'imageMessage')"]),
        Unknown(why="TypeError: Cannot read properties of undefined (reading 'imageMessage')"),
    ),
    ("storage, before the sending", said(f"\n{PRISMA_BARE}", 500), Retry(code="not_sent", why=PRISMA_BARE)),
    # What others say of themselves is not WhatsApp's word on us: these came behind the sending.
    ("speech that was not understood", said([AXIOS_429]), Unknown(why=AXIOS_429)),
    ("storage that repeats what it was given", said([PRISMA_QUOTES]), Unknown(why=PRISMA_QUOTES)),
    ("media whose host limits", said([AXIOS_429], 500), Retry(code="not_sent", why=AXIOS_429)),
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


CHANGED: tuple[tuple[str, str, Reply, Outcome], ...] = (
    ("edit", "closed", said("Connection Closed", 500), NotConnected(why="Connection Closed")),
    ("edit", "storage, behind the editing", said(PRISMA_BARE, 500), Unknown(why=PRISMA_BARE)),
    ("edit", "unexplained", said("Something", 500), Unknown(why="Something")),
    ("edit", "too old", said(["Message is older"]), Refused(code="http_400", why="Message is older")),
    (
        "delete",
        "closed",
        said(["Error while deleting message for everyone", CLOSED], 500),
        NotConnected(why=f"Error while deleting message for everyone; {CLOSED}"),
    ),
    (
        "delete",
        "storage, behind the deletion",
        said(["Error while deleting message for everyone", PRISMA], 500),
        Unknown(why=f"Error while deleting message for everyone; {PRISMA}"),
    ),
)


@pytest.mark.parametrize(("kind", "label", "reply", "outcome"), CHANGED, ids=[f"{c[0]}: {c[1]}" for c in CHANGED])
async def test_answers_to_changes(kind: str, label: str, reply: Reply, outcome: Outcome, evolution: Evolution) -> None:
    """Their routes answer 500 whenever something breaks, before or behind."""
    row = next(row for row in PHONE if row.kind == kind)
    async with Upstream([reply]) as server:
        assert await evolution.send(connect(server.url), tables.outgoing(row)) == outcome


@pytest.mark.parametrize(
    ("row", "connection"),
    [
        *[(row, connect) for row in PHONE if row.kind in ("voice", "contacts")],
        *[(row, to) for row in PHONE if row.kind == "reaction" for to in (connect, cloud)],
    ],
    # A function's own text holds its address, which differs between the processes of a run.
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
async def test_what_cannot_quote_is_not_sent_without_its_quote(row: Row, connection: Any, evolution: Evolution) -> None:
    able = capabilities_of(evolution, connection("http://x.test"))
    assert row.kind in able.unquotable <= able.kinds
    message = msgspec.structs.replace(tables.outgoing(row), to="5511999990001", reply_to=THEIRS)
    async with Upstream([SENT]) as server:
        outcome = await evolution.send(connection(server.url), message)
        assert server.requests == []
    assert isinstance(outcome, Refused)
    assert "cannot quote" in outcome.why


@pytest.mark.parametrize(
    ("to", "connection"),
    [("120363000000000001@newsletter", connect), ("900000000000001@lid", cloud), (GROUP, cloud)],
)
async def test_chats_that_the_server_would_mistake_are_not_written_to(
    to: str, connection: Any, evolution: Evolution
) -> None:
    message = msgspec.structs.replace(tables.outgoing(TEXT), to=to)
    async with Upstream([SENT]) as server:
        outcome = await evolution.send(connection(server.url), message)
        assert server.requests == []
    assert isinstance(outcome, Refused)
    assert "does not reach" in outcome.why


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
        made = tables.connection(server.url, kind="evolution", account="padaria/x?y", token=TOKEN)
        assert isinstance(await evolution.send(made, tables.outgoing(TEXT)), Accepted)
    assert server.requests[0].path == "/message/sendText/padaria%2Fx%3Fy"


def test_check(evolution: Evolution) -> None:
    for row in (*PHONE, *CLOUD):
        assert evolution.check(row.kind, tables.outgoing(row).content) == []
    wrong = tables.outgoing(next(row for row in REFUSED if row.label == "mixed buttons")).content
    assert [problem.field for problem in evolution.check("buttons", wrong)] == ["buttons"]
    assert payloads.check_cloud("text", tables.outgoing(TEXT).content) is None
