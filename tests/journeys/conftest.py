"""One served Recado for the module; a company, its endpoint and its providers for every test."""

import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from recado.config import Settings
from tests.journeys.fakes import ANA, Endpoint, Fake, Line, Message, serve_endpoint
from tests.support import client, databases, secrets
from tests.support.client import NO_PACING, Client

if TYPE_CHECKING:
    from recado.app import Recado

#: In the order of acceptance and without pauses; what may have been sent waits for its proof.
SETTINGS: dict[str, Any] = {"ordering": "instance", "settle_seconds": 3_600, **NO_PACING}


@pytest.fixture(scope="module")
async def database_url(server: databases.Server) -> AsyncIterator[str]:
    url = await server.fresh()
    yield url
    await server.drop(url)


@pytest.fixture(scope="module")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Behind a public https address, which Z-API insists on."""
    return Settings(
        data_dir=tmp_path_factory.mktemp("journeys"),
        database_url=database_url,
        host="127.0.0.1",
        port=_free_port(),
        public_url="https://recado.test",
        pool_size=4,
        allowed_networks=("127.0.0.0/8",),
        shutdown_grace_seconds=5,
        log_level="debug",
        log_format="json",
    )


def _free_port() -> int:
    """A served Recado tells its public address only, so its port must be known before."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="module")
def gateway(served: "Recado", settings: Settings) -> str:
    """Where Recado listens, behind its public address."""
    return f"http://127.0.0.1:{settings.port}"


@pytest.fixture(scope="module")
async def served(settings: Settings) -> AsyncIterator["Recado"]:
    from recado.app import Recado

    recado = Recado(settings)
    await recado.start()
    try:
        yield recado
    finally:
        await recado.stop()


@pytest.fixture
async def admin(served: "Recado", gateway: str) -> AsyncIterator[Client]:
    async with client.connect(gateway, served.admin_token) as caller:
        yield caller


@pytest.fixture
async def company(admin: Client) -> Client:
    return await client.make_company(admin)


@pytest.fixture
async def endpoint(company: Client) -> AsyncIterator[Endpoint]:
    """The company's own server, registered for every event."""
    async with serve_endpoint() as running:
        made = await company.post("/v1/webhooks", {"url": running.url, "events": ["*"]})
        running.secret = secrets.register(made["secret"])
        yield running


class Number(msgspec.Struct, kw_only=True):
    """An instance of the company as its user drives it, and the provider it is on."""

    company: Client
    endpoint: Endpoint
    fake: Fake
    id: str

    @property
    def path(self) -> str:
        return f"/v1/instances/{self.id}"

    @property
    def sent(self) -> list[Message]:
        """What reached WhatsApp."""
        return self.fake.line.sent

    async def connect(self) -> Any:
        """Connect until there is a code to show: some sessions are only starting at first."""
        state = await self.company.post(f"{self.path}/connect", {"method": "qr"}, status=200)
        if state["status"] != "qr":
            await self.company.until(f"{self.path}/status", lambda state: state["status"] == "qr")
        return await self.company.get(f"{self.path}/qr")

    async def pair(self) -> None:
        """Connect and scan."""
        await self.connect()
        await self.fake.scan()
        await self.stands("connected")

    async def stands(self, status: str) -> None:
        await self.company.until(self.path, lambda shown: shown["status"] == status)

    async def send(self, body: str = "oi", **changes: Any) -> str:
        """Accept a message to Ana, a text unless told otherwise; its id."""
        content = {} if "type" in changes else {"type": "text", "text": {"body": body}}
        message = {"instance_id": self.id, "to": ANA.phone, **content, **changes}
        return str((await self.company.post("/v1/messages", message))["id"])

    async def reaches(self, message_id: str, *status: str) -> dict[str, Any]:
        """The message once it has one of these statuses."""
        shown: dict[str, Any] = await self.company.until(
            f"/v1/messages/{message_id}", lambda message: message["status"] in status
        )
        return shown

    async def listed(self) -> list[dict[str, Any]]:
        """Every message of the instance."""
        found: list[dict[str, Any]] = (await self.company.get(f"/v1/messages?instance_id={self.id}"))["data"]
        return found

    async def webhooks_read(self) -> None:
        """Until everything that the providers posted was read."""
        await self.company.until(
            "/v1/raw-webhooks?limit=200", lambda page: all(one["processed_at"] for one in page["data"])
        )


async def make_number(admin: Client, company: Client, endpoint: Endpoint, fake: Fake, **settings: Any) -> Number:
    """An instance on the fake, not connected yet."""
    server = await register(admin, fake)
    body = {"name": "Loja", "server_id": server, "settings": {**SETTINGS, **settings}}
    made = await company.post("/v1/instances", body)
    secrets.register(made["token"])
    number = Number(company=company, endpoint=endpoint, fake=fake, id=made["id"])
    fake.line.read = number.webhooks_read
    return number


async def register(admin: Client, fake: Fake) -> str:
    """The fake as a server that admins know; its id."""
    body = {
        "name": f"{fake.kind} {time.time_ns()}",
        "kind": fake.kind,
        "base_url": fake.url,
        "credentials": fake.credentials(),
        "max_instances": 10,
    }
    return str((await admin.post("/v1/servers", body))["id"])


Starts = Callable[[type[Fake], Line], Any]


@pytest.fixture
async def start(gateway: str) -> AsyncIterator[Starts]:
    """Starts fakes, and ends them with the test."""
    started: list[Fake] = []

    async def made(kind: type[Fake], line: Line) -> Fake:
        fake = kind(line, gateway)
        await fake.start()
        started.append(fake)
        return fake

    yield made
    for fake in started:
        await fake.stop()
