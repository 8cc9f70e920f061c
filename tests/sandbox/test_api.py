"""The sandbox over HTTP, in a whole Recado."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from recado.app import Recado
from recado.domain.ids import CompanyId, InstanceId, new
from recado.providers.sandbox import webhooks
from recado.services import sandbox
from tests.sandbox.conftest import PHONE
from tests.support import client, secrets
from tests.support.client import Client


@pytest.fixture
async def admin(served: Recado) -> AsyncIterator[Client]:
    async with client.connect(served.url, served.admin_token) as found:
        yield found


@pytest.fixture
async def company(admin: Client) -> Client:
    return await client.make_company(admin)


async def send(company: Client, instance: dict[str, Any], body: str = "Olá", to: str = PHONE) -> str:
    message = {"instance_id": instance["id"], "to": to, "type": "text", "text": {"body": body}}
    return str((await company.post("/v1/messages", message))["id"])


async def received_by(company: Client, number: str, count: int) -> list[Any]:
    page = await company.until(f"/sandbox/phones/{number}/messages", lambda found: found["distinct"] >= count)
    return list(page["data"])


async def test_a_message_goes_out_and_an_answer_comes_back(company: Client) -> None:
    instance = await client.make_sandbox_instance(company, client.NO_PACING)
    put = await company.call("PUT", f"/sandbox/phones/{PHONE}", json={"auto_reply": "Oi!", "latency_ms": 5})
    assert put.status == 200
    assert put.body["auto_reply"] == "Oi!"
    sent = await send(company, instance)
    [got] = await received_by(company, PHONE, 1)
    assert (got["id"], got["instance_id"], got["content"]) == (sent, instance["id"], {"body": "Olá"})
    await company.until(f"/v1/messages/{sent}", lambda message: message["status"] == "read")
    inbound = "/v1/messages?direction=inbound"
    found = await company.until(inbound, lambda page: page["data"])
    assert found["data"][0]["content"] == {"body": "Oi!"}


async def test_sending_waits_while_the_line_is_cut(company: Client) -> None:
    # However slow the machine is, the line is not mended before we say so.
    instance = await client.make_sandbox_instance(company, {**client.NO_PACING, "liveness": {"recover": False}})
    path = f"/v1/instances/{instance['id']}"
    cut = await company.post(f"/sandbox/instances/{instance['id']}/disconnect", status=200)
    assert cut["status"] == "disconnected"
    await company.until(path, lambda shown: shown["status"] == "disconnected")
    sent = [await send(company, instance, str(number)) for number in range(3)]
    await company.post(f"/sandbox/instances/{instance['id']}/connect", status=200)
    await company.until(path, lambda shown: shown["status"] == "connected")
    assert [got["id"] for got in await received_by(company, PHONE, 3)] == sent


async def test_a_phone_writes_and_reacts(company: Client) -> None:
    instance = await client.make_sandbox_instance(company, client.NO_PACING)
    body = {"instance_id": instance["id"], "type": "text", "text": {"body": "Bom dia"}, "name": "Ana"}
    written = await company.post(f"/sandbox/phones/{PHONE}/messages", body)
    assert written["from"] == PHONE
    found = await company.until("/v1/messages?direction=inbound", lambda page: page["data"])
    assert found["data"][0]["content"] == {"body": "Bom dia"}


async def test_only_signed_webhooks_of_others_are_believed(company: Client) -> None:
    secret = uuid4().hex
    secrets.register(secret)
    wanted = {"name": "Assinada", "kind": "sandbox", "credentials": {"secret": secret}}
    instance = await company.post("/v1/instances", wanted)
    secrets.register(instance["token"])
    hook = "/hooks/" + instance["connections"][0]["webhook_url"].partition("/hooks/")[2]
    payload = {"id": str(uuid4()), "from": PHONE, "type": "text", "content": {"body": "De fora"}}
    event = webhooks.Event(id="1", event="message", at=sandbox.now(), payload=payload)
    body = webhooks.compose([event])
    async with aiohttp.ClientSession() as session:
        for signature, status in ((webhooks.sign(secret, body), 200), ("wrong", 401)):
            headers = {"x-sandbox-signature": signature, "content-type": "application/json"}
            async with session.post(company.url + hook, data=body, headers=headers) as response:
                assert response.status == status
    found = await company.until("/v1/messages?direction=inbound", lambda page: page["data"])
    assert [message["content"] for message in found["data"]] == [{"body": "De fora"}]


async def test_pairing_in_one_go_leaves_a_connected_instance(served: Recado, company: Client) -> None:
    instance = await company.post("/v1/instances", {"name": "Pronta", "kind": "sandbox"})
    secrets.register(instance["token"])
    owner = await served.runtime.db.worker.fetchval("SELECT company_id FROM instances")
    await sandbox.pair(served.runtime, CompanyId(owner), InstanceId(instance["id"]))
    assert (await company.get(f"/v1/instances/{instance['id']}"))["status"] == "connected"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ack": "maybe"}, "ack"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"fail": {"rate": 0.5}}, "fail.code"),
        ({"fail": {"code": "x", "rate": 2}}, "fail.rate"),
        ({"rate_limit": {"per_minute": 0}}, "rate_limit.per_minute"),
        ({"conected": False}, "conected"),
    ],
)
async def test_a_wrong_behaviour_names_the_field(company: Client, body: dict[str, Any], field: str) -> None:
    reply = await company.call("PUT", f"/sandbox/phones/{PHONE}", json=body)
    assert reply.status == 422
    assert [error["field"] for error in reply.body["errors"]] == [field]


async def test_who_may_not_is_told_so(admin: Client, company: Client) -> None:
    instance = await client.make_sandbox_instance(company)
    other = await client.make_company(admin, "Outra")
    cut = f"/sandbox/instances/{instance['id']}/disconnect"
    assert (await other.call("POST", cut)).status == 404
    assert (await company.call("POST", f"/sandbox/instances/{new()}/ban")).status == 404
    assert (await admin.call("POST", cut)).status == 403
    assert (await company.as_(None).call("POST", cut)).status == 401
    assert (await company.call("POST", "/sandbox/scan", json={"code": "nonsense"})).status == 404
    assert (await company.call("GET", f"/sandbox/phones/{PHONE}/messages?cursor=x")).status == 422
    assert (await company.call("GET", f"/sandbox/phones/{PHONE}/messages?limit=500")).status == 422
    assert (await company.call("PUT", "/sandbox/phones/1", json={})).status == 422
