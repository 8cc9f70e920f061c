"""Who a webhook speaks of: people without a phone, people who turn out to be one, and our own messages told back."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from recado.app import Recado
from recado.domain.events import ConnectionChanged, Party, Received
from recado.domain.ids import CompanyId, ConnectionId, InstanceId
from recado.domain.provider import Accepted, Outcome, Outgoing, Unknown
from recado.domain.states import ConnectionStatus
from recado.services import directory
from recado.store import connections
from tests.identity.scripted import Phone
from tests.inbound import wire
from tests.inbound.conftest import make_number
from tests.inbound.wire import Number
from tests.support import graph
from tests.support.client import Client

ANA, LID = "5511999990001", "77000@lid"
_ids = itertools.count(1)


def message(chat: Party, body: str = "oi", **changes: Any) -> Received:
    """A text, from the chat unless `from_me`."""
    made: dict[str, Any] = {"provider_id": f"3EB0{next(_ids):08}", "kind": "text", "content": {"body": body}, **changes}
    return Received(
        type="message.sent" if made.get("from_me") else "message.received",
        key=f"message:{made['provider_id']}",
        at=datetime.now(UTC),
        chat=chat,
        sender=chat,
        **made,
    )


def echo(chat: Party, body: str = "oi", **changes: Any) -> Received:
    return message(chat, body, from_me=True, by_api=True, **changes)


async def events(phone: Phone, type: str, count: int) -> list[dict[str, Any]]:
    page = await phone.company.until(f"/v1/events?type={type}&limit=200", lambda page: len(page["data"]) >= count)
    assert len(page["data"]) == count
    return sorted(page["data"], key=lambda event: event["sequence"])


async def received(phone: Phone, count: int) -> list[dict[str, Any]]:
    """The messages of the first `count` events."""
    return [event["data"]["message"] for event in await events(phone, "message.received", count)]


async def send(phone: Phone, to: str = ANA, body: str = "oi") -> str:
    text = {"instance_id": phone.instance_id, "to": to, "type": "text", "text": {"body": body}}
    return str((await phone.company.post("/v1/messages", text))["id"])


async def reaches(phone: Phone, message_id: str, status: str) -> dict[str, Any]:
    shown: dict[str, Any] = await phone.company.until(f"/v1/messages/{message_id}", lambda m: m["status"] == status)
    return shown


async def messages(phone: Phone) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await phone.company.get("/v1/messages?limit=200"))["data"]
    return found


# --- people without a phone ---------------------------------------------------------------------------


async def test_somebody_without_a_phone_is_stored_shown_and_answered(phone: Phone) -> None:
    await phone.tell(message(Party(lid=LID, name="Ana")))
    (told,) = await received(phone, 1)
    assert (told["contact"]["phone"], told["contact"]["lid"]) == (None, LID)
    contact = await phone.company.get(f"/v1/contacts/{told['contact']['id']}")
    assert (contact["phone"], contact["name"]) == (None, "Ana")
    for to in (contact["id"], LID):
        shown = await reaches(phone, await send(phone, to), "sent")
        assert (shown["to"], shown["contact_id"]) == (LID, contact["id"])
    assert [sent.to for sent in phone.provider.sent] == [LID, LID]


@pytest.fixture
async def graph_server() -> AsyncIterator[graph.Graph]:
    async with graph.serve() as served:
        yield served


@pytest.fixture
async def number(admin: Client, graph_server: graph.Graph) -> Number:
    return await make_number(admin, graph_server, account="100200300")


async def test_metas_business_scoped_id_is_all_it_takes(number: Number, graph_server: graph.Graph) -> None:
    bsuid = "BR.13491208655302741918"
    change = wire.change(number.account, messages=[wire.text(bsuid, "oi")])
    change["value"]["contacts"] = [{"user_id": bsuid, "profile": {"name": "Ana", "username": "ana"}}]
    change["value"]["messages"][0]["from_user_id"] = bsuid
    await number.post(wire.body([change]))
    (event,) = await number.events(1)
    contact = await number.company.get(f"/v1/contacts/{event['data']['message']['contact']['id']}")
    assert contact["phone"] is None
    assert {(one["kind"], one["value"]) for one in contact["identities"]} >= {("bsuid", bsuid)}
    for to in (contact["id"], bsuid):
        text = {"instance_id": number.instance_id, "to": to, "type": "text", "text": {"body": "olá"}}
        made = await number.company.post("/v1/messages", text)
        shown = await number.company.until(f"/v1/messages/{made['id']}", lambda shown: shown["status"] == "sent")
        assert shown["conversation_id"] == event["conversation_id"]
    assert [body["recipient"] for body in graph_server.asked] == [bsuid, bsuid]


# --- two contacts, one person ---------------------------------------------------------------------------


async def test_a_message_with_phone_and_lid_makes_one_of_two_contacts(phone: Phone) -> None:
    """Also for whoever sends to the old contact at that moment, and whoever asks for it afterwards."""
    await send(phone, ANA)
    await phone.tell(message(Party(lid=LID, name="Ana")))
    (by_lid,) = await received(phone, 1)
    await phone.tell(message(Party(phone=ANA, lid=LID)), message(Party(lid=LID)))
    told = await received(phone, 3)
    (merged,) = await events(phone, "contact.merged", 1)
    (contact,) = (await phone.company.get("/v1/contacts"))["data"]
    assert (contact["phone"], contact["name"]) == (ANA, "Ana")
    assert merged["data"]["contact"]["id"] == contact["id"]
    assert merged["data"]["merged"] == by_lid["contact"]["id"]
    assert {one["contact"]["id"] for one in told[1:]} == {contact["id"]}
    (conversation,) = (await phone.company.get("/v1/conversations"))["data"]
    assert conversation["unread"] == 3
    old = await phone.company.get(f"/v1/contacts/{by_lid['contact']['id']}")
    assert old == contact
    assert (await phone.company.get(f"/v1/conversations/{by_lid['conversation_id']}")) == conversation
    assert (await phone.company.get(f"/v1/conversations?contact_id={old['id']}"))["data"] == [conversation]
    shown = await reaches(phone, await send(phone, by_lid["contact"]["id"]), "sent")
    assert (shown["to"], shown["conversation_id"]) == (ANA, conversation["id"])
    assert {one["conversation_id"] for one in await messages(phone)} == {conversation["id"]}


async def test_what_contradicts_itself_is_stored_all_the_same(phone: Phone) -> None:
    """One number with two LIDs in one webhook: whoever is right, no message may be lost."""
    await phone.tell(*(message(Party(phone=ANA, lid=f"7700{n % 2}@lid"), str(n)) for n in range(4)))
    assert [told["content"]["body"] for told in await received(phone, 4)] == list("0123")


async def test_hundreds_learnt_in_halves_become_one_contact_each(phone: Phone) -> None:
    people = [Party(phone=f"55119{n:08}", lid=f"{n + 10_000}@lid") for n in range(50)]

    async def tell(part: Party) -> None:
        await phone.tell(message(part))

    halves = [Party(phone=one.phone) for one in people] + [Party(lid=one.lid) for one in people] + people
    await asyncio.gather(*(tell(part) for part in halves))
    await asyncio.gather(*(tell(part) for part in people))
    await received(phone, 4 * len(people))
    contacts = (await phone.company.get("/v1/contacts?limit=200"))["data"]
    assert {(contact["phone"], len(contact["identities"])) for contact in contacts} == {
        (one.phone, 2) for one in people
    }
    conversations = (await phone.company.get("/v1/conversations?limit=200"))["data"]
    assert [conversation["unread"] for conversation in conversations] == [4] * len(people)


# --- echoes ---------------------------------------------------------------------------------------------


async def test_a_phone_and_another_system_each_say_so(phone: Phone) -> None:
    await phone.tell(message(Party(phone=ANA), from_me=True), echo(Party(phone=ANA), "from elsewhere"))
    await events(phone, "message.sent", 2)
    shown = {one["content"]["body"]: one["metadata"]["source"] for one in await messages(phone)}
    assert shown == {"oi": "device", "from elsewhere": "api"}


async def test_the_echo_of_a_message_that_is_known_is_dropped(phone: Phone) -> None:
    shown = await reaches(phone, await send(phone), "sent")
    await phone.tell(echo(Party(phone=ANA), provider_id=shown["provider_id"]))
    await phone.tell(message(Party(phone=ANA), "after"))
    await received(phone, 1)
    assert len(await messages(phone)) == 2
    await events(phone, "message.sent", 1)


@pytest.mark.parametrize("names_it", [True, False], ids=["with our id", "by its words"])
async def test_an_echo_that_overtakes_the_answer_makes_no_second_message(phone: Phone, names_it: bool) -> None:
    """The webhook is processed while the provider has not answered the request yet."""

    async def answer(outgoing: Outgoing) -> Outcome:
        provider_id = f"3EB0{outgoing.message_id.hex.upper()}"
        ours = str(outgoing.message_id) if names_it else None
        other = "another thing" if names_it else outgoing.content.body
        await phone.tell(echo(Party(phone=outgoing.to, lid=LID), other, provider_id=provider_id, message_id=ours))
        await phone.tell(message(Party(phone=outgoing.to), "got it"))
        await received(phone, len(phone.provider.sent))
        return Accepted(provider_id=provider_id)

    phone.provider.answer = answer
    sent = [await send(phone, body=f"number {n}") for n in range(5)]
    for message_id in sent:
        shown = await reaches(phone, message_id, "sent")
        assert shown["provider_id"] == f"3EB0{UUID(message_id).hex.upper()}"
    told = await events(phone, "message.sent", 5)
    assert [event["message_id"] for event in told] == sent
    outbound = [one["id"] for one in await messages(phone) if one["direction"] == "outbound"]
    assert sorted(outbound) == sorted(sent)


async def test_an_echo_proves_a_message_whose_answer_was_lost(phone: Phone) -> None:
    async def lost(outgoing: Outgoing) -> Outcome:
        return Unknown(why="cut")

    phone.provider.answer = lost
    first, second = [await send(phone, body="the same words") for _ in range(2)]
    for message_id in (first, second):
        await reaches(phone, message_id, "unproven")
    await phone.company.until(f"/v1/instances/{phone.instance_id}/queue", lambda queue: queue["counts"]["waiting"] == 0)
    await phone.tell(echo(Party(phone=ANA), "the same words", provider_id="ECHO1"))
    await phone.tell(echo(Party(phone=ANA), "other words"), echo(Party(phone="5511999990002"), "the same words"))
    shown = await reaches(phone, first, "sent")
    assert shown["provider_id"] == "ECHO1"
    await phone.company.until("/v1/messages?limit=200", lambda page: len(page["data"]) == 4)
    assert (await phone.company.get(f"/v1/messages/{second}"))["status"] == "unproven"
    assert len(phone.provider.sent) == 2


async def test_another_companys_id_in_an_echo_is_not_believed(phone: Phone, served: Recado) -> None:
    sent = await reaches(phone, await send(phone), "sent")
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE messages SET instance_id = $1", UUID(int=7))
    await phone.tell(echo(Party(phone=ANA), "forged", message_id=sent["id"]))
    await phone.company.until("/v1/messages", lambda page: len(page["data"]) == 2)


# --- two connections, and pairing -----------------------------------------------------------------------


async def test_what_comes_by_two_connections_of_one_number_is_one_message(phone: Phone, served: Recado) -> None:
    hook = await _second_connection(phone, served)
    both = Phone(
        company=phone.company, provider=phone.provider, instance_id=phone.instance_id, hooks=[*phone.hooks, hook]
    )
    told = [message(Party(phone=ANA), str(n)) for n in range(10)]
    await asyncio.gather(*(both.tell(one, hook=place) for one in told for place in (0, 1)))
    await received(phone, 10)
    async with asyncio.timeout(20):
        while True:
            async with served.runtime.db.work() as connection:
                if not await connection.fetchval("SELECT count(*) FROM inbox"):
                    break
            await asyncio.sleep(0.02)
    assert len(await messages(phone)) == 10
    (conversation,) = (await phone.company.get("/v1/conversations"))["data"]
    assert conversation["unread"] == 10


async def _second_connection(phone: Phone, served: Recado) -> str:
    """A second connection of the instance, straight in the store; its webhook path."""
    key = hashlib.sha256(phone.instance_id.encode()).hexdigest()[:32]
    async with served.runtime.db.work() as connection:
        await connection.execute(
            """INSERT INTO connections (company_id, id, instance_id, server_id, kind, rank, status, credentials, hook_key,
                                        active)
               SELECT company_id, $2, instance_id, server_id, kind, 2, status, $3, $4, false FROM connections
               WHERE instance_id = $1""",
            UUID(phone.instance_id), other := UUID(int=5), b"", key,
        )  # fmt: skip
        sealed = served.runtime.keyring.seal({}, directory.connection_context(ConnectionId(other)))
        await connection.execute("UPDATE connections SET credentials = $2 WHERE id = $1", other, sealed)
    served.runtime.directory.invalidate()
    return f"/hooks/scripted/{key}"


async def test_a_pairing_code_in_a_webhook_is_shown(phone: Phone, served: Recado) -> None:
    at = datetime.now(UTC)
    changed = ConnectionChanged(
        type="instance.qr", key="c1", at=at, status=ConnectionStatus.QR, pairing_code="ABCD-1234"
    )
    await phone.tell(changed)
    (event,) = await events(phone, "instance.qr", 1)
    assert event["data"]["pairing_code"] == "ABCD-1234"
    async with served.runtime.db.work() as connection:
        company_id = CompanyId(await connection.fetchval("SELECT company_id FROM instances"))
        shown = await connections.of_instances(connection, company_id, [InstanceId(UUID(phone.instance_id))])
    ((placed,),) = shown.values()
    assert placed.pairing is not None
    assert (placed.pairing["code"], placed.pairing["method"]) == ("ABCD-1234", "phone_code")
