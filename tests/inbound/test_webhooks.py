"""A provider's webhook over HTTP, and the rows and events it becomes."""

import asyncio
import hashlib
import hmac
import io
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest

from recado.services import receiving
from tests.inbound import wire
from tests.inbound.conftest import make_number
from tests.inbound.wire import Number
from tests.support import client, graph, secrets

if TYPE_CHECKING:
    from recado.app import Recado


async def count(served: "Recado", table: str) -> int:
    async with served.runtime.db.work() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


async def processed(served: "Recado", webhooks: int) -> None:
    """Until so many webhooks are processed and none waits."""
    async with asyncio.timeout(20):
        while True:
            async with served.runtime.db.work() as connection:
                done = await connection.fetchval("SELECT count(*) FROM raw_webhooks WHERE processed_at IS NOT NULL")
                waiting = await connection.fetchval("SELECT count(*) FROM inbox")
            if done >= webhooks and not waiting:
                return
            await asyncio.sleep(0.02)


async def test_a_message_becomes_rows_and_an_event(number: Number) -> None:
    await number.receive(wire.text("5511999990001", "Olá, tudo bem?", id="wamid.A"))
    (event,) = await number.events(1)
    message = event["data"]["message"]
    assert event["instance_id"] == number.instance_id
    assert event["conversation_id"] == message["conversation_id"]
    assert message["content"] == {"body": "Olá, tudo bem?"}
    assert message["provider_id"] == "wamid.A"
    assert message["direction"] == "inbound"
    assert message["contact"]["phone"] == "5511999990001"
    assert message["contact"]["name"] == "Name 5511999990001"

    conversation = await number.company.get(f"/v1/conversations/{message['conversation_id']}")
    assert conversation["unread"] == 1
    assert conversation["contact"]["name"] == "Name 5511999990001"
    contact = await number.company.get(f"/v1/contacts/{message['contact']['id']}")
    assert contact["phone"] == "5511999990001"
    shown = await number.company.get(f"/v1/messages/{message['id']}")
    assert shown["status"] == "received"
    assert shown["content"] == {"body": "Olá, tudo bem?"}


async def test_the_same_webhook_ten_times_at_once_is_one_message(served: "Recado", number: Number) -> None:
    raw = wire.body([wire.change(number.account, messages=[wire.text("5511999990001", "once", id="wamid.ONCE")])])
    replies = await asyncio.gather(*(number.post(raw) for _ in range(10)))
    assert [reply.status for reply in replies] == [200] * 10
    await processed(served, 10)
    assert len(await number.events(1)) == 1
    assert await count(served, "messages") == 1
    conversations = await number.company.get("/v1/conversations")
    assert conversations["data"][0]["unread"] == 1


async def test_several_entries_and_messages_in_one_body_keep_their_order(number: Number) -> None:
    texts = [f"part {n}" for n in range(9)]
    changes = [
        wire.change(number.account, messages=[wire.text("5511999990001", text) for text in texts[n : n + 3]])
        for n in (0, 3, 6)
    ]
    reply = await number.post(wire.body(changes[:2], changes[2:]))
    assert reply.status == 200
    told = await number.events(9)
    assert [event["data"]["message"]["content"]["body"] for event in told] == texts


async def test_hundreds_of_senders_at_once_each_with_their_own_data(served: "Recado", number: Number) -> None:
    async def one(n: int) -> None:
        await number.receive(
            wire.text(f"55119{n:08}", f"I am {n}"),
            wire.text(f"55119{n + 1_000:08}", f"I am {n + 1_000}"),
        )

    await asyncio.gather(*(one(n) for n in range(300)))
    told = await number.events(600)
    assert len(told) == 600
    for event in told:
        message = event["data"]["message"]
        n = int(message["contact"]["phone"].removeprefix("55119"))
        assert message["content"]["body"] == f"I am {n}"
        assert message["contact"]["name"] == f"Name 55119{n:08}"
    assert await count(served, "contacts") == 600
    assert await count(served, "conversations") == 600
    async with served.runtime.db.work() as connection:
        rows = await connection.fetch(
            """SELECT m.content, m.address, i.value FROM messages m
               JOIN identities i ON i.company_id = m.company_id AND i.contact_id = m.contact_id"""
        )
    assert all(row["content"]["body"] == f"I am {int(row['value'].removeprefix('55119'))}" for row in rows)


async def test_messages_of_one_sender_keep_the_order_of_their_webhooks(number: Number) -> None:
    for n in range(30):
        await number.receive(wire.text("5511999990001", str(n)))
    told = await number.events(30)
    assert [event["data"]["message"]["content"]["body"] for event in told] == [str(n) for n in range(30)]


@pytest.mark.parametrize(
    ("signature", "status"), [(None, 401), ("sha256=00", 401), ("sha1=abc", 401), ("sha256=é", 401)]
)
async def test_an_unsigned_webhook_is_refused_and_not_kept(
    served: "Recado", number: Number, signature: str | None, status: int
) -> None:
    raw = wire.body([wire.change(number.account, messages=[wire.text("5511999990001", "forged")])])
    headers = {} if signature is None else {"X-Hub-Signature-256": signature}
    reply = await number.company.as_(None).call("POST", number.hook, data=raw, headers=headers)
    assert reply.status == status
    assert reply.body["code"] == "bad_signature"
    assert await count(served, "raw_webhooks") == 0


async def test_what_the_ingress_refuses(served: "Recado", number: Number) -> None:
    anybody = number.company.as_(None)
    assert (await anybody.call("POST", "/hooks/meta/nobody", data=b"{}")).status == 404
    assert (await anybody.call("POST", "/hooks/nothing/nobody", data=b"{}")).status == 404
    assert (await anybody.call("PUT", number.hook, data=b"{}")).status == 405
    big = b"x" * (served.settings.max_body_bytes * 4 + 1)
    assert (await anybody.call("POST", number.hook, data=io.BytesIO(big))).status == 413

    async def chunks() -> Any:
        for _ in range(5):
            yield b"x" * served.settings.max_body_bytes

    assert (await anybody.call("POST", number.hook, data=chunks())).status == 413
    assert await count(served, "raw_webhooks") == 0


async def test_metas_check_of_the_address(number: Number) -> None:
    anybody = number.company.as_(None)
    query = f"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-{number.account}"
    right = await anybody.call("GET", f"{number.hook}?{query}")
    assert (right.status, right.body) == (200, b"1158201444")
    wrong = await anybody.call("GET", f"{number.hook}?{query}-not")
    assert wrong.status == 403


async def test_an_unreadable_body_is_kept_with_its_error_and_replayed(served: "Recado", number: Number) -> None:
    reply = await number.post(b"<html>what is this</html>")
    assert reply.status == 200
    listed = await number.company.until("/v1/raw-webhooks?error=true", lambda page: page["data"])
    (raw,) = listed["data"]
    assert "cannot be read" in raw["error"]
    whole = await number.company.get(f"/v1/raw-webhooks/{raw['id']}")
    assert whole["body"] == "<html>what is this</html>"
    assert "authorization" not in whole["headers"]
    (event,) = await number.events(1, "unknown")
    assert event["data"]["raw_webhook_id"] == raw["id"]

    # What was wrong is fixed: here the stored body itself stands for a mended adapter.
    mended = wire.body([wire.change(number.account, messages=[wire.text("5511999990001", "at last")])])
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE raw_webhooks SET body = $1", mended)
    await number.company.post(f"/v1/raw-webhooks/{raw['id']}/replay", status=202)
    (event,) = await number.events(1)
    assert event["data"]["message"]["content"]["body"] == "at last"
    shown = await number.company.get(f"/v1/raw-webhooks/{raw['id']}")
    assert (shown["error"], shown["events"]) == (None, 1)
    assert (await number.company.get("/v1/raw-webhooks?error=true"))["data"] == []


async def test_a_replay_repeats_nothing(served: "Recado", number: Number) -> None:
    await number.receive(wire.text("5511999990001", "hello"))
    await number.events(1)
    (raw,) = (await number.company.get("/v1/raw-webhooks"))["data"]
    await number.company.post(f"/v1/raw-webhooks/{raw['id']}/replay", status=202)
    await number.receive(wire.text("5511999990001", "after"))
    told = await number.events(2)
    assert [event["data"]["message"]["content"]["body"] for event in told] == ["hello", "after"]
    assert await count(served, "messages") == 2


async def test_an_unknown_account_is_told_and_the_rest_of_the_body_processed(
    served: "Recado", number: Number, graph_server: graph.Graph, admin: client.Client
) -> None:
    other = await make_number(admin, graph_server, account="777")
    raw = wire.body(
        [
            wire.change("999", messages=[wire.text("5511999990001", "for nobody")]),
            wire.change("777", messages=[wire.text("5511999990001", "for another company")]),
            wire.change(number.account, messages=[wire.text("5511999990001", "for us")]),
        ]
    )
    assert (await number.post(raw)).status == 200
    (event,) = await number.events(1)
    assert event["data"]["message"]["content"]["body"] == "for us"
    unknown = await number.events(2, "unknown")
    assert [event["data"]["account"] for event in unknown] == ["999", "777"]
    (listed,) = (await number.company.get("/v1/raw-webhooks?error=true"))["data"]
    assert "No connection has the account 999." in listed["error"]
    assert "777" in listed["error"]
    assert (await other.company.get("/v1/events"))["data"] == []
    assert (await other.company.call("GET", f"/v1/raw-webhooks/{listed['id']}")).status == 404


async def test_another_number_of_the_company_may_come_by_the_same_address(
    number: Number, graph_server: graph.Graph, admin: client.Client
) -> None:
    second = await make_number(admin, graph_server, account="888", company=number.company)
    await number.post(wire.body([wire.change("888", messages=[wire.text("5511999990001", "to the second")])]))
    (event,) = await number.events(1)
    assert event["instance_id"] == second.instance_id


async def test_nul_characters_and_what_only_the_database_refuses(served: "Recado", number: Number) -> None:
    await number.receive(
        wire.text("5511999990001", "a\u0000b"),
        wire.text("5511999990001", "back\\u0000slash"),
    )
    told = await number.events(2)
    assert [event["data"]["message"]["content"]["body"] for event in told] == ["a�b", "back\\u0000slash"]

    # An id that does not fit into an index is refused by the database, and by nothing before it.
    poison = wire.body(
        [wire.change(number.account, messages=[wire.text("5511999990002", "poison", id=_incompressible(12_000))])]
    )
    good = [wire.body([wire.change(number.account, messages=[wire.text("5511999990003", str(n))])]) for n in range(10)]
    replies = await asyncio.gather(*(number.post(raw) for raw in [*good[:5], poison, *good[5:]]))
    assert {reply.status for reply in replies} == {200}
    told = await number.events(12)
    assert len(told) == 12
    await processed(served, 12)
    (listed,) = (await number.company.get("/v1/raw-webhooks?error=true"))["data"]
    assert "The database refused it" in listed["error"]
    (unknown,) = await number.events(1, "unknown")
    assert unknown["data"]["raw_webhook_id"] == listed["id"]


def _incompressible(length: int) -> str:
    return "".join(chr(0x4E00 + (n * 7919 * (n + 13)) % 20_000) for n in range(length))


async def test_every_company_sees_its_own_only(number: Number, graph_server: graph.Graph, admin: client.Client) -> None:
    other = await make_number(admin, graph_server, account="555")
    await number.receive(wire.text("5511999990001", "mine"))
    (event,) = await number.events(1)
    message = event["data"]["message"]
    for path in (
        f"/v1/contacts/{message['contact']['id']}",
        f"/v1/conversations/{message['conversation_id']}",
        f"/v1/messages/{message['id']}",
    ):
        assert (await number.company.call("GET", path)).status == 200
        assert (await other.company.call("GET", path)).status == 404
    for path in ("/v1/contacts", "/v1/conversations", "/v1/raw-webhooks"):
        assert (await other.company.get(path))["data"] == []


async def test_reactions_edits_and_replies_find_their_message(number: Number) -> None:
    await number.receive(wire.text("5511999990001", "first", id="wamid.FIRST"))
    await number.receive(
        wire.text("5511999990001", "answer", context={"id": "wamid.FIRST", "from": "551140000000"}),
        {
            "from": "5511999990001",
            "id": "wamid.R",
            "timestamp": "1790000001",
            "type": "reaction",
            "reaction": {"message_id": "wamid.FIRST", "emoji": "👍"},
        },
    )
    first, answer = await number.events(2)
    assert answer["data"]["message"]["reply_to"] == first["data"]["message"]["id"]
    (reaction,) = await number.events(1, "reaction.received")
    assert reaction["data"]["reaction"]["emoji"] == "👍"
    assert reaction["data"]["reaction"]["message_id"] == first["data"]["message"]["id"]
    assert reaction["conversation_id"] == first["conversation_id"]


async def test_conversations_page_by_their_newest_message(number: Number) -> None:
    for n in range(7):
        await number.receive(wire.text(f"551199999000{n}", f"hi {n}", at=1_790_000_000 - n))
    await number.events(7)
    phones: list[str] = []
    path = "/v1/conversations?limit=3"
    page = await number.company.get(path)
    while True:
        phones += [conversation["contact"]["name"][-1] for conversation in page["data"]]
        if page["next_cursor"] is None:
            break
        page = await number.company.get(f"{path}&cursor={page['next_cursor']}")
    assert phones == list("0123456")
    assert (await number.company.call("GET", "/v1/conversations?cursor=!!")).status == 422
    contacts = await number.company.get("/v1/contacts?phone=5511999990003")
    assert [contact["name"] for contact in contacts["data"]] == ["Name 5511999990003"]
    named = await number.company.get("/v1/contacts?name=name%20551199999000")
    assert len(named["data"]) == 7


async def test_a_shared_server_serves_the_numbers_of_several_companies(
    served: "Recado", admin: client.Client, graph_server: graph.Graph
) -> None:
    secret = secrets.register("app-secret-of-the-server")
    made = await admin.post(
        "/v1/servers",
        {
            "name": "shared",
            "kind": "meta",
            "base_url": graph_server.url,
            "credentials": {"app_secret": secret},
            "max_instances": 10,
        },
    )
    companies = [await client.make_company(admin, name) for name in ("A", "B")]
    for company, account in zip(companies, ("111", "222"), strict=True):
        await client.make_meta_instance(company, made["id"], account=account)
    async with served.runtime.db.work() as connection:
        key = await connection.fetchval("SELECT hook_key FROM servers WHERE id = $1", UUID(made["id"]))
    changes = [
        wire.change(account, messages=[wire.text("5511999990001", f"to {account}")])
        for account in ("111", "222", "333")
    ]
    raw = wire.body(changes)
    digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    reply = await admin.as_(None).call(
        "POST", f"/hooks/meta/{key}", data=raw, headers={"X-Hub-Signature-256": f"sha256={digest}"}
    )
    assert reply.status == 200
    for company, account in zip(companies, ("111", "222"), strict=True):
        page = await company.until("/v1/events?type=message.received", lambda page: page["data"])
        assert [event["data"]["message"]["content"]["body"] for event in page["data"]] == [f"to {account}"]
        assert (await company.get("/v1/raw-webhooks"))["data"] == [], "it holds what other companies received"
    (listed,) = (await admin.get("/v1/raw-webhooks?error=true"))["data"]
    assert listed["error"] == "No connection has the account 333."


@pytest.mark.parametrize("owner", ["connected", "unchecked"])
async def test_an_account_that_two_companies_claim_goes_to_the_one_whose_credentials_are_good(
    served: "Recado", admin: client.Client, graph_server: graph.Graph, owner: str
) -> None:
    secret = secrets.register("app-secret-of-the-server")
    made = await admin.post(
        "/v1/servers",
        {
            "name": "shared",
            "kind": "meta",
            "base_url": graph_server.url,
            "credentials": {"app_secret": secret},
            "max_instances": 10,
        },
    )
    thief, victim = [await client.make_company(admin, name) for name in ("thief", "victim")]
    await client.make_meta_instance(thief, made["id"], account="111")
    number = await client.make_meta_instance(victim, made["id"], account="111")
    async with served.runtime.db.work() as connection:
        key = await connection.fetchval("SELECT hook_key FROM servers WHERE id = $1", UUID(made["id"]))
        if owner == "connected":
            await connection.execute(
                "UPDATE connections SET checked_at = now() WHERE instance_id = $1", UUID(number["id"])
            )
    raw = wire.body([wire.change("111", messages=[wire.text("5511999990001", "private")])])
    digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    reply = await admin.as_(None).call(
        "POST", f"/hooks/meta/{key}", data=raw, headers={"X-Hub-Signature-256": f"sha256={digest}"}
    )
    assert reply.status == 200
    if owner == "connected":
        await victim.until("/v1/events?type=message.received", lambda page: page["data"])
    else:
        page = await admin.until("/v1/raw-webhooks?error=true", lambda page: page["data"])
        assert page["data"][0]["error"].startswith("Several companies have the account 111")
    assert (await thief.get("/v1/events?type=message.received"))["data"] == []


async def test_order_holds_while_several_processes_work(
    served: "Recado", number: Number, admin: client.Client, graph_server: graph.Graph
) -> None:
    other = await make_number(admin, graph_server, account="777")
    over = asyncio.Event()

    async def work() -> None:
        while not over.is_set():
            await receiving.work(served.runtime)

    async def write(to: Number, sender: str) -> None:
        for n in range(25):
            await to.receive(wire.text(sender, str(n)))

    others = [asyncio.create_task(work()) for _ in range(2)]
    await asyncio.gather(
        *(write(to, f"551199999000{n}") for to in (number, other) for n in range(3)),
    )
    for to in (number, other):
        told = await to.events(75)
        for n in range(3):
            bodies = [
                event["data"]["message"]["content"]["body"]
                for event in told
                if event["data"]["message"]["contact"]["phone"] == f"551199999000{n}"
            ]
            assert bodies == [str(n) for n in range(25)]
    over.set()
    await asyncio.gather(*others)
    assert await count(served, "messages") == 150


async def test_without_a_database_a_webhook_is_answered_503_and_not_kept(served: "Recado", number: Number) -> None:
    await number.receive(wire.text("5511999990001", "before"))
    await number.events(1)
    raw = wire.body([wire.change(number.account, messages=[wire.text("5511999990001", "during")])])
    working = served.runtime.db.worker
    await number.receive(wire.text("5511999990001", "again"))
    gone = await asyncpg.create_pool(served.settings.database_url, min_size=0)
    await gone.close()
    served.runtime.db.worker = gone
    reply = await number.post(raw)
    served.runtime.db.worker = working
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
    assert await count(served, "raw_webhooks") == 2
    await number.post(raw)
    told = await number.events(3)
    assert [event["data"]["message"]["content"]["body"] for event in told] == ["before", "again", "during"]
