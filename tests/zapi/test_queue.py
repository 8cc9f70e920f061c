"""The queue over Z-API's routes: what waits, in which order, taking it back, and what may wait."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from recado.domain.ids import CompanyId, InstanceId
from recado.store import outbox
from recado.store.db import Database
from tests.outbound import lanes
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient, open_instance

if TYPE_CHECKING:
    from recado.app import Recado

_PHONE = "5511999990061"


@pytest.fixture
async def offline(module_company: Client) -> ZapiClient:
    """An instance whose phone was never connected."""
    return await open_instance(module_company, connected=False)


async def text(zapi: ZapiClient, words: str, **more: Any) -> dict[str, Any]:
    sent: dict[str, Any] = await zapi.post("/send-text", {"phone": _PHONE, "message": words, **more})
    return sent


async def waiting(zapi: ZapiClient) -> list[str]:
    """The words of what waits, over pages of two."""
    found: list[str] = []
    state = None
    while True:
        page = await zapi.post("/queue", {"pageSize": 2, **({"pagingState": state} if state else {})})
        found += [entry["Message"] for entry in page["messages"]]
        state = page["pagingState"]
        assert page["hasMore"] is (state is not None)
        if state is None:
            return found


async def received(zapi: ZapiClient, count: int) -> list[str]:
    """The texts that the phone got, once there are as many."""
    path = f"/sandbox/phones/{_PHONE}/messages?instance_id={zapi.instance_id}"
    shown = await zapi.company.until(path, lambda page: page["total"] >= count)
    return [one["content"].get("body") for one in shown["data"]]


async def connect(zapi: ZapiClient) -> None:
    await zapi.company.post(f"/sandbox/instances/{zapi.instance_id}/connect", status=200)


async def test_an_entry_has_the_documented_fields(offline: ZapiClient) -> None:
    sent = await text(offline, "oi", delayMessage=5, delayTyping="2", messageId="pedido-1")
    await offline.post("/send-image", {"phone": _PHONE, "image": "https://files.example/a.png", "caption": "Foto"})
    page = await offline.post("/queue")
    assert (page["hasMore"], page["pagingState"]) == (False, None)
    first, second = page["messages"]
    created, at = first.pop("Created"), first.pop("CreatedAt")
    assert datetime.fromisoformat(at) == datetime.fromtimestamp(created / 1_000, UTC)
    assert at.endswith("+00:00")
    assert first == {
        "_id": sent["zaapId"],
        "DelayMessage": 5,
        "DelayTyping": 2,
        "Message": "oi",
        "Phone": _PHONE,
        "ZaapId": sent["zaapId"],
        "MessageId": "pedido-1",
        "InstanceId": offline.id,
        "IsTrial": False,
        "Beta": False,
    }
    assert (second["DelayMessage"], second["DelayTyping"], second["Message"]) == (-1, 0, "Foto")
    assert second["MessageId"] == second["ZaapId"]
    numbered = await offline.get("/queue", page=1, pageSize=1)
    assert list(numbered) == ["messages"]
    assert [entry["_id"] for entry in numbered["messages"]] == [sent["zaapId"]]
    assert set(numbered["messages"][0]) == set(first) - {"Beta"} | {"Created"}
    behind = await offline.get("/queue", page=2, pageSize=1)
    assert [entry["Message"] for entry in behind["messages"]] == ["Foto"]
    assert (await offline.get("/queue", page=9, pageSize=1))["messages"] == []


async def test_the_older_documentation_has_a_size(offline: ZapiClient) -> None:
    for words in ("um", "dois", "três"):
        await text(offline, words)
    await offline.company.call("PATCH", "/v1/zapi", json={"settings": {"documentation": "older"}})
    page = await offline.get("/queue", page=1, pageSize=2)
    await offline.company.call("PATCH", "/v1/zapi", json={"settings": {"documentation": None}})
    assert (page["size"], len(page["messages"])) == (3, 2)


async def test_order_is_kept_over_a_deletion_and_a_connection(offline: ZapiClient) -> None:
    sent = [await text(offline, words) for words in ("um", "dois", "três", "quatro")]
    assert await waiting(offline) == ["um", "dois", "três", "quatro"]
    assert await offline.get("/queue/count") == {"count": 4}
    removed = await offline.call("DELETE", f"/queue/{sent[1]['zaapId']}")
    assert (removed.status, removed.body) == (200, {"value": True})
    again = await offline.call("DELETE", f"/queue/{sent[1]['zaapId']}")
    assert again.status == 400
    assert "does not wait any more: it is cancelled" in again.body["error"]
    assert await waiting(offline) == ["um", "três", "quatro"]
    await connect(offline)
    assert await received(offline, 3) == ["um", "três", "quatro"]
    late = await offline.call("DELETE", f"/queue/{sent[0]['zaapId']}")
    assert late.status == 400
    assert "does not wait any more" in late.body["error"]
    assert await offline.get("/queue/count") == {"count": 0}


async def test_a_deletion_names_what_it_cannot_find(offline: ZapiClient) -> None:
    await text(offline, "meu", messageId="pedido-2")
    other = await open_instance(offline.company, connected=False)
    theirs = await text(other, "deles")
    for unknown in ("F" * 32, theirs["zaapId"], "pedido-3", "x" * 2_000):
        reply = await offline.call("DELETE", f"/queue/{unknown}")
        assert reply.status == 404
        assert reply.body == {"error": f"There is no message {unknown[:64]} in this queue."}
    assert await waiting(offline) == ["meu"]
    assert (await offline.call("DELETE", "/queue/pedido-2")).status == 200
    assert await waiting(offline) == []


async def test_the_whole_queue_is_cleared(offline: ZapiClient) -> None:
    other = await open_instance(offline.company, connected=False)
    await text(other, "fica")
    for words in ("um", "dois"):
        await text(offline, words)
    cleared = await offline.call("DELETE", "/queue")
    assert (cleared.status, cleared.body) == (200, {"value": True})
    assert (await waiting(offline), await waiting(other)) == ([], ["fica"])


async def test_what_is_being_sent_stays(offline: ZapiClient, module_recado: "Recado") -> None:
    """As a claim leaves it: the lane names the message."""
    sent = await text(offline, "a caminho")
    await text(offline, "espera")
    message_id, instance_id = UUID(sent["zaapId"]), UUID(offline.instance_id)
    async with module_recado.runtime.db.work() as connection:
        await connection.execute("UPDATE lanes SET message_id = $2 WHERE instance_id = $1", instance_id, message_id)
    refused = await offline.call("DELETE", f"/queue/{sent['zaapId']}")
    assert refused.status == 400
    assert "is being sent right now, or may have been sent already" in refused.body["error"]
    assert (await offline.call("DELETE", "/queue")).status == 200
    assert await waiting(offline) == ["a caminho"]


async def test_no_more_waits_than_may(offline: ZapiClient) -> None:
    path = f"/v1/instances/{offline.instance_id}/zapi"
    for wrong in (-1, 1_000_001):
        assert (await offline.company.call("PATCH", path, json={"queue_limit": wrong})).status == 422
    changed = await offline.company.call("PATCH", path, json={"queue_limit": 2})
    assert (changed.status, changed.body["queue_limit"]) == (200, 2)
    assert changed.body == await offline.company.get(path)
    for words in ("um", "dois"):
        await text(offline, words)
    full = await offline.call("POST", "/send-text", json={"phone": _PHONE, "message": "três"})
    assert full.status == 400
    assert "2 messages wait for it already" in full.body["error"]
    await offline.call("DELETE", "/queue")
    own = await text(offline, "meu", messageId="pedido-5")
    await text(offline, "agora")
    assert await text(offline, "meu", messageId="pedido-5") == own, "a repeat takes no room"
    other = await offline.call("POST", "/send-text", json={"phone": _PHONE, "message": "x", "messageId": "pedido-5"})
    assert other.status == 400, "another one does"
    await offline.call("DELETE", f"/queue/{own['zaapId']}")
    await connect(offline)
    assert await received(offline, 1) == ["agora"]
    for number in range(4):
        await text(offline, f"conectado {number}")


async def test_nothing_waits_where_nothing_may(offline: ZapiClient) -> None:
    await text(offline, "antes")
    assert await offline.put("/update-queue-settings", {"disableEnqueueWhenDisconnected": True}) == {"success": True}
    refused = await offline.call("POST", "/send-text", json={"phone": _PHONE, "message": "oi"})
    assert refused.status == 400
    assert "is set not to queue messages" in refused.body["error"]
    assert await waiting(offline) == ["antes"], "what waited stays"
    assert await offline.put("/update-queue-settings", {"disableEnqueueWhenDisconnected": "false"}) == {"success": True}
    await text(offline, "depois")
    assert await waiting(offline) == ["antes", "depois"]


async def test_pages_of_post(offline: ZapiClient) -> None:
    for number in range(33):
        await text(offline, str(number))
    sizes = {given: len((await offline.post("/queue", {"pageSize": given}))["messages"]) for given in (1, 30, 500, -1)}
    assert sizes == {1: 1, 30: 30, 500: 30, -1: 1}
    assert len((await offline.post("/queue"))["messages"]) == 20
    page = await offline.post("/queue", {"pageSize": 2})
    removed = page["messages"][1]["ZaapId"]
    assert (await offline.call("DELETE", f"/queue/{removed}")).status == 200
    behind = await offline.post("/queue", {"pageSize": 2, "pagingState": page["pagingState"]})
    assert [entry["Message"] for entry in behind["messages"]] == ["2", "3"], "the place stays when its message goes"
    for wrong in ("eyJidWNrZXQi", "é", "W10=", "!", "WyIiLDk5OTk5OSwiMjAyNi0wMS0wMVQwMDowMDowMFoiLCJ4Il0="):
        reply = await offline.call("POST", "/queue", json={"pagingState": wrong})
        assert reply.status == 400, wrong
        assert "pagingState" in reply.body["error"]


# --- the store: the order, and what a page costs ----------------------------------------------------------


async def order(database: Database, company: CompanyId, instance: InstanceId, size: int) -> list[Any]:
    """The ids of what waits, page after page."""
    found: list[Any] = []
    after = outbox.FRONT
    while True:
        async with database.tenant(company) as connection:
            rows = await outbox.list_in_order(connection, company, instance, after=after, limit=size)
        if not rows:
            return found
        found += [row["id"] for row in rows]
        last = rows[-1]
        after = outbox.Place(last["lane_key"], last["priority"], last["due_at"], last["id"])


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_the_order_is_that_of_sending(database: Database, size: int) -> None:
    """Of one lane: as the claims take them, first contacts in their places. Of several: one after the other."""
    company, instance = await lanes.make_instance(database)
    _, other = await lanes.make_instance(database, company)
    soon = datetime.now(UTC) + timedelta(milliseconds=1)
    drafts = [
        lanes.draft(company, instance, priority=priority, send_at=soon + timedelta(milliseconds=10 * place))
        for place, priority in enumerate([1, 2, 1, 0, 1, 2, 0])
    ]
    await lanes.accept(database, *drafts, lanes.draft(company, other))
    async with database.work() as connection:
        await connection.execute(
            "UPDATE outbox SET cold = true WHERE message_id = ANY ($1)", [d.id for d in drafts[::2]]
        )
    expected = []
    now = datetime.now(UTC) + timedelta(seconds=5)
    listed = await order(database, company, instance, size)
    while claimed := [one for one in await lanes.claim(database, now=now) if one.instance_id == instance]:
        expected += [one.message_id for one in claimed]
        await lanes.finish(database, *[lanes.sent(one, not_before=now) for one in claimed], now=now)
    assert len(expected) == len(drafts)
    assert listed == expected

    spread = [lanes.draft(company, instance, lane_key=key) for key in ("b", "a", "c", "b", "a")]
    await lanes.accept(database, *spread)
    assert await order(database, company, instance, size) == [spread[place].id for place in (1, 4, 0, 3, 2)]


@pytest.mark.parametrize("analysed", [False, True])
async def test_a_page_reads_a_range_of_the_index(database: Database, database_url: str, analysed: bool) -> None:
    """Of 10,000 that wait, the first page and a late one read a page, not the queue; also by a plan that was made while
    nothing waited."""
    company, instance = await lanes.make_instance(database)
    types = "uuid, uuid, text, smallint, timestamptz, uuid, bigint, bigint"
    async with database.api.acquire() as session:

        async def explained(place: outbox.Place) -> dict[str, Any]:
            at = f"'{place.lane_key}', {place.priority}::smallint, '{place.due_at}', '{place.message_id}'"
            async with session.transaction():
                await session.execute("SELECT set_config('recado.company_id', $1, true)", str(company))
                await session.execute("SET LOCAL enable_sort = off")
                plan = await session.fetchval(
                    f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page ('{company}', '{instance}', {at}, 31, 0)"
                )
            found: dict[str, Any] = msgspec.json.decode(plan)[0]["Plan"]
            return found

        await lanes.accept(database, lanes.draft(company, instance))
        await session.execute(f"PREPARE page ({types}) AS {outbox.Q.list_in_order}")
        await explained(outbox.FRONT)
        await lanes.accept(database, *[lanes.draft(company, instance) for _ in range(10_000)])
        if analysed:
            owner = await asyncpg.connect(database_url)
            await owner.execute("VACUUM ANALYZE outbox, lanes, messages")
            await owner.close()
        async with database.tenant(company) as connection:
            (late,) = await outbox.list_in_order(connection, company, instance, limit=1, offset=9_900)
        for place in (outbox.FRONT, outbox.Place(late["lane_key"], late["priority"], late["due_at"], late["id"])):
            top = await explained(place)
            assert top["Actual Rows"] == 31
            assert sum(_rows(node) for node in _nodes(top) if "messages" in node.get("Relation Name", "")) == 31
            read = [node for node in _nodes(top) if node.get("Relation Name") == "outbox"]
            assert {node.get("Index Name") for node in read} == {"outbox_next"}
            assert sum(_rows(node) for node in read) <= 2 * 31


@pytest.mark.parametrize("analysed", [False, True])
async def test_a_page_of_our_own_looks_up_a_page(database: Database, database_url: str, analysed: bool) -> None:
    """`GET /v1/instances/{id}/queue`: of 10,000 that wait, the messages of the page are looked up and no others."""
    company, instance = await lanes.make_instance(database)
    async with database.api.acquire() as session:

        async def explained() -> dict[str, Any]:
            async with session.transaction():
                await session.execute("SELECT set_config('recado.company_id', $1, true)", str(company))
                page = f"EXECUTE waiting ('{company}', '{instance}', NULL, 51)"
                plan = await session.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {page}")
            found: dict[str, Any] = msgspec.json.decode(plan)[0]["Plan"]
            return found

        await session.execute(f"PREPARE waiting (uuid, uuid, uuid, bigint) AS {outbox.Q.list_waiting}")
        await explained()
        await lanes.accept(database, *[lanes.draft(company, instance) for _ in range(10_000)])
        if analysed:
            owner = await asyncpg.connect(database_url)
            await owner.execute("VACUUM ANALYZE outbox, lanes, messages")
            await owner.close()
        top = await explained()
    assert top["Actual Rows"] == 51
    looked_up = [node for node in _nodes(top) if "messages" in node.get("Relation Name", "")]
    assert sum(_rows(node) for node in looked_up) == 51


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node.get("Plans", ()) for inner in _nodes(child))]


def _rows(node: dict[str, Any]) -> float:
    """The rows that a step of a plan read, those too that it left out."""
    return float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
