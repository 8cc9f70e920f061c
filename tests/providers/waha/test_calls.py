"""Sessions, pairing, status, webhook registration, media, typing, health: everything but sending."""

from typing import Any

import msgspec
import pytest

from recado.domain import provider as contract
from recado.domain.events import MediaRef
from recado.domain.provider import CallFailed, Connection, ConnectionState
from recado.domain.states import ConnectionStatus
from recado.providers.waha.adapter import Waha
from recado.providers.waha.sessions import EVENTS
from recado.testing import tables, upstream
from recado.testing.upstream import Reply, Upstream
from tests.providers.waha.rows import GROUP, KEY, SECRET, SESSION, connect, nest, wrong_state

PATH = f"/api/sessions/{SESSION}"
ME = {"id": "5511999990001@c.us", "lid": "900000000000001@lid", "pushName": "Bruno"}
WORKING = {"name": SESSION, "status": "WORKING", "me": ME, "config": {}, "engine": {"engine": "GOWS"}}
CHALLENGE = {"challenge": "9WVUYm9AsQ", "timeout": 60_000, "rpId": "web.whatsapp.com"}
SIGNED = {"clientDataJSON": "x", "authenticatorData": "y", "signature": "z"}
ASSERTION = {"id": "a", "rawId": "a", "type": "public-key", "response": SIGNED}


def described(status: str, **more: Any) -> Reply:
    return upstream.json({"name": SESSION, "status": status, "config": {}, **more})


def seen(server: Upstream) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in server.requests]


def sent(server: Upstream, number: int = -1) -> Any:
    return msgspec.json.decode(server.requests[number].body)


def test_waha_fulfils_the_optional_protocols(waha: Waha) -> None:
    for protocol in (
        contract.FetchesMedia,
        contract.MarksRead,
        contract.ShowsTyping,
        contract.TellsAccount,
        contract.Restarts,
        contract.ChecksContent,
        contract.ManagesSessions,
        contract.RegistersWebhook,
        contract.AsksForPasskey,
        contract.Varies,
    ):
        assert isinstance(waha, protocol)
    assert not isinstance(waha, contract.FindsMessages)
    assert waha.account({"session": "sales"}) == "sales"
    assert waha.account({}) is None


# --- sessions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "extra"),
    [
        ("GOWS", {}),
        ("NOWEB", {"noweb": {"markOnline": True, "store": {"enabled": True, "fullSync": False}}}),
        ("WEBJS", {"webjs": {"tagsEventsOn": True}}),
        ("WPP", {}),
    ],
)
async def test_open_session(engine: str, extra: dict[str, Any], waha: Waha) -> None:
    async with Upstream([upstream.json({"name": SESSION, "status": "STOPPED"}, status=201)]) as server:
        opened = await waha.open_session(connect(server.url, engine))
        again = await waha.open_session(connect(server.url, engine))
    assert opened.account == SESSION
    assert opened.credentials["webhook_secret"] != again.credentials["webhook_secret"]
    request = sent(server, 0)
    hook = request["config"].pop("webhooks")[0]
    assert request == {"name": SESSION, "start": False, "config": extra}
    assert hook["url"] == "https://recado.test/hooks/key"
    assert hook["hmac"] == {"key": opened.credentials["webhook_secret"]}
    assert "message.any" in hook["events"]
    assert "message" not in hook["events"]
    assert len(set(EVENTS)) == len(EVENTS)


async def test_open_session_takes_over_what_an_earlier_try_made(waha: Waha) -> None:
    earlier = {"metadata": {"a": "b"}, "webhooks": [{"url": "https://recado.test/hooks/key", "events": ["message"]}]}
    replies = [nest(422, "Session already exists"), described("STOPPED", config=earlier), described("STOPPED")]
    async with Upstream(replies) as server:
        opened = await waha.open_session(connect(server.url))
    assert seen(server) == [("POST", "/api/sessions"), ("GET", PATH), ("PUT", PATH)]
    config = sent(server)["config"]
    assert config["metadata"] == {"a": "b"}
    assert [hook["hmac"]["key"] for hook in config["webhooks"]] == [opened.credentials["webhook_secret"]]


async def test_open_session_fails_as_the_first_answer_says(waha: Waha) -> None:
    async with Upstream([nest(401, "Unauthorized")]) as server:
        with pytest.raises(CallFailed, match="Unauthorized"):
            await waha.open_session(connect(server.url))


async def test_close_session(waha: Waha) -> None:
    for reply in (Reply(), nest(404, "not found")):
        async with Upstream([reply]) as server:
            await waha.close_session(connect(server.url))
        assert seen(server) == [("DELETE", PATH)]
    async with Upstream([nest(500, "no")]) as server:
        with pytest.raises(CallFailed):
            await waha.close_session(connect(server.url))


async def test_register_webhook_leaves_the_rest_as_it_is(waha: Waha) -> None:
    other = {"url": "https://other.test/hook", "events": ["message"]}
    stale = {
        "url": "https://old.recado.test/hooks/key",
        "events": ["message"],
        "customHeaders": [{"name": "X-Recado-Connection", "value": "00000000-0000-0000-0000-000000000001"}],
    }
    config = {"proxy": {"server": "p:1"}, "webhooks": [other, stale]}
    async with Upstream([described("WORKING", config=config), described("WORKING")]) as server:
        await waha.register_webhook(connect(server.url))
    assert seen(server) == [("GET", PATH), ("PUT", PATH)]
    changed = sent(server)["config"]
    assert changed["proxy"] == {"server": "p:1"}
    assert changed["webhooks"][0] == other
    assert changed["webhooks"][1]["url"] == "https://recado.test/hooks/key"
    assert changed["webhooks"][1]["hmac"] == {"key": SECRET}
    assert len(changed["webhooks"]) == 2
    # What is right already is not set again, because that restarts the session: whatever WAHA writes beside it, and
    # wherever it stands.
    first, second = changed["webhooks"]
    for webhooks in ([first, second], [second | {"id": None}, first]):
        async with Upstream([described("WORKING", config={"webhooks": webhooks})]) as server:
            await waha.register_webhook(connect(server.url))
        assert seen(server) == [("GET", PATH)]


async def test_register_webhook_needs_a_secret(waha: Waha) -> None:
    bare = msgspec.structs.replace(connect("http://127.0.0.1:9"), credentials={"session": SESSION})
    with pytest.raises(CallFailed) as failed:
        await waha.register_webhook(bare)
    assert failed.value.code == "credentials_missing"


# --- connecting ------------------------------------------------------------------------------------------


async def test_connect_starts_a_stopped_session(waha: Waha) -> None:
    for status, step in (("STOPPED", "start"), ("FAILED", "restart")):
        async with Upstream([described(status), described("STARTING")]) as server:
            state = await waha.connect(connect(server.url), method="qr", phone=None)
        assert state == ConnectionState(status=ConnectionStatus.CONNECTING, reason="WAHA says STARTING")
        assert seen(server) == [("GET", PATH), ("POST", f"{PATH}/{step}")]


async def test_connect_shows_the_code(waha: Waha) -> None:
    async with Upstream([described("SCAN_QR_CODE"), upstream.json({"value": "2@abc,def"})]) as server:
        state = await waha.connect(connect(server.url), method="qr", phone=None)
    assert (state.status, state.qr) == (ConnectionStatus.QR, "2@abc,def")
    assert state.expires_at is not None
    assert seen(server)[1] == ("GET", f"/api/{SESSION}/auth/qr?format=raw")


async def test_connect_by_phone(waha: Waha) -> None:
    async with Upstream([described("SCAN_QR_CODE"), upstream.json({"code": "ABCD-EFGH"}, status=201)]) as server:
        state = await waha.connect(connect(server.url), method="phone_code", phone="5511999990001")
    assert (state.status, state.pairing_code, state.qr) == (ConnectionStatus.QR, "ABCD-EFGH", None)
    assert seen(server)[1] == ("POST", f"/api/{SESSION}/auth/request-code")
    assert sent(server) == {"phoneNumber": "5511999990001"}


async def test_connect_makes_a_removed_session_again_with_its_secret(waha: Waha) -> None:
    replies = [nest(404, "not found"), upstream.json({"name": SESSION, "status": "STOPPED"}, status=201)]
    async with Upstream([*replies, described("STARTING")]) as server:
        state = await waha.connect(connect(server.url), method="qr", phone=None)
    assert state.status is ConnectionStatus.CONNECTING
    assert sent(server, 1)["config"]["webhooks"][0]["hmac"] == {"key": SECRET}
    theirs = msgspec.structs.replace(connect("http://x.test"), account="sales")
    async with Upstream([nest(404, "not found")]) as server:
        at = msgspec.structs.replace(theirs, server=connect(server.url).server)
        with pytest.raises(CallFailed):
            await waha.connect(at, method="qr", phone=None)


STATES: tuple[tuple[str, list[Reply], ConnectionState], ...] = (
    (
        "working",
        [upstream.json(WORKING)],
        ConnectionState(
            status=ConnectionStatus.CONNECTED,
            phone="5511999990001",
            details={"name": "Bruno", "lid": "900000000000001@lid", "engine": "GOWS"},
        ),
    ),
    (
        "stopped",
        [described("STOPPED")],
        ConnectionState(status=ConnectionStatus.DISCONNECTED, reason="WAHA says STOPPED"),
    ),
    ("failed", [described("FAILED")], ConnectionState(status=ConnectionStatus.DISCONNECTED, reason="WAHA says FAILED")),
    ("new", [described("NEW")], ConnectionState(status=ConnectionStatus.DISCONNECTED, reason="WAHA says NEW")),
    (
        "gone",
        [nest(404, "Session not found")],
        ConnectionState(
            status=ConnectionStatus.LOGGED_OUT, reason="The session does not exist on the server any more."
        ),
    ),
    (
        "passkey",
        [described("PASSKEY_REQUIRED"), upstream.json(CHALLENGE)],
        ConnectionState(
            status=ConnectionStatus.CONNECTING,
            reason="WhatsApp asks for a passkey",
            details={"passkey": {"step": "challenge", **CHALLENGE}},
        ),
    ),
    (
        "passkey's code",
        [described("PASSKEY_CONFIRMATION_REQUIRED"), upstream.json({"code": "1234"})],
        ConnectionState(
            status=ConnectionStatus.CONNECTING,
            reason="WhatsApp asks for a passkey",
            details={"passkey": {"step": "confirmation", "code": "1234"}},
        ),
    ),
    (
        "went on while asked",
        [described("SCAN_QR_CODE"), wrong_state("WORKING")],
        ConnectionState(
            status=ConnectionStatus.CONNECTED,
            reason="Session status is not as expected. Try again later or restart the session (WORKING)",
        ),
    ),
)


@pytest.mark.parametrize(("label", "replies", "state"), STATES, ids=[row[0] for row in STATES])
async def test_status(label: str, replies: list[Reply], state: ConnectionState, waha: Waha) -> None:
    async with Upstream(replies) as server:
        assert await waha.status(connect(server.url)) == state
        assert {request.headers["x-api-key"] for request in server.requests} == {KEY}


async def test_passkey(waha: Waha) -> None:
    async with Upstream([Reply(status=201), upstream.json(WORKING)]) as server:
        state = await waha.answer_passkey(connect(server.url), step="challenge", answer={**ASSERTION, "more": 1})
    assert state.status is ConnectionStatus.CONNECTED
    assert seen(server)[0] == ("POST", f"/api/{SESSION}/auth/passkey")
    assert sent(server, 0) == ASSERTION
    async with Upstream([Reply(status=201), upstream.json(WORKING)]) as server:
        await waha.answer_passkey(connect(server.url), step="confirmation", answer={})
    assert seen(server)[0] == ("POST", f"/api/{SESSION}/auth/passkey/confirm")
    for step, answer in (
        ("challenge", {"id": "a"}),
        ("challenge", {**ASSERTION, "response": {}}),
        ("other", ASSERTION),
    ):
        with pytest.raises(CallFailed) as failed:
            await waha.answer_passkey(connect("http://127.0.0.1:9"), step=step, answer=answer)
        assert not failed.value.retryable


async def test_disconnect_stops_and_logging_out_comes_first(waha: Waha) -> None:
    async with Upstream([described("STOPPED")]) as server:
        await waha.disconnect(connect(server.url), logout=False)
    assert seen(server) == [("POST", f"{PATH}/stop")]
    async with Upstream([described("STARTING"), nest(404, "not found")]) as server:
        await waha.disconnect(connect(server.url), logout=True)
    assert seen(server) == [("POST", f"{PATH}/logout"), ("POST", f"{PATH}/stop")]


async def test_restart(waha: Waha) -> None:
    async with Upstream([described("STARTING")]) as server:
        assert (await waha.restart(connect(server.url))).status is ConnectionStatus.CONNECTING
    assert seen(server) == [("POST", f"{PATH}/restart")]


async def test_account_info_holds_no_settings(waha: Waha) -> None:
    profile = {"id": "5511999990001@c.us", "name": "Bruno", "picture": "https://example.com/p.jpg"}
    working = {**WORKING, "config": {"webhooks": [{"hmac": {"key": SECRET}}]}}
    async with Upstream([upstream.json(working), upstream.json(profile)]) as server:
        info = await waha.account_info(connect(server.url))
    assert info["profile"] == profile
    assert info["me"] == ME
    assert SECRET not in repr(info)


FAULTS = (
    Reply(trouble="cut"),
    Reply(status=502, body=b"<html>"),
    Reply(body=b"<html>"),
    Reply(body=b"[]"),
    nest(500, "no"),
)


@pytest.mark.parametrize("reply", FAULTS, ids=lambda reply: f"{reply.status} {reply.trouble} {reply.body[:6]!r}")
async def test_calls_fail_in_one_way_that_may_be_tried_again(reply: Reply, waha: Waha) -> None:
    async with Upstream([reply]) as server:
        connection = connect(server.url)
        for call in (
            waha.status(connection),
            waha.connect(connection, method="qr", phone=None),
            waha.restart(connection),
        ):
            with pytest.raises(CallFailed) as failed:
                await call
            assert failed.value.retryable
            assert KEY not in failed.value.why


# --- reading, typing -------------------------------------------------------------------------------------


async def test_mark_read_and_typing(waha: Waha) -> None:
    async with Upstream([upstream.json({}, status=201)]) as server:
        connection = connect(server.url)
        await waha.mark_read(connection, chat="5511999990001", provider_id="3A1")
        await waha.mark_read(connection, chat=GROUP, provider_id="3A1")
        await waha.show_typing(connection, chat="5511999990001", last_received=None)
        await waha.show_typing(connection, chat="5511999990001", last_received=None, recording=True)
    asked = [(request.path, msgspec.json.decode(request.body or b"null")) for request in server.requests]
    assert asked == [
        (
            "/api/sendSeen",
            {"session": SESSION, "chatId": "5511999990001@c.us", "messageIds": ["false_5511999990001@c.us_3A1"]},
        ),
        # Without ids, sendSeen would do nothing on GOWS and NOWEB.
        (f"/api/{SESSION}/chats/{GROUP}/messages/read", None),
        ("/api/startTyping", {"session": SESSION, "chatId": "5511999990001@c.us"}),
        (f"/api/{SESSION}/presence", {"chatId": "5511999990001@c.us", "presence": "recording"}),
    ]


# --- health ----------------------------------------------------------------------------------------------

PONG = upstream.json({"message": "pong"})
VERSION = upstream.json({"version": "2026.7.1", "engine": "GOWS", "tier": "CORE"})


@pytest.mark.parametrize(
    ("replies", "healthy", "why", "version"),
    [
        ([PONG, VERSION], True, None, "2026.7.1"),
        ([PONG, nest(403, "Forbidden")], True, None, None),
        ([PONG, nest(401, "Unauthorized")], False, "the server does not accept the api_key", None),
        ([PONG, Reply(status=502)], False, "HTTP 502", None),
        ([Reply(body=b"<html>")], False, "HTTP 200, and it is no WAHA that answers", None),
        ([Reply(status=503)], False, "HTTP 503, and it is no WAHA that answers", None),
        (
            [PONG, upstream.json({"version": "2026.7.1", "engine": "NOWEB"})],
            True,
            "the server runs the engine NOWEB, registered is GOWS",
            "2026.7.1",
        ),
    ],
)
async def test_health(replies: list[Reply], healthy: bool, why: str | None, version: str | None, waha: Waha) -> None:
    async with Upstream(replies) as server:
        found = await waha.health(connect(server.url).server)
    assert (found.healthy, found.why, found.version) == (healthy, why, version)


async def test_health_of_a_server_that_is_away(waha: Waha) -> None:
    assert not (await waha.health(connect("http://127.0.0.1:9").server)).healthy


# --- media -----------------------------------------------------------------------------------------------

FILE = "/api/files/false_5511999990001@c.us_3A1.jpg"
THROUGH_MESSAGE = {"chat": "5511999990001@c.us", "message": "false_5511999990001@c.us_3A1"}


async def fetched(waha: Waha, connection: Connection, **ref: str) -> bytes:
    return b"".join([chunk async for chunk in waha.fetch_media(connection, MediaRef(ref=ref))])


async def test_media_comes_from_the_registered_server_whatever_host_is_written(waha: Waha) -> None:
    async with Upstream([Reply(body=b"x" * 300_000)]) as server:
        for host in ("http://localhost:3000", "https://evil.test", server.url):
            assert await fetched(waha, connect(server.url), url=f"{host}{FILE}") == b"x" * 300_000
        below = msgspec.structs.replace(connect(f"{server.url}/waha/"))
        await fetched(waha, below, url=f"http://localhost:3000{FILE}?x-api-key=theirs")
        own = [f"/api/files/{SESSION}/3A1.jpg", f"/api/s3/bucket/{SESSION}/3A1.jpg"]
        for path in own:
            await fetched(waha, connect(server.url), url=f"http://localhost:3000{path}")
    assert [request.path for request in server.requests] == [FILE, FILE, FILE, f"/waha{FILE}", *own]
    assert {request.headers["x-api-key"] for request in server.requests} == {KEY}


async def test_a_signed_address_of_an_object_store_gets_no_key(waha: Waha) -> None:
    async with Upstream([Reply(body=b"file")]) as store:
        port = store.url.rpartition(":")[2]
        for path in ("/waha/default/3A1.jpg", "/api/default/3A1.jpg?X-Amz-Signature=abc"):
            assert await fetched(waha, connect("http://waha.test"), url=f"http://127.0.0.1:{port}{path}") == b"file"
    assert all("x-api-key" not in request.headers for request in store.requests)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/etc/passwd",
        "file:///etc/passwd",
        "ftp://127.0.0.1/api/files/x",
        "http://[broken/api/files/x",
        "http://x.test/api/files/../sessions",
        "http://x.test/api/files/%2e%2e/sessions",
        f"http://x.test/api/files/{SESSION}/..%2f..%2fsessions",
        "http://x.test/api/files/..",
        # The key would open these, and a company that knows its webhook's secret can ask for them.
        "http://127.0.0.1/api/sessions",
        "http://127.0.0.1/api/rcd-of-others/chats",
        "http://x.test/api/files/rcd-of-others/3A1.jpg",
        "nothing",
    ],
)
async def test_addresses_that_are_not_asked(url: str, waha: Waha) -> None:
    async with Upstream([Reply(body=b"x")]) as server:
        with pytest.raises(CallFailed) as failed:
            await fetched(waha, connect(server.url), url=url)
    assert failed.value.code == "untrusted_media_host"
    assert not failed.value.retryable
    assert server.requests == []


async def test_media_that_waha_keeps_no_more_is_asked_for_again(waha: Waha) -> None:
    message = upstream.json({"id": "x", "media": {"url": f"http://localhost:3000{FILE}"}})
    for ref in (THROUGH_MESSAGE, {**THROUGH_MESSAGE, "url": f"http://localhost:3000{FILE}"}):
        replies = (
            [message, Reply(body=b"file")] if "url" not in ref else [Reply(status=404), message, Reply(body=b"file")]
        )
        async with Upstream(replies) as server:
            assert await fetched(waha, connect(server.url), **ref) == b"file"
        assert seen(server)[-2:] == [
            (
                "GET",
                f"/api/{SESSION}/chats/5511999990001@c.us/messages/false_5511999990001@c.us_3A1?downloadMedia=true",
            ),
            ("GET", FILE),
        ]


@pytest.mark.parametrize(
    ("replies", "ref", "retryable"),
    [
        ([upstream.json({"media": None})], THROUGH_MESSAGE, False),
        ([nest(404, "no message")], THROUGH_MESSAGE, False),
        ([nest(500, "later")], THROUGH_MESSAGE, True),
        ([Reply()], {}, False),
        ([Reply(status=500)], {"url": f"http://x.test{FILE}"}, True),
        ([Reply(status=401)], {"url": f"http://x.test{FILE}"}, True),
        ([Reply(trouble="cut")], {"url": f"http://x.test{FILE}"}, True),
        ([Reply(body=b"half", trouble="cut_body")], {"url": f"http://x.test{FILE}"}, True),
    ],
)
async def test_media_that_does_not_come(replies: list[Reply], ref: dict[str, str], retryable: bool, waha: Waha) -> None:
    async with Upstream(replies) as server:
        with pytest.raises(CallFailed) as failed:
            await fetched(waha, connect(server.url), **ref)
    assert failed.value.retryable is retryable


async def test_a_call_needs_a_session(waha: Waha) -> None:
    with pytest.raises(CallFailed) as failed:
        await waha.status(tables.connection("http://127.0.0.1:9", kind="waha"))
    assert failed.value.code == "no_session"
