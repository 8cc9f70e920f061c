"""Tokens of three levels: listed without their text, rotated, revoked with effect on the next request."""

import uuid

from recado.services import directory as directories
from recado.services.directory import Directory
from recado.services.runtime import Runtime
from tests.support import secrets
from tests.support.client import Client


async def test_the_list_shows_hints_and_never_a_token(admin: Client, company: Client) -> None:
    assert company.token is not None
    listed = await company.get("/v1/tokens")
    [token] = listed["data"]
    assert token["level"] == "company"
    assert company.token.endswith(token["hint"][-4:])
    assert company.token not in str(await admin.get("/v1/tokens"))


async def test_a_company_sees_and_ends_only_its_own(admin: Client, company: Client) -> None:
    other = await admin.post("/v1/companies", {"name": "Outra"})
    [theirs] = (await admin.get(f"/v1/tokens?company_id={other['id']}"))["data"]
    assert theirs["id"] not in [token["id"] for token in (await company.get("/v1/tokens"))["data"]]
    for method, path in (("DELETE", ""), ("POST", "/rotate")):
        reply = await company.call(method, f"/v1/tokens/{theirs['id']}{path}")
        assert (reply.status, reply.body["code"]) == (404, "token_not_found")
    assert (await admin.as_(other["token"]).call("GET", "/v1/instances")).status == 200


async def test_a_revoked_token_is_refused_from_the_next_request_on(admin: Client, company: Client) -> None:
    [token] = (await company.get("/v1/tokens"))["data"]
    assert (await admin.call("DELETE", f"/v1/tokens/{token['id']}")).status == 204
    assert (await company.call("GET", "/v1/tokens")).status == 401
    assert (await admin.call("DELETE", f"/v1/tokens/{token['id']}")).status == 204
    assert (await admin.call("DELETE", f"/v1/tokens/{uuid.uuid4()}")).status == 404


async def test_rotation_replaces_a_token(admin: Client, company: Client) -> None:
    [old] = (await company.get("/v1/tokens"))["data"]
    new = await company.post(f"/v1/tokens/{old['id']}/rotate")
    assert (new["level"], new["company_id"]) == ("company", old["company_id"])
    assert (await company.call("GET", "/v1/tokens")).status == 401
    assert (await admin.as_(secrets.register(new["token"])).call("GET", "/v1/tokens")).status == 200
    assert (await admin.call("POST", f"/v1/tokens/{old['id']}/rotate")).status == 404


async def test_further_tokens_of_a_company_and_of_its_instance(admin: Client, paired_server: str) -> None:
    made = await admin.post("/v1/companies", {"name": "Padaria"})
    company = admin.as_(made["token"])
    path = f"/v1/companies/{made['id']}/tokens"
    second = await admin.post(path, {"name": "CI"})
    assert (second["level"], second["name"]) == ("company", "CI")
    assert (await admin.as_(second["token"]).call("GET", "/v1/instances")).status == 200
    instance = await company.post("/v1/instances", {"name": "Vendas", "kind": "paired"})
    for body in (
        await admin.post(path, {"instance_id": instance["id"]}),
        await company.post(f"/v1/instances/{instance['id']}/tokens"),
    ):
        assert (body["level"], body["instance_id"]) == ("instance", instance["id"])
    reply = await admin.call("POST", path, json={"instance_id": str(uuid.uuid4())})
    assert (reply.status, reply.body["code"]) == (404, "instance_not_found")
    reply = await admin.call("POST", f"/v1/companies/{uuid.uuid4()}/tokens")
    assert (reply.status, reply.body["code"]) == (404, "company_not_found")


async def test_admin_tokens_make_admin_tokens_and_nobody_else_does(admin: Client, company: Client) -> None:
    body = await admin.post("/v1/tokens", {"name": "night shift"})
    assert body["level"] == "admin"
    assert (await admin.as_(body["token"]).call("GET", "/v1/companies")).status == 200
    assert (await company.call("POST", "/v1/tokens", json={})).status == 403


async def test_an_instances_token_sees_its_own_instance_only(company: Client, paired_server: str) -> None:
    mine, other = [await company.post("/v1/instances", {"name": name, "kind": "paired"}) for name in ("mine", "other")]
    caller = company.as_(mine["token"])
    assert (await caller.get(f"/v1/instances/{mine['id']}"))["name"] == "mine"
    assert (await caller.call("GET", f"/v1/instances/{other['id']}")).status == 404
    for method, path in (
        ("GET", "/v1/instances"),
        ("POST", "/v1/instances"),
        ("DELETE", f"/v1/instances/{mine['id']}"),
        ("GET", "/v1/tokens"),
        ("GET", "/v1/companies"),
    ):
        reply = await caller.call(method, path, json={} if method == "POST" else None)
        assert (reply.status, reply.body["code"]) == (403, "wrong_token_level"), path


async def test_another_process_forgets_a_revoked_token_when_it_is_told(
    runtime: Runtime, admin: Client, company: Client
) -> None:
    elsewhere = Directory(db=runtime.db, keyring=runtime.keyring, settings=runtime.settings)
    assert company.token is not None
    principal = await elsewhere.authenticate(company.token)
    assert elsewhere.cached_principal(company.token) is principal
    elsewhere.invalidate()
    assert elsewhere.cached_principal(company.token) is None
    assert directories.TTL_SECONDS <= 5
