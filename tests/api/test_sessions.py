"""Sessions that we make at providers: opened once, kept sealed, ended with their connection; and what pairing shows."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

import pytest

from recado.domain import provider
from recado.domain.ids import CompanyId
from recado.domain.provider import ConnectionState, CredentialField, Session
from recado.domain.states import ConnectionStatus
from recado.services import connections
from recado.services.runtime import Runtime
from tests.api.conftest import server
from tests.api.scripted import Paired
from tests.support import secrets
from tests.support.client import Client

QR = ConnectionState(status=ConnectionStatus.QR, qr="2@code")
CHALLENGE = ConnectionState(
    status=ConnectionStatus.CONNECTING, details={"passkey": {"step": "challenge", "challenge": "abc"}}
)


async def _nothing() -> None:
    pass


class Managed(Paired):
    """A phone whose session is made on the server first. `opening` and `closing` are what these two run into, and
    `meanwhile` is what happens during the first."""

    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="session", required=False, secret=False, own_server=True),
        CredentialField(name="note", required=False, secret=False),
    )

    def __init__(self) -> None:
        super().__init__()
        self.opening: provider.CallFailed | None = None
        self.closing: provider.CallFailed | None = None
        self.meanwhile: Callable[[], Awaitable[None]] = _nothing

    def account(self, credentials: Mapping[str, str]) -> str | None:
        return credentials.get("session")

    async def open_session(self, connection: provider.Connection) -> Session:
        self.calls.append("open")
        await asyncio.sleep(0)
        await self.meanwhile()
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


@pytest.fixture
async def own_server(admin: Client, company: Client, runtime: Runtime) -> str:
    """The id of a server that is the company's alone."""
    async with runtime.db.work() as connection:
        company_id = await connection.fetchval("SELECT id FROM companies")
    return str((await admin.post("/v1/servers", server(name="own", company_id=str(company_id))))["id"])


async def test_the_session_is_made_before_the_first_connect_and_kept_sealed(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    paired.states = [QR]
    assert (await company.post(f"{path}/connect", status=200))["qr"] == "2@code"
    await company.post(f"{path}/connect", status=200)
    # The second time the provider is told once more where to post to: our address may have changed.
    assert paired.calls == ["open", "connect qr None", "register rcd-made", "connect qr None"]
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


async def test_nothing_is_held_in_the_database_while_the_session_is_made(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    """A provider may take half a minute: that long no transaction and no connection of a pool may wait for it."""
    waiting: list[int] = []

    async def look() -> None:
        async with runtime.db.work() as connection:
            waiting.append(
                await connection.fetchval(
                    """SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                       WHERE a.datname = current_database() AND a.usename IS NOT NULL AND pid <> pg_backend_pid()
                         AND l.locktype IN ('virtualxid', 'advisory')"""
                )
            )

    paired.states, paired.meanwhile = [QR], look
    await company.post(f"{path}/connect", status=200)
    assert waiting == [0]


async def test_who_opens_a_session_and_dies_keeps_others_from_it_only_so_long(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    paired.states = [QR]
    async with runtime.db.work() as connection:
        await connection.execute("UPDATE connections SET opening_until = now() + interval '1 second'")
    await company.post(f"{path}/connect", status=200)
    assert paired.calls == ["open", "connect qr None"]
    async with runtime.db.work() as connection:
        [row] = await connection.fetch("SELECT opening_until, opened FROM connections")
    assert (row["opening_until"], row["opened"]) == (None, True)


async def test_who_is_too_late_with_a_session_does_not_replace_the_newer_one(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    """Each opening gives the provider a new secret: the one to keep is the last one's."""

    async def another_process() -> None:
        paired.meanwhile = _nothing
        async with runtime.db.work() as connection:
            await connection.execute("UPDATE connections SET opening_until = now() - interval '1 second'")
        await company.post(f"{path}/connect", status=200)

    paired.states, paired.meanwhile = [QR], another_process
    await company.post(f"{path}/connect", status=200)
    assert paired.calls.count("open") == 2
    assert [seen.credentials["webhook_secret"] for seen in paired.seen] == ["made-secret-2"] * 2


async def test_credentials_that_change_while_the_session_is_made_are_kept(
    company: Client, admin: Client, paired: Managed, path: str
) -> None:
    async def change() -> None:
        reply = await company.call("PATCH", path, json={"credentials": {"note": "new"}})
        assert reply.status == 200

    paired.states, paired.meanwhile = [QR], change
    await company.post(f"{path}/connect", status=200)
    assert dict(paired.seen[-1].credentials) == {"note": "new", "webhook_secret": "made-secret-1"}


async def test_a_session_whose_opening_got_no_answer_is_ended_too(company: Client, paired: Managed, path: str) -> None:
    """It may have been made: nobody else would remove it."""
    paired.opening = provider.CallFailed("The answer was cut off.")
    assert (await company.call("POST", f"{path}/connect")).status == 502
    paired.opening = None
    assert (await company.call("DELETE", path)).status == 204
    assert paired.calls == ["open", "open", "close rcd-made"], "what is there is taken over, and removed"


async def test_a_session_that_is_made_while_its_connection_is_removed_is_not_left_behind(
    company: Client, paired: Managed, path: str
) -> None:
    async def remove() -> None:
        paired.meanwhile = _nothing
        assert (await company.call("DELETE", path)).status == 204

    paired.meanwhile = remove
    reply = await company.call("POST", f"{path}/connect")
    assert (reply.status, reply.body["code"]) == (404, "connection_not_found")
    assert paired.calls[-1] == "close rcd-made"


async def test_a_session_that_was_never_tried_is_not_ended(company: Client, paired: Managed, path: str) -> None:
    assert (await company.call("DELETE", path)).status == 204
    assert paired.calls == []


async def test_on_a_shared_server_nobody_names_a_session(
    company: Client, paired: Managed, path: str, own_server: str
) -> None:
    """The server's key opens every session on it, whoever's it is."""
    named = {"credentials": {"session": "of another company"}}
    [first] = (await company.get(path))["connections"]
    for method, where, body in (
        ("POST", "/v1/instances", {"name": "x", "server_id": first["server_id"]}),
        ("POST", f"{path}/connections", {"server_id": first["server_id"]}),
        ("PATCH", path, {}),
        ("PATCH", f"{path}/connections/{first['id']}", {}),
    ):
        reply = await company.call(method, where, json={**body, **named})
        assert (reply.status, reply.body["code"]) == (422, "shared_server"), where
        assert [error["field"] for error in reply.body["errors"]] == ["credentials.session"], where
    assert len((await company.get(path))["connections"]) == 1
    further = await company.post(f"{path}/connections", {"server_id": own_server, **named})
    reply = await company.call(
        "PATCH", f"{path}/connections/{further['id']}", json={"credentials": {"session": "another"}}
    )
    assert (reply.status, reply.body["account"]) == (200, "another")


async def test_a_session_of_the_companys_own_gets_our_webhook_and_is_left_to_it(
    company: Client, paired: Managed, own_server: str
) -> None:
    body = {"name": "x", "server_id": own_server, "credentials": {"session": "theirs"}}
    path = f"/v1/instances/{(await company.post('/v1/instances', body))['id']}"
    paired.states = [QR]
    await company.post(f"{path}/connect", status=200)
    assert paired.calls == ["register theirs", "connect qr None"]
    assert (await company.call("DELETE", path)).status == 204
    assert paired.calls[2:] == ["disconnect"]


async def test_new_credentials_keep_what_the_session_brought(company: Client, paired: Managed, path: str) -> None:
    paired.states = [QR]
    await company.post(f"{path}/connect", status=200)
    reply = await company.call("PATCH", path, json={"credentials": {"note": "other"}})
    assert (reply.status, reply.body["connections"][0]["account"]) == (200, "rcd-made")
    await company.post(f"{path}/connect", status=200)
    assert dict(paired.seen[-1].credentials) == {"note": "other", "webhook_secret": "made-secret-1"}


async def test_deleting_ends_the_session_and_a_provider_that_fails_does_not_keep_it(
    company: Client, paired: Managed, path: str
) -> None:
    paired.states = [QR]
    await company.post(f"{path}/connect", status=200)
    paired.closing = provider.CallFailed("It is down.")
    assert (await company.call("DELETE", path)).status == 204
    assert paired.calls[2:] == ["disconnect", "close rcd-made"]
    assert (await company.call("GET", path)).status == 404


CODE = ConnectionState(status=ConnectionStatus.QR, pairing_code="ABCD-1234")


async def test_a_pairing_code_is_shown_until_it_is_asked_for_again(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    """Whoever looks is shown a QR code, or told that one waits, while a person types the code on the phone."""
    paired.states = [CODE, QR, ConnectionState(status=ConnectionStatus.QR), QR]
    body = {"method": "phone_code", "phone": "5511999990001"}
    assert (await company.post(f"{path}/connect", body, status=200))["pairing_code"] == "ABCD-1234"
    for _ in range(2):
        await company.get(f"{path}/status")
        shown = await company.get(f"{path}/qr")
        assert (shown["pairing_code"], shown["qr"]) == ("ABCD-1234", None)
    assert (await company.post(f"{path}/connect", status=200))["qr"] == "2@code"
    assert (await company.get(f"{path}/qr"))["qr"] == "2@code"
    async with runtime.db.work() as connection:
        told = await connection.fetch("SELECT data FROM events WHERE type = 'instance.qr' ORDER BY sequence")
    assert [row["data"].get("pairing_code") for row in told] == ["ABCD-1234", None]


async def test_a_qr_code_stays_while_the_provider_only_says_that_it_waits(
    company: Client, paired: Managed, path: str
) -> None:
    newer = ConnectionState(status=ConnectionStatus.QR, qr="2@newer")
    paired.states = [QR, ConnectionState(status=ConnectionStatus.QR), newer]
    await company.post(f"{path}/connect", status=200)
    for wanted in ("2@code", "2@newer"):
        await company.get(f"{path}/status")
        assert (await company.get(f"{path}/qr"))["qr"] == wanted


async def test_asking_to_connect_takes_the_wish_to_disconnect_back(
    company: Client, runtime: Runtime, paired: Managed, path: str
) -> None:
    """Even where its provider is slow to start: the next check must look at it, and recovery bring it back."""
    paired.states = [QR, ConnectionState(status=ConnectionStatus.DISCONNECTED, reason="starting")]
    await company.post(f"{path}/connect", status=200)
    await company.post(f"{path}/disconnect", status=200)
    await company.post(f"{path}/connect", status=200)
    [shown] = (await company.get(path))["connections"]
    assert (shown["status"], shown["status_reason"]) == ("disconnected", "starting")


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
