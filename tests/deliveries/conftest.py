"""A company with endpoints that are real local servers, and a worker whose clock the test moves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

from recado.domain import ids
from recado.domain.ids import CompanyId, ConversationId, InstanceId, WebhookId
from recado.services import webhooks
from recado.services.directory import Principal
from recado.services.runtime import Runtime
from recado.services.webhooks import WebhookView
from recado.store import events
from recado.workers.deliveries import DeliveryWorker
from tests.support import secrets

Answers = Callable[["Received"], Awaitable[web.Response]]


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One post that an endpoint got."""

    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def number(self) -> int:
        """What the test wrote into the event."""
        return int(self.body["data"]["number"])


class Endpoint:
    """A company's server. `answer` is what it says from now on: a status, or a coroutine function."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.answer: int | Answers = 200
        self._arrivals: asyncio.Queue[Received] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.Response:
        got = Received(headers=dict(request.headers), raw=await request.read())
        self.received.append(got)
        self._arrivals.put_nowait(got)
        return web.Response(status=self.answer) if isinstance(self.answer, int) else await self.answer(got)

    async def arrival(self) -> Received:
        """The next post that nobody waited for yet."""
        return await self._arrivals.get()

    @property
    def numbers(self) -> list[int]:
        return [got.number for got in self.received]


class World:
    """What a test drives."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.db = runtime.db
        self._ahead = timedelta()
        self.company = CompanyId(ids.new())
        self.instance = InstanceId(ids.new())
        self.worker = DeliveryWorker(runtime, clock=lambda: self.now)
        self._numbers = iter(range(1_000_000))
        self.endpoints: list[Endpoint] = []
        self._runners: list[web.AppRunner] = []

    @property
    def principal(self) -> Principal:
        return Principal(level="company", company_id=self.company, instance_id=None, token_id=None)

    @property
    def instance_principal(self) -> Principal:
        return Principal(level="instance", company_id=self.company, instance_id=self.instance, token_id=None)

    async def start(self) -> None:
        await self.add_company(self.company, self.instance)
        await self.worker.start()

    async def stop(self) -> None:
        await self.worker.stop()
        for runner in self._runners:
            await runner.cleanup()

    async def add_company(self, company: CompanyId, instance: InstanceId) -> None:
        async with self.db.work() as connection:
            await connection.execute("INSERT INTO companies (id, name) VALUES ($1, 'Test')", company)
            await connection.execute(
                "INSERT INTO instances (company_id, id, name) VALUES ($1, $2, 'Test')", company, instance
            )

    async def serve(self) -> Endpoint:
        """A server, no endpoint of anybody yet."""
        endpoint = Endpoint()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", endpoint.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
        self._runners.append(runner)
        self.endpoints.append(endpoint)
        return endpoint

    async def register(self, url: str, *, filter: list[str] | None = None, instance: UUID | None = None) -> WebhookView:
        made = await webhooks.create(
            self.runtime, self.principal, url=url, filter=filter or ["*"], instance_id=instance, format="recado"
        )
        assert isinstance(made.secret, str)
        secrets.register(made.secret)
        return made

    async def endpoint(self, **options: Any) -> tuple[Endpoint, WebhookView]:
        """A server that is registered."""
        endpoint = await self.serve()
        return endpoint, await self.register(endpoint.url, **options)

    async def happen(
        self, *conversations: ConversationId, type: str = "message.received", data: Mapping[str, Any] | None = None
    ) -> None:
        """An event in each of these conversations, numbered through."""
        async with self.db.work() as connection:
            await events.insert(
                connection,
                [
                    events.NewEvent(
                        company_id=self.company,
                        type=type,
                        instance_id=self.instance,
                        conversation_id=conversation,
                        data={"number": next(self._numbers), **(data or {})},
                        at=self.now,
                    )
                    for conversation in conversations
                ],
            )

    async def round(self) -> int:
        """Deliver what is due now, once; return how many attempts that were."""
        tasks = await self.worker.take()
        if tasks:
            await asyncio.wait(tasks)
        return len(tasks)

    async def settle(self) -> None:
        """Deliver until nothing is due."""
        while await self.round():
            pass

    @property
    def now(self) -> datetime:
        """The worker's time: the real one, and ahead of it as far as the test moved it."""
        return datetime.now(UTC) + self._ahead

    def move(self, **duration: float) -> None:
        self._ahead += timedelta(**duration)

    async def listed(self, webhook_id: WebhookId, status: Any = None) -> list[webhooks.DeliveryView]:
        """The endpoint's deliveries as the API lists them, oldest first."""
        found = await webhooks.list_deliveries(
            self.runtime, self.principal, webhook_id, status=status, before=None, limit=1_000
        )
        return sorted(found, key=lambda one: one.sequence)

    async def shown(self, webhook_id: WebhookId) -> WebhookView:
        return await webhooks.get(self.runtime, self.principal, webhook_id)

    async def pending(self) -> int:
        async with self.db.work() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM deliveries WHERE status = 'pending'"))


def conversation() -> ConversationId:
    return ConversationId(ids.new())


@pytest.fixture
async def world(runtime: Runtime) -> AsyncIterator[World]:
    """A company with one instance and no endpoint yet."""
    made = World(runtime)
    await made.start()
    yield made
    await made.stop()
