"""A served Recado with an instance that is open to Z-API clients, for all tests of a module: each has an instance of its own
where it changes one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recado.config import Settings
from tests.support import client as clients
from tests.support import databases, secrets
from tests.support.client import Client, Reply

if TYPE_CHECKING:
    from recado.app import Recado


class ZapiClient:
    """A client of Z-API that changed its base URL."""

    def __init__(self, company: Client, instance: dict[str, Any], opened: dict[str, Any]) -> None:
        self.company = company
        #: The instance's own id, and its id and token on the surface.
        self.instance_id = str(instance["id"])
        self.id = str(opened["id"])
        self.token = secrets.register(str(opened["token"]))
        self.base = f"/instances/{self.id}/token/{self.token}"
        self._anonymous = company.as_(None)

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        """A call of a route below the instance, without any other token."""
        return await self._anonymous.call(method, self.base + path, **options)

    async def partner(self, method: str, path: str, *, below: bool = False, **options: Any) -> Reply:
        """A call with the company's token as the partner's: below the host, or below the instance."""
        return await self.company.call(method, (self.base if below else "") + path, **options)

    async def get(self, path: str, **params: Any) -> Any:
        """The body of a 200."""
        return self._expect(await self.call("GET", path, params=params))

    async def post(self, path: str, json: Any = None, *, status: int = 200) -> Any:
        """The body of the expected status."""
        return self._expect(await self.call("POST", path, json=json), status)

    async def put(self, path: str, json: Any = None) -> Any:
        """The body of a 200."""
        return self._expect(await self.call("PUT", path, json=json))

    def _expect(self, reply: Reply, status: int = 200) -> Any:
        assert reply.status == status, f"{reply.status}: {reply.body}"
        return reply.body


@pytest.fixture(scope="module")
async def module_recado(server: databases.Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["Recado"]:
    """A whole Recado for a module, all roles in this process."""
    from recado.app import Recado

    url = await server.fresh()
    recado = Recado(
        Settings(
            data_dir=Path(tmp_path_factory.mktemp("recado")),
            database_url=url,
            host="127.0.0.1",
            port=0,
            pool_size=4,
            admin_token=None,
            allowed_networks=("127.0.0.0/8", "::1/128"),
            zapi_http_webhooks=True,
            shutdown_grace_seconds=5,
            log_level="debug",
            log_format="json",
        )
    )
    await recado.start()
    try:
        yield recado
    finally:
        await recado.stop()
        await server.drop(url)


@pytest.fixture(scope="module")
async def module_company(module_recado: "Recado") -> AsyncIterator[Client]:
    """A company of the module's Recado."""
    async with clients.connect(module_recado.url, module_recado.admin_token) as admin:
        yield await clients.make_company(admin)


@pytest.fixture
async def zapi(module_company: Client) -> ZapiClient:
    """A connected sandbox instance without pauses, open to Z-API clients."""
    return await open_instance(module_company)


async def open_instance(company: Client, *, connected: bool = True, **opened: str) -> ZapiClient:
    """A sandbox instance without pauses, open to Z-API clients; `opened` are the id and token it had there."""
    settings = {"pacing": {"min_ms": 0, "max_ms": 0, "per_minute": 0, "first_contacts_per_hour": 0}}
    if connected:
        instance = await clients.make_sandbox_instance(company, settings)
    else:
        instance = await company.post("/v1/instances", {"name": "Teste", "kind": "sandbox", "settings": settings})
    reply = await company.call("PUT", f"/v1/instances/{instance['id']}/zapi", json=opened)
    assert reply.status == 200, reply.body
    return ZapiClient(company, instance, reply.body)
