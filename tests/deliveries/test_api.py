"""The routes as a company calls them, and deliveries through a whole served Recado."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import standardwebhooks

from recado.app import Recado
from tests.deliveries.conftest import Endpoint, World
from tests.support import secrets
from tests.support.client import Client, connect, make_company


@pytest.fixture
async def admin(served: Recado) -> AsyncIterator[Client]:
    async with connect(served.url, served.admin_token) as client:
        yield client


@pytest.fixture
async def company(admin: Client) -> Client:
    return await make_company(admin)


@pytest.fixture
async def servers(served: Recado) -> AsyncIterator[World]:
    """Only to serve endpoints; its own worker is not started."""
    world = World(served.runtime)
    yield world
    await world.stop()


async def make_instance(company: Client) -> dict[str, Any]:
    made: dict[str, Any] = await company.post("/v1/instances", {"name": "Teste", "kind": "sandbox"})
    secrets.register(made["token"])
    return made


async def register(company: Client, endpoint: Endpoint, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await company.post("/v1/webhooks", {"url": endpoint.url, "events": ["*"], **fields})
    secrets.register(made["secret"])
    return made


async def test_the_life_of_a_webhook(company: Client, servers: World) -> None:
    endpoint = await servers.serve()
    made = await register(company, endpoint, events=["message.received", "message.read", "message.read"])
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["message.received", "message.read"]
    assert (made["status"], made["format"], made["instance_id"]) == ("active", "recado", None)
    path = f"/v1/webhooks/{made['id']}"
    shown = await company.get(path)
    assert "secret" not in shown
    assert shown == {key: value for key, value in made.items() if key != "secret"}
    assert [one["id"] for one in (await company.get("/v1/webhooks"))["data"]] == [made["id"]]
    changed = await company.call("PATCH", path, json={"events": ["*"], "status": "paused"})
    assert (changed.status, changed.body["events"], changed.body["status"]) == (200, ["*"], "paused")
    assert (await company.call("POST", f"{path}/test")).status == 409
    changed = await company.call("PATCH", path, json={"status": "active"})
    assert (changed.body["status"], changed.body["paused_reason"]) == ("active", None)
    rotated = await company.post(f"{path}/rotate-secret", {"overlap_seconds": 60}, status=200)
    secrets.register(rotated["secret"])
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"] > rotated["created_at"]
    bare = await company.call("POST", f"{path}/rotate-secret")
    assert bare.status == 200
    secrets.register(bare.body["secret"])
    assert (await company.call("DELETE", path)).status == 204
    assert (await company.call("GET", path)).body["code"] == "webhook_not_found"
    assert (await company.get("/v1/webhooks"))["data"] == []


async def test_a_test_event_arrives_signed_and_is_listed(company: Client, servers: World) -> None:
    endpoint = await servers.serve()
    made = await register(company, endpoint, events=["message.read"])
    queued = await company.post(f"/v1/webhooks/{made['id']}/test", status=202)
    got = await endpoint.arrival()
    body = standardwebhooks.Webhook(made["secret"]).verify(got.raw, dict(got.headers))
    assert (body["id"], body["type"]) == (queued["event_id"], "webhook.test")
    listed = await company.until(
        f"/v1/webhooks/{made['id']}/deliveries", lambda page: page["data"][0]["status"] == "delivered"
    )
    (delivery,) = listed["data"]
    assert delivery["id"] == queued["delivery_id"]
    assert [(one["number"], one["status"], one["error"]) for one in delivery["attempts"]] == [(1, 200, None)]
    assert await company.get(f"/v1/deliveries/{delivery['id']}") == delivery
    again = await company.post(f"/v1/deliveries/{delivery['id']}/replay", status=202)
    assert again["status"] == "pending"
    assert (await endpoint.arrival()).headers["webhook-id"] == queued["event_id"]
    event = await company.get(f"/v1/events/{queued['event_id']}")
    assert event == {**body, "message_id": None}
    page = await company.get("/v1/events?type=webhook.test")
    assert page == {"data": [event], "next_cursor": None}


async def test_a_replay_brings_the_past(company: Client, servers: World) -> None:
    early, late = await servers.serve(), await servers.serve()
    first = await register(company, early)
    await company.post(f"/v1/webhooks/{first['id']}/test", status=202)
    await early.arrival()
    instance = await make_instance(company)
    await company.post(f"/v1/instances/{instance['id']}/connect", {"method": "qr"}, status=200)
    got = await early.arrival()
    second = await register(company, late)
    replayed = await company.post(f"/v1/webhooks/{second['id']}/replay", {"since": first["created_at"]}, status=202)
    assert replayed["deliveries"] >= 1
    assert replayed["next_since"] is None
    assert (await late.arrival()).headers["webhook-id"] == got.headers["webhook-id"]


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"url": "ftp://example.com/"}, "url", "invalid_url"),
        ({"url": "https://"}, "url", "invalid_url"),
        ({"url": "https://user:secret@example.com/"}, "url", "invalid_url"),
        ({"url": "https://exa mple.com/"}, "url", "invalid_url"),
        ({"url": "https://example.com:99999/"}, "url", "invalid_url"),
        ({"events": ["message.received", "message.eaten"]}, "events[1]", "unknown_event_type"),
        ({"events": []}, "events", "invalid"),
        ({"format": "zapi"}, "format", "unknown_format"),
        ({"colour": "red"}, "colour", "invalid"),
        ({"instance_id": "x"}, "instance_id", "invalid"),
    ],
)
async def test_what_is_no_webhook_is_refused(company: Client, fields: dict[str, Any], field: str, code: str) -> None:
    reply = await company.call("POST", "/v1/webhooks", json={"url": "https://example.com/", "events": ["*"], **fields})
    assert (reply.status, reply.body["code"]) == (422, code), reply.body
    assert [error["field"] for error in reply.body["errors"]] == [field]


async def test_what_is_not_there_is_404(company: Client) -> None:
    other = str(uuid4())
    for method, path in [
        ("GET", f"/v1/webhooks/{other}"), ("DELETE", f"/v1/webhooks/{other}"),
        ("POST", f"/v1/webhooks/{other}/test"), ("GET", f"/v1/webhooks/{other}/deliveries"),
        ("GET", f"/v1/deliveries/{other}"), ("POST", f"/v1/deliveries/{other}/replay"), ("GET", f"/v1/events/{other}"),
    ]:  # fmt: skip
        assert (await company.call(method, path)).status == 404, path
    reply = await company.call(
        "POST", "/v1/webhooks", json={"url": "https://example.com/", "events": ["*"], "instance_id": other}
    )
    assert (reply.status, reply.body["code"]) == (404, "instance_not_found")


async def test_companies_and_instances_see_their_own(admin: Client, company: Client, servers: World) -> None:
    endpoint = await servers.serve()
    whole = await register(company, endpoint)
    stranger = await make_company(admin, "Outra")
    assert (await stranger.call("GET", f"/v1/webhooks/{whole['id']}")).status == 404
    assert (await stranger.get("/v1/webhooks"))["data"] == []
    instance, other = await make_instance(company), await make_instance(company)
    token = company.as_(instance["token"])
    own = await register(token, endpoint)
    assert own["instance_id"] == instance["id"]
    assert [one["id"] for one in (await token.get("/v1/webhooks"))["data"]] == [own["id"]]
    assert (await token.call("GET", f"/v1/webhooks/{whole['id']}")).status == 404
    assert (await token.call("DELETE", f"/v1/webhooks/{whole['id']}")).status == 404
    refused = await token.call(
        "POST", "/v1/webhooks", json={"url": endpoint.url, "events": ["*"], "instance_id": other["id"]}
    )
    assert (refused.status, refused.body["code"]) == (404, "instance_not_found")
    assert (await admin.call("GET", "/v1/webhooks")).status == 403
    assert (await company.as_(None).call("GET", "/v1/webhooks")).status == 401


async def test_lists_are_pages(company: Client) -> None:
    for number in range(5):
        made = await company.post("/v1/webhooks", {"url": f"https://example.com/{number}", "events": ["*"]})
        secrets.register(made["secret"])
    first = await company.get("/v1/webhooks?limit=3")
    rest = await company.get(f"/v1/webhooks?limit=3&cursor={first['next_cursor']}")
    assert [one["url"][-1] for one in first["data"] + rest["data"]] == ["4", "3", "2", "1", "0"]
    assert rest["next_cursor"] is None
    assert (await company.call("GET", "/v1/events?type=message.eaten")).status == 422
    assert (await company.call("GET", "/v1/events?since=2026-01-01T00:00:00")).status == 422
