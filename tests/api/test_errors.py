"""Every error has one shape, a stable code and the right status, whatever part of the API it comes from."""

import uuid
from typing import Any

import aiohttp
import msgspec
import pytest

from recado.services.runtime import Runtime
from tests.support.client import Client, Reply

SHAPE = {"type", "title", "status", "detail", "code", "errors"}


def fields(body: Any) -> list[str]:
    return [error["field"] for error in body["errors"]]


def header(reply: Reply, name: str) -> str:
    return next(value for given, value in reply.headers.items() if given.lower() == name.lower())


class Case(msgspec.Struct, frozen=True, kw_only=True):
    label: str
    method: str = "POST"
    path: str = "/v1/companies"
    options: dict[str, Any] = {}
    status: int
    code: str


JSON = {"Content-Type": "application/json"}
CASES = [
    Case(label="no route", method="GET", path="/v1/nothing", status=404, code="route_not_found"),
    Case(label="an id that is none", method="GET", path="/v1/companies/12", status=404, code="route_not_found"),
    Case(label="wrong method", method="PUT", status=405, code="method_not_allowed"),
    Case(label="broken JSON", options={"data": b"{bad", "headers": JSON}, status=400, code="malformed_json"),
    Case(label="not UTF-8", options={"data": b'{"name": "\xff"}', "headers": JSON}, status=400, code="malformed_json"),
    Case(
        label="nested too deeply", options={"data": b"[" * 50_000, "headers": JSON}, status=400, code="malformed_json"
    ),
    Case(
        label="a field nested too deeply",
        options={"data": b'{"name": ' + b"[" * 50_000, "headers": JSON},
        status=400,
        code="malformed_json",
    ),
    Case(label="a form", options={"data": {"name": "x"}}, status=415, code="unsupported_media_type"),
    Case(label="no body", status=422, code="invalid"),
    Case(label="not an object", options={"json": []}, status=422, code="invalid"),
    Case(label="wrong type", options={"json": {"name": 5}}, status=422, code="invalid"),
    Case(label="a NUL character", options={"json": {"name": "a\0b"}}, status=422, code="nul_character"),
    Case(label="too large", options={"json": {"name": "x" * 200_000}}, status=413, code="too_large"),
    Case(label="a limit that is too high", method="GET", path="/v1/companies?limit=201", status=422, code="invalid"),
    Case(label="a cursor of nobody", method="GET", path="/v1/companies?cursor=x!", status=422, code="invalid"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
async def test_every_mistake_gets_its_answer(admin: Client, case: Case) -> None:
    reply = await admin.call(case.method, case.path, **case.options)
    assert reply.status == case.status, reply.body
    assert header(reply, "Content-Type").startswith("application/problem+json")
    assert set(reply.body) == SHAPE
    assert (reply.body["status"], reply.body["code"]) == (case.status, case.code)
    assert reply.body["type"] == f"/docs/errors#{case.code}"
    assert header(reply, "X-Request-Id")
    assert "trace" not in reply.body["detail"].lower()


async def test_all_wrong_fields_are_named_at_once(admin: Client) -> None:
    body = {"name": "", "colour": 1, "settings": {"rate_limit": {"messages": 0, "hours": 1}}}
    reply = await admin.call("POST", "/v1/companies", json=body)
    assert (reply.status, fields(reply.body)) == (422, ["name", "colour"])
    reply = await admin.call("POST", "/v1/companies", json={**body, "name": "x", "colour": None})
    assert fields(reply.body) == ["colour"]
    reply = await admin.call("POST", "/v1/companies", json={"name": "x", "settings": body["settings"]})
    assert fields(reply.body) == ["settings.rate_limit.messages", "settings.rate_limit.hours"]


async def test_a_text_that_cannot_be_stored_is_named(admin: Client) -> None:
    reply = await admin.call("POST", "/v1/companies", json={"name": "a\0b"})
    assert fields(reply.body) == ["name"]
    reply = await admin.call("POST", "/v1/companies", json={"name": r"a\u0000b"})
    assert reply.status == 201, "a backslash and six letters are no NUL character"


async def test_a_chunked_body_over_the_limit_is_refused(admin: Client) -> None:
    async def endless() -> Any:
        for _ in range(8):
            yield b" " * 65_536

    try:
        reply = await admin.call("POST", "/v1/companies", data=endless(), headers=JSON)
    except aiohttp.ClientConnectionError:
        return  # The server closed the connection rather than read on.
    assert (reply.status, reply.body["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "unauthorized"),
        ("Basic dXNlcjpwYXNz", "unauthorized"),
        ("Bearer ", "unauthorized"),
        ("Bearer nonsense", "invalid_token"),
        ("Bearer rcd_co_000000000000000000000000000000000", "invalid_token"),
        ("Bearer \xe9", "invalid_token"),
    ],
)
async def test_without_a_valid_token_nothing_is_answered(admin: Client, authorization: str | None, code: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = await admin.as_(None).call("GET", "/v1/companies", headers=headers)
    assert (reply.status, reply.body["code"]) == (401, code)
    assert header(reply, "WWW-Authenticate").startswith("Bearer")


async def test_authentication_comes_before_the_body(admin: Client) -> None:
    reply = await admin.as_("nonsense").call("POST", "/v1/companies", data=b"{bad", headers=JSON)
    assert reply.status == 401


async def test_a_malformed_token_costs_no_look_at_the_database(admin: Client, runtime: Runtime) -> None:
    await runtime.db.stop()
    reply = await admin.as_("rcd_co_mistyped").call("GET", "/v1/instances")
    assert (reply.status, reply.body["code"]) == (401, "invalid_token")


async def test_the_callers_request_id_is_kept(admin: Client) -> None:
    reply = await admin.call("GET", "/v1/companies", headers={"X-Request-Id": "order-42"})
    assert header(reply, "X-Request-Id") == "order-42"


async def test_database_away_is_a_503_that_says_when_to_come_back(admin: Client, runtime: Runtime) -> None:
    await runtime.db.stop()
    reply = await admin.call("POST", "/v1/companies", json={"name": "x"})
    assert (reply.status, reply.body["code"]) == (503, "database_unavailable")
    assert int(header(reply, "Retry-After")) >= 1


async def test_the_document_covers_routes_errors_and_security(admin: Client) -> None:
    reply = await admin.as_(None).call("GET", "/schema/openapi.json")
    document = reply.body if isinstance(reply.body, dict) else msgspec.json.decode(reply.body)
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    create = document["paths"]["/v1/companies"]["post"]
    problem = create["responses"]["4XX"]["content"]["application/problem+json"]["schema"]
    assert set(document["components"]["schemas"][problem["$ref"].rsplit("/", 1)[-1]]["properties"]) == SHAPE
    assert document["paths"]["/live"]["get"]["security"] == [{}]


async def test_the_reference_page_loads_nothing_from_elsewhere(admin: Client) -> None:
    reply = await admin.as_(None).call("GET", "/schema")
    page = reply.body.decode()
    assert reply.status == 200
    assert "/v1/companies/{company_id}" in page
    assert "http://" not in page
    assert "https://" not in page


async def test_another_companys_thing_is_not_found(admin: Client, company: Client) -> None:
    reply = await company.call("GET", f"/v1/instances/{uuid.uuid4()}")
    assert (reply.status, reply.body["code"]) == (404, "instance_not_found")
