"""Sessions, connecting, status, webhooks' registration, media and health: everything but sending and operations."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from recado.domain import provider as contract
from recado.domain.events import MediaRef
from recado.domain.provider import CallFailed, Connection, Session
from recado.domain.states import ConnectionStatus
from recado.providers.zapi.adapter import Zapi
from recado.testing import upstream
from recado.testing.upstream import Reply, Upstream
from tests.providers.zapi.rows import CLIENT_TOKEN, INSTANCE, PARTNER_TOKEN, ROOT, TOKEN, bare, connect

NAME = "rcd-00000000000000000000000000000001"
LISTED = f"/instances?page=1&pageSize=100&query={NAME}"
NOBODY = upstream.json({"total": 0, "totalPage": 0, "pageSize": 100, "page": 1, "content": []})
MADE = upstream.json({"id": INSTANCE, "token": TOKEN, "due": 1648565999675})
DONE = upstream.json({"value": True})
CREDENTIALS = {"instance_id": INSTANCE, "token": TOKEN, "made_by_recado": "true"}
HOOK = "https://recado.test/hooks/key"


def error(text: str, status: int = 400) -> Reply:
    return upstream.json({"error": text}, status=status)


def seen(server: Upstream) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in server.requests]


def body(server: Upstream, index: int) -> Any:
    return msgspec.json.decode(server.requests[index].body)


def test_zapi_fulfils_the_optional_protocols(zapi: Zapi) -> None:
    for protocol in (
        contract.FetchesMedia,
        contract.MarksRead,
        contract.TellsAccount,
        contract.Restarts,
        contract.ChecksContent,
        contract.ManagesSessions,
        contract.RegistersWebhook,
        contract.RedactsWebhooks,
        contract.AsksForPasskey,
        contract.Relays,
    ):
        assert isinstance(zapi, protocol)
    for absent in (contract.FindsMessages, contract.ShowsTyping, contract.AnswersChallenge, contract.Varies):
        assert not isinstance(zapi, absent)
    assert zapi.account({"instance_id": "1"}) == "1"
    assert zapi.account({}) is None


# --- sessions ----------------------------------------------------------------------------------------------


async def test_a_session_is_made_with_its_webhooks(zapi: Zapi) -> None:
    async with Upstream([NOBODY, MADE, DONE]) as server:
        session = await zapi.open_session(bare(server.url))
    assert session == Session(account=INSTANCE, credentials=CREDENTIALS)
    assert seen(server) == [
        ("GET", LISTED),
        ("POST", "/instances/integrator/on-demand"),
        ("PUT", f"{ROOT}/update-every-webhooks"),
    ]
    assert [request.headers.get("authorization") for request in server.requests] == [
        f"Bearer {PARTNER_TOKEN}",
        f"Bearer {PARTNER_TOKEN}",
        None,
    ]
    asked = body(server, 1)
    assert asked.pop("disableEnqueueWhenDisconnected") is True
    assert (asked.pop("name"), asked.pop("sessionName")) == (NAME, "Recado")
    assert len(asked) == 7
    assert set(asked.values()) == {HOOK}
    assert body(server, 2) == {"value": HOOK, "notifySentByMe": True}


async def test_a_session_of_an_earlier_try_is_taken_over(zapi: Zapi) -> None:
    others = [{"id": "1", "token": "t", "name": f"{NAME}0"}]
    first = upstream.json({"totalPage": 2, "page": 1, "content": others})
    second = upstream.json({"totalPage": 2, "page": 2, "content": [{"id": INSTANCE, "token": TOKEN, "name": NAME}]})
    async with Upstream([first, second, DONE]) as server:
        session = await zapi.open_session(bare(server.url))
    assert session.account == INSTANCE
    assert [method for method, _ in seen(server)] == ["GET", "GET", "PUT"]


async def test_a_list_that_does_not_count_its_pages_is_read_to_its_end(zapi: Zapi) -> None:
    """Stopping at a full page would make a second instance, which costs money."""
    full = upstream.json({"content": [{"id": "1", "token": "t", "name": "other"}] * 100})
    ours = upstream.json({"content": [{"id": INSTANCE, "token": TOKEN, "name": NAME}]})
    async with Upstream([full, ours, DONE]) as server:
        assert (await zapi.open_session(bare(server.url))).account == INSTANCE
    assert [method for method, _ in seen(server)] == ["GET", "GET", "PUT"]


@pytest.mark.parametrize(
    ("replies", "code", "requests"),
    [
        ([Reply(status=401)], "http_401", 1),
        ([Reply(body=b"<html>")], "bad_answer", 1),
        ([upstream.json({"content": 7})], "bad_answer", 1),
        ([NOBODY, upstream.json({"id": INSTANCE})], "bad_answer", 2),
        ([NOBODY, error("no credit")], "http_400", 2),
        ([NOBODY, MADE, error("Instance not found", 404)], "no_session", 3),
    ],
    ids=["token refused", "HTML", "no list", "no token", "not made", "webhooks not set"],
)
async def test_a_session_that_cannot_be_made(zapi: Zapi, replies: list[Reply], code: str, requests: int) -> None:
    """Above all: without a list that was read, no second instance is made."""
    async with Upstream(replies) as server:
        with pytest.raises(CallFailed) as failed:
            await zapi.open_session(bare(server.url))
    assert failed.value.code == code
    assert len(server.requests) == requests
    assert PARTNER_TOKEN not in str(failed.value)


async def test_webhooks_must_be_https_and_nothing_is_made_before(zapi: Zapi) -> None:
    async with Upstream([NOBODY]) as server:
        for connection in (bare(server.url), connect(server.url)):
            plain = msgspec.structs.replace(connection, webhook_url="http://recado.test/hooks/key")
            call = zapi.register_webhook if connection.account else zapi.open_session
            with pytest.raises(CallFailed, match="https addresses only") as failed:
                await call(plain)
            assert (failed.value.code, failed.value.retryable) == ("webhook_not_https", False)
    assert not server.requests


async def test_without_a_partner_token_nothing_is_made(zapi: Zapi) -> None:
    connection = msgspec.structs.replace(connect("http://127.0.0.1:1"), credentials={}, account=None)
    with pytest.raises(CallFailed, match="partner_token") as failed:
        await zapi.open_session(connection)
    assert (failed.value.code, failed.value.retryable) == ("credentials_missing", False)


async def test_an_instance_that_was_given_is_pointed_at_us(zapi: Zapi) -> None:
    async with Upstream([DONE]) as server:
        await zapi.register_webhook(connect(server.url))
    assert seen(server) == [("PUT", f"{ROOT}/update-every-webhooks")]
    assert server.requests[0].headers["client-token"] == CLIENT_TOKEN


def made(url: str) -> Connection:
    return connect(url, partner=True, **CREDENTIALS)


async def test_our_instance_is_disconnected_and_cancelled(zapi: Zapi) -> None:
    async with Upstream([DONE, Reply(status=201)]) as server:
        await zapi.close_session(made(server.url))
    assert seen(server) == [("GET", f"{ROOT}/disconnect"), ("POST", f"{ROOT}/integrator/on-demand/cancel")]
    assert server.requests[1].headers["authorization"] == f"Bearer {PARTNER_TOKEN}"


async def test_an_instance_that_was_given_is_only_disconnected(zapi: Zapi) -> None:
    async with Upstream([DONE]) as server:
        await zapi.close_session(connect(server.url, partner=True))
    assert seen(server) == [("GET", f"{ROOT}/disconnect")]


async def test_an_instance_that_is_gone_is_closed(zapi: Zapi) -> None:
    async with Upstream([error("Instance not found", 404)]) as server:
        await zapi.close_session(made(server.url))
    assert len(server.requests) == 2


async def test_an_instance_whose_trial_is_over_is_cancelled(zapi: Zapi) -> None:
    over = error("To continue sending a message, you must subscribe to this instance again")
    async with Upstream([over, Reply(status=201)]) as server:
        await zapi.close_session(made(server.url))
    assert len(server.requests) == 2


async def test_a_close_that_fails_is_told(zapi: Zapi) -> None:
    for replies in ([Reply(status=502)], [DONE, error("not now", 500)]):
        async with Upstream(replies) as server:
            with pytest.raises(CallFailed) as failed:
                await zapi.close_session(made(server.url))
        assert failed.value.retryable
        assert len(server.requests) == len(replies)


# --- connecting --------------------------------------------------------------------------------------------

AWAY = upstream.json({"connected": False, "error": "You are not connected.", "smartphoneConnected": False})
THERE = upstream.json({"connected": True, "error": "You are already connected.", "smartphoneConnected": False})


async def test_a_qr_code_as_text(zapi: Zapi) -> None:
    async with Upstream([AWAY, upstream.json({"value": "2@abc,def"})]) as server:
        state = await zapi.connect(connect(server.url), method="qr", phone=None)
    assert seen(server) == [("GET", f"{ROOT}/status"), ("GET", f"{ROOT}/qr-code")]
    assert (state.status, state.qr) == (ConnectionStatus.QR, "2@abc,def")
    assert state.expires_at is not None
    assert timedelta(seconds=15) < state.expires_at - datetime.now(UTC) <= timedelta(seconds=20)


async def test_a_qr_code_as_picture(zapi: Zapi) -> None:
    async with Upstream([AWAY, upstream.json({"value": "data:image/png;base64,iVBOR"})]) as server:
        state = await zapi.connect(connect(server.url), method="qr", phone=None)
    assert (state.status, state.qr, state.details) == (
        ConnectionStatus.QR,
        None,
        {"qr_image": "data:image/png;base64,iVBOR"},
    )


async def test_a_pairing_code(zapi: Zapi) -> None:
    async with Upstream([AWAY, upstream.json({"value": "A1B2C3D4"})]) as server:
        state = await zapi.connect(connect(server.url), method="phone_code", phone="+55 11 99999-0009")
    assert seen(server)[1] == ("GET", f"{ROOT}/phone-code/5511999990009")
    assert (state.status, state.pairing_code) == (ConnectionStatus.QR, "A1B2C3D4")
    async with Upstream([AWAY]) as server:
        with pytest.raises(CallFailed, match="needs the number's phone"):
            await zapi.connect(connect(server.url), method="phone_code", phone=None)


async def test_a_passkey(zapi: Zapi) -> None:
    async with Upstream([AWAY, upstream.json({"challenge": {"rpId": "whatsapp.com"}})]) as server:
        state = await zapi.connect(connect(server.url), method="qr", phone=None)
    assert state.status is ConnectionStatus.CONNECTING
    assert state.details == {"passkey": {"step": "challenge", "challenge": {"rpId": "whatsapp.com"}}}
    assertion = {"id": "a", "rawId": "a", "type": "public-key", "response": {"signature": "s"}}
    async with Upstream([upstream.json({"success": True})]) as server:
        state = await zapi.answer_passkey(connect(server.url), step="challenge", answer=assertion)
    assert seen(server) == [("POST", f"{ROOT}/passkey-prologue")]
    assert (body(server, 0), state.status) == (assertion, ConnectionStatus.CONNECTING)
    async with Upstream([upstream.json({"success": False, "reason": "expired"})]) as server:
        with pytest.raises(CallFailed, match="expired"):
            await zapi.answer_passkey(connect(server.url), step="challenge", answer=assertion)
        with pytest.raises(CallFailed, match="one passkey step"):
            await zapi.answer_passkey(connect(server.url), step="confirmation", answer={})


async def test_a_connected_number_gets_no_code(zapi: Zapi) -> None:
    async with Upstream([THERE]) as server:
        state = await zapi.connect(connect(server.url), method="qr", phone=None)
    assert state.status is ConnectionStatus.CONNECTED
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [upstream.json({}), Reply(body=b"<html>"), upstream.json({"value": ["x"]})], ids=str)
async def test_a_code_that_cannot_be_read(zapi: Zapi, reply: Reply) -> None:
    for method in ("qr", "phone_code"):
        async with Upstream([AWAY, reply]) as server:
            with pytest.raises(CallFailed) as failed:
                await zapi.connect(connect(server.url), method=method, phone="5511999990009")
        assert failed.value.code == "bad_answer"


SUBSCRIBE = "To continue sending a message, you must subscribe to this instance again"
RESTORE = {"connected": False, "error": "You need to restore the session."}
STATES: tuple[tuple[str, Reply, ConnectionStatus, str | None], ...] = (
    ("connected, the phone offline", THERE, ConnectionStatus.CONNECTED, None),
    ("not connected", AWAY, ConnectionStatus.DISCONNECTED, "You are not connected."),
    ("to restore", upstream.json(RESTORE), ConnectionStatus.DISCONNECTED, "You need to restore the session."),
    ("instance gone", error("Instance not found", 404), ConnectionStatus.LOGGED_OUT, "Instance not found"),
    ("subscription over", error(SUBSCRIBE), ConnectionStatus.DISCONNECTED, SUBSCRIBE),
)


@pytest.mark.parametrize(("label", "reply", "status", "reason"), STATES, ids=[row[0] for row in STATES])
async def test_status(label: str, reply: Reply, status: ConnectionStatus, reason: str | None, zapi: Zapi) -> None:
    async with Upstream([reply]) as server:
        state = await zapi.status(connect(server.url))
    assert (state.status, state.reason) == (status, reason)
    assert seen(server) == [("GET", f"{ROOT}/status")]


async def test_status_tells_of_the_phone(zapi: Zapi) -> None:
    async with Upstream([THERE]) as server:
        assert (await zapi.status(connect(server.url))).details == {"smartphoneConnected": False}


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(status=502), "http_502"),
        (Reply(body=b"<html>"), "http_200"),
        (error("your client-token is not configured"), "credentials"),
        (Reply(trouble="cut"), "unreachable"),
    ],
    ids=["502", "HTML", "client token", "cut"],
)
async def test_a_status_that_nobody_tells(reply: Reply, code: str, zapi: Zapi) -> None:
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed) as failed:
            await zapi.status(connect(server.url))
    assert failed.value.code == code
    assert TOKEN not in str(failed.value)


async def test_a_connection_without_an_instance_is_logged_out(zapi: Zapi) -> None:
    state = await zapi.status(connect("http://127.0.0.1:1", token=TOKEN))
    assert state.status is ConnectionStatus.LOGGED_OUT
    with pytest.raises(CallFailed) as failed:
        await zapi.restart(connect("http://127.0.0.1:1", token=TOKEN))
    assert failed.value.code == "logged_out"


async def test_restart_and_disconnect(zapi: Zapi) -> None:
    async with Upstream([DONE]) as server:
        assert (await zapi.restart(connect(server.url))).status is ConnectionStatus.CONNECTING
        await zapi.disconnect(connect(server.url), logout=False)
        await zapi.disconnect(connect(server.url), logout=True)
    assert seen(server) == [("GET", f"{ROOT}/restart"), ("GET", f"{ROOT}/disconnect"), ("GET", f"{ROOT}/disconnect")]


async def test_disconnecting_twice_is_fine(zapi: Zapi) -> None:
    async with Upstream([error("You are not connected.")]) as server:
        await zapi.disconnect(connect(server.url), logout=True)
    async with Upstream([upstream.json({"value": False})]) as server:
        with pytest.raises(CallFailed, match="did not do it"):
            await zapi.disconnect(connect(server.url), logout=True)


async def test_account_info_has_no_secrets(zapi: Zapi) -> None:
    me = {"id": INSTANCE, "token": TOKEN, "name": "loja", "due": 1, "receivedCallbackUrl": HOOK, "connected": True}
    async with Upstream([upstream.json(me), upstream.json({"phone": "5511999990009"})]) as server:
        told = await zapi.account_info(connect(server.url))
    assert told == {"name": "loja", "due": 1, "device": {"phone": "5511999990009"}}
    async with Upstream([upstream.json({**me, "connected": False})]) as server:
        assert await zapi.account_info(connect(server.url)) == {"name": "loja", "due": 1}
    assert len(server.requests) == 1


async def test_mark_read(zapi: Zapi) -> None:
    async with Upstream([Reply(status=204)]) as server:
        await zapi.mark_read(connect(server.url), chat="120363019502650977@g.us", provider_id="3EB0")
    assert seen(server) == [("POST", f"{ROOT}/read-message")]
    assert body(server, 0) == {"phone": "120363019502650977-group", "messageId": "3EB0"}


@pytest.mark.parametrize(
    ("reply", "healthy"),
    [(Reply(), True), (Reply(status=404), True), (Reply(status=401), True), (Reply(status=503), False)],
    ids=["200", "404", "401", "503"],
)
async def test_health(reply: Reply, healthy: bool, zapi: Zapi) -> None:
    async with Upstream([reply]) as server:
        assert (await zapi.health(connect(server.url).server)).healthy is healthy
    assert seen(server) == [("GET", "/")]


async def test_health_of_nobody(zapi: Zapi) -> None:
    health = await zapi.health(connect("http://127.0.0.1:1").server)
    assert not health.healthy
    assert health.why


# --- media -------------------------------------------------------------------------------------------------


async def fetch(zapi: Zapi, connection: Connection, **ref: Any) -> bytes:
    return b"".join([chunk async for chunk in zapi.fetch_media(connection, MediaRef(ref=ref))])


async def test_media_is_fetched_without_credentials(zapi: Zapi) -> None:
    async with Upstream([Reply(body=b"OggS")]) as server:
        assert await fetch(zapi, connect(server.url), url=f"{server.url}/temp-file/a.ogg") == b"OggS"
    assert seen(server) == [("GET", "/temp-file/a.ogg")]
    assert not {"client-token", "authorization"} & server.requests[0].headers.keys()


@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        (Reply(status=404), "media_gone", False),
        (Reply(status=403), "media_gone", False),
        (Reply(status=500), "http_500", True),
        (Reply(trouble="cut"), "unreachable", True),
    ],
    ids=["gone", "expired", "500", "cut"],
)
async def test_media_that_does_not_come(reply: Reply, code: str, retryable: bool, zapi: Zapi) -> None:
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed) as failed:
            await fetch(zapi, connect(server.url), url=f"{server.url}/a")
    assert (failed.value.code, failed.value.retryable) == (code, retryable)


async def test_media_that_is_too_large(zapi: Zapi) -> None:
    async with Upstream([Reply(body=b"x" * (111 * 1024 * 1024))]) as server:
        with pytest.raises(CallFailed) as failed:
            await fetch(zapi, connect(server.url), url=f"{server.url}/a")
    assert (failed.value.code, failed.value.retryable) == ("media_unreadable", False)


async def test_media_without_an_address_and_inside_our_network(zapi: Zapi) -> None:
    connection = connect("http://127.0.0.1:1")
    with pytest.raises(CallFailed) as failed:
        await fetch(zapi, connection)
    assert failed.value.code == "media_gone"
    for address in ("http://10.0.0.1/a", "file:///etc/passwd"):
        with pytest.raises(CallFailed) as failed:
            await fetch(zapi, connection, url=address)
        assert failed.value.code == "unreachable"
