"""Sessions that we make at providers: opened once, kept sealed, ended with their connection; and what pairing shows."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

import pytest

from recado.domain import provider
from recado.domain.ids import CompanyId
from recado.domain.provider import ConnectionState, CredentialField, Session
from recado.domain.states import ConnectionStatus
from recado.services import connections
from recado.services.runtime import Runtime
from tests.api.scripted import Paired
from tests.support import secrets
from tests.support.client import Client

QR = ConnectionState(status=ConnectionStatus.QR, qr="2@code")
CHALLENGE = ConnectionState(
    status=ConnectionStatus.CONNECTING, details={"passkey": {"step": "challenge", "challenge": "abc"}}
)


class Managed(Paired):
    """A phone whose session is made on the server first. `opening` and `closing` are what these two run into."""

    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="session", required=False, secret=False),
    )

    def __init__(self) -> None:
        super().__init__()
        self.opening: provider.CallFailed | None = None
        self.closing: provider.CallFailed | None = None

    def account(self, credentials: Mapping[str, str]) -> str | None:
        return credentials.get("session")

    async def open_session(self, connection: provider.Connection) -> Session:
        self.calls.append("open")
        await asyncio.sleep(0)
        if self.opening is not None:
            raise self.opening
        secret = secrets.register(f"made-secret-{self.calls.count('open')}")
        return Session(account="rcd-made", credentials={"webhook_secret": secret})

    async def close_session(self, connection: provider.Connection) -> None:
        self.calls.append(f"close {connection.account}")
        if self.closing is not None:
            raise self.closing

    async def register_webhook(self, connection: provider.Connection) -> None:
        self.calls.append(f"register {connection.account}")

    async def answer_passkey(
        self, connection: provider.Connection, *, step: str, answer: Mapping[str, Any]
    ) -> ConnectionState:
        return self._next(f"passkey {step} {dict(answer)}", connection)

    async def account_info(self, connection: provider.Connection) -> dict[str, Any]:
        return {"name": "Padaria", "quality": "GREEN"}


@pytest.fixture
def paired() -> Managed:
    return Managed()


@pytest.fixture
async def path(company: Client, paired_server: str) -> str:
    """Of an instance whose session is not made yet."""
    made = await company.post("/v1/instances", {"name": "Vendas", "kind": "paired"})
    return f"/v1/instances/{made['id']}"


async def test_the_session_is_made_before_the_first_connect_and_kept_sealed(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    paired.states = [QR]
    assert (await company.post(f"{path}/connect", status=200))["qr"] == "2@code"
    await company.post(f"{path}/connect", status=200)
    assert paired.calls == ["open", "connect qr None", "connect qr None"]
    assert [(seen.account, seen.credentials["webhook_secret"]) for seen in paired.seen] == [
        ("rcd-made", "made-secret-1")
    ] * 2
    async with runtime.db.work() as connection:
        [row] = await connection.fetch("SELECT credentials, account, opened FROM connections")
    assert (row["account"], row["opened"], b"made-secret" in row["credentials"]) == ("rcd-made", True, False)


async def test_of_many_who_connect_at_once_one_makes_the_session(company: Client, paired: Managed, path: str) -> None:
    paired.states = [QR]
    await asyncio.gather(*(company.post(f"{path}/connect", status=200) for _ in range(5)))
    assert paired.calls.count("open") == 1
    assert {seen.credentials["webhook_secret"] for seen in paired.seen} == {"made-secret-1"}


async def test_a_session_that_cannot_be_made_is_tried_again_next_time(
    company: Client, paired: Managed, path: str
) -> None:
    paired.states = [QR]
    paired.opening = provider.CallFailed("The server is full.", code="no_room")
    reply = await company.call("POST", f"{path}/connect")
    assert (reply.status, reply.body["code"]) == (502, "no_room")
    paired.opening = None
    await company.post(f"{path}/connect", status=200)
    assert paired.calls == ["open", "open", "connect qr None"]


async def test_a_session_of_the_companys_own_gets_our_webhook_and_is_left_to_it(
    company: Client, paired: Managed, paired_server: str
) -> None:
    body = {"name": "x", "kind": "paired", "credentials": {"session": "theirs"}}
    path = f"/v1/instances/{(await company.post('/v1/instances', body))['id']}"
    paired.states = [QR]
    await company.post(f"{path}/connect", status=200)
    assert paired.calls == ["register theirs", "connect qr None"]
    assert (await company.call("DELETE", path)).status == 204
    assert paired.calls[2:] == ["disconnect"]


async def test_new_credentials_keep_what_the_session_brought(company: Client, paired: Managed, path: str) -> None:
    paired.states = [QR]
    await company.post(f"{path}/connect", status=200)
    reply = await company.call("PATCH", path, json={"credentials": {"session": "other"}})
    assert (reply.status, reply.body["connections"][0]["account"]) == (200, "rcd-made")
    await company.post(f"{path}/connect", status=200)
    assert dict(paired.seen[-1].credentials) == {"session": "other", "webhook_secret": "made-secret-1"}


async def test_deleting_ends_the_session_and_a_provider_that_fails_does_not_keep_it(
    company: Client, paired: Managed, path: str
) -> None:
    paired.states = [QR]
    await company.post(f"{path}/connect", status=200)
    paired.closing = provider.CallFailed("It is down.")
    assert (await company.call("DELETE", path)).status == 204
    assert paired.calls[2:] == ["disconnect", "close rcd-made"]
    assert (await company.call("GET", path)).status == 404


async def test_a_passkey_is_shown_told_and_answered(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    paired.states = [CHALLENGE, QR]
    state = await company.post(f"{path}/connect", status=200)
    assert (state["status"], state["details"]["passkey"]["step"]) == ("connecting", "challenge")
    state = await company.post(f"{path}/passkey", {"step": "challenge", "answer": {"id": "k"}}, status=200)
    assert state["qr"] == "2@code"
    assert paired.calls[-1] == "passkey challenge {'id': 'k'}"
    async with runtime.db.work() as connection:
        rows = await connection.fetch("SELECT type, data FROM events ORDER BY sequence")
    assert [(row["type"], "details" in row["data"]) for row in rows] == [
        ("instance.passkey", True),
        ("instance.qr", False),
    ]


async def test_a_code_of_which_there_is_only_a_picture(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    """As a webhook tells it: nobody asked, and it is there to be shown."""
    image = "data:image/png;base64," + base64.b64encode(b"\x89PNG of the code").decode()
    async with runtime.directory.changing() as connection:
        [row] = await connection.fetch("SELECT company_id, id FROM connections")
        state = ConnectionState(status=ConnectionStatus.QR, details={"qr_image": image})
        await connections.change_status(connection, runtime, CompanyId(row["company_id"]), UUID(str(row["id"])), state)
    shown = await company.get(f"{path}/qr")
    assert (shown["qr"], shown["details"]) == (None, {"qr_image": image})
    picture = await company.call("GET", f"{path}/qr", headers={"Accept": "image/png"})
    assert picture.body == b"\x89PNG of the code"
    assert paired.calls == []


async def test_what_the_provider_says_of_the_account(company: Client, path: str) -> None:
    shown = await company.get(f"{path}/account")
    assert (shown["kind"], shown["account"]) == ("paired", {"name": "Padaria", "quality": "GREEN"})
