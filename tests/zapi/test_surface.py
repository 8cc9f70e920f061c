"""Who may call the surface, and how it answers what is no success."""

from typing import Any

import pytest

from recado.api.zapi import surface
from tests.support import secrets
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient, open_instance

TEXT = {"phone": "5511999990002", "message": "oi"}


async def test_a_client_changes_its_base_url_and_sends(zapi: ZapiClient) -> None:
    sent = await zapi.post("/send-text", TEXT)
    assert list(sent) == ["zaapId", "messageId", "id"]
    assert sent["messageId"] == sent["id"]
    assert len(sent["zaapId"]) == 32
    stored = await zapi.company.get(f"/v1/messages/{sent['zaapId'].lower()}")
    assert (stored["type"], stored["content"]) == ("text", {"body": "oi"})


async def test_imported_ids_keep_their_addresses(module_company: Client) -> None:
    token = secrets.register("8B5F4E6F2A9C4B1D8E7F6A5B")
    brought = await open_instance(module_company, id="3A2B1C4D5E6F7A8B9C0D1E2F3A4B5C6D", token=token)
    assert brought.base == f"/instances/3A2B1C4D5E6F7A8B9C0D1E2F3A4B5C6D/token/{token}"
    await brought.post("/send-text", TEXT)


@pytest.mark.parametrize("what", ["id", "token", "both"])
async def test_an_id_and_a_token_that_do_not_belong_together(zapi: ZapiClient, what: str) -> None:
    other = await open_instance(zapi.company)
    instance = "F" * 32 if what == "both" else other.id if what == "id" else zapi.id
    token = other.token if what == "token" else zapi.token
    reply = await zapi.company.as_(None).call("POST", f"/instances/{instance}/token/{token}/send-text", json=TEXT)
    assert (reply.status, reply.body) == (404, {"error": "Instance not found"})


async def test_the_client_token_is_asked_for_once_it_is_enabled(zapi: ZapiClient) -> None:
    made = await zapi.company.post("/v1/zapi/client-token")
    token = secrets.register(made["client_token"])
    await zapi.post("/send-text", TEXT)
    await _account(zapi, client_token_enabled=True)
    missing = await zapi.call("POST", "/send-text", json=TEXT)
    assert (missing.status, missing.body) == (400, {"error": "your client-token is not configured"})
    wrong = await zapi.call("POST", "/send-text", json=TEXT, headers={"client-token": "another"})
    assert (wrong.status, wrong.body) == (403, {"error": "Client-Token not allowed"})
    right = await zapi.call("POST", "/send-text", json=TEXT, headers={"Client-Token": token})
    assert right.status == 200
    await _account(zapi, client_token_enabled=False)
    await zapi.post("/send-text", TEXT)


async def test_only_listed_addresses_may_call(zapi: ZapiClient) -> None:
    await _account(zapi, settings={"allowed_ips": ["192.0.2.1"]})
    reply = await zapi.call("GET", "/status")
    assert (reply.status, reply.body) == (403, {"error": "[127.0.0.1] not allowed"})
    await _account(zapi, settings={"allowed_ips": ["127.0.0.1"]})
    assert (await zapi.call("POST", "/send-text", json=TEXT)).status == 200
    await _account(zapi, settings={"allowed_ips": None})


async def test_a_route_that_is_not_there_answers_as_the_account_wants(zapi: ZapiClient) -> None:
    body = {"error": "NOT_FOUND", "message": "Unable to find matching target resource method"}
    reply = await zapi.call("GET", "/no-such-route")
    assert (reply.status, reply.body) == (200, body)
    await _account(zapi, settings={"unknown_route": 404})
    reply = await zapi.call("GET", "/no-such-route")
    assert (reply.status, reply.body) == (404, body)
    await _account(zapi, settings={"unknown_route": None})


async def test_what_cannot_be_read_is_refused(zapi: ZapiClient) -> None:
    wrong_method = await zapi.call("GET", "/send-text")
    assert (wrong_method.status, wrong_method.body) == (405, {"error": "GET is not allowed here; use POST"})
    text = await zapi.call("POST", "/send-text", data="phone=1", headers={"content-type": "text/plain"})
    assert text.status == 415
    assert "application/json" in text.body["error"]
    broken = await zapi.call("POST", "/send-text", data="{", headers={"content-type": "application/json"})
    assert broken.status == 400
    empty = await zapi.call(
        "POST", "/send-text", data="", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert (empty.status, empty.body) == (400, {"error": "phone: This field is required."})


async def test_a_cancelled_subscription_ends_with_its_month(zapi: ZapiClient, module_recado: Any) -> None:
    assert (await zapi.partner("POST", "/integrator/on-demand/cancel", below=True)).status == 201
    await zapi.post("/send-text", TEXT)
    runtime = module_recado.runtime
    async with runtime.db.work() as connection:
        await connection.execute("UPDATE zapi_instances SET due_at = now() WHERE public_id = $1", zapi.id)
    runtime.directory.invalidate()
    reply = await zapi.call("POST", "/send-text", json=TEXT)
    assert (reply.status, reply.body) == (400, {"error": surface.OVER})
    form = {"content-type": "application/x-www-form-urlencoded"}
    again = await zapi.partner("POST", "/integrator/on-demand/subscription", below=True, data="", headers=form)
    assert (again.status, again.body) == (201, b"")
    await zapi.post("/send-text", TEXT)


async def test_partners_make_and_list_instances(zapi: ZapiClient, module_recado: Any) -> None:
    await _account(zapi, settings={"kind": "sandbox"})
    body = {
        "name": "Sob demanda",
        "receivedAndDeliveryCallbackUrl": "https://client.example/in",
        "autoReadMessage": True,
    }
    made = await zapi.partner("POST", "/instances/integrator/on-demand", json=body)
    assert made.status == 200, made.body
    secrets.register(made.body["token"])
    assert set(made.body) == {"id", "token", "due"}
    listed = await zapi.partner("GET", "/instances", params={"page": 1, "pageSize": 10, "query": "demanda"})
    assert (listed.status, listed.body["total"], listed.body["totalPage"]) == (200, 1, 1)
    shown = listed.body["content"][0]
    assert (shown["id"], shown["token"], shown["due"]) == (made.body["id"], made.body["token"], made.body["due"])
    assert (shown["paymentStatus"], shown["phoneConnected"], shown["middleware"]) == ("PAID", False, "web")
    await _account(zapi, settings={"documentation": "older"})
    older = await zapi.partner("GET", "/instances", params={"page": 1, "pageSize": 10, "query": "demanda"})
    assert (older.status, older.body["content"][0]["receivedAndDeliveryCallbackUrl"]) == (
        201,
        "https://client.example/in",
    )
    await _account(zapi, settings={"documentation": None})
    wrong = await zapi.partner(
        "POST", "/instances/integrator/on-demand", json={"name": "x", "deliveryCallbackUrl": "nowhere"}
    )
    assert wrong.status == 400, "nothing is made when a webhook is wrong"
    again = await zapi.partner("GET", "/instances", params={"page": 1, "pageSize": 10})
    assert [one["name"] for one in again.body["content"] if one["name"] == "x"] == []


async def test_partner_routes_want_a_partner_token(zapi: ZapiClient) -> None:
    nobody = await zapi.call("POST", "/integrator/on-demand/cancel")
    assert nobody.status == 401
    token = secrets.register("an-imported-partner-token-1")
    await _account(zapi, partner_token=token)
    brought = zapi.company.as_(token)
    assert (await brought.call("GET", "/instances", params={"page": 1, "pageSize": 1})).status == 200
    assert (await zapi.company.as_("another-partner-token").call("GET", "/instances")).status == 401


async def _account(zapi: ZapiClient, **changes: Any) -> Any:
    reply = await zapi.company.call("PATCH", "/v1/zapi", json=changes)
    assert reply.status == 200, reply.body
    return reply.body
