"""Providers whose answers a test sets: one that is paired by hand and one that its credentials alone connect."""

from collections.abc import Mapping
from typing import ClassVar

from recado.domain import provider
from recado.domain.events import ProviderEvent
from recado.domain.provider import Capabilities, ConnectionState, CredentialField, Health
from recado.domain.states import ConnectionStatus


class Paired:
    """A phone. `states` are the answers to connect, status and restart; the last one stays."""

    kind: ClassVar[str] = "paired"
    capabilities: ClassVar[Capabilities] = Capabilities(kinds=frozenset({"text"}))
    default_base_url: ClassVar[str | None] = None
    server_credentials: ClassVar[tuple[CredentialField, ...]] = (CredentialField(name="api_key"),)
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="webhook_secret", required=False),
    )

    def __init__(self) -> None:
        self.states: list[ConnectionState | provider.CallFailed] = [ConnectionState(status=ConnectionStatus.CREATED)]
        self.healthy: Health = Health(healthy=True, version="1.2.3")
        self.calls: list[str] = []
        self.seen: list[provider.Connection] = []

    def _next(self, call: str, connection: provider.Connection) -> ConnectionState:
        self.calls.append(call)
        self.seen.append(connection)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, provider.CallFailed):
            raise state
        return state

    def account(self, credentials: Mapping[str, str]) -> str | None:
        return None

    async def connect(self, connection: provider.Connection, *, method: str, phone: str | None) -> ConnectionState:
        return self._next(f"connect {method} {phone}", connection)

    async def status(self, connection: provider.Connection) -> ConnectionState:
        return self._next("status", connection)

    async def restart(self, connection: provider.Connection) -> ConnectionState:
        return self._next("restart", connection)

    async def disconnect(self, connection: provider.Connection, *, logout: bool) -> None:
        self.calls.append("disconnect")

    async def send(self, connection: provider.Connection, message: provider.Outgoing) -> provider.Outcome:
        return provider.Accepted(provider_id=str(message.message_id))

    def verify(self, connection: provider.Connection, headers: Mapping[str, str], body: bytes) -> bool:
        return True

    def read(self, body: bytes) -> list[ProviderEvent]:
        return []

    async def health(self, server: provider.Server) -> Health:
        self.calls.append(f"health {server.credentials.get('api_key')}")
        return self.healthy


class Account(Paired):
    """A number at an API: nothing to pair, and it cannot be restarted."""

    kind: ClassVar[str] = "account"
    capabilities: ClassVar[Capabilities] = Capabilities(kinds=frozenset({"text"}), human_pacing=False)
    default_base_url: ClassVar[str | None] = "https://account.invalid"
    server_credentials: ClassVar[tuple[CredentialField, ...]] = ()
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="number_id", secret=False),
        CredentialField(name="access_token", help="From the account's settings."),
    )
    restart = None  # type: ignore[assignment]  # Absent, as the contract's optional protocols are found by isinstance.

    def account(self, credentials: Mapping[str, str]) -> str | None:
        return credentials["number_id"]
