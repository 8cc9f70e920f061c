"""A phone provider whose webhooks and answers a test sets."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec

from recado.app import Recado
from recado.domain import operations, provider
from recado.domain.events import ProviderEvent
from recado.domain.provider import Accepted, Capabilities, ConnectionState, CredentialField, Health, Outcome, Outgoing
from recado.domain.states import ConnectionStatus
from tests.support import client as clients
from tests.support import secrets
from tests.support.client import Client

Answer = Callable[[Outgoing], Awaitable[Outcome]]


async def accept(message: Outgoing) -> Outcome:
    """The provider takes it, and names it after our id."""
    return Accepted(provider_id=f"3EB0{message.message_id.hex.upper()}")


class Scripted(operations.Contacts):
    """`answer` answers the sends; `numbers` is what `check_numbers` knows, None: it cannot tell."""

    kind: ClassVar[str] = "scripted"
    capabilities: ClassVar[Capabilities] = Capabilities(kinds=frozenset({"text", "image", "reaction"}))
    default_base_url: ClassVar[str | None] = "https://scripted.invalid"
    server_credentials: ClassVar[tuple[CredentialField, ...]] = ()
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = ()

    def __init__(self) -> None:
        self.answer: Answer = accept
        self.sent: list[Outgoing] = []
        self.told: list[Sequence[ProviderEvent]] = []
        self.numbers: dict[str, operations.Checked] | None = None
        self.checked: list[list[str]] = []

    def account(self, credentials: Mapping[str, str]) -> str | None:
        return None

    async def connect(self, connection: provider.Connection, *, method: str, phone: str | None) -> ConnectionState:
        return ConnectionState(status=ConnectionStatus.CONNECTED)

    async def status(self, connection: provider.Connection) -> ConnectionState:
        return ConnectionState(status=ConnectionStatus.CONNECTED)

    async def disconnect(self, connection: provider.Connection, *, logout: bool) -> None:
        """Nothing to end."""

    async def send(self, connection: provider.Connection, message: Outgoing) -> Outcome:
        self.sent.append(message)
        return await self.answer(message)

    async def check_numbers(
        self, connection: provider.Connection, *, phones: Sequence[str]
    ) -> list[operations.Checked]:
        self.checked.append(list(phones))
        if self.numbers is None:
            raise provider.CallFailed("away")
        return [self.numbers.get(phone, operations.Checked(phone=phone, exists=False)) for phone in phones]

    def verify(self, connection: provider.Connection, headers: Mapping[str, str], body: bytes) -> bool:
        return True

    def read(self, body: bytes) -> list[ProviderEvent]:
        return list(self.told[int(body)])

    async def health(self, server: provider.Server) -> Health:
        return Health(healthy=True)


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """A connected instance on the scripted provider."""

    company: Client
    provider: Scripted
    instance_id: str
    hooks: list[str]

    async def tell(self, *events: ProviderEvent, hook: int = 0) -> None:
        """The provider posts a webhook, by one of the instance's connections."""
        self.provider.told.append(events)
        body = str(len(self.provider.told) - 1).encode()
        reply = await self.company.as_(None).call("POST", self.hooks[hook], data=body)
        assert reply.status == 200, reply.body


async def make_phone(served: Recado, admin: Client, *, settings: dict[str, object] | None = None) -> Phone:
    """A new company's connected instance on a scripted provider of its own."""
    scripted = Scripted()
    served.runtime.providers["scripted"] = scripted  # type: ignore[index]  # A dict, which only a test changes.
    made = await admin.post(
        "/v1/servers", {"name": "scripted", "kind": "scripted", "credentials": {}, "max_instances": 10}
    )
    company = await clients.make_company(admin)
    body = await company.post(
        "/v1/instances", {"name": "Loja", "server_id": made["id"], "credentials": {}, "settings": settings or {}}
    )
    secrets.register(body["token"])
    await company.post(f"/v1/instances/{body['id']}/connect", {"method": "qr"}, status=200)
    await company.until(f"/v1/instances/{body['id']}", lambda shown: shown["status"] == "connected")
    return Phone(
        company=company,
        provider=scripted,
        instance_id=body["id"],
        hooks=[urlsplit(connection["webhook_url"]).path for connection in body["connections"]],
    )
