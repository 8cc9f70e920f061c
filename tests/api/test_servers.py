"""Servers: registered, changed, drained, checked, and silent about their credentials."""

import asyncio
import uuid
from typing import Any

import pytest

from recado.domain.provider import Health
from recado.services import servers
from recado.services.runtime import Runtime
from tests.api.conftest import server
from tests.api.scripted import Paired
from tests.support.client import Client


async def test_a_server_is_registered_without_showing_its_credentials(admin: Client, runtime: Runtime) -> None:
    body = await admin.post("/v1/servers", server(region="sa-east-1"))
    assert body["credentials"] == ["api_key"]
    assert (body["status"], body["healthy"], body["instances"]) == ("active", True, 0)
    assert (body["base_url"], body["region"]) == ("https://one.example.com", "sa-east-1")
    assert body["webhook_url"].startswith(f"{runtime.settings.base_url}/hooks/paired/")
    assert body == await admin.get(f"/v1/servers/{body['id']}")
    assert "server-key-1234" not in str(await admin.get("/v1/servers"))
    async with runtime.db.work() as connection:
        sealed = await connection.fetchval("SELECT credentials FROM servers")
    assert b"server-key-1234" not in sealed


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "pigeon"}, "kind"),
        ({"credentials": {}}, "credentials.api_key"),
        ({"credentials": {"api_key": "k", "colour": "red"}}, "credentials.colour"),
        ({"base_url": None}, "base_url"),
        ({"base_url": "one.example.com"}, "base_url"),
        ({"base_url": "ftp://one.example.com"}, "base_url"),
        ({"max_instances": -1}, "max_instances"),
        ({"max_instances": 3_000_000_000}, "max_instances"),
        ({"company_id": str(uuid.uuid4())}, "company_id"),
        ({"hook_key": "x"}, "hook_key"),
    ],
)
async def test_what_is_wrong_is_named(admin: Client, changes: dict[str, Any], field: str) -> None:
    reply = await admin.call("POST", "/v1/servers", json=server(**changes))
    assert reply.status == 422
    assert [error["field"] for error in reply.body["errors"]] == [field]


async def test_a_change_merges_credentials_and_keeps_what_is_absent(
    admin: Client, paired: Paired, paired_server: str
) -> None:
    path = f"/v1/servers/{paired_server}"
    reply = await admin.call("PATCH", path, json={"credentials": {"api_key": "another-key"}, "max_instances": 5})
    assert (reply.status, reply.body["max_instances"], reply.body["name"]) == (200, 5, "one")
    await admin.post(f"{path}/check", status=200)
    assert paired.calls == ["health another-key"]
    reply = await admin.call("PATCH", path, json={"credentials": {"api_key": None}})
    assert [error["field"] for error in reply.body["errors"]] == ["credentials.api_key"]


async def test_a_check_stores_health_and_when_trouble_began(admin: Client, paired: Paired, paired_server: str) -> None:
    path = f"/v1/servers/{paired_server}"
    body = await admin.post(f"{path}/check", status=200)
    assert (body["healthy"], body["version"], body["unhealthy_since"]) == (True, "1.2.3", None)
    assert body["latency_ms"] >= 0
    assert body["error_rate"] == 0
    paired.healthy = Health(healthy=False, why="It answers 500.")
    first = await admin.post(f"{path}/check", status=200)
    second = await admin.post(f"{path}/check", status=200)
    assert (first["healthy"], first["health_error"]) == (False, "It answers 500.")
    assert first["unhealthy_since"] == second["unhealthy_since"] != None  # noqa: E711  # Read as one comparison.
    assert second["checked_at"] > first["checked_at"]
    assert second["error_rate"] > first["error_rate"] > 0
    paired.healthy = Health(healthy=True)
    body = await admin.post(f"{path}/check", status=200)
    assert (body["healthy"], body["unhealthy_since"], body["health_error"]) == (True, None, None)


async def test_a_draining_or_unhealthy_server_gets_no_new_instances(
    admin: Client, company: Client, paired: Paired, paired_server: str
) -> None:
    path = f"/v1/servers/{paired_server}"
    wanted = {"name": "Vendas", "kind": "paired"}
    body = await admin.post(f"{path}/drain", status=200)
    assert body["status"] == "draining"
    reply = await company.call("POST", "/v1/instances", json=wanted)
    assert (reply.status, reply.body["code"]) == (409, "no_capacity")
    reply = await company.call("POST", "/v1/instances", json={"name": "Vendas", "server_id": paired_server})
    assert (reply.status, reply.body["code"]) == (409, "server_draining")
    await admin.call("PATCH", path, json={"status": "active"})
    paired.healthy = Health(healthy=False)
    await admin.post(f"{path}/check", status=200)
    assert (await company.call("POST", "/v1/instances", json=wanted)).status == 409
    paired.healthy = Health(healthy=True)
    await admin.post(f"{path}/check", status=200)
    assert (await company.call("POST", "/v1/instances", json=wanted)).status == 201


async def test_a_server_with_instances_cannot_be_deleted(admin: Client, company: Client, paired_server: str) -> None:
    instance = await company.post("/v1/instances", {"name": "Vendas", "server_id": paired_server})
    reply = await admin.call("DELETE", f"/v1/servers/{paired_server}")
    assert (reply.status, reply.body["code"]) == (409, "server_in_use")
    await company.call("DELETE", f"/v1/instances/{instance['id']}")
    assert (await admin.call("DELETE", f"/v1/servers/{paired_server}")).status == 204
    assert (await admin.call("GET", f"/v1/servers/{paired_server}")).status == 404


async def test_the_default_servers_are_made_once_by_processes_that_start_together(
    admin: Client, runtime: Runtime
) -> None:
    await asyncio.gather(*(servers.ensure_defaults(runtime) for _ in range(4)))
    await servers.ensure_defaults(runtime)
    listed = (await admin.get("/v1/servers"))["data"]
    assert [(one["kind"], one["base_url"], one["company_id"]) for one in listed] == [
        ("account", "https://account.invalid", None)
    ]


async def test_servers_are_filtered_by_kind(admin: Client, paired_server: str, account_server: str) -> None:
    listed = (await admin.get("/v1/servers?kind=account"))["data"]
    assert [one["id"] for one in listed] == [account_server]
