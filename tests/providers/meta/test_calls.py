"""Status, connecting, account, media, typing, challenge and health: everything but sending."""

import hashlib
import hmac
from typing import Any

import msgspec
import pytest

from recado.domain import provider as contract
from recado.domain.events import MediaRef
from recado.domain.provider import CallFailed, Connection
from recado.domain.states import ConnectionStatus
from recado.kit.http import Http
from recado.providers.meta.adapter import Meta
from recado.testing import upstream
from recado.testing.upstream import Reply, Upstream
from tests.providers.meta.rows import APP_SECRET, PHONE_NUMBER_ID, TOKEN, VERIFY_TOKEN, connect

NODE = {
    "id": PHONE_NUMBER_ID,
    "display_phone_number": "+55 11 4000-0001",
    "verified_name": "Padaria Exemplo",
    "quality_rating": "GREEN",
    "status": "CONNECTED",
}


def graph(code: int, message: str = "Something", status: int = 400, **more: Any) -> Reply:
    return upstream.json({"error": {"message": message, "type": "OAuthException", "code": code, **more}}, status=status)


def test_meta_fulfils_the_optional_protocols(meta: Meta) -> None:
    for protocol in (
        contract.AnswersChallenge,
        contract.FetchesMedia,
        contract.MarksRead,
        contract.ShowsTyping,
        contract.TellsAccount,
        contract.ChecksContent,
    ):
        assert isinstance(meta, protocol)
    assert not isinstance(meta, contract.FindsMessages)
    assert meta.account({"phone_number_id": "1"}) == "1"
    assert meta.account({}) is None


STATES: tuple[tuple[str, Reply, ConnectionStatus, str | None], ...] = (
    ("connected", upstream.json(NODE), ConnectionStatus.CONNECTED, None),
    ("without a status", upstream.json({"id": PHONE_NUMBER_ID}), ConnectionStatus.CONNECTED, None),
    ("a status of next year", upstream.json(NODE | {"status": "NEW"}), ConnectionStatus.CONNECTED, None),
    ("flagged", upstream.json(NODE | {"status": "FLAGGED"}), ConnectionStatus.DEGRADED, "Meta says FLAGGED"),
    (
        "red",
        upstream.json(NODE | {"quality_rating": "RED"}),
        ConnectionStatus.DEGRADED,
        "the quality rating is RED",
    ),
    ("pending", upstream.json(NODE | {"status": "PENDING"}), ConnectionStatus.CONNECTING, "Meta says PENDING"),
    ("unlinked", upstream.json(NODE | {"status": "UNLINKED"}), ConnectionStatus.DISCONNECTED, "Meta says UNLINKED"),
    ("banned", upstream.json(NODE | {"status": "BANNED"}), ConnectionStatus.BANNED, "Meta says BANNED"),
    ("token", graph(190, "Session has expired", 401), ConnectionStatus.LOGGED_OUT, "Session has expired (190)"),
    ("number", graph(100, error_subcode=33), ConnectionStatus.LOGGED_OUT, "Something (100)"),
    ("account", graph(131031), ConnectionStatus.BANNED, "Something (131031)"),
)


@pytest.mark.parametrize(("label", "reply", "status", "reason"), STATES, ids=[row[0] for row in STATES])
async def test_status(label: str, reply: Reply, status: ConnectionStatus, reason: str | None, meta: Meta) -> None:
    async with Upstream([reply]) as server:
        state = await meta.status(connect(server.url))
    assert (state.status, state.reason) == (status, reason)
    assert server.requests[0].path.startswith(f"/v23.0/{PHONE_NUMBER_ID}?fields=id,display_phone_number,")


async def test_status_tells_the_phone_and_what_meta_says_of_it(meta: Meta) -> None:
    async with Upstream([upstream.json(NODE)]) as server:
        state = await meta.status(connect(server.url))
        assert (state.phone, state.details["verified_name"]) == ("551140000001", "Padaria Exemplo")
        assert await meta.account_info(connect(server.url)) == NODE


FAULTS = (
    Reply(trouble="cut"),
    Reply(status=502, body=b"<html>"),
    Reply(body=b"<html>"),
    Reply(body=b"[]"),
    Reply(status=404, body=b"nobody"),
    graph(2, status=500),
    graph(4),
)


@pytest.mark.parametrize("reply", FAULTS, ids=lambda reply: f"{reply.status} {reply.trouble} {reply.body[:12]!r}")
async def test_calls_fail_in_one_way_that_may_be_tried_again(reply: Reply, meta: Meta) -> None:
    async with Upstream([reply]) as server:
        connection = connect(server.url)
        for call in (
            meta.status(connection),
            meta.account_info(connection),
            meta.connect(connection, method="qr", phone=None),
            meta.mark_read(connection, chat="55", provider_id="wamid.1"),
            meta.show_typing(connection, chat="55", last_received="wamid.1"),
        ):
            with pytest.raises(CallFailed) as failed:
                await call
            assert failed.value.retryable
            assert TOKEN not in failed.value.why


async def test_connect_subscribes_the_app_to_the_account(meta: Meta) -> None:
    async with Upstream([upstream.json(NODE), upstream.json({"success": True})]) as server:
        state = await meta.connect(with_credentials(connect(server.url), waba_id="300"), method="qr", phone=None)
    assert state.status is ConnectionStatus.CONNECTED
    assert [(request.method, request.path.split("?")[0]) for request in server.requests] == [
        ("GET", f"/v23.0/{PHONE_NUMBER_ID}"),
        ("POST", "/v23.0/300/subscribed_apps"),
    ]


async def test_connect_without_a_good_token_says_why_and_subscribes_nothing(meta: Meta) -> None:
    async with Upstream([graph(190, status=401)]) as server:
        state = await meta.connect(with_credentials(connect(server.url), waba_id="300"), method="qr", phone=None)
        await meta.disconnect(connect(server.url), logout=True)
    assert (state.status, state.reason) == (ConnectionStatus.LOGGED_OUT, "Something (190)")
    assert len(server.requests) == 1


async def test_typing_needs_a_received_message(meta: Meta) -> None:
    with pytest.raises(CallFailed) as failed:
        await meta.show_typing(connect("http://127.0.0.1:9"), chat="55", last_received=None)
    assert not failed.value.retryable


async def test_health(meta: Meta) -> None:
    async with Upstream([graph(100)]) as server:
        assert (await meta.health(connect(server.url).server)).healthy
    assert "authorization" not in server.requests[0].headers
    async with Upstream([Reply(status=503)]) as server:
        assert (await meta.health(connect(server.url).server)).why == "HTTP 503"
    assert not (await meta.health(connect(server.url).server)).healthy


async def test_version_and_base_url_are_settings(client: Http) -> None:
    async with Upstream([upstream.json(NODE)]) as server:
        await Meta(client, graph_version="v26.0").status(connect(f"{server.url}/graph/"))
    assert server.requests[0].path.startswith(f"/graph/v26.0/{PHONE_NUMBER_ID}?")


# --- webhook address ------------------------------------------------------------------------------------


def test_challenge(meta: Meta) -> None:
    connection = connect("http://127.0.0.1:9")
    asked = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    assert meta.challenge(connection, asked) == "1158201444"
    for wrong in ({"hub.verify_token": "x"}, {"hub.verify_token": ""}, {"hub.mode": "unsubscribe"}, {"hub.mode": ""}):
        assert meta.challenge(connection, asked | wrong) is None
    assert meta.challenge(connection, {}) is None
    bare = msgspec.structs.replace(connection, credentials={})
    assert meta.challenge(bare, asked | {"hub.verify_token": ""}) is None


def test_a_server_may_hold_the_app_secret_of_its_connections(meta: Meta) -> None:
    connection = connect("http://127.0.0.1:9")
    server = msgspec.structs.replace(connection.server, credentials={"app_secret": "of-the-server"})
    shared = msgspec.structs.replace(connection, server=server, credentials={})
    signature = hmac.new(b"of-the-server", b"{}", hashlib.sha256).hexdigest()
    assert meta.verify(shared, {"x-hub-signature-256": f"sha256={signature}"}, b"{}")
    own = msgspec.structs.replace(connection, server=server)
    assert not meta.verify(own, {"x-hub-signature-256": f"sha256={signature}"}, b"{}")
    assert APP_SECRET != "of-the-server"


# --- media ----------------------------------------------------------------------------------------------


async def fetched(meta: Meta, connection: Connection, **ref: str) -> bytes:
    return b"".join([chunk async for chunk in meta.fetch_media(connection, MediaRef(ref=ref))])


async def test_media_is_looked_up_and_fetched_with_the_token(meta: Meta) -> None:
    async with Upstream([]) as server:
        server.replies = [upstream.json({"url": f"{server.url}/media/file", "id": "77"}), Reply(body=b"x" * 300_000)]
        # The address in the webhook has expired by the time it is read.
        content = await fetched(meta, connect(server.url), id="77", url="https://lookaside.fbsbx.com/expired")
    assert content == b"x" * 300_000
    assert [request.path for request in server.requests] == ["/v23.0/77", "/media/file"]
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/file",
        "https://lookaside.fbsbx.com.evil.test/file",
        "https://evilfbsbx.com/file",
        "http://lookaside.fbsbx.com/file",
        "https://lookaside.fbsbx.com@evil.test/file",
        "ftp://127.0.0.1/file",
        "file:///etc/passwd",
        "https://[broken/file",
        "nothing",
        "",
    ],
)
async def test_the_token_goes_to_no_other_host(url: str, meta: Meta) -> None:
    async with Upstream([upstream.json({"url": url})]) as server:
        with pytest.raises(CallFailed) as failed:
            await fetched(meta, connect(server.url), id="77")
        with pytest.raises(CallFailed):
            await fetched(meta, connect(server.url), url=url)
    assert not failed.value.retryable
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://lookaside.fbsbx.com/file",
        "https://scontent.xx.fbcdn.net/file",
        "https://mmg.whatsapp.net/file",
        "https://graph.facebook.com/file",
        "http://127.0.0.1:1/file",
        "https://127.0.0.1/file",
    ],
)
def test_hosts_that_get_the_token(url: str, meta: Meta) -> None:
    assert meta._trusted(connect("http://127.0.0.1:9"), url)


MEDIA_FAULTS: tuple[tuple[Reply, bool], ...] = (
    (Reply(status=404), False),
    (Reply(status=410), False),
    (Reply(status=500), True),
    (Reply(status=401), True),
    (Reply(trouble="cut"), True),
    (Reply(body=b"half", trouble="cut_body"), True),
)


@pytest.mark.parametrize(
    ("reply", "retryable"), MEDIA_FAULTS, ids=[f"{reply.status} {reply.trouble}" for reply, _ in MEDIA_FAULTS]
)
async def test_media_that_does_not_come(reply: Reply, retryable: bool, meta: Meta) -> None:
    async with Upstream([]) as server:
        server.replies = [upstream.json({"url": f"{server.url}/file"}), reply]
        with pytest.raises(CallFailed) as failed:
            await fetched(meta, connect(server.url), id="77")
    assert failed.value.retryable is retryable


async def test_media_that_meta_no_longer_has(meta: Meta) -> None:
    async with Upstream([graph(100, "Unsupported get request", error_subcode=33)]) as server:
        with pytest.raises(CallFailed) as failed:
            await fetched(meta, connect(server.url), id="77")
    assert not failed.value.retryable


def with_credentials(connection: Connection, **credentials: str) -> Connection:
    return msgspec.structs.replace(connection, credentials={**connection.credentials, **credentials})
