"""Receipts: applied once, never backwards, found again when they come before their message's id."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from aiohttp import web

from recado.domain import states
from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.domain.states import MessageStatus
from recado.store import receipts
from tests.inbound import wire
from tests.inbound.wire import Number
from tests.support import graph

if TYPE_CHECKING:
    from recado.app import Recado

RECEIPTS = [MessageStatus.SERVER_ACK, MessageStatus.FAILED, MessageStatus.DELIVERED, MessageStatus.READ]


async def send(number: Number) -> str:
    """A message that the provider took; its id."""
    made = await number.company.post(
        "/v1/messages",
        {"instance_id": number.instance_id, "to": "5511999990001", "type": "text", "text": {"body": "oi"}},
    )
    return str(made["id"])


async def sent(number: Number) -> tuple[str, str]:
    """A sent message: our id and the provider's."""
    message_id = await send(number)
    shown = await number.company.until(f"/v1/messages/{message_id}", lambda message: message["status"] == "sent")
    return message_id, shown["provider_id"]


async def until_status(number: Number, message_id: str, status: str) -> dict[str, Any]:
    shown: dict[str, Any] = await number.company.until(
        f"/v1/messages/{message_id}", lambda message: message["status"] == status
    )
    return shown


async def test_receipts_advance_the_status_and_each_is_told_once(number: Number) -> None:
    message_id, provider_id = await sent(number)
    for _ in range(3):
        await number.tell(wire.status(provider_id, "sent"), wire.status(provider_id, "delivered"))
    await number.tell(wire.status(provider_id, "read"))
    await until_status(number, message_id, "read")
    for state in ("server_ack", "delivered", "read"):
        (event,) = await number.events(1, f"message.{state}")
        assert event["message_id"] == message_id
        assert event["data"]["message"]["to"] == "5511999990001"
        assert event["data"]["state"] == state


async def test_a_late_receipt_is_kept_and_changes_nothing(number: Number) -> None:
    message_id, provider_id = await sent(number)
    await number.tell(wire.status(provider_id, "read", at=1_790_000_200))
    await until_status(number, message_id, "read")
    await number.tell(wire.status(provider_id, "delivered", at=1_790_000_100))
    (event,) = await number.events(1, "message.delivered")
    assert event["data"]["message"]["status"] == "read"
    await until_status(number, message_id, "read")


async def test_a_failure_told_later_keeps_its_reason(number: Number) -> None:
    message_id, provider_id = await sent(number)
    error = {"code": 131026, "title": "Message undeliverable"}
    await number.tell(wire.status(provider_id, "failed", errors=[error]))
    shown = await until_status(number, message_id, "failed")
    assert shown["error"]["code"] == "131026"
    (event,) = await number.events(1, "message.failed")
    assert event["data"]["error"]["code"] == "131026"


async def test_a_receipt_that_comes_while_the_message_is_being_sent(number: Number, graph_server: graph.Graph) -> None:
    """The provider posts the receipt before it answers the request that sent the message."""
    take = graph_server.answer

    async def receipt_first(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        answer = await take(request, body)
        await number.tell(wire.status(f"wamid.{len(graph_server.sent)}.{number.account}", "delivered"))
        return answer

    graph_server.answer = receipt_first
    message_ids = [await send(number) for _ in range(10)]
    for message_id in message_ids:
        await until_status(number, message_id, "delivered")
    assert len(await number.events(10, "message.delivered")) == 10


def lost(number: Number, graph_server: graph.Graph, *, told: bool) -> Callable[..., Awaitable[web.StreamResponse]]:
    """An answer that never arrives, with or without a receipt that echoes our id."""
    take = graph_server.answer

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        await take(request, body)
        if told:
            echoed = body["biz_opaque_callback_data"]
            await number.tell(wire.status(f"wamid.{echoed}", "delivered", biz_opaque_callback_data=echoed))
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    return answer


async def test_a_receipt_proves_a_message_whose_answer_was_lost(
    served: "Recado", number: Number, graph_server: graph.Graph
) -> None:
    graph_server.answer = lost(number, graph_server, told=True)
    message_id = await send(number)
    shown = await until_status(number, message_id, "delivered")
    assert shown["provider_id"] == f"wamid.{message_id}"
    async with asyncio.timeout(20):
        while True:
            async with served.runtime.db.work() as connection:
                waiting = await connection.fetchval("SELECT count(*) FROM outbox")
                owned = await connection.fetchval("SELECT count(*) FROM lanes WHERE owner IS NOT NULL")
            if not waiting and not owned:
                break
            await asyncio.sleep(0.02)
    assert len(graph_server.sent) == 1, "what was proven is not sent again"


async def test_an_echoed_id_of_another_company_is_not_believed(
    served: "Recado", number: Number, graph_server: graph.Graph
) -> None:
    message_id, _ = await sent(number)
    async with served.runtime.db.work() as connection:
        await connection.execute("UPDATE messages SET instance_id = $1", UUID(int=7))
    await number.tell(wire.status("wamid.FORGED", "read", biz_opaque_callback_data=message_id))
    await number.tell(wire.status("wamid.FORGED", "delivered", biz_opaque_callback_data="not-an-id"))
    await number.receive(wire.text("5511999990001", "after"))
    await number.events(1)
    shown = await number.company.get(f"/v1/messages/{message_id}")
    assert shown["status"] == "sent"


async def test_no_interleaving_of_sender_and_receipt_loses_it(served: "Recado", number: Number) -> None:
    """Both transactions are open at once and commit in either order; neither sees the other. The sweep finds it."""
    message_id, provider_id = await sent(number)
    runtime = served.runtime
    async with runtime.db.work() as connection:
        row = await connection.fetchrow("DELETE FROM provider_ids RETURNING company_id, instance_id")
        await connection.execute("UPDATE messages SET provider_id = NULL")
        assert row is not None
        company_id, instance_id = CompanyId(row["company_id"]), InstanceId(row["instance_id"])
    key = (company_id, instance_id, provider_id, MessageId(UUID(message_id)))
    async with runtime.db.work() as receiving, runtime.db.work() as sending:
        recorded = await receipts.record(
            receiving,
            [
                receipts.Receipt(
                    company_id=company_id,
                    instance_id=instance_id,
                    provider_id=provider_id,
                    state=MessageStatus.READ,
                    at=datetime.now(UTC),
                )
            ],
        )
        assert recorded.events == [None]
        await sending.execute("INSERT INTO provider_ids VALUES ($1, $2, 'message', $3, $4)", *key)
        await receipts.settle(sending, [key])
    await until_status(number, message_id, "read")
    assert len(await number.events(1, "message.read")) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(RECEIPTS)))
def test_the_order_of_receipts_makes_no_difference(order: tuple[MessageStatus, ...]) -> None:
    status = MessageStatus.SENT
    for state in (*order, *order):
        after = states.advance(status, state)
        assert states.RANK[after] >= states.RANK[status]
        status = after
    assert status is MessageStatus.READ
