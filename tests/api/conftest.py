"""The API alone, over a real database and scripted providers, answered by a real server."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import uvicorn

from recado.api import application, health
from recado.api.v1 import companies, instances, phone, servers, tokens
from recado.config import Settings
from recado.kit import crypto
from recado.kit.http import Http
from recado.kit.signals import Signals
from recado.services.directory import Directory
from recado.services.limiting import Limiter
from recado.services.runtime import Runtime
from recado.store.db import Database
from recado.store.media_storage import MediaStorage
from recado.telemetry import requests
from tests.api.scripted import Account, Paired
from tests.support import client as clients
from tests.support import secrets
from tests.support.client import Client


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
def paired() -> Paired:
    return Paired()


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def admin_token() -> str:
    return secrets.register("an-operator-chose-this-one")


@pytest.fixture
async def runtime(
    settings: Settings, database: Database, paired: Paired, account: Account, admin_token: str
) -> AsyncIterator[Runtime]:
    """The clients of a process, with the scripted providers."""
    settings = settings.model_copy(update={"admin_token": admin_token, "max_body_bytes": 100_000})
    keyring = crypto.load_or_create(settings.secret_key_path)
    http = Http(allowed_networks=settings.allowed_networks, user_agent="Recado")
    await http.start()
    yield Runtime(
        settings=settings,
        db=database,
        http=http,
        keyring=keyring,
        signals=Signals(),
        providers={"paired": paired, "account": account},
        media=MediaStorage(settings.media_location),
        directory=Directory(db=database, keyring=keyring, settings=settings),
        limiter=Limiter(settings),
    )
    await http.stop()


@pytest.fixture
async def url(runtime: Runtime) -> AsyncIterator[str]:
    """Where the API answers."""
    app = requests.Requests(
        application.build(
            runtime, [health.router, companies.router, tokens.router, servers.router, instances.router, *phone.ROUTERS]
        )
    )
    with socket.socket(proto=socket.IPPROTO_TCP) as door:
        door.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
        serving = asyncio.create_task(server.serve(sockets=[door]))
        while not server.started:  # noqa: ASYNC110  # uvicorn tells it by this flag only.
            await asyncio.sleep(0)
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
async def admin(url: str, admin_token: str) -> AsyncIterator[Client]:
    """The platform's operator."""
    async with clients.connect(url, admin_token) as client:
        yield client


@pytest.fixture
async def company(admin: Client) -> Client:
    """A company."""
    return await clients.make_company(admin)


@pytest.fixture
async def paired_server(admin: Client) -> str:
    """The id of a server of kind `paired` with room for everybody."""
    body = await admin.post("/v1/servers", server())
    return str(body["id"])


@pytest.fixture
async def account_server(admin: Client) -> str:
    """The id of a server of kind `account`."""
    body = await admin.post("/v1/servers", {"name": "account", "kind": "account", "max_instances": 100})
    return str(body["id"])


def server(**changes: object) -> dict[str, object]:
    """The body of a new server of kind `paired`."""
    return {
        "name": "one",
        "kind": "paired",
        "base_url": "https://one.example.com/",
        "credentials": {"api_key": secrets.register("server-key-1234")},
        "max_instances": 100,
        **changes,
    }
