"""Instances: placed, connected, changed and deleted, each company seeing its own."""

import asyncio
import collections
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recado.domain import provider
from recado.domain.ids import CompanyId
from recado.domain.provider import ConnectionState
from recado.domain.states import ConnectionStatus
from recado.services import connections
from recado.services.runtime import Runtime
from tests.api.conftest import server
from tests.api.scripted import Account, Paired
from tests.support import client as clients
from tests.support import secrets
from tests.support.client import Client

CONNECTED = ConnectionState(status=ConnectionStatus.CONNECTED, phone="5511999990001")
OFF = {"min_ms": 0, "max_ms": 0, "per_minute": 0}


DISCONNECTED = ConnectionState(status=ConnectionStatus.DISCONNECTED)


def qr(code: str = "2@code", seconds: int = 60) -> ConnectionState:
    return ConnectionState(
        status=ConnectionStatus.QR, qr=code, expires_at=datetime.now(UTC) + timedelta(seconds=seconds)
    )


@pytest.fixture
async def instance(company: Client, paired_server: str) -> Any:
    return await company.post("/v1/instances", {"name": "Vendas", "kind": "paired"})


@pytest.fixture
async def account_instance(company: Client, account_server: str) -> Any:
    return await company.post("/v1/instances", account_request())


def account_request(**changes: Any) -> dict[str, Any]:
    credentials = {"number_id": "100200", "access_token": secrets.register("EAA-token-of-the-account")}
    return {"name": "Vendas", "kind": "account", "credentials": credentials, **changes}


async def events(runtime: Runtime) -> list[tuple[str, dict[str, Any]]]:
    async with runtime.db.work() as connection:
        rows = await connection.fetch("SELECT type, data FROM events ORDER BY sequence")
    return [(row["type"], row["data"]) for row in rows]


# --- creating -----------------------------------------------------------------------------------------


async def test_an_instance_is_created_with_a_connection_and_a_token(
    company: Client, runtime: Runtime, paired_server: str
) -> None:
    body = await company.post(
        "/v1/instances", {"name": "Vendas", "kind": "paired", "phone": "+55 11 99999-0001", "settings": {}}
    )
    assert (body["status"], body["phone"], body["paused"]) == ("created", "5511999990001", False)
    assert body["settings"]["max_attempts"] == 3
    [connection] = body["connections"]
    assert (connection["kind"], connection["server_id"]) == ("paired", paired_server)
    assert (connection["status"], connection["rank"]) == ("created", 1)
    pattern = re.escape(runtime.settings.base_url) + r"/hooks/paired/[0-9a-f]{32}"
    assert re.fullmatch(pattern, connection["webhook_url"])
    shown = await company.get(f"/v1/instances/{body['id']}")
    assert shown == {name: value for name, value in body.items() if name != "token"}
    assert (await company.get("/v1/instances"))["data"] == [shown]


async def test_a_number_that_needs_no_pairing_is_connected_at_once(
    company: Client, runtime: Runtime, account_instance: Any
) -> None:
    assert account_instance["status"] == "connected"
    [connection] = account_instance["connections"]
    assert (connection["status"], connection["account"]) == ("connected", "100200")
    assert "EAA-token" not in str(await company.get("/v1/instances"))
    async with runtime.db.work() as database:
        row = await database.fetchrow("SELECT company_id, credentials FROM connections")
    assert row is not None
    assert b"EAA-token" not in row["credentials"]
    view = await runtime.directory.instance(row["company_id"], uuid.UUID(account_instance["id"]))
    assert view.active is not None
    assert view.active.connection.credentials["access_token"] == "EAA-token-of-the-account"
    key = connection["webhook_url"].rsplit("/", 1)[-1]
    assert (await runtime.directory.by_hook("account", key)).connection == view.active.connection


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"kind": "paired"}, ["name"]),
        ({"name": "", "kind": "paired"}, ["name"]),
        ({"name": "x"}, ["kind"]),
        ({"name": "x", "kind": "pigeon"}, ["kind"]),
        ({"name": "x", "kind": "paired", "phone": "12"}, ["phone"]),
        ({"name": "x", "kind": "paired", "phone": "someone@g.us"}, ["phone"]),
        ({"name": "x", "kind": "account"}, ["credentials.number_id", "credentials.access_token"]),
        ({"name": "x", "kind": "paired", "credentials": {"pin": "1"}}, ["credentials.pin"]),
        ({"name": "x", "kind": "paired", "settings": {"pacing": {"min_ms": "a"}}}, ["settings.pacing.min_ms"]),
        ({"name": "x", "kind": "paired", "settings": {"pace": 1}}, ["settings.pace"]),
        ({"name": "x", "kind": "paired", "settings": {"pacing": {"min_ms": 9_000}}}, ["settings.pacing.max_ms"]),
        ({"name": "x", "kind": "paired", "settings": {"ordering": "recipient"}}, ["settings.ordering"]),
    ],
)
async def test_what_is_wrong_is_named(
    company: Client, paired_server: str, account_server: str, body: dict[str, Any], fields: list[str]
) -> None:
    reply = await company.call("POST", "/v1/instances", json=body)
    assert (reply.status, [error["field"] for error in reply.body["errors"]]) == (422, fields)


async def test_ordering_by_recipient_needs_pacing_off(company: Client, paired_server: str) -> None:
    settings = {"ordering": "recipient", "pacing": OFF}
    body = await company.post("/v1/instances", {"name": "x", "kind": "paired", "settings": settings})
    reply = await company.call("PATCH", f"/v1/instances/{body['id']}", json={"settings": {"pacing": None}})
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, "settings.ordering")


async def test_instances_go_where_the_fewest_are_and_never_above_capacity(admin: Client, company: Client) -> None:
    small = await admin.post("/v1/servers", server(name="small", max_instances=3))
    large = await admin.post("/v1/servers", server(name="large", max_instances=8))
    await admin.post("/v1/servers", server(name="none", max_instances=0))

    replies = await asyncio.gather(
        *(company.call("POST", "/v1/instances", json={"name": f"n{n}", "kind": "paired"}) for n in range(15))
    )

    assert collections.Counter(reply.status for reply in replies) == {201: 11, 409: 4}
    placed = [reply.body["connections"][0]["server_id"] for reply in replies if reply.status == 201]
    assert collections.Counter(placed) == {small["id"]: 3, large["id"]: 8}
    counts = {one["name"]: one["instances"] for one in (await admin.get("/v1/servers"))["data"]}
    assert counts == {"small": 3, "large": 8, "none": 0}


async def test_concurrent_creations_are_spread_evenly(admin: Client, company: Client) -> None:
    for name in ("a", "b", "c"):
        await admin.post("/v1/servers", server(name=name))
    wanted = {"name": "x", "kind": "paired"}
    await asyncio.gather(*(company.post("/v1/instances", wanted) for _ in range(9)))
    counts = [one["instances"] for one in (await admin.get("/v1/servers"))["data"]]
    assert counts == [3, 3, 3]


async def test_a_full_server_by_name(admin: Client, company: Client) -> None:
    one = await admin.post("/v1/servers", server(max_instances=1))
    wanted = {"name": "x", "server_id": one["id"]}
    replies = await asyncio.gather(*(company.call("POST", "/v1/instances", json=wanted) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]
    assert {reply.body["code"] for reply in replies if reply.status == 409} == {"no_capacity"}


async def test_a_companys_own_server_is_invisible_to_others(admin: Client, company: Client) -> None:
    owner = await admin.post("/v1/companies", {"name": "Dona"})
    own = await admin.post("/v1/servers", server(company_id=owner["id"]))
    reply = await company.call("POST", "/v1/instances", json={"name": "x", "server_id": own["id"]})
    assert (reply.status, reply.body["code"]) == (404, "server_not_found")
    reply = await company.call("POST", "/v1/instances", json={"name": "x", "kind": "paired"})
    assert (reply.status, reply.body["code"]) == (409, "no_capacity")
    assert (
        await admin.as_(owner["token"]).call("POST", "/v1/instances", json={"name": "x", "kind": "paired"})
    ).status == 201


async def test_a_number_without_session_may_wait_for_an_unhealthy_server(
    admin: Client, company: Client, account: Account, account_server: str
) -> None:
    account.healthy = provider.Health(healthy=False)
    await admin.post(f"/v1/servers/{account_server}/check", status=200)
    body = await company.post("/v1/instances", account_request())
    assert body["connections"][0]["server_id"] == account_server


async def test_kind_and_server_must_agree(company: Client, paired_server: str) -> None:
    body = {"name": "x", "kind": "account", "server_id": paired_server}
    reply = await company.call("POST", "/v1/instances", json=body)
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, "kind")


# --- seeing and changing --------------------------------------------------------------------------------


async def test_another_companys_instance_is_not_found_by_any_route(admin: Client, instance: Any) -> None:
    other = await clients.make_company(admin, "Outra")
    path = f"/v1/instances/{instance['id']}"
    for method, action in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/connect"),
        ("GET", "/qr"),
        ("GET", "/status"),
        ("POST", "/restart"),
        ("POST", "/disconnect"),
        ("POST", "/recover"),
        ("POST", "/tokens"),
    ):
        reply = await other.call(method, path + action, json={} if method == "PATCH" else None)
        assert (reply.status, reply.body["code"]) == (404, "instance_not_found"), action
    assert (await other.get("/v1/instances"))["data"] == []


async def test_settings_are_merged_and_null_is_the_default(company: Client, instance: Any) -> None:
    path = f"/v1/instances/{instance['id']}"
    reply = await company.call(
        "PATCH", path, json={"name": "Novo", "settings": {"max_attempts": 5, "pacing": {"per_minute": 10}}}
    )
    assert (reply.body["name"], reply.body["settings"]["max_attempts"]) == ("Novo", 5)
    reply = await company.call("PATCH", path, json={"settings": {"max_attempts": None, "pacing": {"max_ms": 4_000}}})
    assert reply.body["settings"]["max_attempts"] == 3
    pacing = reply.body["settings"]["pacing"]
    assert (pacing["min_ms"], pacing["max_ms"], pacing["per_minute"]) == (1_000, 4_000, 10)


async def test_a_new_access_token_is_used_at_once(company: Client, account: Account, account_instance: Any) -> None:
    account.states = [CONNECTED]
    path = f"/v1/instances/{account_instance['id']}"
    await company.get(f"{path}/status")
    fresh = secrets.register("EAA-second-token")
    reply = await company.call("PATCH", path, json={"credentials": {"access_token": fresh}})
    assert reply.status == 200
    assert fresh not in str(reply.body)
    await company.get(f"{path}/status")
    assert [seen.credentials["access_token"] for seen in account.seen] == ["EAA-token-of-the-account", fresh]
    assert account.seen[-1].credentials["number_id"] == "100200"


async def test_instances_are_filtered_by_status(company: Client, instance: Any, account_instance: Any) -> None:
    listed = (await company.get("/v1/instances?status=connected"))["data"]
    assert [one["id"] for one in listed] == [account_instance["id"]]
    assert (await company.call("GET", "/v1/instances?status=happy")).status == 422


# --- connecting -----------------------------------------------------------------------------------------


async def test_pairing_by_qr_code(company: Client, runtime: Runtime, paired: Paired, instance: Any) -> None:
    path = f"/v1/instances/{instance['id']}"
    paired.states = [qr(), CONNECTED]
    state = await company.post(f"{path}/connect", {"method": "qr"}, status=200)
    assert (state["status"], state["qr"]) == ("qr", "2@code")
    assert (await company.get(f"{path}/qr"))["qr"] == "2@code"
    picture = await company.call("GET", f"{path}/qr", headers={"Accept": "image/png"})
    assert picture.body.startswith(b"\x89PNG")
    assert picture.headers["Content-Type"] == "image/png"
    assert paired.calls == ["connect qr None"]
    state = await company.get(f"{path}/status")
    assert state["status"] == "connected"
    shown = await company.get(path)
    assert (shown["status"], shown["phone"]) == ("connected", "5511999990001")
    reply = await company.call("GET", f"{path}/qr")
    assert (reply.status, reply.body["code"]) == (409, "already_connected")
    assert [(kind, data.get("qr")) for kind, data in await events(runtime)] == [
        ("instance.qr", "2@code"),
        ("instance.connected", None),
    ]


async def test_pairing_by_code(company: Client, paired: Paired, instance: Any) -> None:
    path = f"/v1/instances/{instance['id']}"
    paired.states = [ConnectionState(status=ConnectionStatus.QR, pairing_code="ABCD-1234")]
    reply = await company.call("POST", f"{path}/connect", json={"method": "phone_code"})
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, "phone")
    state = await company.post(f"{path}/connect", {"method": "phone_code", "phone": "5511999990001"}, status=200)
    assert state["pairing_code"] == "ABCD-1234"
    assert paired.calls == ["connect phone_code 5511999990001"]
    assert (await company.get(f"{path}/qr"))["pairing_code"] == "ABCD-1234"
    reply = await company.call("GET", f"{path}/qr", headers={"Accept": "image/png"})
    assert (reply.status, reply.body["code"]) == (409, "not_pairing")


async def test_an_expired_code_is_asked_for_again(company: Client, paired: Paired, instance: Any) -> None:
    path = f"/v1/instances/{instance['id']}"
    paired.states = [qr("old", seconds=-1), qr("new")]
    await company.post(f"{path}/connect", status=200)
    assert (await company.get(f"{path}/qr"))["qr"] == "new"
    paired.states = [DISCONNECTED]
    await company.get(f"{path}/status")
    assert (await company.get(f"{path}/qr"))["qr"] == "new", "some call a number that waits for its scan disconnected"


async def test_no_code_is_shown_when_the_last_has_expired_and_nothing_pairs(
    company: Client, paired: Paired, instance: Any
) -> None:
    path = f"/v1/instances/{instance['id']}"
    paired.states = [qr("old", seconds=-1), DISCONNECTED]
    await company.post(f"{path}/connect", status=200)
    reply = await company.call("GET", f"{path}/qr")
    assert (reply.status, reply.body["code"]) == (409, "not_pairing")


async def test_a_provider_that_fails_is_a_502(company: Client, paired: Paired, instance: Any) -> None:
    paired.states = [provider.CallFailed("It answers HTML.", code="bad_answer")]
    reply = await company.call("POST", f"/v1/instances/{instance['id']}/connect")
    assert (reply.status, reply.body["code"]) == (502, "bad_answer")


async def test_a_restart_needs_a_provider_that_can(
    company: Client, paired: Paired, instance: Any, account_instance: Any
) -> None:
    paired.states = [CONNECTED]
    assert (await company.post(f"/v1/instances/{instance['id']}/restart", status=200))["status"] == "connected"
    reply = await company.call("POST", f"/v1/instances/{account_instance['id']}/restart")
    assert (reply.status, reply.body["code"]) == (422, "unsupported_by_provider")


async def test_disconnected_on_request_stays_so_until_recovered(
    company: Client, runtime: Runtime, account: Account, account_instance: Any
) -> None:
    path = f"/v1/instances/{account_instance['id']}"
    account.states = [CONNECTED]
    for _ in range(2):
        state = await company.post(f"{path}/disconnect", status=200)
        assert (state["status"], state["reason"]) == ("disconnected", connections.REQUESTED)
    assert (await company.get(f"{path}/status"))["status"] == "disconnected"
    assert (await company.post(f"{path}/recover", status=200))["status"] == "connected"
    assert (await company.get(path))["status"] == "connected"
    assert [kind for kind, _ in await events(runtime)] == [
        "instance.disconnected",
        "instance.connected",
        "instance.recovering",
    ]


async def test_recovery_connects_what_is_down_and_leaves_a_ban_alone(
    company: Client, paired: Paired, instance: Any
) -> None:
    path = f"/v1/instances/{instance['id']}/recover"
    down = ConnectionState(status=ConnectionStatus.DISCONNECTED)
    paired.states = [down, down, CONNECTED]
    done = await company.post(path, status=200)
    assert (done["status"], done["needs_person"]) == ("connected", None)
    assert done["steps"] == [{"step": "reconnect", "attempt": 1, "done": True, "status": "connected"}]
    paired.states = [ConnectionState(status=ConnectionStatus.BANNED)]
    done = await company.post(path, status=200)
    assert (done["status"], done["steps"]) == ("banned", [])
    assert "banned" in done["needs_person"]
    assert paired.calls == ["status", "status", "connect qr None", "status"]


async def test_lanes_stop_and_start_with_the_connection(
    runtime: Runtime, account: Account, account_instance: Any
) -> None:
    company_id, connection_id = await _add_lane(runtime, account_instance)

    async def parked_after(status: ConnectionStatus) -> bool:
        async with runtime.db.tenant(company_id) as connection:
            await connections.change_status(connection, runtime, company_id, connection_id, status, "told")
        async with runtime.db.work() as connection:
            return bool(await connection.fetchval("SELECT parked FROM lanes"))

    assert not await parked_after(ConnectionStatus.DEGRADED)
    assert await parked_after(ConnectionStatus.DISCONNECTED)
    assert await parked_after(ConnectionStatus.CONNECTING)
    assert not await parked_after(ConnectionStatus.CONNECTED)
    assert [kind for kind, _ in await events(runtime)] == [
        "instance.degraded",
        "instance.disconnected",
        "instance.connected",
    ]


async def test_a_status_told_many_times_at_once_is_one_event(runtime: Runtime, account_instance: Any) -> None:
    company_id, connection_id = await _add_lane(runtime, account_instance)

    async def tell() -> bool:
        async with runtime.db.tenant(company_id) as connection:
            state = ConnectionState(status=ConnectionStatus.LOGGED_OUT)
            return await connections.change_status(connection, runtime, company_id, connection_id, state)

    assert sorted(await asyncio.gather(*(tell() for _ in range(6)))) == [False] * 5 + [True]
    assert [kind for kind, _ in await events(runtime)] == ["instance.disconnected"]


async def test_a_paused_instance_stays_parked_when_it_connects(runtime: Runtime, account_instance: Any) -> None:
    company_id, connection_id = await _add_lane(runtime, account_instance)
    async with runtime.db.tenant(company_id) as connection:
        await connection.execute("UPDATE instances SET paused = true")
        for status in (ConnectionStatus.DISCONNECTED, ConnectionStatus.CONNECTED):
            await connections.change_status(connection, runtime, company_id, connection_id, status)
        assert await connection.fetchval("SELECT parked FROM lanes")


# --- deleting -------------------------------------------------------------------------------------------


async def test_deleting_frees_the_place_ends_the_tokens_and_cancels_the_queue(
    admin: Client, company: Client, runtime: Runtime, account: Account, account_instance: Any, account_server: str
) -> None:
    company_id, _ = await _add_lane(runtime, account_instance)
    instance_id = uuid.UUID(account_instance["id"])
    waiting, sending = uuid.uuid4(), uuid.uuid4()
    async with runtime.db.work() as connection:
        await connection.execute("UPDATE lanes SET message_id = $1", sending)
        for message in (waiting, sending):
            await connection.execute(
                """INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status,
                                         type, address, content)
                   VALUES ($1, $2, $3, $2, $2, 'out', 'queued', 'text', '5511999990001', '{}')""",
                company_id,
                message,
                instance_id,
            )
            await connection.execute(
                """INSERT INTO outbox (company_id, message_id, instance_id, priority, due_at)
                   VALUES ($1, $2, $3, 1, now())""",
                company_id,
                message,
                instance_id,
            )

    assert (await company.call("DELETE", f"/v1/instances/{instance_id}")).status == 204

    assert account.calls == ["disconnect"]
    async with runtime.db.work() as connection:
        states = {row["id"]: row["status"] for row in await connection.fetch("SELECT id, status FROM messages")}
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    assert states == {waiting: "cancelled", sending: "unproven"}
    assert sorted(kind for kind, _ in await events(runtime)) == ["message.cancelled", "message.unproven"]
    assert (await admin.get(f"/v1/servers/{account_server}"))["instances"] == 0
    assert (await company.as_(account_instance["token"]).call("GET", f"/v1/instances/{instance_id}")).status == 401
    assert (await company.call("DELETE", f"/v1/instances/{instance_id}")).status == 404


async def _add_lane(runtime: Runtime, instance: Any) -> tuple[CompanyId, uuid.UUID]:
    """A sending queue for the instance; its company and connection."""
    async with runtime.db.work() as connection:
        company_id = await connection.fetchval("SELECT company_id FROM instances")
        await connection.execute(
            "INSERT INTO lanes (company_id, instance_id) VALUES ($1, $2)", company_id, uuid.UUID(instance["id"])
        )
    return CompanyId(company_id), uuid.UUID(instance["connections"][0]["id"])
