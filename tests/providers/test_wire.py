"""What adapters share: parts of a path."""

import contextlib

import msgspec
import pytest

from recado.domain.events import MediaRef
from recado.domain.provider import CallFailed, Connection, NotConnected, Refused
from recado.domain.states import ConnectionStatus
from recado.kit.http import Http
from recado.providers import wire
from recado.providers.evolution.adapter import Evolution
from recado.providers.meta.adapter import Meta
from recado.providers.waha.adapter import Waha
from recado.providers.zapi.adapter import Zapi
from recado.testing import tables, upstream
from recado.testing.upstream import Upstream
from tests.providers.evolution import rows as evolution
from tests.providers.meta import rows as meta
from tests.providers.waha import rows as waha
from tests.providers.zapi import rows as zapi

#: What would lead a request elsewhere: at once, behind a proxy that decodes a path first, or to what lists them all.
HOSTILE = ("..", ".", "", "../../other/labels/1", "x/../y", "..\\..\\other", "a/.")


@pytest.mark.parametrize("value", HOSTILE)
def test_parts_that_lead_elsewhere_are_refused(value: str) -> None:
    with pytest.raises(CallFailed) as failed:
        wire.part(value)
    assert (failed.value.code, failed.value.retryable) == ("invalid", False)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("a b/c?d#e%2e", "a%20b%2Fc%3Fd%23e%252e"),
        ("...", "..."),
        ("a..b", "a..b"),
        ("5511999990001@c.us", "5511999990001%40c.us"),
    ],
)
def test_parts_stay_one_part(value: str, part: str) -> None:
    assert wire.part(value) == part
    assert wire.part("1@x", safe="@") == "1@x"


async def test_no_id_leads_to_another_path_of_a_shared_server(client: Http) -> None:
    async with Upstream([upstream.json({})]) as server:
        for value in HOSTILE:
            with pytest.raises(CallFailed):
                await Waha(client).delete_label(waha.connect(server.url), label=value)
            with pytest.raises(CallFailed):
                await Waha(client).follow_channel(waha.connect(server.url), channel=value, following=True)
            with pytest.raises(CallFailed):
                await Zapi(client).delete_label(zapi.connect(server.url), label=value)
    assert server.requests == []


async def test_a_message_or_an_account_that_leads_elsewhere_is_an_outcome(client: Http) -> None:
    about = tables.earlier(from_me=True, provider_id="3EB0/../../../other/chats/5511/messages/3EB0")
    deletion = {"message_id": "0190"}
    refused = Refused(code="invalid", why="…")
    row = tables.Row(label="deletion", kind="delete", content=deletion, about=about, outcome=refused)
    text = tables.Row(label="text", kind="text", content={"body": "oi"}, outcome=NotConnected(why="…"))
    async with Upstream([upstream.json({})]) as server:
        outcome = await Waha(client).send(waha.connect(server.url), tables.outgoing(row))
        assert isinstance(outcome, Refused)
        assert outcome.code == "invalid"
        adrift: tuple[tuple[Evolution | Meta | Zapi, Connection], ...] = (
            (Evolution(client), msgspec.structs.replace(evolution.connect(server.url), account="..")),
            (Meta(client), _with(meta.connect(server.url), phone_number_id="..")),
            (Zapi(client), _with(zapi.connect(server.url), instance_id="..")),
        )
        for adapter, connection in adrift:
            assert isinstance(await adapter.send(connection, tables.outgoing(text)), NotConnected)
            with contextlib.suppress(CallFailed):
                assert (await adapter.status(connection)).status is ConnectionStatus.LOGGED_OUT
    assert server.requests == []


async def test_media_that_leads_elsewhere_is_not_fetched(client: Http) -> None:
    async with Upstream([upstream.json({})]) as server:
        ways: tuple[tuple[Evolution | Meta | Waha, Connection, dict[str, str]], ...] = (
            (Meta(client), meta.connect(server.url), {"id": ".."}),
            (Evolution(client), evolution.cloud(server.url), {"meta_id": ".."}),
            (Waha(client), waha.connect(server.url), {"chat": "5511999990001", "message": ".."}),
        )
        for adapter, connection, ref in ways:
            with pytest.raises(CallFailed):
                await anext(adapter.fetch_media(connection, MediaRef(ref=ref)))
    assert server.requests == []


def _with(connection: Connection, **credentials: str) -> Connection:
    return msgspec.structs.replace(connection, credentials={**connection.credentials, **credentials})
