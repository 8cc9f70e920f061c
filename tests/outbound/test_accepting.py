"""POST /v1/messages: what is accepted, what is refused and how, and what a repeat gets."""

import asyncio
import io
import json
from typing import Any

import pytest

from recado.app import Recado
from tests.support import client, secrets
from tests.support.client import Client
from tests.support.graph import Graph

JSON = {"Content-Type": "application/json"}


def text(instance: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A valid message."""
    body = {
        "instance_id": instance["id"],
        "to": "5511999990001",
        "type": "text",
        "text": {"body": secrets.text("oi")},
    }
    return {**body, **changes}


async def test_a_message_is_accepted_sent_and_shown_with_its_timeline(
    company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    body = text(instance, client_id="order-42", metadata={"order": 42})
    accepted = await company.post("/v1/messages", body)
    assert accepted["status"] == "queued"
    assert {name: accepted[name] for name in ("instance_id", "to", "type", "priority")} == {
        "instance_id": instance["id"],
        "to": "5511999990001",
        "type": "text",
        "priority": "normal",
    }
    shown = await company.until(f"/v1/messages/{accepted['id']}", lambda message: message["status"] == "sent")
    assert shown["content"] == body["text"]
    assert [moment["state"] for moment in shown["timeline"]] == ["accepted", "queued", "sent"]
    assert shown["timeline"][2]["proof"]["provider_id"] == shown["provider_id"]
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["accepted"]
    assert meta.sent[0]["text"]["body"] == body["text"]["body"]
    assert meta.sent[0]["biz_opaque_callback_data"] == accepted["id"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": "abc"}, "to"),
        ({"to": "5500999990001"}, "to"),
        ({"type": "telepathy"}, "type"),
        ({"text": {}}, "text.body"),
        ({"text": {"body": ""}}, "text.body"),
        ({"text": {"body": 7}}, "text.body"),
        ({"text": {"body": "x", "bold": True}}, "text.bold"),
        ({"image": {"link": "https://example.com/a.png"}}, "image"),
        ({"type": "image"}, "image"),
        ({"priority": "urgent"}, "priority"),
        ({"delay_ms": -1}, "delay_ms"),
        ({"send_at": "tomorrow"}, "send_at"),
        ({"send_at": "2026-11-22T10:00:00"}, "send_at"),
        ({"nonsense": 1}, "nonsense"),
        ({"instance_id": "not-a-uuid"}, "instance_id"),
        ({"instance_id": None}, "instance_id"),
        ({"reply_to": "wamid.never"}, "reply_to"),
        ({"metadata": {"x": "y" * 9_000}}, "metadata"),
        ({"type": "image", "text": None, "image": {"link": "https://e.com/a", "media_id": "b"}}, "text"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(
    company: Client, instance: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    reply = await company.call("POST", "/v1/messages", json=text(instance, **changes))
    assert reply.status == 422, reply.body
    assert field in [error["field"] for error in reply.body["errors"]], reply.body
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert (await company.get("/v1/messages"))["data"] == []


async def test_every_wrong_field_is_named_at_once(company: Client, instance: dict[str, Any]) -> None:
    reply = await company.call("POST", "/v1/messages", json=text(instance, priority="x", delay_ms="y", text={}))
    assert {error["field"] for error in reply.body["errors"]} == {"priority", "delay_ms", "text.body"}


async def test_bad_requests_get_their_status(company: Client, admin: Client, instance: dict[str, Any]) -> None:
    good = text(instance)
    assert (await company.call("POST", "/v1/messages", data=b"{nope", headers=_JSON)).status == 400
    assert (await company.call("POST", "/v1/messages", data=b"a=b", headers=_FORM)).status == 415
    assert (await company.as_(None).call("POST", "/v1/messages", json=good)).status == 401
    assert (await company.as_("rcd_co_wrong").call("POST", "/v1/messages", json=good)).status == 401
    assert (await admin.call("POST", "/v1/messages", json=good)).status == 403
    huge = b'{"to":"' + b"9" * 17_000_000 + b'"}'
    assert (await company.call("POST", "/v1/messages", data=io.BytesIO(huge), headers=_JSON)).status == 413


_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_another_companys_instance_and_message_do_not_exist(
    company: Client, admin: Client, instance: dict[str, Any]
) -> None:
    message = await company.post("/v1/messages", text(instance))
    other = await client.make_company(admin, "Outra")
    assert (await other.call("POST", "/v1/messages", json=text(instance))).status == 404
    assert (await other.call("GET", f"/v1/messages/{message['id']}")).status == 404
    assert (await other.call("POST", f"/v1/messages/{message['id']}/retry")).status == 404
    assert (await other.get("/v1/messages"))["data"] == []


async def test_an_instance_token_needs_no_instance_and_gets_no_other(
    company: Client, server_id: str, instance: dict[str, Any]
) -> None:
    mine = company.as_(instance["token"])
    body = text(instance)
    del body["instance_id"]
    assert (await mine.post("/v1/messages", body))["instance_id"] == instance["id"]
    other = await client.make_meta_instance(company, server_id, account="555")
    assert (await mine.call("POST", "/v1/messages", json=text(other))).status == 404


async def test_what_the_provider_cannot_send_is_refused_by_name_or_goes_as_text(
    company: Client, instance: dict[str, Any], meta: Graph
) -> None:
    poll = {"name": "Quando?", "options": ["Hoje", "Amanhã"]}
    body = text(instance, type="poll", poll=poll)
    del body["text"]
    reply = await company.call("POST", "/v1/messages", json=body)
    assert reply.status == 422
    assert reply.body["code"] == "unsupported_by_provider"
    assert "meta" in reply.body["detail"]
    assert "poll" in reply.body["detail"]
    accepted = await company.post("/v1/messages", {**body, "fallback": "text"})
    assert accepted["type"] == "text"
    await meta.wait_asked(1)
    assert meta.asked[0]["text"]["body"] == "Quando?\n1. Hoje\n2. Amanhã"


async def test_a_repeat_answers_with_the_first_result(company: Client, instance: dict[str, Any], meta: Graph) -> None:
    body = text(instance, client_id="once")
    replies = await asyncio.gather(*[company.call("POST", "/v1/messages", json=body) for _ in range(10)])
    assert {reply.status for reply in replies} == {201}
    assert len({reply.body["id"] for reply in replies}) == 1
    assert sum(reply.headers.get("Idempotent-Replayed") == "true" for reply in replies) == 9
    changed = await company.call("POST", "/v1/messages", json={**body, "text": {"body": "another"}})
    assert (changed.status, changed.body["code"]) == (409, "idempotency_conflict")
    await company.until(f"/v1/messages/{replies[0].body['id']}", lambda shown: shown["status"] == "sent")
    assert len(meta.asked) == 1


async def test_an_idempotency_key_does_the_same_per_company(
    company: Client, admin: Client, server_id: str, instance: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": "k-1"}
    body = text(instance)
    first = await company.call("POST", "/v1/messages", json=body, headers=headers)
    again = await company.call("POST", "/v1/messages", json=body, headers=headers)
    assert again.body["id"] == first.body["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await client.make_company(admin, "Outra")
    theirs = await client.make_meta_instance(other, server_id, account="777")
    reply = await other.call("POST", "/v1/messages", json=text(theirs), headers=headers)
    assert reply.status == 201
    assert reply.body["id"] != first.body["id"]


async def test_a_batch_answers_each_in_order(company: Client, instance: dict[str, Any]) -> None:
    bad = text(instance, to="nobody")
    batch = [text(instance), bad, text(instance, client_id="b"), {"to": 3}, text(instance, client_id="c")]
    results = (await company.post("/v1/messages/batch", {"messages": batch}, status=200))["results"]
    assert [("id" in result, "error" in result) for result in results] == [
        (True, False), (False, True), (True, False), (False, True), (True, False),
    ]  # fmt: skip
    assert results[1]["error"]["code"] == "invalid_phone"
    assert results[3]["error"]["errors"][0]["field"].startswith("messages[3]")
    again = (await company.post("/v1/messages/batch", {"messages": [batch[2]]}, status=200))["results"]
    assert again[0]["id"] == results[2]["id"]
    both = [text(instance, client_id="b", to="5511999990009"), text(instance)]
    clash = (await company.post("/v1/messages/batch", {"messages": both}, status=200))["results"]
    assert clash[0]["error"]["code"] == "idempotency_conflict"
    assert "id" in clash[1]
    many = {"messages": [text(instance)] * 1_001}
    assert (await company.call("POST", "/v1/messages/batch", json=many)).status == 422


async def test_one_unreadable_message_spoils_no_batch(company: Client, instance: dict[str, Any]) -> None:
    good, nul = json.dumps(text(instance)), json.dumps(text(instance, text={"body": "a\0b"}))
    body = b'{"messages": [' + b", ".join([good.encode(), nul.encode(), good.encode()]) + b"]}"
    reply = await company.call("POST", "/v1/messages/batch", data=body, headers=JSON)
    assert reply.status == 200, reply.body
    results = reply.body["results"]
    assert ["id" in result for result in results] == [True, False, True]
    assert results[1]["error"]["code"] == "nul_character"
    assert results[1]["error"]["errors"][0]["field"] == "messages[1].text.body"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch"])
@pytest.mark.parametrize("text_body", [b'"\xff\xfe"', b"[" * 20_000], ids=["not UTF-8", "nested too deeply"])
async def test_what_is_no_json_is_no_500(
    company: Client, instance: dict[str, Any], path: str, text_body: bytes
) -> None:
    one = b'{"instance_id": "%s", "to": "5511999990001", "type": "text", "text": {"body": %s}}' % (
        instance["id"].encode(), text_body,
    )  # fmt: skip
    body = one if path == "/v1/messages" else b'{"messages": [%s]}' % one
    reply = await company.call("POST", path, data=body, headers=JSON)
    problem = reply.body["results"][0]["error"] if reply.status == 200 else reply.body
    assert (problem["status"], problem["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("query", ["direction=sideways", "status=lost"])
async def test_a_filter_that_can_match_nothing_is_refused(company: Client, query: str) -> None:
    reply = await company.call("GET", f"/v1/messages?{query}")
    assert (reply.status, [wrong["field"] for wrong in reply.body["errors"]]) == (422, [query.split("=")[0]])


async def test_over_the_limit_is_429_with_when_to_come_back(company: Client, server_id: str) -> None:
    settings = {"rate_limit": {"messages": 3, "seconds": 60}}
    limited = await client.make_meta_instance(company, server_id, account="9", settings=settings)
    for _ in range(3):
        await company.post("/v1/messages", text(limited))
    reply = await company.call("POST", "/v1/messages", json=text(limited))
    assert (reply.status, reply.body["code"]) == (429, "instance_rate_limited")
    assert 1 <= int(reply.headers["Retry-After"]) <= 60


async def test_media_handed_in_with_the_message_is_stored_and_uploaded_once_sent(
    company: Client, instance: dict[str, Any]
) -> None:
    body = text(instance, type="image", image={"data": "not base64!"})
    del body["text"]
    reply = await company.call("POST", "/v1/messages", json=body)
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, "image.data")
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    accepted = await company.post("/v1/messages", {**body, "image": {"data": pixel, "caption": "um ponto"}})
    shown = await company.get(f"/v1/messages/{accepted['id']}")
    assert set(shown["content"]) == {"media_id", "caption"}


async def test_messages_are_listed_filtered_and_paged(company: Client, instance: dict[str, Any]) -> None:
    sent = [await company.post("/v1/messages", text(instance, to=f"55119999900{n:02}")) for n in range(5)]
    page = await company.get("/v1/messages?limit=2")
    assert [message["id"] for message in page["data"]] == [sent[4]["id"], sent[3]["id"]]
    page = await company.get(f"/v1/messages?limit=2&cursor={page['next_cursor']}")
    assert [message["id"] for message in page["data"]] == [sent[2]["id"], sent[1]["id"]]
    page = await company.get(f"/v1/messages?limit=2&cursor={page['next_cursor']}")
    assert [message["id"] for message in page["data"]] == [sent[0]["id"]]
    assert page["next_cursor"] is None
    conversation = (await company.get(f"/v1/messages/{sent[0]['id']}"))["conversation_id"]
    found = await company.get(f"/v1/messages?conversation_id={conversation}")
    assert [message["id"] for message in found["data"]] == [sent[0]["id"]]
    assert (await company.get("/v1/messages?direction=inbound"))["data"] == []
    assert (await company.call("GET", "/v1/messages?limit=500")).status == 422
    assert (await company.call("GET", "/v1/messages?cursor=!!")).status == 422


async def test_an_instance_deleted_meanwhile_fails_its_own_messages_only(
    company: Client, server_id: str, instance: dict[str, Any], served: Recado
) -> None:
    gone = await client.make_meta_instance(company, server_id, account="gone")
    await company.post("/v1/messages", text(gone))
    async with served.runtime.db.work() as connection:
        # As another process would: this one still holds the instance in memory.
        await connection.execute("DELETE FROM conversations WHERE instance_id = $1::text::uuid", gone["id"])
        await connection.execute("DELETE FROM instances WHERE id = $1::text::uuid", gone["id"])
    both = {"messages": [text(gone), text(instance)]}
    results = (await company.post("/v1/messages/batch", both, status=200))["results"]
    assert results[0]["error"]["code"] == "instance_not_found"
    assert "id" in results[1]
    assert (await company.call("POST", "/v1/messages", json=text(gone))).status == 404


@pytest.mark.parametrize("bad", [{"send_at": "0001-01-01T00:00:00+14:00"}, {"text": {"body": "\u0000"}}])
async def test_a_value_that_cannot_be_stored_fails_its_own_message_only(
    company: Client, admin: Client, server_id: str, instance: dict[str, Any], bad: dict[str, Any]
) -> None:
    """Companies share the commit of their messages: what one of them sends must not refuse another's."""
    other = await client.make_company(admin, "Outra")
    theirs = await client.make_meta_instance(other, server_id, account="good")
    calls = []
    for _ in range(30):
        calls.append(company.call("POST", "/v1/messages", json=text(instance, **bad)))
        calls.append(other.call("POST", "/v1/messages", json=text(theirs)))
    replies = await asyncio.gather(*calls)
    assert {reply.status for reply in replies[::2]} == {422}
    assert {reply.status for reply in replies[1::2]} == {201}


async def test_an_instance_tokens_idempotency_keys_are_its_own(company: Client, server_id: str) -> None:
    one = await client.make_meta_instance(company, server_id, account="1")
    two = await client.make_meta_instance(company, server_id, account="2")
    body = text(one)
    del body["instance_id"]
    headers = {"Idempotency-Key": "same"}
    replies = [
        await company.as_(made["token"]).call("POST", "/v1/messages", json=body, headers=headers) for made in (one, two)
    ]
    assert [reply.status for reply in replies] == [201, 201]
    assert [reply.body["instance_id"] for reply in replies] == [one["id"], two["id"]]


async def test_an_instance_token_sends_to_no_contact_of_another_instance(
    company: Client, server_id: str, instance: dict[str, Any]
) -> None:
    message = await company.post("/v1/messages", text(instance))
    contact = (await company.get(f"/v1/messages/{message['id']}"))["contact_id"]
    other = await client.make_meta_instance(company, server_id, account="2")
    assert (await company.post("/v1/messages", text(instance, to=contact)))["to"] == "5511999990001"
    reply = await company.as_(other["token"]).call("POST", "/v1/messages", json=text(other, to=contact))
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, "to")


async def test_metadata_nested_without_end_is_refused(company: Client, instance: dict[str, Any]) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"x": deep}
    reply = await company.call("POST", "/v1/messages", json=text(instance, metadata={"deep": deep}))
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, "metadata")
