"""What a content asks for is sent or refused, never left out: also where a message reaches a provider behind a switch, for which
nobody asked `check`."""

from typing import Any

import msgspec
import pytest

from recado import providers
from recado.domain import content as contents
from recado.domain.provider import ChecksContent, Connection, Refused
from recado.kit.http import Http
from recado.providers.zapi import payloads, shapes
from recado.testing import tables
from tests.providers.evolution import rows as evolution
from tests.providers.meta import rows as meta
from tests.providers.uazapi import rows as uazapi
from tests.providers.waha import rows as waha
from tests.providers.zapi import rows as zapi

#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9"
CONNECTIONS: dict[str, Connection] = {
    "evolution": evolution.connect(NOWHERE),
    "meta": meta.connect(NOWHERE),
    "uazapi": uazapi.connect(NOWHERE),
    "waha": waha.connect(NOWHERE, "GOWS"),
    "zapi": zapi.connect(NOWHERE),
}
FILE = "https://example.com/file"
ONCE: dict[str, frozenset[str]] = {
    "evolution": frozenset(),
    "meta": frozenset(),
    "native": contents.VIEWED_ONCE,
    "uazapi": contents.VIEWED_ONCE,
    "waha": frozenset(),
    "zapi": contents.VIEWED_ONCE,
}
ASKED: tuple[tuple[str, str, dict[str, Any]], ...] = tuple(
    (provider, kind, {"link": FILE, "view_once": True})
    for provider, able in ONCE.items()
    for kind in contents.MEDIA_KINDS
    if kind not in able
)


@pytest.mark.parametrize(("provider", "kind", "raw"), ASKED)
async def test_what_is_not_to_be_left_out_is_refused_when_it_is_sent(
    provider: str, kind: str, raw: dict[str, Any], client: Http
) -> None:
    offline = providers.registry()
    built = providers.build(client, graph_version="v23.0", sandbox=offline["sandbox"], native=offline["native"])
    adapter = built[provider]
    if kind not in adapter.capabilities.kinds:
        return
    content = msgspec.convert(raw, contents.KINDS[kind])
    assert isinstance(adapter, ChecksContent)
    assert [one.field for one in adapter.check(kind, content)] == ["view_once"]
    row = tables.Row(label="x", kind=kind, content=content, outcome=Refused(code="", why=""))
    sent = await adapter.send(CONNECTIONS.get(provider, meta.connect(NOWHERE)), tables.outgoing(row))
    assert isinstance(sent, Refused), sent
    assert "view_once" in sent.why


@pytest.mark.parametrize("kind", ["image", "video", "document"])
def test_a_caption_is_not_changed_by_showing_again_what_was_to_be_opened_once(kind: str) -> None:
    """Z-API changes a caption by its media's own route, which would show the media to stay."""
    told = {"link": FILE, "caption": "x", "view_once": True}
    about = tables.earlier("3EB0", from_me=True, kind=kind, content=told)
    edit = contents.EditContent(message_id="3EB0", body="y")
    row = tables.Row(label="x", kind="edit", content=edit, about=about, outcome=Refused(code="", why=""))
    with pytest.raises(shapes.Unsendable, match="opened once"):
        payloads.request(tables.outgoing(row), media=FILE)
