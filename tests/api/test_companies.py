"""Companies: made with a token, listed, suspended, and gone with everything they had."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from recado.domain import ids
from recado.services import tokens
from recado.services.runtime import Runtime
from recado.store import events
from tests.support import client as clients
from tests.support import secrets
from tests.support.client import Client


async def make(admin: Client, **fields: Any) -> Any:
    return await admin.post("/v1/companies", {"name": "Padaria", **fields})


async def test_a_company_is_made_with_a_token_that_is_shown_once(admin: Client) -> None:
    body = await make(admin, settings={"rate_limit": {"messages": 10}})
    assert set(body) == {"id", "name", "status", "settings", "created_at", "token"}
    assert body["settings"] == {"rate_limit": {"messages": 10, "seconds": 60}}
    assert (await admin.as_(body["token"]).get("/v1/instances"))["data"] == []
    shown = await admin.get(f"/v1/companies/{body['id']}")
    assert shown == {name: value for name, value in body.items() if name != "token"}


async def test_companies_are_listed_page_by_page(admin: Client) -> None:
    made = [(await make(admin, name=f"c{number}"))["id"] for number in range(5)]
    found: list[str] = []
    cursor = ""
    while True:
        page = await admin.get(f"/v1/companies?limit=2{cursor}")
        found += [company["id"] for company in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == made


async def test_only_what_is_given_is_changed(admin: Client) -> None:
    made = await make(admin, settings={"rate_limit": {"messages": 10, "seconds": 5}})
    path = f"/v1/companies/{made['id']}"
    reply = await admin.call("PATCH", path, json={"settings": {"rate_limit": {"messages": 20}}})
    assert reply.body["settings"] == {"rate_limit": {"messages": 20, "seconds": 5}}
    assert reply.body["name"] == "Padaria"
    reply = await admin.call("PATCH", path, json={"name": "Nova", "settings": {"rate_limit": None}})
    assert (reply.body["name"], reply.body["settings"]) == ("Nova", {"rate_limit": None})
    reply = await admin.call("PATCH", path, json={"settings": {"rate_limit": {"messages": -1}}})
    assert [error["field"] for error in reply.body["errors"]] == ["settings.rate_limit.messages"]


async def test_a_suspended_companys_tokens_answer_403_at_once_and_work_again_later(admin: Client) -> None:
    made = await make(admin)
    company = admin.as_(made["token"])
    assert (await company.call("GET", "/v1/instances")).status == 200
    await admin.call("PATCH", f"/v1/companies/{made['id']}", json={"status": "suspended"})
    reply = await company.call("GET", "/v1/instances")
    assert (reply.status, reply.body["code"]) == (403, "company_suspended")
    await admin.call("PATCH", f"/v1/companies/{made['id']}", json={"status": "active"})
    assert (await company.call("GET", "/v1/instances")).status == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_company_that_is_not_there(admin: Client, method: str) -> None:
    reply = await admin.call(method, f"/v1/companies/{uuid.uuid4()}", json={} if method == "PATCH" else None)
    assert (reply.status, reply.body["code"]) == (404, "company_not_found")


async def test_a_companys_token_may_not_call_the_platforms_routes(company: Client) -> None:
    for path in ("/v1/companies", "/v1/servers"):
        reply = await company.call("GET", path)
        assert (reply.status, reply.body["code"]) == (403, "wrong_token_level")


async def test_an_admins_token_belongs_to_no_company(admin: Client) -> None:
    reply = await admin.call("GET", "/v1/instances")
    assert (reply.status, reply.body["code"]) == (403, "wrong_token_level")


async def test_deleting_a_company_leaves_nothing_of_it_and_touches_nobody_else(
    admin: Client, runtime: Runtime, paired_server: str
) -> None:
    gone, stays = await make(admin), await make(admin)
    for made in (gone, stays):
        company = admin.as_(made["token"])
        instance = await company.post("/v1/instances", {"name": "Vendas", "kind": "paired"})
        await _history(runtime, made["id"], instance["id"])
    before = await _rows(runtime, stays["id"])
    assert {"messages", "events", "media", "receipts", "lanes", "outbox", "tokens"} <= set(before)
    assert set(await _rows(runtime, gone["id"])) == set(before)

    assert (await admin.call("DELETE", f"/v1/companies/{gone['id']}")).status == 204

    assert await _rows(runtime, gone["id"]) == {}
    assert await _rows(runtime, stays["id"]) == before
    assert (await admin.get(f"/v1/servers/{paired_server}"))["instances"] == 1
    assert (await admin.as_(gone["token"]).call("GET", "/v1/instances")).status == 401
    assert (await admin.as_(stays["token"]).call("GET", "/v1/instances")).status == 200
    assert (await admin.call("DELETE", f"/v1/companies/{gone['id']}")).status == 404


async def test_the_first_admin_token_is_made_once_and_only_where_none_is_set(runtime: Runtime, url: str) -> None:
    assert await tokens.ensure_admin(runtime) is None
    runtime.settings = runtime.settings.model_copy(update={"admin_token": None})
    made = await asyncio.gather(*(tokens.ensure_admin(runtime) for _ in range(4)))
    [token] = [token for token in made if token is not None]
    assert await tokens.ensure_admin(runtime) is None
    async with clients.connect(url, token) as admin:
        assert (await admin.get("/v1/companies"))["data"] == []


async def _history(runtime: Runtime, company_id: str, instance_id: str) -> None:
    """A row in every table that holds what a company did, and queued work."""
    company, instance = uuid.UUID(company_id), uuid.UUID(instance_id)
    message = ids.new()
    path = f"{company}/photo"

    async def photo() -> Any:
        yield b"jpeg"

    await runtime.media.put(path, photo())
    now = datetime.now(UTC)
    async with runtime.db.work() as connection:
        contact, conversation = ids.new(), ids.new()
        for statement, arguments in (
            ("INSERT INTO contacts (company_id, id) VALUES ($1, $2)", (contact,)),
            (
                "INSERT INTO conversations (company_id, id, instance_id, contact_id) VALUES ($1, $2, $3, $4)",
                (conversation, instance, contact),
            ),
            (
                """INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status,
                                         type, address, content)
                   VALUES ($1, $2, $3, $4, $5, 'out', 'queued', 'text', '5511999990001', '{}')""",
                (message, instance, conversation, contact),
            ),
            ("INSERT INTO lanes (company_id, instance_id) VALUES ($1, $2)", (instance,)),
            (
                """INSERT INTO outbox (company_id, message_id, instance_id, priority, due_at)
                   VALUES ($1, $2, $3, 1, $4)""",
                (message, instance, now),
            ),
            (
                """INSERT INTO receipts (company_id, instance_id, provider_id, state, at)
                   VALUES ($1, $2, 'wamid.1', 'sent', $3)""",
                (instance, now),
            ),
            ("INSERT INTO media (company_id, id, status, path) VALUES ($1, $2, 'ready', $3)", (ids.new(), path)),
            (
                """INSERT INTO webhooks (company_id, id, url, events, secret)
                   VALUES ($1, $2, 'https://example.com', '{*}', '')""",
                (ids.new(),),
            ),
        ):
            await connection.execute(statement, company, *arguments)
        await events.insert(connection, [events.NewEvent(company_id=company, type="unknown", data={})])


async def _rows(runtime: Runtime, company_id: str) -> dict[str, int]:
    """How many rows each table holds of a company."""
    counts = {}
    async with runtime.db.work() as connection:
        names = await connection.fetch(
            """SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE a.attname = 'company_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                   AND c.relnamespace = 'public'::regnamespace"""
        )
        for name in [row["name"] for row in names]:
            count = await connection.fetchval(
                f"SELECT count(*) FROM {name} WHERE company_id = $1", uuid.UUID(company_id)
            )
            if count:
                counts[name] = count
    return counts


async def test_no_token_is_stored_as_it_is(admin: Client, runtime: Runtime) -> None:
    token = (await make(admin))["token"]
    async with runtime.db.work() as connection:
        rows = await connection.fetch("SELECT t::text AS row FROM tokens t")
    assert rows
    assert all(secrets.register(token) not in row["row"] for row in rows)
