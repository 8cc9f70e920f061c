"""What an instance does by itself about what comes in: messages and statuses are read, calls are rejected and answered."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import pytest

from recado.domain import ids, operations
from recado.domain.events import Noticed, Party, ProviderEvent, Received
from recado.domain.ids import RawWebhookId
from recado.domain.provider import CallFailed, Capabilities, Connection
from recado.domain.zapi import Reaction, ZapiSettings
from recado.providers.sandbox import webhooks
from recado.services import companies, instances
from recado.services.directory import InstanceView
from recado.services.routing import Item, Result
from recado.services.zapi import accounts, reacting
from recado.services.zapi.reacting import Reactor
from recado.store import inbox
from recado.telemetry import metrics
from tests.api.scripted import Paired
from tests.support import secrets
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient, open_instance

if TYPE_CHECKING:
    from recado.app import Recado
    from recado.services.runtime import Runtime

PHONE = "5511999990042"


def counted(setting: Reaction, result: str) -> float:
    found = metrics.REGISTRY.get_sample_value("recado_reactions_total", {"setting": setting, "result": result})
    return found or 0


# --- through the whole of Recado ------------------------------------------------------------------------


async def _write(zapi: ZapiClient, phone: str = PHONE) -> None:
    body = {"instance_id": zapi.instance_id, "type": "text", "text": {"body": "Oi"}}
    await zapi.company.post(f"/sandbox/phones/{phone}/messages", body)


async def _read(recado: "Recado", zapi: ZapiClient) -> list[bool]:
    """Of what phones wrote to the instance, which they see as read."""
    rows = await recado.runtime.db.worker.fetch(
        "SELECT read_at IS NOT NULL AS read FROM sandbox_written w JOIN connections c ON c.id = w.connection_id"
        " WHERE c.instance_id = $1 ORDER BY w.id",
        UUID(zapi.instance_id),
    )
    return [row["read"] for row in rows]


async def test_messages_are_read_where_the_instance_is_set_to(module_recado: "Recado", zapi: ZapiClient) -> None:
    plain = await open_instance(zapi.company)
    await zapi.put("/update-auto-read-message", {"value": True})
    await _write(plain)
    await plain.company.until(f"/v1/conversations?instance_id={plain.instance_id}", lambda page: page["data"])
    await _write(zapi)
    await _write(zapi, "5511999990043")
    await zapi.company.until(
        f"/v1/conversations?instance_id={zapi.instance_id}",
        lambda page: [one["unread"] for one in page["data"]] == [0, 0],
    )
    assert await _read(module_recado, zapi) == [True, True]
    assert await _read(module_recado, plain) == [False]
    unread = await plain.company.get(f"/v1/conversations?instance_id={plain.instance_id}")
    assert [one["unread"] for one in unread["data"]] == [1]


async def _rejected(zapi: ZapiClient, call: str) -> None:
    """Until the company is told that a call was rejected."""

    def told(page: Any) -> bool:
        return any(
            (event["data"]["call_id"], event["data"]["state"]) == (call, "rejected")
            for event in page["data"]
            if event["type"] == "call.received"
        )

    await zapi.company.until(f"/v1/events?instance_id={zapi.instance_id}", told)


async def test_calls_are_rejected_and_the_caller_is_told(zapi: ZapiClient) -> None:
    called = {"instance_id": zapi.instance_id}
    await zapi.put("/update-call-reject-auto", {"value": True})
    made = await zapi.company.post("/sandbox/phones/5511999990044/calls", called)
    await _rejected(zapi, made["call"])
    await zapi.put("/update-call-reject-message", {"value": "Escreva para nós"})
    made = await zapi.company.post("/sandbox/phones/5511999990045/calls", {**called, "video": True})
    await _rejected(zapi, made["call"])
    answered = await zapi.company.until("/sandbox/phones/5511999990045/messages", lambda page: page["total"])
    assert [one["content"] for one in answered["data"]] == [{"body": "Escreva para nós"}]
    silent = await zapi.company.get("/sandbox/phones/5511999990044/messages")
    assert silent["total"] == 0


async def test_statuses_are_read(module_company: Client) -> None:
    secret = secrets.register("signs-what-the-test-tells")
    made = await module_company.post(
        "/v1/instances", {"name": "S", "kind": "sandbox", "credentials": {"secret": secret}}
    )
    secrets.register(made["token"])
    opened = await module_company.call("PUT", f"/v1/instances/{made['id']}/zapi", json={})
    zapi = ZapiClient(module_company, made, opened.body)
    await zapi.put("/update-auto-read-status", {"value": True})
    before = counted("auto_read_status", "done")
    story = {"provider_id": webhooks.provider_id(ids.new()), "kind": "text", "content": {"body": "Promoção"}}
    notice = {"type": "status.received", "phone": PHONE, "data": story}
    event = webhooks.Event(id=str(ids.new()), event="notice", at=datetime.now(UTC), payload=notice)
    body = webhooks.compose([event])
    hook = urlsplit(made["connections"][0]["webhook_url"]).path
    reply = await module_company.as_(None).call(
        "POST", hook, data=body, headers={webhooks.SIGNATURE: webhooks.sign(secret, body)}
    )
    assert reply.status == 200, reply.body
    await _until(lambda: counted("auto_read_status", "done") == before + 1)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110  # A counter tells nobody that it changed.
            await asyncio.sleep(0.01)


# --- the reactor alone ----------------------------------------------------------------------------------


class Phone(Paired, operations.Presence):
    """A phone whose answers wait for `open`. `seen` are the calls it was asked, in order."""

    kind: ClassVar[str] = "sandbox"
    capabilities: ClassVar[Capabilities] = Capabilities(kinds=frozenset({"text"}), reads_stories=True)

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.asked: list[str] = []
        self.trouble: Exception | None = None

    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        assert chat == "status@broadcast"
        await self._answer(provider_id)

    async def reject_call(self, connection: Connection, *, call: str, caller: str) -> None:
        await self._answer(f"{call} of {caller}")

    async def _answer(self, what: str) -> None:
        self.asked.append(what)
        await self.open.wait()
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble


@pytest.fixture
def phone(runtime: "Runtime") -> Phone:
    made = Phone()
    runtime.providers = {**runtime.providers, "sandbox": made}
    return made


@pytest.fixture
async def instance(runtime: "Runtime", phone: Phone) -> InstanceView:
    """Set to do everything."""
    company = await companies.create(runtime, name="Padaria", settings={})
    secrets.register(company.token)
    made = await instances.create(runtime, company.company.id, name="Vendas", kind="sandbox")
    secrets.register(made.token)
    settings = ZapiSettings(auto_read_status=True, call_reject_auto=True, call_reject_message="Escreva")
    opened = await accounts.open_instance(runtime, company.company.id, made.described.instance.id, settings=settings)
    secrets.register(opened.token)
    return await runtime.directory.instance(company.company.id, made.described.instance.id)


def _items(view: InstanceView, *came: ProviderEvent) -> list[Item]:
    placed = view.placed()
    route = inbox.Route(
        company_id=view.company_id,
        id=placed.id,
        instance_id=view.id,
        server_id=placed.server_id,
        kind=placed.kind,
        account=None,
        proven=True,
        reactions=["auto_read_status", "call_reject_auto"],
    )
    raw = inbox.Waiting(
        sequence=1,
        source=placed.id,
        company_id=view.company_id,
        id=RawWebhookId(ids.new()),
        kind=placed.kind,
        server_id=placed.server_id,
        connection_id=placed.id,
        body=b"{}",
        received_at=datetime.now(UTC),
    )
    return [Item(raw=raw, route=route, event=event, result=Result()) for event in came]


def _story(name: str) -> Noticed:
    return Noticed(
        type="status.received", key=name, at=datetime.now(UTC), data={"provider_id": name}, party=Party(phone=PHONE)
    )


def _ring(call: str, **told: Any) -> Noticed:
    told = {"at": datetime.now(UTC), "data": {"call_id": call, "state": "ringing"}, "party": Party(phone=PHONE), **told}
    return Noticed(type="call.received", key=call, **told)


async def test_a_call_overtakes_what_waits_and_nothing_waits_for_a_provider(
    runtime: "Runtime", phone: Phone, instance: InstanceView
) -> None:
    reactor = Reactor(runtime)
    await reactor.start()
    rejected = counted("call_reject_auto", "done")
    reactor.take(_items(instance, _story("A"), _story("B")))
    await _until(lambda: phone.asked == ["A"])
    lid = Party(phone=PHONE, lid="77@lid")
    reactor.take(_items(instance, _ring("RING", party=lid)))
    assert phone.asked == ["A"], "one at a time for an instance"
    phone.open.set()
    await _until(lambda: phone.asked == ["A", "RING of 77@lid", "B"])
    await _until(lambda: counted("call_reject_auto", "done") == rejected + 1)
    queued = await runtime.db.worker.fetch("SELECT address, content FROM messages")
    assert [(row["address"], row["content"]) for row in queued] == [(PHONE, {"body": "Escreva"})]
    await reactor.stop()


@pytest.mark.parametrize("trouble", [CallFailed("away"), RuntimeError("a bug")], ids=["failed", "bug"])
async def test_what_fails_is_counted_and_ends_nothing(
    trouble: Exception, runtime: "Runtime", phone: Phone, instance: InstanceView
) -> None:
    failed, done = counted("auto_read_status", "failed"), counted("auto_read_status", "done")
    phone.trouble = trouble
    phone.open.set()
    reactor = Reactor(runtime)
    await reactor.start()
    reactor.take(_items(instance, _story("A"), _story("B")))
    await _until(lambda: counted("auto_read_status", "done") == done + 1)
    assert counted("auto_read_status", "failed") == failed + 1
    assert phone.asked == ["A", "B"]
    await reactor.stop()


async def test_a_call_that_could_not_be_rejected_is_not_answered(
    runtime: "Runtime", phone: Phone, instance: InstanceView
) -> None:
    failed = counted("call_reject_auto", "failed")
    phone.trouble = CallFailed("away")
    phone.open.set()
    reactor = Reactor(runtime)
    await reactor.start()
    reactor.take(_items(instance, _ring("RING")))
    await _until(lambda: counted("call_reject_auto", "failed") == failed + 1)
    assert not await runtime.db.worker.fetchval("SELECT count(*) FROM messages")
    await reactor.stop()


async def test_what_is_over_or_of_others_is_left_alone(
    runtime: "Runtime", phone: Phone, instance: InstanceView
) -> None:
    now = datetime.now(UTC)
    someone = Party(phone=PHONE)
    written = Received(
        type="message.sent", key="M", at=now, provider_id="M", chat=someone, sender=someone, kind="text",
        content={"body": "oi"}, from_me=True,
    )  # fmt: skip
    others = _items(instance, _story("other"))
    for item in others:
        item.route = msgspec.structs.replace(item.route, reactions=[])
    reactor = Reactor(runtime)
    await reactor.start()
    phone.open.set()
    skipped = counted("auto_read_status", "skipped")
    reactor.take(
        [
            *_items(
                instance,
                _ring("OLD", at=now - timedelta(minutes=2)),
                _ring("OVER", data={"call_id": "OVER", "state": "ended"}),
                written,
            ),
            *others,
        ]
    )
    # Set otherwise since the batch was read.
    opened = await runtime.directory.zapi_of(instance.company_id, instance.id)
    assert opened is not None
    await accounts.change_settings(runtime, opened, {"auto_read_status": False})
    reactor.take(_items(instance, _story("late")))
    await _until(lambda: counted("auto_read_status", "skipped") == skipped + 1)
    assert phone.asked == []
    await reactor.stop()


async def test_what_waits_is_bounded_and_let_go_at_the_end(
    runtime: "Runtime", phone: Phone, instance: InstanceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reacting, "_MOST_WAITING", 2)
    monkeypatch.setattr(reacting, "_GOODBYE_SECONDS", 0.01)
    dropped = counted("auto_read_status", "dropped")
    reactor = Reactor(runtime)
    await reactor.start()
    reactor.take(_items(instance, _story("A")))
    await _until(lambda: phone.asked == ["A"])
    reactor.take(_items(instance, _story("B"), _story("C"), _story("D")))
    assert counted("auto_read_status", "dropped") == dropped + 1
    await reactor.stop()
    assert counted("auto_read_status", "dropped") == dropped + 3
    assert phone.asked == ["A"]
