"""What is sent, and what each answer means."""

from datetime import UTC, datetime

import msgspec
import pytest

from recado.domain.provider import Capabilities, NotConnected, Outcome, Retry, Unknown
from recado.providers.waha import capabilities, ids
from recado.providers.waha.adapter import Waha
from recado.testing import tables, upstream
from recado.testing.tables import MESSAGE_ID, File, Row
from recado.testing.upstream import Reply, Upstream
from tests.providers.waha import rows
from tests.providers.waha.rows import ANSWERS, GOWS, KEY, NOWEB, REFUSED, WEBJS, connect


@pytest.mark.parametrize("row", [*GOWS, *REFUSED], ids=str)
async def test_gows(row: Row, waha: Waha) -> None:
    await tables.run(row, waha, connect)


@pytest.mark.parametrize("row", NOWEB, ids=str)
async def test_noweb(row: Row, waha: Waha) -> None:
    await tables.run(row, waha, lambda url: connect(url, "NOWEB"))


@pytest.mark.parametrize("row", WEBJS, ids=str)
async def test_webjs(row: Row, waha: Waha) -> None:
    await tables.run(row, waha, lambda url: connect(url, "WEBJS"))


@pytest.mark.parametrize(("label", "reply", "outcome"), ANSWERS, ids=[row[0] for row in ANSWERS])
async def test_answers(label: str, reply: Reply, outcome: Outcome, waha: Waha) -> None:
    async with Upstream([reply]) as server:
        assert await waha.send(connect(server.url), tables.outgoing(GOWS[0])) == outcome
    assert server.requests[0].headers["x-api-key"] == KEY


async def test_every_kind_of_every_engine_is_in_the_tables() -> None:
    def sent(table: tuple[Row, ...]) -> set[str]:
        return {row.kind for row in table}

    assert sent(GOWS) == capabilities.GOWS.kinds
    for able in (capabilities.NOWEB, capabilities.WEBJS, capabilities.WPP):
        assert able.kinds <= sent(GOWS) | sent(NOWEB)


def test_engines_differ_as_waha_says(waha: Waha) -> None:
    def has(kind: str) -> set[str]:
        return {engine for engine, able in waha.variants.items() if kind in able.kinds}

    assert has("list") == {"GOWS", "NOWEB"}
    assert has("event") == {"GOWS"}
    assert has("pin") == {"NOWEB", "WEBJS"}
    assert has("forward") == {"NOWEB", "WPP"}
    assert waha.capabilities is waha.variants["GOWS"]
    able: Capabilities
    for able in waha.variants.values():
        assert not able.deduplicates
        assert able.notes
        # What takes a quote has a `reply_to` in the tables, or shares its request with what has.
        assert able.unquotable == able.kinds & {"reaction", "edit", "delete", "forward", "pin"}
    assert {engine for engine, able in waha.variants.items() if able.echoes_message_id} == {"GOWS", "NOWEB"}


async def test_every_kind_that_may_carry_a_quote_carries_it(waha: Waha) -> None:
    quoted = f"false_5511999990001@c.us_{rows.TARGET}"
    for row in GOWS:
        if row.kind in capabilities.GOWS.unquotable or row.to != "5511999990001":
            continue
        message = msgspec.structs.replace(tables.outgoing(row), reply_to=tables.earlier(rows.TARGET))
        async with Upstream(row.replies) as server:
            await waha.send(connect(server.url), message)
        assert msgspec.json.decode(server.requests[0].body)["reply_to"] == quoted, row.label


@pytest.mark.parametrize(
    ("engine", "variant"), [(None, "GOWS"), ("noweb", "NOWEB"), ("WPP", "WPP"), ("VENOM", "GOWS"), ("", "GOWS")]
)
def test_variant(engine: str | None, variant: str, waha: Waha) -> None:
    assert waha.variant(connect("http://x.test", engine)) == variant


async def test_what_an_error_repeats_of_the_message_is_cut_out(waha: Waha) -> None:
    row = tables.Row(label="", kind="text", content={"body": "um segredo"}, outcome=Unknown(why=""))
    reply = rows.broken(f'cannot send "um segredo" with {KEY}')
    async with Upstream([reply]) as server:
        outcome = await waha.send(connect(server.url), tables.outgoing(row))
    assert outcome == Unknown(why='cannot send "[hidden]" with [hidden]')


async def test_storage_that_fails_costs_no_message(waha: Waha) -> None:
    class Broken(File):
        async def read(self) -> bytes:
            raise OSError("/secret/path")

    row = tables.Row(label="", kind="image", content={"media_id": "1"}, outcome=Unknown(why=""))
    message = tables.with_media(tables.outgoing(row), Broken(data=b"x", mime_type="image/png"))
    outcome = await waha.send(connect("http://127.0.0.1:9"), message)
    assert outcome == Retry(code="media_unreadable", why="OSError")


async def test_a_connection_without_a_session_is_not_connected(waha: Waha) -> None:
    bare = tables.connection("http://127.0.0.1:9", kind="waha")
    outcome = await waha.send(bare, tables.outgoing(GOWS[0]))
    assert outcome == NotConnected(why="The connection has no session yet.")


async def test_a_change_that_is_not_made_is_refused(waha: Waha) -> None:
    edit = next(row for row in GOWS if row.kind == "edit")
    for reply, name in (
        (upstream.json(False), "Refused"),
        (upstream.json({"success": False}), "Refused"),
        # WEBJS, of a message that WhatsApp lets be edited no more.
        (Reply(), "Refused"),
        (Reply(body=b"<html>"), "Unknown"),
        (rows.broken("Message not found"), "Unknown"),
    ):
        async with Upstream([reply]) as server:
            outcome = await waha.send(connect(server.url), tables.outgoing(edit))
        assert type(outcome).__name__ == name


def test_our_ids_are_recognised_and_nobody_elses() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    ours = "019A9E0B6C007ABC8DEF0123456789AB"
    assert ids.message_of(ours, now) == "019a9e0b-6c00-7abc-8def-0123456789ab"
    for other in (
        "AC79C12F3AD4F6D4A008CF6F141130D5",
        "3EB0A1B2C3D4E5F60718",
        ours.lower(),
        "019A9E0B6C004ABC8DEF0123456789AB",
        "FFFFFFFFFFFF7ABC8DEF0123456789AB",
        "",
    ):
        assert ids.message_of(other, now) is None
    assert ids.ours(MESSAGE_ID) == "0189000000007000800000000000" + "00AA"
