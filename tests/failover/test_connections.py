"""The connections of an instance: placed, ranked, changed, removed; capacity is held by the database."""

import asyncio
import collections
from typing import Any

import pytest

from recado.app import Recado
from recado.domain.states import ConnectionStatus
from tests.failover.conftest import Pair, active, credentials, stands
from tests.support import client
from tests.support.client import Client


async def sandbox_server(admin: Client, name: str, room: int = 100) -> str:
    body = {"name": name, "kind": "sandbox", "credentials": {}, "max_instances": room}
    return str((await admin.post("/v1/servers", body))["id"])


@pytest.fixture
async def path(company: Client) -> str:
    """Of the connections of an instance with one."""
    made = await client.make_sandbox_instance(company)
    return f"/v1/instances/{made['id']}/connections"


async def ids(company: Client, path: str) -> list[str]:
    return [one["id"] for one in (await company.get(path))["data"]]


async def test_a_further_connection_stands_by_behind_the_others_or_at_its_rank(company: Client, path: str) -> None:
    [first] = await ids(company, path)
    second = await company.post(path, {"kind": "sandbox"})
    assert (second["rank"], second["active"], second["status"]) == (2, False, "created")
    third = await company.post(path, {"kind": "sandbox", "rank": 1})
    assert await ids(company, path) == [third["id"], first, second["id"]]
    shown = await company.get(path.removesuffix("/connections"))
    assert active(shown) == first, "a better rank is no switch"
    assert shown["status"] == "connected"


async def test_ranks_move_and_the_others_keep_their_order(company: Client, path: str) -> None:
    [first] = await ids(company, path)
    second, third = [(await company.post(path, {"kind": "sandbox"}))["id"] for _ in range(2)]
    moved = await company.call("PATCH", f"{path}/{third}", json={"rank": 1})
    assert (moved.status, moved.body["rank"]) == (200, 1)
    assert await ids(company, path) == [third, first, second]
    await company.call("PATCH", f"{path}/{third}", json={"rank": 10})
    assert await ids(company, path) == [first, second, third]
    assert [one["rank"] for one in (await company.get(path))["data"]] == [1, 2, 3]


async def test_new_credentials_go_to_the_connection_named(pair: Pair, served: Recado) -> None:
    fresh = credentials("300")
    reply = await pair.company.call(
        "PATCH", f"{pair.path}/connections/{pair.second}", json={"credentials": {"access_token": fresh["access_token"]}}
    )
    assert (reply.status, reply.body["account"]) == (200, "200")
    async with served.runtime.db.work() as connection:
        [row] = await connection.fetch("SELECT company_id, instance_id FROM connections WHERE id = $1", pair.second)
    view = await served.runtime.directory.instance(row["company_id"], row["instance_id"])
    tokens = [placed.connection.credentials["access_token"] for placed in view.connections]
    assert tokens == ["EAA-access-100", fresh["access_token"]]
    reply = await pair.company.call(
        "PATCH", f"{pair.path}/connections/{pair.second}", json={"credentials": {"colour": "blue"}}
    )
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, "credentials.colour")


async def test_the_active_one_is_removed_and_the_best_of_the_others_takes_over(
    pair: Pair, admin: Client, served: Recado
) -> None:
    third = (await pair.company.post(f"{pair.path}/connections", {"kind": "sandbox"}))["id"]
    await stands(served, pair.second, ConnectionStatus.LOGGED_OUT)
    await stands(served, third, ConnectionStatus.CONNECTED)
    assert (await pair.company.call("DELETE", f"{pair.path}/connections/{pair.first}")).status == 204
    assert await pair.switches() == [(third, "removed")]
    assert (await pair.company.call("DELETE", f"{pair.path}/connections/{pair.second}")).status == 204
    counts = {one["name"]: one["instances"] for one in (await admin.get("/v1/servers"))["data"]}
    assert (counts["one"], counts["two"]) == (0, 0)
    reply = await pair.company.call("DELETE", f"{pair.path}/connections/{third}")
    assert (reply.status, reply.body["code"]) == (409, "last_connection")


async def test_another_company_finds_none_of_it(pair: Pair, admin: Client) -> None:
    other = await client.make_company(admin, "Outra")
    routes: tuple[tuple[str, str, Any], ...] = (
        ("GET", "/connections", None),
        ("POST", "/connections", {"kind": "sandbox"}),
        ("PATCH", f"/connections/{pair.first}", {"rank": 1}),
        ("DELETE", f"/connections/{pair.first}", None),
        ("POST", "/switch", {"connection_id": pair.second}),
        ("POST", f"/connect?connection_id={pair.second}", {}),
        ("POST", "/passkey", {"step": "challenge", "answer": {}}),
        ("GET", "/account", None),
    )
    for method, action, body in routes:
        reply = await other.call(method, pair.path + action, json=body)
        assert (reply.status, reply.body["code"]) == (404, "instance_not_found"), action


async def test_what_the_provider_has_not_is_said(pair: Pair) -> None:
    reply = await pair.company.call("POST", f"{pair.path}/passkey", json={"step": "challenge", "answer": {}})
    assert (reply.status, reply.body["code"]) == (422, "unsupported_by_provider")
    reply = await pair.company.call("POST", f"{pair.path}/status?connection_id={pair.id}")
    assert reply.status == 405
    reply = await pair.company.call("GET", f"{pair.path}/status?connection_id={pair.id}")
    assert (reply.status, reply.body["code"]) == (404, "connection_not_found")


async def test_each_connection_is_connected_and_disconnected_by_itself(phones: Pair) -> None:
    state = await phones.company.post(f"{phones.path}/disconnect?connection_id={phones.second}", status=200)
    assert state["status"] == "disconnected"
    shown = await phones.company.get(phones.path)
    assert (shown["status"], [one["status"] for one in shown["connections"]]) == (
        "connected",
        ["connected", "disconnected"],
    )
    told = (await phones.company.get("/v1/events?type=instance.disconnected"))["data"]
    assert [(event["data"]["connection_id"], event["data"]["active"]) for event in told] == [(phones.second, False)]


# --- placing --------------------------------------------------------------------------------------------


async def test_capacity_holds_when_many_are_added_at_once(admin: Client, company: Client) -> None:
    made = [await company.post("/v1/instances", {"name": "x", "kind": "sandbox"}) for _ in range(9)]
    await admin.post(f"/v1/servers/{made[0]['connections'][0]['server_id']}/drain", status=200)
    small, large = await sandbox_server(admin, "small", 2), await sandbox_server(admin, "large", 5)
    replies = await asyncio.gather(
        *(company.call("POST", f"/v1/instances/{one['id']}/connections", json={"kind": "sandbox"}) for one in made)
    )
    placed = collections.Counter(reply.body.get("server_id", reply.body.get("code")) for reply in replies)
    assert placed == {small: 2, large: 5, "no_capacity": 2}
    counts = {one["id"]: one["instances"] for one in (await admin.get("/v1/servers"))["data"]}
    assert (counts[small], counts[large]) == (2, 5)


async def test_many_connections_added_to_one_instance_at_once_get_ranks_of_their_own(
    company: Client, path: str
) -> None:
    replies = await asyncio.gather(*(company.call("POST", path, json={"kind": "sandbox"}) for _ in range(12)))
    assert collections.Counter(reply.status for reply in replies) == {201: 9, 409: 3}
    assert {reply.body["code"] for reply in replies if reply.status == 409} == {"too_many_connections"}
    shown = (await company.get(path))["data"]
    assert [one["rank"] for one in shown] == list(range(1, 11))
    assert sum(one["active"] for one in shown) == 1


async def test_a_draining_server_by_name_takes_none(admin: Client, company: Client, path: str) -> None:
    server = await sandbox_server(admin, "tired")
    await admin.post(f"/v1/servers/{server}/drain", status=200)
    reply = await company.call("POST", path, json={"server_id": server})
    assert (reply.status, reply.body["code"]) == (409, "server_draining")
